//! Threads of the data plane that share as little as possible, for `server.runtime: per-core`. Each has a runtime,
//! client connections and upstream connections of its own, so that no request wakes another thread. All accept from the
//! same sockets: a busy thread accepts less, and a successor that takes over the sockets takes every connection that
//! waits in them.
use std::future::Future;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::proxy::upstream::connect;

/// The threads. They end when `over` is set and not before, because connections outlive the listeners.
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

    /// Starts one more thread, which runs `work` and everything that `work` spawns.
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
                    // An error means that the sender is gone.
                    _ = over.wait_for(|over| *over) => {}
                }
            });
            runtime.shutdown_timeout(LAST_STEPS);
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Ends what is still running, and waits for the threads.
    pub(super) fn end(self) {
        let _ = self.over.send(true);
        for thread in self.threads {
            // A thread that panicked has ended, too, and has reported it.
            let _ = thread.join();
        }
    }
}

/// How long blocking work may take to end.
const LAST_STEPS: Duration = Duration::from_millis(500);
