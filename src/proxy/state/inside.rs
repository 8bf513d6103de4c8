//! A way into the data plane without a socket, for requests that a person sends from the console.
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

/// Opens a connection whose requests run under the key of this name. They are treated like a client's.
pub(crate) type Inside = Arc<dyn Fn(Arc<str>) -> Conversation + Send + Sync>;

/// A connection for one HTTP/1.1 request.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// The client's end. Dropping it is the same as a client that leaves.
    pub stream: DuplexStream,
    /// Ends when the request is settled.
    pub over: JoinHandle<()>,
}
