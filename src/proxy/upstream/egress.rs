//! Reaches an upstream through a proxy: HTTP CONNECT or SOCKS5.
//!
//! The egress proxy resolves the name of the upstream, not Weir.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pingora::ErrorType::{ConnectError, ConnectProxyFailure, ConnectRefused};
use pingora::{Error, OrErr, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;

use crate::config::{Egress, EgressKind};

/// The connection from one egress proxy to one upstream host.
#[derive(Debug)]
pub(super) struct Tunnel {
    egress: Egress,
    host: String,
    port: u16,
}

impl Tunnel {
    pub(super) fn new(egress: Egress, host: String, port: u16) -> Self {
        Self { egress, host, port }
    }

    /// Asks the proxy at the other end of `stream` to connect to the upstream.
    pub(super) async fn through(&self, stream: TcpStream) -> Result<TcpStream> {
        match self.egress.kind {
            EgressKind::Http => self.http_connect(stream).await,
            EgressKind::Socks5 => self.socks5(stream).await,
        }
    }

    async fn socks5(&self, stream: TcpStream) -> Result<TcpStream> {
        let target = (self.host.as_str(), self.port);
        let connected = match &self.egress.credentials {
            Some((user, password)) => {
                Socks5Stream::connect_with_password_and_socket(
                    stream,
                    target,
                    user,
                    password.expose(),
                )
                .await
            }
            None => Socks5Stream::connect_with_socket(stream, target).await,
        };
        connected.map(Socks5Stream::into_inner).map_err(|error| {
            let kind = match error {
                tokio_socks::Error::NoAcceptableAuthMethods
                | tokio_socks::Error::PasswordAuthFailure(_) => PROXY_AUTH,
                tokio_socks::Error::ConnectionRefused => ConnectRefused,
                tokio_socks::Error::HostUnreachable | tokio_socks::Error::NetworkUnreachable => {
                    ConnectError
                }
                _ => ConnectProxyFailure,
            };
            Error::because(kind, "the SOCKS5 egress proxy refused", error)
        })
    }

    async fn http_connect(&self, mut stream: TcpStream) -> Result<TcpStream> {
        let authority = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some((user, password)) = &self.egress.credentials {
            let plain = format!("{user}:{}", password.expose());
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(&BASE64.encode(plain));
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .or_err(ConnectProxyFailure, "the egress proxy hung up")?;
        let head = read_head(&mut stream).await?;
        if is_success(&head) {
            return Ok(stream);
        }
        let line = String::from_utf8_lossy(&head);
        let line = line.lines().next().unwrap_or_default().to_owned();
        let kind = if head.get(9..12) == Some(b"407") {
            PROXY_AUTH
        } else {
            ConnectProxyFailure
        };
        Error::e_explain(kind, format!("the egress proxy answered `{line}`"))
    }
}

/// Reads up to the blank line and not a byte more: what follows belongs to the tunnel.
async fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Error::e_explain(ConnectProxyFailure, "the egress proxy's answer has no end");
        }
        let byte = stream
            .read_u8()
            .await
            .or_err(ConnectProxyFailure, "the egress proxy hung up")?;
        head.push(byte);
    }
    Ok(head)
}

/// Whether the head begins with `HTTP/1.x 2xx`.
fn is_success(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/1.") && head.get(8..10) == Some(b" 2")
}

/// The egress proxy demands other credentials.
pub(super) const PROXY_AUTH: pingora::ErrorType = pingora::ErrorType::Custom("ProxyAuth");

/// The most bytes of a CONNECT answer; real ones stay under 1 KiB.
const MAX_HEAD: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_2xx_opens_the_tunnel() {
        assert!(is_success(b"HTTP/1.1 200 Connection established\r\n\r\n"));
        assert!(is_success(b"HTTP/1.0 204 x\r\n\r\n"));
        assert!(!is_success(
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
        ));
        assert!(!is_success(b"SSH-2.0-x\r\n\r\n"));
    }
}
