//! `weir`: arguments in, exit code out. Everything else is in the library.
use std::process::ExitCode;

use weir::cli;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(all(feature = "mimalloc", not(feature = "jemalloc")))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    give_back();
    cli::run(cli::arguments())
}

/// Has what is free go back to the system after ten seconds by a thread of jemalloc's own. Else it is looked for only where memory is
/// asked for, and a process that has nothing to do holds what its busiest minute took. The jemalloc of musl has no such thread.
fn give_back() {
    #[cfg(all(feature = "jemalloc", not(target_env = "musl")))]
    // Without it memory is given back later: no reason not to serve.
    let _ = tikv_jemalloc_ctl::background_thread::write(true);
}
