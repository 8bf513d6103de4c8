//! An event that happens once, and that any number of tasks can wait for.
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Not set yet, or set for ever.
#[derive(Debug, Default)]
pub(crate) struct Latch {
    set: AtomicBool,
    told: Notify,
}

impl Latch {
    /// Sets the latch and wakes all waiting tasks.
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Relaxed);
        self.told.notify_waiters();
    }

    /// Whether the latch is set.
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// Resolves when the latch is set.
    pub(crate) async fn wait(&self) {
        let told = self.told.notified();
        tokio::pin!(told);
        // From here on no notification is missed.
        told.as_mut().enable();
        if !self.is_set() {
            told.await;
        }
    }
}
