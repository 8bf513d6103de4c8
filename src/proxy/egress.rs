//! Reaching an upstream through a proxy: HTTP CONNECT or SOCKS5.
//!
//! The name of the upstream is resolved by the egress proxy, not here.
use async_trait::async_trait;
use pingora::ErrorType::{ConnectError, ConnectProxyFailure};
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::{Error, OrErr, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;

use crate::config::{Egress, EgressKind};

/// Connects to one upstream host through one egress proxy; given to Pingora in place of its own TCP connect.
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
        connected
            .map(Socks5Stream::into_inner)
            .or_err(ConnectProxyFailure, "the SOCKS5 egress proxy refused")
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
            request.push_str(&base64(plain.as_bytes()));
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
        Error::e_explain(
            ConnectProxyFailure,
            format!("the egress proxy answered `{line}`"),
        )
    }
}

#[async_trait]
impl Connect for Tunnel {
    async fn connect(&self, addr: &SocketAddr) -> Result<Stream> {
        let SocketAddr::Inet(addr) = addr else {
            return Error::e_explain(ConnectError, "an egress proxy is reached by TCP");
        };
        let stream = TcpStream::connect(addr)
            .await
            .or_err(ConnectError, "the egress proxy cannot be reached")?;
        let stream = match self.egress.kind {
            EgressKind::Http => self.http_connect(stream).await?,
            EgressKind::Socks5 => self.socks5(stream).await?,
        };
        Ok(Stream::from(stream))
    }
}

/// Reads up to the blank line and not a byte further: what follows belongs to the tunnel.
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

/// `HTTP/1.x 2xx`.
fn is_success(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/1.") && head.get(8..10) == Some(b" 2")
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for position in 0..4 {
            if position <= chunk.len() {
                let index = (word >> (18 - 6 * position)) & 63;
                out.push(char::from(ALPHABET[index as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// Longest CONNECT answer that is read. Real ones stay under 1 KiB.
const MAX_HEAD: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_rfc_4648_says() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("user:pass", "dXNlcjpwYXNz"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

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
