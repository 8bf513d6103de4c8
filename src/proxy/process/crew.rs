//! Threads of the data plane that share as little as they can, with `server.runtime: per-core`: each has a runtime, connections of
//! clients and connections to upstreams of its own, so that no request wakes another thread. All accept from the same sockets: a
//! thread that is busy accepts less, and whoever takes the sockets over takes all that waits in them.
use std::future::Future;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::proxy::upstream::connect;

/// The threads. They end when this is told to, not before: connections outlive the listeners.
pub(super) struct Crew {
    threads: Vec<JoinHandle<()>>,
    over: watch::Sender<bool>,
}

impl Crew {
    pub(super) fn new() -> Self {
        Self {
            threads: Vec::new(),
            over: watch::Sender::new(false),
        }
    }

    /// One more thread, which does `work` and whatever that begins.
    pub(super) fn join<W: Future<Output = ()>>(
        &mut self,
        work: impl FnOnce() -> W + Send + 'static,
    ) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut over = self.over.subscribe();
        let number = self.threads.len() + 1;
        let thread = std::thread::Builder::new().name(format!("weir-{number}"));
        let thread = thread.spawn(move || {
            connect::take_lane(number);
            runtime.block_on(async {
                let work = async {
                    work().await;
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    () = work => {}
                    // An error: nobody is left who could say it.
                    _ = over.wait_for(|over| *over) => {}
                }
            });
            runtime.shutdown_timeout(LAST_STEPS);
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Ends what still runs, and waits for it.
    pub(super) fn end(self) {
        let _ = self.over.send(true);
        for thread in self.threads {
            // One that panicked is over, too, and has said so.
            let _ = thread.join();
        }
    }
}

/// What blocks somewhere gets so long.
const LAST_STEPS: Duration = Duration::from_millis(500);
