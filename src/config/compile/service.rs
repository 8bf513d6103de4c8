//! `listen`, `admin`, `server`, `retry`, `log` and `prices`: what concerns the process as a whole.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::files::check_pem;
use super::{Compiler, items};
use crate::config::decode::{Field, Needed};
use crate::config::raw::{self, Raw};
use crate::config::values::{AdminAddress, FilePath, Number, Word};
use crate::config::{
    Admin, AdminAddr, Cors, Listener, Log, LogFormat, Price, Retry, Server, TlsFiles,
};

impl Compiler<'_, '_> {
    pub(super) fn listen(&mut self, raw: &Raw) -> Option<Vec<Listener>> {
        if !raw.listen.is_given() {
            let addr = DEFAULT_LISTEN;
            return Some(vec![Listener { addr, tls: None }]);
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
            listeners.push(Listener { addr, tls });
        }
        complete.then_some(listeners)
    }

    fn tls(&mut self, field: &Field<raw::Tls>) -> Option<TlsFiles> {
        let tls = field.get()?;
        let cert = self.pem(&tls.cert, "a certificate", &["CERTIFICATE"]);
        let key = self.pem(&tls.key, "an unencrypted private key", PRIVATE_KEYS);
        Some(TlsFiles {
            cert: cert?,
            key: key?,
        })
    }

    fn pem(
        &mut self,
        field: &Needed<FilePath>,
        what: &str,
        labels: &[&str],
    ) -> Option<std::path::PathBuf> {
        let path: &Path = &field.get()?.0;
        let checked = match self.files.read(path) {
            Ok(text) => check_pem(&text, labels),
            Err(reason) => Err(format!("a file that cannot be read ({reason})")),
        };
        if let Err(found) = checked {
            let hint = "are `cert` and `key` the wrong way round?".to_owned();
            let swapped = found.contains("PRIVATE KEY`") != labels.contains(&"PRIVATE KEY")
                && found.starts_with("PEM");
            self.faults.add_with(
                field.at(),
                format!("found {found}, expected {what} in PEM"),
                Some(hint).filter(|_| swapped),
            );
            return None;
        }
        Some(self.files.resolve(path))
    }

