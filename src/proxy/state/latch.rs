//! Something that happens once, and that any number of tasks wait for.
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Not yet, or for ever.
#[derive(Debug, Default)]
pub(crate) struct Latch {
    set: AtomicBool,
    told: Notify,
}

impl Latch {
    /// It happens; whoever waits is told.
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Relaxed);
        self.told.notify_waiters();
    }

    /// Whether it has happened.
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// Resolves when it has.
    pub(crate) async fn wait(&self) {
        let told = self.told.notified();
        tokio::pin!(told);
        // From here on nothing is missed.
        told.as_mut().enable();
        if !self.is_set() {
            told.await;
        }
    }
}
