//! An address where nobody listens, for as long as it is held.
use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port that is taken and refuses every connection, so that no other test gets it meanwhile.
pub struct Refusing(TcpSocket);

impl Refusing {
    pub fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(any).expect("a free port");
        Self(socket)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("a bound socket"))
    }
}
