//! The sessions of browsers. They are in memory only: a restart ends them all.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::access::{self, sha256};
use crate::config::{Admin, Role};

/// Sessions by the SHA-256 of their cookie, and one-time codes for signing in.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<[u8; 32], Session>,
    codes: HashMap<[u8; 32], Instant>,
}

#[derive(Debug)]
struct Session {
    grant: Grant,
    begun: Instant,
    used: Instant,
}

/// What a session is based on.
#[derive(Clone, Debug)]
enum Grant {
    /// The token with this SHA-256. When the token is removed from the configuration, its sessions end.
    Token([u8; 32]),
    /// A code that this process printed.
    Code,
    /// What the provider stated: issuer, name, and the values of the claim that decides the role.
    Provider(Arc<str>, Arc<str>, Vec<String>),
}

impl Sessions {
    /// Begins a session for the holder of `token`; `None` when the token is not known.
    pub(super) fn begin(
        &self,
        admin: &Admin,
        token: &[u8],
        cookie: &str,
        now: Instant,
    ) -> Option<(Arc<str>, Role)> {
        let digest = sha256(token);
        if let Some(holder) = access::holder(admin, &digest) {
            self.insert(Grant::Token(digest), cookie, now);
            return Some(holder);
        }
        let valid = self
            .lock()
            .codes
            .remove(&digest)
            .is_some_and(|until| now < until);
        valid.then(|| {
            self.insert(Grant::Code, cookie, now);
            by_code()
        })
    }

    /// Begins a session for a person with this name and these values of the claim, as the provider stated.
    pub(super) fn begin_at(
        &self,
        issuer: &Arc<str>,
        (name, values): (Arc<str>, Vec<String>),
        cookie: &str,
        now: Instant,
    ) {
        let grant = Grant::Provider(Arc::clone(issuer), name, values);
        self.insert(grant, cookie, now);
    }

    /// Allows `code` to begin one session within [`CODE_LIVES`].
    pub(super) fn allow_once(&self, code: &[u8], now: Instant) {
        self.lock().codes.insert(sha256(code), now + CODE_LIVES);
    }

    /// The holder of a session. This counts as a use of the session.
    pub(super) fn find(
        &self,
        admin: &Admin,
        cookie: &str,
        now: Instant,
    ) -> Option<(Arc<str>, Role)> {
        let key = sha256(cookie.as_bytes());
        let mut inner = self.lock();
        let session = inner.sessions.get_mut(&key)?;
        let holder = if session.is_over(now) {
            None
        } else {
            match &session.grant {
                Grant::Token(digest) => access::holder(admin, digest),
                Grant::Code => Some(by_code()),
                // The role follows from the present configuration: when the role is removed, the session ends.
                Grant::Provider(issuer, name, values) => {
                    let oidc = admin.oidc.as_ref();
                    let oidc = oidc.filter(|oidc| oidc.issuer == *issuer);
                    let role = oidc.and_then(|oidc| oidc.role(values));
                    role.map(|role| (Arc::clone(name), role))
                }
            }
        };
        match &holder {
            Some(_) => session.used = now,
            None => drop(inner.sessions.remove(&key)),
        }
        holder
    }

    /// Seconds until the session ends if it is not used, and seconds until it ends in any case.
    pub(super) fn left(&self, cookie: &str, now: Instant) -> Option<(u64, u64)> {
        let inner = self.lock();
        let session = inner.sessions.get(&sha256(cookie.as_bytes()))?;
        let left = |since: Instant, lives: Duration| {
            (since + lives).saturating_duration_since(now).as_secs()
        };
        Some((left(session.used, IDLE), left(session.begun, LIVES)))
    }

    /// Ends a session.
    pub(super) fn end(&self, cookie: &str) {
        self.lock().sessions.remove(&sha256(cookie.as_bytes()));
    }

