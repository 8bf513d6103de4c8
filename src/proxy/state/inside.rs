//! A way into the data plane without a socket: for the requests that a person sends from the console.
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

/// Opens a connection whose requests are those of the key of a name. They pass everything that a client's pass.
pub(crate) type Inside = Arc<dyn Fn(Arc<str>) -> Conversation + Send + Sync>;

/// A connection: HTTP/1.1, one request.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// The client's end. Dropping it is what a client does that leaves.
    pub stream: DuplexStream,
    /// Ends when the request is settled.
    pub over: JoinHandle<()>,
}
