//! Vendors state the usage of a Chat stream only on request. Adds that request if the client did not make it, and
//! remembers the accounts that refuse it.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use memchr::memmem;
use smallvec::SmallVec;

use super::Gateway;
use super::admit::Admitted;
use super::operation::Endpoint;
use crate::config::StreamUsage;
use crate::pool::Pick;
use crate::protocol::json::{self, Edit, Members, Pieces};
use crate::protocol::{Dialect, UpstreamDialect};

/// The names of an account and of a model.
type AccountModel = (Arc<str>, Arc<str>);

/// Accounts that refused something that Weir adds to requests, with the upstream's name of the model. Lives as long as
/// a configuration.
#[derive(Debug, Default)]
pub struct Unwilling {
    since: Mutex<HashMap<AccountModel, Instant>>,
}

impl Unwilling {
    /// Remembers that this account refused the addition for this model.
    pub(super) fn note(&self, account: &Arc<str>, model: &Arc<str>, now: Instant) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        // Clients choose the names of models, so the number of entries is limited.
        if since.len() >= MOST {
            since.clear();
        }
        since.insert((Arc::clone(account), Arc::clone(model)), now);
    }

    /// Whether the account refused the addition for this model within the time `FOR`.
    pub(super) fn includes(&self, account: &Arc<str>, model: &Arc<str>, now: Instant) -> bool {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        !since.is_empty()
            && since
                .get(&(Arc::clone(account), Arc::clone(model)))
                .is_some_and(|since| now.saturating_duration_since(*since) < FOR)
    }
}

/// The option that requests usage, for one request to one account.
#[derive(Debug)]
pub(super) struct UsageOption<'a> {
    pick: &'a Pick,
    unwilling: &'a Unwilling,
    now: Instant,
}

/// The request body for the upstream.
#[derive(Debug)]
pub(super) struct Sent {
    pub body: Pieces,
    /// The body without the option, in case the upstream refuses it; `None` = Weir did not add it.
    pub unasked: Option<Pieces>,
}

impl Sent {
    pub(super) fn as_it_is(body: Pieces) -> Self {
        Self {
            body,
            unasked: None,
        }
    }
}

impl<'a> UsageOption<'a> {
    pub(super) fn new(gateway: &'a Gateway, pick: &'a Pick, now: Instant) -> Self {
        Self {
            pick,
            unwilling: &gateway.unwilling,
            now,
        }
    }

    /// The client's body with the upstream's model name and, if it is wanted, the option.
    pub(super) fn as_it_came(&self, admitted: &Admitted) -> Sent {
        let (model, call) = (&self.pick.model, &admitted.call);
        let body = admitted.body_for(model);
        let is_chat = call.dialect == Dialect::OpenaiChat
            && matches!(
                call.endpoint,
                Endpoint::Generate | Endpoint::LegacyCompletions
            );
        let options = if is_chat && admitted.stream && self.is_wanted() {
            with_usage(&admitted.body, &admitted.members)
        } else {
            None
        };
        let Some(options) = options else {
            return Sent::as_it_is(body);
        };
        let mut edits = SmallVec::<[(&str, Edit); 2]>::new();
        if **model != *admitted.model {
            edits.push(("model", Edit::Set(json::quote(model))));
        }
        edits.push((MEMBER, Edit::Set(options)));
        Sent {
            unasked: Some(body),
            body: json::set(&admitted.body, &admitted.members, &edits),
        }
    }

    /// A translated body for an upstream of this dialect. The translation has added the option; it is removed again if
    /// the account must not get it.
    pub(super) fn translated(
        &self,
        upstream: UpstreamDialect,
        admitted: &Admitted,
        body: Pieces,
    ) -> Sent {
        let unasked = if upstream == Dialect::OpenaiChat && admitted.stream {
            without(&body.to_bytes())
        } else {
            None
        };
        match unasked {
            Some(body) if !self.is_wanted() => Sent::as_it_is(body),
            unasked => Sent { body, unasked },
        }
    }

    fn is_wanted(&self) -> bool {
        let (account, model) = (&self.pick.account, &self.pick.model);
        account.stream_usage == StreamUsage::Ask
            && !self.unwilling.includes(&account.name, model, self.now)
    }
}

