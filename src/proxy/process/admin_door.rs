//! The listener of the admin plane. With TLS it is Weir's own implementation, so that certificates and authorities can
//! be renewed while it is open.
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::fd::IntoRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::ServerApp as _;
use pingora::server::{Fds, ListenFds};
use pingora::services::Service as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::bind::AdminListener;
use crate::proxy::admin::{self, Plane};
use crate::proxy::client::socket::Socket;
use crate::proxy::state::tls::Certificate;

/// Serves the admin plane until `shutdown` is set.
pub(super) fn open(
    plane: Plane,
    listener: AdminListener,
    certificate: Option<Arc<Certificate>>,
    shutdown: watch::Receiver<bool>,
) -> tokio::task::JoinHandle<()> {
    let mut fds = Fds::new();
    let service = match (listener, certificate) {
        (AdminListener::Tcp(socket, _), Some(certificate)) => {
            return tokio::spawn(serve(socket, certificate, Arc::new(plane), shutdown));
        }
        (AdminListener::Tcp(socket, addr), None) => {
            let mut service = admin::service(plane);
            let name = socket.local_addr().unwrap_or(addr).to_string();
            service.add_tcp(&name);
            fds.add(name, socket.into_raw_fd());
            service
        }
        (AdminListener::Unix(socket, path), _) => {
            let mut service = admin::service(plane);
            let name = path.to_string_lossy();
            let private = Permissions::from_mode(0o660);
            service.add_uds(&name, Some(private));
            fds.add(name.into_owned(), socket.into_raw_fd());
            service
        }
    };
    let fds: ListenFds = Arc::new(parking_lot::Mutex::new(fds));
    tokio::spawn(async move {
        let mut service = service;
        service.start_service(Some(fds), shutdown, 1).await;
    })
}

/// Accepts connections until `shutdown` is set.
async fn serve(
    socket: std::net::TcpListener,
    certificate: Arc<Certificate>,
    plane: Arc<Plane>,
    mut shutdown: watch::Receiver<bool>,
) {
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(%error, "the admin plane cannot be served");
            return;
        }
    };
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = shutdown.changed() => return,
        };
        let Ok((stream, peer)) = accepted else {
            // Descriptors are short, or the connection is gone already.
            tokio::time::sleep(STARVED_FOR).await;
            continue;
        };
        // When all places are taken, further connections are closed at once.
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            continue;
        };
        let (certificate, plane, shutdown) = (certificate.clone(), plane.clone(), shutdown.clone());
        tokio::spawn(async move {
            welcome(stream, peer, &certificate, (&plane, &shutdown)).await;
            drop(place);
        });
    }
}

async fn welcome(
    stream: TcpStream,
    peer: SocketAddr,
    certificate: &Certificate,
    (plane, shutdown): (&Arc<Plane>, &watch::Receiver<bool>),
) {
    let socket = Socket::new(stream, peer, TLS_AHEAD);
    match timeout(HANDSHAKE, certificate.handshake(socket)).await {
        Ok(Ok(stream)) => {
            plane.process_new(Box::new(stream), shutdown).await;
        }
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a TLS handshake with the admin plane failed");
        }
        Err(_) => tracing::debug!(%peer, "a TLS handshake with the admin plane took too long"),
    }
}

/// The most connections at once.
const MOST_CONNECTIONS: usize = 512;

/// The longest time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long the listener waits for descriptors to be freed.
const STARVED_FOR: Duration = Duration::from_millis(200);

/// Bytes that are read ahead: one TLS record.
const TLS_AHEAD: usize = 16 << 10;
