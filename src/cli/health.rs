//! `weir health`: a request to a running Weir, for the health checks of images and units.
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::tls::ALPN;
use pingora::upstreams::peer::HttpPeer;

use super::{ConfigFile, failure, print, print_faults};
use crate::config::{self, AdminAddr};

/// Ask the Weir that runs on this machine whether it is ready: exit code 0 when it is, else 1.
///
/// The admin plane is asked, at the address of the configuration, else 127.0.0.1:9090.
#[derive(Debug, clap::Args)]
pub(super) struct Health {
    #[command(flatten)]
    file: ConfigFile,
    /// The address of the admin plane, or `unix:/path`, in place of the configuration's
    #[arg(long, value_parser = config::valid_admin_address)]
    addr: Option<AdminAddr>,
    /// Ask only whether it lives: also while it drains, and with no account that can be used
    #[arg(long)]
    live: bool,
}

impl Health {
    pub(super) fn run(self) -> ExitCode {
        let (addr, tls) = match (self.addr, self.file.find()) {
            (Some(addr), _) => (addr, false),
            (None, None) => (AdminAddr::Tcp(DEFAULT), false),
            // A health check may have no access to secrets, and needs none.
            (None, Some(path)) => match config::check_without_secrets(&path) {
                Err(faults) => return print_faults(&faults),
                Ok(config) => match config.admin {
                    Some(admin) => (admin.addr, admin.tls.is_some()),
                    None => return failure(&format!("{} has no `admin` to ask", path.display())),
                },
            },
        };
        let path = if self.live { "/livez" } else { "/readyz" };
        let (status, text) = match ask(&addr, path, tls) {
            Ok(answer) => answer,
            Err(error) => return failure(&format!("no answer from {}: {error}", shown(&addr))),
        };
        if status != 200 {
            return failure(&format!("{path} is {status}: {}", text.trim()));
        }
        match print(&format!("{}\n", text.trim())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        }
    }
}

/// The status and the body of the answer to a `GET`.
fn ask(addr: &AdminAddr, path: &str, tls: bool) -> io::Result<(u16, String)> {
    match addr {
        AdminAddr::Tcp(addr) if tls => {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build()?;
            runtime.block_on(async {
                let asking = over_tls(reachable(*addr), path);
                let answer = tokio::time::timeout(PATIENCE, asking).await;
                answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
            })
        }
        AdminAddr::Tcp(addr) => {
            let stream = TcpStream::connect_timeout(&reachable(*addr), PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            converse(stream, path)
        }
        AdminAddr::Unix(socket) => {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            converse(stream, path)
        }
    }
}

/// The same as [`converse`], over TLS. The certificate is not verified, because the connection is to the own machine,
/// and no certificate has this name.
async fn over_tls(addr: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut peer = HttpPeer::new(addr, true, "localhost".to_owned());
    peer.options.verify_cert = false;
    peer.options.verify_hostname = false;
    peer.options.alpn = ALPN::H1;
    let connector = Connector::new(None);
    let session = connector.get_http_session(&peer).await;
    let (mut session, _) = session.map_err(io::Error::other)?;
    let mut head =
        RequestHeader::build("GET", path.as_bytes(), Some(1)).map_err(io::Error::other)?;
    head.insert_header("host", "localhost")
        .map_err(io::Error::other)?;
    let sent = session.write_request_header(Box::new(head)).await;
    sent.map_err(io::Error::other)?;
    session
        .read_response_header()
        .await
        .map_err(io::Error::other)?;
    let status = session
        .response_header()
        .map_or(0, |head| head.status.as_u16());
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = session.read_response_body().await {
        body.extend_from_slice(&chunk);
        if body.len() as u64 > LONGEST {
            break;
        }
    }
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

fn converse(mut stream: impl Read + Write, path: &str) -> io::Result<(u16, String)> {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| io::Error::other("it does not speak HTTP/1.1"))?;
    Ok((status, body.to_owned()))
}

/// The loopback address of a listener that listens on every address.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

fn shown(addr: &AdminAddr) -> String {
    match addr {
        AdminAddr::Tcp(addr) => addr.to_string(),
        AdminAddr::Unix(path) => path.display().to_string(),
    }
}

const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
/// Health checks are repeated every few seconds, and have timeouts of their own.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer, in bytes; real answers have one line.
const LONGEST: u64 = 16 << 10;