/// The member `stream_options` with the request for usage added. `None` = the request is already in it, or the member
/// is not an object.
fn with_usage(body: &Bytes, members: &Members) -> Option<Bytes> {
    let Some(span) = members.span(body, MEMBER) else {
        return Some(Bytes::from_static(b"{\"include_usage\":true}"));
    };
    let options = body.slice(span);
    if &*options == b"null" {
        return Some(Bytes::from_static(b"{\"include_usage\":true}"));
    }
    let inner = json::object(&options)?;
    if inner.value(&options, "include_usage") == Some(b"true") {
        return None;
    }
    let wanted = [("include_usage", Edit::Set(Bytes::from_static(b"true")))];
    Some(json::set(&options, &inner, &wanted).to_bytes())
}

/// The body of a translated request without the option; `None` = it has no such option.
fn without(body: &Bytes) -> Option<Pieces> {
    let members = json::scan(body).ok()?;
    members
        .has(body, MEMBER)
        .then(|| json::set(body, &members, &[(MEMBER, Edit::Remove)]))
}

/// Whether an error answer (400 or 422) refers to the option.
pub(super) fn is_refusal(status: u16, body: &[u8]) -> bool {
    let names = |name: &str| memmem::find(body, name.as_bytes()).is_some();
    matches!(status, 400 | 422) && (names(MEMBER) || names("include_usage"))
}

pub(super) const MEMBER: &str = "stream_options";

/// How long a refusal is remembered.
const FOR: Duration = Duration::from_hours(24);

/// The most refusals that are remembered. When they are exceeded, all are forgotten.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_where_the_client_did_not() {
        let check = |body: &'static str, expected: Option<&str>| {
            let body = Bytes::from_static(body.as_bytes());
            let members = json::scan(&body).expect("an object");
            let options = with_usage(&body, &members);
            assert_eq!(options.as_deref(), expected.map(str::as_bytes), "{body:?}");
        };
        check("{}", Some("{\"include_usage\":true}"));
        check(
            "{\"stream_options\":null}",
            Some("{\"include_usage\":true}"),
        );
        check("{\"stream_options\":{}}", Some("{\"include_usage\":true}"));
        check("{\"stream_options\":{\"include_usage\":true}}", None);
        check(
            "{\"stream_options\":{ \"include_usage\": false,\"include_obfuscation\":false}}",
            Some("{ \"include_usage\": true,\"include_obfuscation\":false}"),
        );
        check("{\"stream_options\":[]}", None);
        check("{\"stream_options\":\"usage\"}", None);
    }

    #[test]
    fn who_refuses_is_remembered_for_a_day() {
        let unwilling = Unwilling::default();
        let now = Instant::now();
        let (account, model) = (Arc::from("a"), Arc::from("m"));
        assert!(!unwilling.includes(&account, &model, now));
        unwilling.note(&account, &model, now);
        assert!(unwilling.includes(&account, &model, now + FOR / 2));
        assert!(!unwilling.includes(&account, &Arc::from("n"), now));
        assert!(!unwilling.includes(&account, &model, now + FOR));
        for number in 0..3000 {
            unwilling.note(&account, &Arc::from(number.to_string()), now);
        }
        assert!(unwilling.since.lock().expect("whole").len() <= MOST);
    }

    #[test]
    fn a_refusal_names_what_it_refuses() {
        for (status, body, is) in [
            (400, r#"{"error":{"param":"stream_options"}}"#, true),
            (
                422,
                r#"{"detail":[{"loc":["body","stream_options","include_usage"]}]}"#,
                true,
            ),
            (
                400,
                r#"{"error":{"message":"unknown field include_usage"}}"#,
                true,
            ),
            (500, r#"{"error":{"param":"stream_options"}}"#, false),
            (400, r#"{"error":{"param":"model"}}"#, false),
        ] {
            assert_eq!(is_refusal(status, body.as_bytes()), is, "{body}");
        }
        let body = Bytes::from_static(br#"{"model":"m","stream_options":{"include_usage":true}}"#);
        assert_eq!(
            without(&body).expect("a body").to_bytes(),
            r#"{"model":"m"}"#
        );
        assert_eq!(without(&Bytes::from_static(b"{}")), None);
    }
}
