//! `admin` and `console`: who may read the state of the process and change it.
use std::sync::Arc;

use super::names::Names;
use super::service::collide;
use super::{Compiler, items};
use crate::config::raw::{self, Raw};
use crate::config::yaml::decode::{Field, Section};
use crate::config::{Admin, AdminAddr, AdminToken, Console, Listener};

impl Compiler<'_, '_> {
    /// `Some(None)` = there is no admin plane.
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
        let addr = admin.addr.value();
        let tls = self.tls(&admin.tls);
        if admin.tls.is_given() && tls.is_none() {
            return None;
        }
        if tls.is_some() && matches!(addr, AdminAddr::Unix(_)) {
            self.faults.add(
                admin.tls.at(),
                "found TLS for a Unix socket, expected an IP address and port in `addr`",
            );
        }
        if let AdminAddr::Tcp(tcp) = &addr {
            if !tcp.ip().to_canonical().is_loopback()
                && !admin.token.is_given()
                && !admin.tokens.is_given()
                && !admin.oidc.is_given()
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
        let tokens = self.tokens(&admin.tokens)?;
        let oidc = self.oidc(&admin.oidc)?;
        let audit = admin.audit.get().map(|path| path.0.clone());
        Some(Some(Admin {
            addr,
            tls,
            token,
            hosts,
            tokens,
            oidc,
            audit,
            // It was determined when the files were read, and is set there.
            fragments: None,
        }))
    }

    fn tokens(&mut self, field: &Field<Vec<Field<raw::AdminToken>>>) -> Option<Vec<AdminToken>> {
        if !self.is_bounded(field, MOST_TOKENS) {
            return None;
        }
        // In the audit log, two tokens with the same name would be indistinguishable.
        Names::of(field, |token| &token.name, "a token", self.faults);
        let mut tokens: Vec<AdminToken> = Vec::new();
        let mut complete = !field.is_wrong();
        for item in items(field) {
            let token = item.get().and_then(|token| {
                Some(AdminToken {
                    name: Arc::from(token.name.get()?.0.as_str()),
                    sha256: token.sha256.get()?.0,
                    role: token.role.get()?.0,
                })
            });
            if let (Some(raw), Some(token)) = (item.get(), &token)
                && tokens.iter().any(|other| other.sha256 == token.sha256)
            {
                self.faults.add(
                    raw.sha256.at(),
                    "found the same token as above, expected another",
                );
            }
            complete &= token.is_some();
            tokens.extend(token);
        }
        complete.then_some(tokens)
    }
}

pub(super) fn console(section: &Section<raw::Console>) -> Option<Console> {
    let raw = section.get()?;
    Some(Console {
        enabled: raw.enabled.value(),
        recent: usize::try_from(raw.recent.value()).unwrap_or(0),
        edit: raw.edit.value(),
    })
}

const SHORTEST_TOKEN: usize = 16;
const MOST_TOKENS: usize = 1000;