    fn insert(&self, grant: Grant, cookie: &str, now: Instant) {
        let mut inner = self.lock();
        inner.sessions.retain(|_, session| !session.is_over(now));
        if inner.sessions.len() >= MOST {
            let oldest = inner
                .sessions
                .iter()
                .min_by_key(|(_, session)| session.used);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                inner.sessions.remove(&key);
            }
        }
        let session = Session {
            grant,
            begun: now,
            used: now,
        };
        inner.sessions.insert(sha256(cookie.as_bytes()), session);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.used + IDLE || now >= self.begun + LIVES
    }
}

fn by_code() -> (Arc<str>, Role) {
    (Arc::from("first sign-in"), Role::Admin)
}

/// A session that is not used ends after this time.
const IDLE: Duration = Duration::from_hours(1);

/// Every session ends after this time.
pub(super) const LIVES: Duration = Duration::from_hours(12);

/// How long a printed code is valid.
const CODE_LIVES: Duration = Duration::from_mins(10);

/// The most sessions at once. A further one ends the session that has been unused for the longest time.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AdminAddr, AdminToken};

    fn admin(tokens: &[&str]) -> Admin {
        Admin {
            tls: None,
            addr: AdminAddr::Unix("/run/w.sock".into()),
            token: None,
            hosts: Vec::new(),
            audit: None,
            fragments: None,
            oidc: None,
            tokens: tokens
                .iter()
                .map(|token| AdminToken {
                    name: (*token).into(),
                    sha256: sha256(token.as_bytes()),
                    role: Role::Operator,
                })
                .collect(),
        }
    }

    fn name(found: Option<(Arc<str>, Role)>) -> Option<String> {
        found.map(|(name, _)| name.to_string())
    }

    #[test]
    fn a_session_ends_unused_or_in_the_end() {
        let (sessions, admin, now) = (Sessions::default(), admin(&["ops"]), Instant::now());
        assert!(sessions.begin(&admin, b"wrong", "c", now).is_none());
        assert!(sessions.begin(&admin, b"ops", "c", now).is_some());
        assert_eq!(sessions.left("c", now), Some((3600, 12 * 3600)));
        let mut at = now;
        for _ in 0..14 {
            at += Duration::from_mins(50);
            assert_eq!(name(sessions.find(&admin, "c", at)), Some("ops".to_owned()));
        }
        at += Duration::from_mins(50);
        assert!(
            sessions.find(&admin, "c", at).is_none(),
            "used, but too old"
        );
        sessions.begin(&admin, b"ops", "d", now);
        assert!(sessions.find(&admin, "d", now + IDLE).is_none(), "not used");
        assert!(sessions.find(&admin, "d", now).is_none(), "gone for good");
    }

    #[test]
    fn a_token_that_is_taken_out_ends_its_sessions() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        sessions.begin(&admin(&["ops", "eve"]), b"ops", "c", now);
        sessions.begin(&admin(&["ops", "eve"]), b"eve", "d", now);
        assert!(sessions.find(&admin(&["eve"]), "c", now).is_none());
        assert!(sessions.find(&admin(&["eve"]), "d", now).is_some());
        sessions.end("d");
        assert!(sessions.find(&admin(&["eve"]), "d", now).is_none());
    }

    #[test]
    fn a_code_is_good_for_one_session_and_for_ten_minutes() {
        let (sessions, admin, now) = (Sessions::default(), admin(&[]), Instant::now());
        sessions.allow_once(b"code", now);
        assert!(sessions.begin(&admin, b"code", "c", now).is_some());
        assert!(sessions.begin(&admin, b"code", "d", now).is_none());
        assert!(sessions.find(&admin, "c", now).is_some());
        sessions.allow_once(b"late", now);
        assert!(
            sessions
                .begin(&admin, b"late", "e", now + CODE_LIVES)
                .is_none()
        );
    }

    #[test]
    fn sessions_are_bounded() {
        let (sessions, admin, now) = (Sessions::default(), admin(&["ops"]), Instant::now());
        for number in 0..MOST + 10 {
            sessions.begin(
                &admin,
                b"ops",
                &number.to_string(),
                now + Duration::from_millis(number as u64),
            );
        }
        assert_eq!(sessions.lock().sessions.len(), MOST);
        assert!(
            sessions.find(&admin, "0", now).is_none()
                && sessions.find(&admin, "200", now).is_some()
        );
    }
}
