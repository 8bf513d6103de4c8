//! The listening sockets: bound, or taken over from the previous process.
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::inherited::Inherited;
use super::socket_file::SocketFile;
use crate::config::{AdminAddr, Config, Listener};
use crate::proxy::state::start_error::StartError;

/// Every socket of the process.
#[derive(Debug)]
pub(super) struct Bound {
    pub listeners: Vec<(TcpListener, Listener)>,
    pub admin: Option<AdminListener>,
}

/// The listener of the admin plane.
#[derive(Debug)]
pub(super) enum AdminListener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl Bound {
    /// Opens everything that `config` names. Sockets that the previous process has bound to the same address are taken
    /// over.
    pub(super) fn of(
        config: &Config,
        inherited: &mut Option<Inherited>,
    ) -> Result<Self, StartError> {
        let mut take = |name: String| inherited.as_mut().and_then(|from| from.take(&name));
        let mut listeners = Vec::with_capacity(config.listen.len());
        for listener in &config.listen {
            let socket = tcp(listener.addr, take(data(listener.addr)))?;
            listeners.push((socket, listener.clone()));
        }
        let admin = match config.admin.as_ref().map(|admin| &admin.addr) {
            Some(addr @ AdminAddr::Tcp(tcp_addr)) => {
                let socket = tcp(*tcp_addr, take(admin(addr)))?;
                Some(AdminListener::Tcp(socket, *tcp_addr))
            }
            Some(addr @ AdminAddr::Unix(path)) => {
                let socket = unix(path, take(admin(addr)))?;
                Some(AdminListener::Unix(socket, path.clone()))
            }
            None => None,
        };
        Ok(Self { listeners, admin })
    }

    /// A second handle to each socket, for the next process. As long as one handle is open, the system accepts
    /// connections.
    pub(super) fn copies(&self) -> std::io::Result<Heirlooms> {
        let mut sockets = Vec::new();
        for (socket, listener) in &self.listeners {
            let copy = socket.as_fd().try_clone_to_owned()?;
            sockets.push((data(listener.addr), copy));
        }
        if let Some(listener) = &self.admin {
            let (addr, copy) = match listener {
                AdminListener::Tcp(socket, addr) => {
                    (AdminAddr::Tcp(*addr), socket.as_fd().try_clone_to_owned()?)
                }
                AdminListener::Unix(socket, path) => (
                    AdminAddr::Unix(path.clone()),
                    socket.as_fd().try_clone_to_owned()?,
                ),
            };
            sockets.push((admin(&addr), copy));
        }
        Ok(Heirlooms(sockets))
    }
}

impl AdminListener {
    /// The admin listener of a process that has handed over its own: `old-PID.sock` in the directory that systemd
    /// provides, otherwise beside the socket of the admin plane. `None` when there is no such place.
    pub(super) fn of_an_old_process(config: &Config) -> Option<Self> {
        let admin = config.admin.as_ref()?;
        let given = std::env::var_os("RUNTIME_DIRECTORY");
        let given = given
            .as_ref()
            .and_then(|list| std::env::split_paths(list).next());
        let directory = given.or_else(|| match &admin.addr {
            AdminAddr::Unix(path) => path.parent().map(Path::to_owned),
            AdminAddr::Tcp(_) => None,
        })?;
        let path = directory.join(format!("old-{}.sock", std::process::id()));
        match unix(&path, None) {
            Ok(socket) => Some(Self::Unix(socket, path)),
            Err(error) => {
                tracing::warn!(%error, "this process can be asked only by way of the one that follows");
                None
            }
        }
    }

    pub(super) fn socket_file(&self) -> Option<SocketFile> {
        match self {
            Self::Tcp(..) => None,
            Self::Unix(_, path) => SocketFile::of(path),
        }
    }
}

/// The sockets in the form in which they are handed over.
#[derive(Debug)]
pub(super) struct Heirlooms(Vec<(String, OwnedFd)>);

impl Heirlooms {
    /// The names of the sockets, and the sockets.
    pub(super) fn named(&self) -> (Vec<String>, Vec<BorrowedFd<'_>>) {
        let all = self.0.iter();
        all.map(|(name, socket)| (name.clone(), socket.as_fd()))
            .unzip()
    }
}

fn data(addr: SocketAddr) -> String {
    format!("listen {addr}")
}

fn admin(addr: &AdminAddr) -> String {
    match addr {
        AdminAddr::Tcp(addr) => format!("admin {addr}"),
        AdminAddr::Unix(path) => format!("admin unix:{}", path.display()),
    }
}

fn tcp(addr: SocketAddr, inherited: Option<OwnedFd>) -> Result<TcpListener, StartError> {
    let bind = || {
        let socket = match inherited {
            Some(socket) => TcpListener::from(socket),
            None => TcpListener::bind(addr)?,
        };
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    bind().map_err(|error| StartError::Bind {
        addr: addr.to_string(),
        error,
    })
}

/// Binds a Unix socket. A socket file on which nobody listens is a remnant and is replaced; one in use belongs to
/// another process.
fn unix(path: &Path, inherited: Option<OwnedFd>) -> Result<UnixListener, StartError> {
    let bind = || {
        if let Some(socket) = inherited {
            let socket = UnixListener::from(socket);
            socket.set_nonblocking(true)?;
            return Ok(socket);
        }
        let remnant =
            std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
        if remnant {
            match UnixStream::connect(path) {
                Ok(_) => return Err(std::io::ErrorKind::AddrInUse.into()),
                Err(_) => std::fs::remove_file(path)?,
            }
        }
        let socket = UnixListener::bind(path)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let addr = format!("unix:{}", path.display());
    bind().map_err(|error| StartError::Bind { addr, error })
}