    /// `Some(None)` = there is none.
    #[expect(
        clippy::option_option,
        reason = "outer: whether it could be compiled; inner: whether there is one"
    )]
    pub(super) fn admin(&mut self, raw: &Raw, listen: &[Listener]) -> Option<Option<Admin>> {
        if !raw.admin.is_given() {
            return Some(None);
        }
        let admin = raw.admin.get()?;
        let token = self.files.secret_kept_elsewhere(&admin.token, self.faults);
        let default = AdminAddress(AdminAddr::Tcp(DEFAULT_ADMIN));
        let AdminAddress(addr) = admin.addr.or(default);
        if let AdminAddr::Tcp(tcp) = &addr {
            if !tcp.ip().to_canonical().is_loopback()
                && !admin.token.is_given()
                && !admin.addr.is_wrong()
            {
                let hint = "add `token: { env: WEIR_ADMIN_TOKEN }`, or listen on 127.0.0.1";
                let message = format!(
                    "found `{tcp}` without a token, expected a token where others can connect"
                );
                self.faults
                    .add_with(admin.addr.at(), message, Some(hint.to_owned()));
            }
            if let Some(other) = listen.iter().find(|other| collide(other.addr, *tcp)) {
                let message = format!(
                    "found `{tcp}`, which the listener `{}` already takes, expected another port",
                    other.addr
                );
                self.faults.add(admin.addr.at(), message);
            }
        }
        if let Some(token) = &token
            && token.expose().len() < SHORTEST_TOKEN
        {
            let message = format!(
                "found a token of fewer than {SHORTEST_TOKEN} characters, expected a longer one"
            );
            self.faults.warn(
                admin.token.at(),
                message,
                Some("`openssl rand -hex 32` makes one".to_owned()),
            );
        }
        let hosts = items(&admin.hosts)
            .iter()
            .filter_map(Field::get)
            .map(|host| host.0.clone())
            .collect();
        Some(Some(Admin { addr, token, hosts }))
    }

    pub(super) fn server(&mut self, field: &Field<raw::Server>) -> Option<Server> {
        let mut server = Server {
            threads: 0,
            max_body: 32 << 20,
            max_concurrent_requests: 10_000,
            drain_timeout: Duration::from_mins(10),
            trusted_proxies: Vec::new(),
            cors: None,
        };
        if !field.is_given() {
            return Some(server);
        }
        let raw = field.get()?;
        server.threads = self.small(&raw.threads, 0, 0..=1024) as usize;
        server.max_concurrent_requests =
            self.small(&raw.max_concurrent_requests, 10_000, 1..=1_000_000) as usize;
        server.drain_timeout = self.duration(&raw.drain_timeout, server.drain_timeout, true, DAY);
        server.trusted_proxies = items(&raw.trusted_proxies)
            .iter()
            .filter_map(Field::get)
            .map(|network| network.0)
            .collect();
        if let Some(size) = raw.max_body.get() {
            if !(SMALLEST_BODY..=LARGEST_BODY).contains(&size.0) {
                self.faults.add(
                    raw.max_body.at(),
                    format!("found {} bytes, expected from 1KiB to 1GiB", size.0),
                );
            }
            server.max_body = size.0;
        }
        if let Some(cors) = raw.cors.get() {
            self.refuse_empty(
                &cors.allow_origins,
                "no CORS headers at all (remove `cors`)",
            );
            let origins = items(&cors.allow_origins).iter().filter_map(Field::get);
            let allow_origins = origins.map(|origin| origin.0.clone()).collect();
            server.cors = Some(Cors { allow_origins });
        }
        Some(server)
    }

    pub(super) fn retry(&mut self, field: &Field<raw::Retry>) -> Option<Retry> {
        let mut retry = Retry {
            max_attempts: 3,
            budget: 0.2,
            deadline: Duration::from_mins(1),
        };
        if !field.is_given() {
            return Some(retry);
        }
        let raw = field.get()?;
        retry.max_attempts = self.small(&raw.max_attempts, 3, 1..=10);
        retry.budget = self.number(&raw.budget, 0.0..=1.0).unwrap_or(retry.budget);
        retry.deadline = self.duration(&raw.deadline, retry.deadline, false, HOUR);
        Some(retry)
    }

    pub(super) fn log(&mut self, field: &Field<raw::Log>) -> Option<Log> {
        let mut log = Log {
            format: LogFormat::default(),
            level: "info".to_owned(),
            access: crate::config::AccessLog::default(),
            bodies: false,
        };
        if !field.is_given() {
            return Some(log);
        }
        let raw = field.get()?;
        log.format = raw.format.get().map_or(log.format, |Word(format)| *format);
        log.level = raw
            .level
            .get()
            .map_or(log.level, |Word(level)| level.0.to_owned());
        log.access = raw
            .access
            .get()
            .map_or(log.access, |target| target.0.clone());
        log.bodies = raw.bodies.get().is_some_and(|bodies| bodies.0);
        if log.bodies {
            let message = "found `true`: requests and answers are written to the log, expected for debugging only";
            self.faults.warn(raw.bodies.at(), message, None);
        }
        Some(log)
    }

    pub(super) fn prices(&mut self, raw: &Raw) -> Option<Vec<Price>> {
        if raw.prices.is_wrong() {
            return None;
        }
        let mut prices = Vec::new();
        let mut complete = true;
        for item in items(&raw.prices) {
            let price = item.get().and_then(|price| self.price(price));
            complete &= price.is_some();
            prices.extend(price);
        }
        complete.then_some(prices)
    }

    fn price(&mut self, raw: &raw::Price) -> Option<Price> {
        let mut usd = |field: &Field<Number>| self.number(field, 0.0..=HIGHEST_PRICE);
        let (input, output) = (usd(&raw.input), usd(&raw.output));
        let cache = [&raw.cache_read, &raw.cache_write_5m, &raw.cache_write_1h].map(usd);
        let [read, write_short, write_long] = cache;
        Some(Price {
            model: raw.model.get()?.0.clone(),
            input: input?,
            output: output?,
            cache_read: read,
            cache_write_5m: write_short,
            cache_write_1h: write_long,
        })
    }

    fn number(
        &mut self,
        field: &Field<Number>,
        range: std::ops::RangeInclusive<f64>,
    ) -> Option<f64> {
        let Number(number) = *field.get()?;
        if !range.contains(&number) {
            let (low, high) = range.into_inner();
            self.faults.add(
                field.at(),
                format!("found `{number}`, expected a number from {low} to {high}"),
            );
            return None;
        }
        Some(number)
    }

    /// Nobody may call: that is never what is meant.
    pub(super) fn require_callers(&mut self, raw: &Raw) {
        let anonymous = raw.anonymous.get().is_some_and(|anonymous| anonymous.0);
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

/// Whether two listeners cannot both have their address.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    // Port 0 is a different free port each time.
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip() || same_family && (a.ip().is_unspecified() || b.ip().is_unspecified()))
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
const PRIVATE_KEYS: &[&str] = &["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
pub(super) const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const SMALLEST_BODY: usize = 1 << 10;
const LARGEST_BODY: usize = 1 << 30;
/// USD per million tokens; the dearest model costs 600.
const HIGHEST_PRICE: f64 = 1_000_000.0;
const SHORTEST_TOKEN: usize = 16;
