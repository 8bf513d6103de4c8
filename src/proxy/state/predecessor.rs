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

    /// Its metrics; `None` when there is none any more.
    pub(crate) async fn metrics(&self) -> Option<String> {
        let ask = self.0.lock().clone()?;
        let (answer, metrics) = oneshot::channel();
        ask.send(answer).await.ok()?;
        metrics.await.ok()
    }
}
