//! The process that this one follows, as long as it still serves the requests that it began.
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

/// The channel to it; `None` when there is none.
#[derive(Debug, Default)]
pub(crate) struct Predecessor(Mutex<Option<MetricsRequests>>);

/// The channel for requests for the previous process's metrics.
pub(crate) type MetricsRequests = mpsc::Sender<oneshot::Sender<String>>;

impl Predecessor {
    /// The previous process answers requests from now on.
    pub(crate) fn is_there(&self, requests: MetricsRequests) {
        *self.0.lock() = Some(requests);
    }

    /// The previous process has ended.
    pub(crate) fn is_gone(&self) {
        *self.0.lock() = None;
    }

    /// Whether there is a previous process.
    pub(crate) fn is_one(&self) -> bool {
        self.0.lock().is_some()
    }

    /// Waits until the previous process has ended.
    pub(crate) async fn gone(&self) {
        let requests = self.0.lock().clone();
        if let Some(requests) = requests {
            requests.closed().await;
        }
    }

    /// The metrics of the previous process; `None` when it has ended.
    pub(crate) async fn metrics(&self) -> Option<String> {
        let requests = self.0.lock().clone()?;
        let (answer, metrics) = oneshot::channel();
        requests.send(answer).await.ok()?;
        metrics.await.ok()
    }
}
