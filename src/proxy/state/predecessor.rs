//! The process that this one follows, while it still serves what it began.
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

/// The way to it; empty when there is none.
#[derive(Debug, Default)]
pub(crate) struct Predecessor(Mutex<Option<Asked>>);

/// Who asks for the metrics of the process before.
pub(crate) type Asked = mpsc::Sender<oneshot::Sender<String>>;

impl Predecessor {
    /// It can be asked from now on.
    pub(crate) fn is_there(&self, asked: Asked) {
        *self.0.lock() = Some(asked);
    }

    /// It has ended.
    pub(crate) fn is_gone(&self) {
        *self.0.lock() = None;
    }

    /// Whether there is one.
    pub(crate) fn is_one(&self) -> bool {
        self.0.lock().is_some()
    }

    /// Waits until there is none any more.
    pub(crate) async fn gone(&self) {
        let asked = self.0.lock().clone();
        if let Some(asked) = asked {
            asked.closed().await;
        }
    }

    /// Its metrics; `None` when there is none any more.
    pub(crate) async fn metrics(&self) -> Option<String> {
        let ask = self.0.lock().clone()?;
        let (answer, metrics) = oneshot::channel();
        ask.send(answer).await.ok()?;
        metrics.await.ok()
    }
}
