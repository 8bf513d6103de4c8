//! `listen`, `server`, `retry`, `keepalive` and `log`: settings of the whole process.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::files::check_pem;
use super::{Compiler, items};
use crate::config::raw::values::FilePath;
use crate::config::raw::{self, Raw};
use crate::config::yaml::at::At;
use crate::config::yaml::decode::{Field, Needed, Section};
use crate::config::{
    ClientTimeouts, ConnectionLimits, Cors, Keepalive, Listener, Log, ResponseStore, Retry, Server,
    TlsFiles, WebSocket,
};

impl Compiler<'_, '_> {
    pub(super) fn listen(&mut self, raw: &Raw) -> Option<Vec<Listener>> {
        if !raw.listen.is_given() {
            let addr = DEFAULT_LISTEN;
            return Some(vec![Listener {
                addr,
                tls: None,
                proxy_protocol: None,
                max_connections: None,
            }]);
        }
        self.refuse_empty(&raw.listen, "127.0.0.1:8080");
        let mut listeners: Vec<Listener> = Vec::new();
        let mut complete = raw.listen.get().is_some();
        for listener in items(&raw.listen) {
            let Some(listener) = listener.get() else {
                complete = false;
                continue;
            };
            let tls = self.tls(&listener.tls);
            complete &= tls.is_some() || !listener.tls.is_given();
            let Some(addr) = listener.addr.get().map(|addr| addr.0) else {
                complete = false;
                continue;
            };
            if let Some(other) = listeners.iter().find(|other| collide(other.addr, addr)) {
                let message = format!(
                    "found `{addr}`, which `{}` above already takes, expected another port",
                    other.addr
                );
                self.faults.add(listener.addr.at(), message);
            }
            listeners.push(Listener {
                addr,
                tls,
                proxy_protocol: listener.proxy_protocol.get().map(|word| word.0),
                max_connections: listener.max_connections.get().map(|most| most.0 as usize),
            });
        }
        complete.then_some(listeners)
    }

    pub(super) fn tls(&mut self, field: &Field<raw::listening::Tls>) -> Option<TlsFiles> {
        let tls = field.get()?;
        let cert = self.pem(&tls.cert, "a certificate", &["CERTIFICATE"]);
        let key = self.pem(&tls.key, "an unencrypted private key", PRIVATE_KEYS);
        let client_ca = tls.client_ca.get().map(|path| {
            let at = tls.client_ca.at();
            self.pem_at(
                at,
                path,
                ("the certificate of an authority", &["CERTIFICATE"]),
            )
        });
        if client_ca == Some(None) || tls.client_ca.is_wrong() {
            return None;
        }
        Some(TlsFiles {
            client_ca: client_ca.flatten(),
            cert: cert?,
            key: key?,
            min_version: tls.min_version.value(),
        })
    }

    fn pem(&mut self, field: &Needed<FilePath>, what: &str, labels: &[&str]) -> Option<PathBuf> {
        self.pem_at(field.at(), field.get()?, (what, labels))
    }

    fn pem_at(
        &mut self,
        at: &At,
        path: &FilePath,
        (what, labels): (&str, &[&str]),
    ) -> Option<PathBuf> {
        let path: &Path = &path.0;
        let checked = match self.files.read(path) {
            Ok(text) => check_pem(&text, labels),
            Err(reason) if self.files.tolerates_missing() => {
                let message =
                    format!("found a file that cannot be read ({reason}), expected {what} in PEM");
                self.faults.warn(at, message, None);
                Ok(())
            }
            Err(reason) => Err(format!("a file that cannot be read ({reason})")),
        };
        if let Err(found) = checked {
            let hint = "are `cert` and `key` the wrong way round?".to_owned();
            let swapped = found.contains("PRIVATE KEY`") != labels.contains(&"PRIVATE KEY")
                && found.starts_with("PEM");
            self.faults.add_with(
                at,
                format!("found {found}, expected {what} in PEM"),
                Some(hint).filter(|_| swapped),
            );
            return None;
        }
        Some(self.files.resolve(path))
    }

