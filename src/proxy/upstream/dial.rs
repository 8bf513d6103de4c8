//! Makes a new connection to a host: to the first of its addresses that answers (RFC 8305), and through an egress proxy
//! if there is one.
#[cfg(test)]
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::ErrorType::{ConnectError, ConnectRefused, Custom};
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::stream::Stream;
use pingora::{Error, Result};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::addresses::{Addresses, Checked};
use super::egress::Tunnel;
use crate::config::{Account, Endpoint};

/// Connects to one endpoint. Pingora calls it instead of its own TCP connect.
#[derive(Debug)]
pub(super) struct Dialer {
    /// The addresses of the endpoint, or of the egress proxy before it.
    addresses: Addresses,
    tunnel: Option<Tunnel>,
}

impl Dialer {
    /// Uses the account's egress. The addresses that it finds count for the health of `checked`.
    pub(super) fn new(account: &Account, endpoint: &Endpoint, checked: Option<Checked>) -> Self {
        let egress = account.egress.as_ref();
        let (host, port) = egress.map_or((&endpoint.host, endpoint.port), |egress| {
            (&egress.host, egress.port)
        });
        let tunnel =
            egress.map(|egress| Tunnel::new(egress.clone(), endpoint.host.clone(), endpoint.port));
        Self {
            addresses: Addresses::new(host.clone(), port, checked),
            tunnel,
        }
    }

    /// A dialer without an egress proxy.
    pub(super) fn direct(endpoint: &Endpoint) -> Self {
        Self {
            addresses: Addresses::new(endpoint.host.clone(), endpoint.port, None),
            tunnel: None,
        }
    }

    /// Asks the resolver for the addresses.
    pub(super) async fn resolve(&self) {
        self.addresses.refresh().await;
    }

    /// The address that is tried first.
    #[cfg(test)]
    async fn first(&self) -> Option<SocketAddr> {
        self.addresses.candidates().await.first().copied()
    }
}

#[async_trait]
impl Connect for Dialer {
    async fn connect(&self, _: &pingora::protocols::l4::socket::SocketAddr) -> Result<Stream> {
        let stream = race(&self.addresses).await?;
        let stream = match &self.tunnel {
            Some(tunnel) => tunnel.through(stream).await?,
            None => stream,
        };
        Ok(Stream::from(stream))
    }
}

/// The first attempt that succeeds. The next attempt begins when one has failed, or after [`ATTEMPT_DELAY`]. All of
/// them continue until one succeeds or the caller's timeout ends.
async fn race(addresses: &Addresses) -> Result<TcpStream> {
    let candidates = addresses.candidates().await;
    let mut rest = candidates.iter().copied();
    let Some(first) = rest.next() else {
        return Error::e_explain(NO_ADDRESS, "the name has no address");
    };
    let mut attempts = JoinSet::new();
    let mut pending = Vec::new();
    let mut refused = true;
    let mut next = Some(first);
    let mut last_error = None;
    loop {
        if let Some(address) = next.take() {
            pending.push((address, Instant::now()));
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        let ended = if rest.len() == 0 {
            attempts.join_next().await
        } else {
            tokio::select! {
                ended = attempts.join_next() => ended,
                () = tokio::time::sleep(ATTEMPT_DELAY) => {
                    next = rest.next();
                    continue;
                }
            }
        };
        match ended {
            Some(Ok((address, Ok(stream)))) => {
                let now = Instant::now();
                for (slow, began) in pending {
                    if slow != address && now.duration_since(began) >= ATTEMPT_DELAY {
                        addresses.failed(slow, now);
                    }
                }
                addresses.worked(address);
                return Ok(stream);
            }
            Some(Ok((address, Err(error)))) => {
                refused &= error.kind() == std::io::ErrorKind::ConnectionRefused;
                addresses.failed(address, Instant::now());
                pending.retain(|(pending, _)| *pending != address);
                last_error = Some(error);
                next = rest.next();
            }
            // The task was cancelled because the process is ending.
            Some(Err(_)) => next = rest.next(),
            None => {
                let kind = if refused {
                    ConnectRefused
                } else {
                    ConnectError
                };
                let error = last_error.unwrap_or_else(|| std::io::ErrorKind::NotConnected.into());
                return Error::e_because(kind, "no address can be reached", error);
            }
        }
    }
}

/// The name of the host has no address.
pub(super) const NO_ADDRESS: pingora::ErrorType = Custom("NoAddress");

/// How long an attempt runs before the next one begins: the value that RFC 8305, section 5, recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn dialer(addresses: &[SocketAddr]) -> Dialer {
        let dialer = Dialer {
            addresses: Addresses::of(addresses).await,
            tunnel: None,
        };
        assert_eq!(dialer.first().await, addresses.first().copied());
        dialer
    }

    async fn closed() -> SocketAddr {
        // The port was bound and released, so nobody listens on it.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("bound")
    }

    #[tokio::test]
    async fn refused_addresses_cost_nothing_while_another_works() {
        let good = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = good.local_addr().expect("bound");
        let dialer = dialer(&[closed().await, closed().await, address]).await;
        let began = Instant::now();
        let stream = race(&dialer.addresses).await.expect("one works");
        assert_eq!(stream.peer_addr().expect("connected"), address);
        assert!(began.elapsed() < ATTEMPT_DELAY, "{:?}", began.elapsed());
        // From now on this address is tried first.
        assert_eq!(dialer.first().await, Some(address));
    }

    #[tokio::test]
    async fn refused_by_all_is_refused() {
        let dialer = dialer(&[closed().await, closed().await]).await;
        let error = race(&dialer.addresses).await.expect_err("nobody listens");
        assert_eq!(*error.etype(), ConnectRefused);
    }

    #[tokio::test]
    async fn no_address_is_told_apart() {
        let dialer = dialer(&[]).await;
        let error = race(&dialer.addresses).await.expect_err("no address");
        assert_eq!(*error.etype(), NO_ADDRESS);
    }
}
