//! HAProxy's PROXY protocol: a proxy in front states the client's address in the first bytes of a connection.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, sections 2.1 and 2.2.
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::config::ProxyProtocol;

/// The client's address; `None` when the proxy speaks for itself (a health check). Reads the header from `stream` and
/// not a byte more.
pub(super) async fn read(
    version: ProxyProtocol,
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<SocketAddr>> {
    match version {
        ProxyProtocol::V1 => {
            let mut line = Vec::with_capacity(LONGEST_LINE);
            while !line.ends_with(b"\r\n") {
                if line.len() == LONGEST_LINE {
                    return Err(broken("a line without an end"));
                }
                line.push(stream.read_u8().await?);
            }
            of_line(&line)
        }
        ProxyProtocol::V2 => {
            let mut fixed = [0; 16];
            stream.read_exact(&mut fixed).await?;
            let (signature, rest) = fixed.split_at(SIGNATURE.len());
            if signature != SIGNATURE {
                return Err(broken("no signature"));
            }
            let length = u16::from_be_bytes([rest[2], rest[3]]);
            let mut addresses = vec![0; length.into()];
            stream.read_exact(&mut addresses).await?;
            of_header(rest[0], rest[1], &addresses)
        }
    }
}

/// A header of version 1, for example `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`.
fn of_line(line: &[u8]) -> io::Result<Option<SocketAddr>> {
    let text = std::str::from_utf8(line).map_err(|_| broken("no text"))?;
    let text = text.strip_suffix("\r\n").unwrap_or(text);
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family, source, target, port, target_port] => {
            let address = |text: &str| match family {
                "TCP4" => text.parse().map(IpAddr::V4).ok(),
                "TCP6" => text.parse().map(IpAddr::V6).ok(),
                _ => None,
            };
            let number = |text: &str| text.parse::<u16>().ok();
            match (
                address(source),
                address(target),
                number(port),
                number(target_port),
            ) {
                (Some(source), Some(_), Some(port), Some(_)) => {
                    Ok(Some(SocketAddr::new(source, port)))
                }
                _ => Err(broken("an address that is none")),
            }
        }
        _ => Err(broken("not the line of a proxy")),
    }
}

/// A header of version 2: version and command, family and protocol, then the addresses and optional fields.
fn of_header(command: u8, family: u8, addresses: &[u8]) -> io::Result<Option<SocketAddr>> {
    match command {
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(broken("a version or a command that is unknown")),
    }
    // The order is: source address, target address, source port, target port.
    match (family >> 4, addresses) {
        (1, [a, b, c, d, _, _, _, _, high, low, _, _, ..]) => {
            let ip = Ipv4Addr::new(*a, *b, *c, *d);
            Ok(Some((ip, u16::from_be_bytes([*high, *low])).into()))
        }
        (2, _) if addresses.len() >= SIX => {
            let (ip, rest) = addresses
                .split_first_chunk::<16>()
                .unwrap_or((&[0; 16], &[]));
            let port = rest[16..]
                .first_chunk::<2>()
                .map_or(0, |port| u16::from_be_bytes(*port));
            Ok(Some((Ipv6Addr::from(*ip), port).into()))
        }
        (1 | 2, _) => Err(broken("fewer bytes than its addresses take")),
        // Unspecified, or a local socket: the client has no address.
        _ => Ok(None),
    }
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The most bytes of a line of version 1, including its end.
const LONGEST_LINE: usize = 107;

/// Bytes of two IPv6 addresses and ports in version 2.
const SIX: usize = 36;

/// The first bytes of a header of version 2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(
        version: ProxyProtocol,
        mut bytes: &[u8],
    ) -> Result<(Option<String>, Vec<u8>), ()> {
        let address = read(version, &mut bytes).await.map_err(|_| ())?;
        Ok((address.map(|address| address.to_string()), bytes.to_vec()))
    }

    #[tokio::test]
    async fn a_line_says_who_it_is_and_nothing_more_is_taken() {
        for (line, expected) in [
            (
                "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n",
                Some("192.0.2.1:56324"),
            ),
            (
                "PROXY TCP6 2001:db8::1 ::1 1 443\r\n",
                Some("[2001:db8::1]:1"),
            ),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ff::1 ff::2 1 2\r\n", None),
        ] {
            let bytes = format!("{line}GET / HTTP/1.1\r\n");
            let (address, rest) = said(ProxyProtocol::V1, bytes.as_bytes()).await.expect(line);
            assert_eq!(
                (address.as_deref(), &rest[..]),
                (expected, &b"GET / HTTP/1.1\r\n"[..])
            );
        }
        let endless = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
        for line in [
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "PROXY TCP4 2001:db8::1 ::1 1 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
            "PROXY TCP4 192.0.2.1\r\n",
            "PROXY",
            &endless,
        ] {
            assert_eq!(
                said(ProxyProtocol::V1, line.as_bytes()).await,
                Err(()),
                "{line}"
            );
        }
    }

    fn header(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).expect("short");
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(length.to_be_bytes());
        bytes.extend_from_slice(addresses);
        bytes
    }

    #[tokio::test]
    async fn a_header_says_who_it_is_and_nothing_more_is_taken() {
        let four = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];
        let with_more = [&four[..], &[0x04, 0, 1, 0]].concat();
        let mut six = [0; 36];
        (six[15], six[33]) = (1, 7);
        for (bytes, expected) in [
            (header(0x21, 0x11, &four), Some("192.0.2.1:56324")),
            (header(0x21, 0x11, &with_more), Some("192.0.2.1:56324")),
            (header(0x21, 0x21, &six), Some("[::1]:7")),
            (header(0x20, 0x00, &[]), None),
            (header(0x21, 0x31, &[0; 216]), None),
        ] {
            let bytes = [&bytes[..], b"PRI"].concat();
            let (address, rest) = said(ProxyProtocol::V2, &bytes).await.expect("valid");
            assert_eq!((address.as_deref(), &rest[..]), (expected, &b"PRI"[..]));
        }
        for bytes in [
            header(0x21, 0x11, &four[..11]),
            header(0x11, 0x11, &four),
            header(0x21, 0x21, &six[..35]),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(),
            SIGNATURE.to_vec(),
        ] {
            assert_eq!(said(ProxyProtocol::V2, &bytes).await, Err(()));
        }
    }
}