    pub(super) fn server(&mut self, section: &Section<raw::Server>) -> Option<Server> {
        let raw = section.get()?;
        let (timeouts, limits) = (raw.client_timeouts.get()?, raw.client_limits.get()?);
        let networks = items(&raw.trusted_proxies).iter().filter_map(Field::get);
        let cors = raw.cors.get().map(|cors| {
            self.refuse_empty(
                &cors.allow_origins,
                "no CORS headers at all (remove `cors`)",
            );
            let origins = items(&cors.allow_origins).iter().filter_map(Field::get);
            Cors {
                allow_origins: origins.map(|origin| origin.0.clone()).collect(),
            }
        });
        Some(Server {
            threads: raw.threads.small() as usize,
            runtime: raw.runtime.value(),
            max_body: raw.max_body.value(),
            max_upload: raw.max_upload.value(),
            client_timeouts: ClientTimeouts {
                head: timeouts.head.value(),
                keepalive: timeouts.keepalive.value(),
                body_rate: timeouts.body_rate.value(),
                tls: timeouts.tls.value(),
            },
            client_limits: ConnectionLimits {
                streams_per_connection: u32::try_from(limits.streams_per_connection.value())
                    .unwrap_or(u32::MAX),
                connections_per_address: limits
                    .connections_per_address
                    .get()
                    .map(|most| most.0 as usize),
                requests_per_connection: limits
                    .requests_per_connection
                    .get()
                    .map(|most| u32::try_from(most.0).unwrap_or(u32::MAX)),
            },
            max_buffered: raw.max_buffered.get().map(|size| size.0),
            max_concurrent_requests: raw.max_concurrent_requests.small() as usize,
            drain_delay: raw.drain_delay.value(),
            drain_timeout: raw.drain_timeout.value(),
            trusted_proxies: networks.map(|network| network.0).collect(),
            cors,
        })
    }

    pub(super) fn log(&mut self, section: &Section<raw::Log>) -> Option<Log> {
        let raw = section.get()?;
        let bodies = raw.bodies.value();
        if bodies {
            let message = "found `true`: requests and answers are written to the log, expected for debugging only";
            self.faults.warn(raw.bodies.at(), message, None);
        }
        Some(Log {
            format: raw.format.value(),
            level: raw.level.value().0.to_owned(),
            access: raw.access.value(),
            bodies,
        })
    }

    /// Records a fault if nobody may call, which is never intended.
    pub(super) fn require_callers(&mut self, raw: &Raw) {
        let anonymous = raw.anonymous.value();
        let keys = raw.keys.is_wrong() || !items(&raw.keys).is_empty();
        if keys || anonymous || raw.anonymous.is_wrong() {
            return;
        }
        let hint = "`weir key new` prints a key and the entry for it; `anonymous: true` at top level serves everybody";
        self.faults.add_with(
            raw.keys.at(),
            "found no keys, expected at least one",
            Some(hint.to_owned()),
        );
    }
}

/// `Some(None)` = nothing is stored.
#[expect(
    clippy::option_option,
    reason = "a fault is something else than a store that is turned off"
)]
pub(super) fn responses(
    section: &Section<raw::responses::Responses>,
) -> Option<Option<ResponseStore>> {
    let store = &section.get()?.store;
    if store.is_wrong() {
        return None;
    }
    Some(match store.get() {
        Some(raw::responses::Store::Off) => None,
        Some(raw::responses::Store::On(bounds)) => Some(ResponseStore {
            max_bytes: bounds.max_bytes.value(),
            ttl: bounds.ttl.value(),
        }),
        None => Some(ResponseStore::default()),
    })
}

pub(super) fn retry(section: &Section<raw::Retry>) -> Option<Retry> {
    let raw = section.get()?;
    Some(Retry {
        max_attempts: raw.max_attempts.small(),
        budget: raw.budget.value(),
        deadline: raw.deadline.value(),
    })
}

pub(super) fn keepalive(section: &Section<raw::Keepalive>) -> Option<Keepalive> {
    let raw = section.get()?;
    Some(Keepalive {
        before_head: raw.before_head.value(),
    })
}

pub(super) fn websocket(section: &Section<raw::WebSocket>) -> Option<WebSocket> {
    let max_age = section.get()?.max_age.value();
    Some(WebSocket { max_age })
}

/// Whether two listeners conflict about their address.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    // Port 0 means a different free port each time.
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip() || same_family && (a.ip().is_unspecified() || b.ip().is_unspecified()))
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const PRIVATE_KEYS: &[&str] = &["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
