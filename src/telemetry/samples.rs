//! Outcomes for tests.
use std::time::Duration;

use crate::outcome::{Affinity, AttemptRecord, Cause, End, FailureClass, Outcome, UsageSource};
use crate::protocol::hub::units::Units;
use crate::protocol::hub::usage::Usage;
use crate::protocol::{Dialect, UpstreamDialect};

/// A stream of `team-a` that `claude-a` served in the second attempt.
pub(super) fn answered() -> Outcome {
    let attempt = |failure, seconds| AttemptRecord {
        account: "claude-a".into(),
        failure,
        cause: failure.map(|_| Cause::Html),
        after: Duration::ZERO,
        took: Duration::from_secs(seconds),
    };
    Outcome {
        request_id: "req_1".to_owned(),
        key: Some("team-a".into()),
        project: Some("research".into()),
        client_dialect: Some(Dialect::Anthropic),
        upstream_dialect: Some(UpstreamDialect::Anthropic),
        method: "POST".to_owned(),
        path: "/v1/messages".to_owned(),
        client_ip: Some([192, 0, 2, 1].into()),
        user_agent: Some("claude-cli/2.1".to_owned()),
        messages: Some(7),
        session: Some(0x0123_4567_89ab_cdef),
        model_asked: Some("sonnet".to_owned()),
        model_served: Some("claude-sonnet-4-5-20250929".to_owned()),
        route: Some(2),
        rewrites: vec!["cherry-studio".into()],
        pool: Some("claude".into()),
        account: Some("claude-a".into()),
        attempts: vec![attempt(Some(FailureClass::Throttled), 1), attempt(None, 2)],
        affinity: Some(Affinity::Detour),
        status: 200,
        stream: true,
        usage: Some(Usage {
            input: 10,
            cache_read: 30,
            cache_write_5m: 40,
            cache_write_1h: 50,
            output: 20,
            reasoning: 5,
            units: Units::NONE,
        }),
        usage_source: Some(UsageSource::Reported),
        cost_usd: Some(0.25),
        time_to_first_token: Some(Duration::from_millis(2100)),
        duration: Duration::from_millis(12_500),
        overhead: Duration::from_micros(80),
        bytes_in: 1000,
        bytes_out: 2000,
        ..Outcome::new(End::Complete)
    }
}

/// A request that Weir refused with `status` before routing.
pub(super) fn refused(status: u16) -> Outcome {
    let answered = answered();
    Outcome {
        request_id: answered.request_id,
        client_dialect: answered.client_dialect,
        method: answered.method,
        path: answered.path,
        client_ip: answered.client_ip,
        status,
        duration: Duration::from_micros(50),
        detail: Some("no credential".to_owned()),
        ..Outcome::new(End::Refused)
    }
}
