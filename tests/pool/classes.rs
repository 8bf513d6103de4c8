//! Every class of failure: its signals, its scope, its duration.
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use weir::config::Select;
use weir::outcome::FailureClass as Class;
use weir::pool::quota;
use weir::pool::{Failure, Fault, Hints, Next, Scope, State, Verdict, classify_transport};
use weir::protocol::UpstreamDialect::{self, Anthropic, Gemini, OpenaiChat, OpenaiResponses};
use weir::protocol::error::{ErrorKind as Kind, ParsedError, parse, parse_event};

use crate::support::*;

/// 2026-11-10T12:00:00Z.
fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + SECOND * 1_794_312_000
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        (
            HeaderName::try_from(*name).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    pairs.iter().map(header).collect()
}

/// What an upstream's error says.
#[derive(Clone, Copy, Debug, Default)]
struct Said<'a> {
    type_: &'a str,
    code: &'a str,
    message: &'a str,
    retry_after: Option<Duration>,
    quota_ids: &'a [String],
    is_json: bool,
}

impl Said<'_> {
    fn parsed(&self, dialect: UpstreamDialect, status: u16) -> ParsedError {
        let violations: Vec<_> = self
            .quota_ids
            .iter()
            .map(|id| serde_json::json!({ "quotaId": id }))
            .collect();
        let body = serde_json::json!({ "error": {
            "type": self.type_,
            "code": self.code,
            "message": self.message,
            "details": [{ "violations": violations }],
        } });
        let body = if self.is_json {
            body.to_string()
        } else {
            String::new()
        };
        let mut parsed = if status == 200 {
            parse_event(dialect, body.as_bytes()).expect("an error")
        } else {
            parse(dialect, status, body.as_bytes())
        };
        parsed.retry_after = self.retry_after.or(parsed.retry_after);
        parsed
    }
}

fn classify(
    dialect: UpstreamDialect,
    status: u16,
    headers: &HeaderMap,
    said: &Said<'_>,
    wall: SystemTime,
) -> Failure {
    let parsed = said.parsed(dialect, status);
    weir::pool::classify(parsed.kind, &Hints::of(dialect, &parsed), headers, wall)
}

fn classify_event(dialect: UpstreamDialect, said: &Said<'_>, wall: SystemTime) -> Failure {
    weir::pool::classify_event(dialect, &said.parsed(dialect, 200), wall)
}

/// A JSON error of this type, code and message; empty = absent.
const fn json<'a>(type_: &'a str, code: &'a str, message: &'a str) -> Said<'a> {
    Said {
        type_,
        code,
        message,
        retry_after: None,
        quota_ids: &[],
        is_json: true,
    }
}

struct Case<'a>(UpstreamDialect, u16, &'a [(&'a str, &'a str)], Said<'a>);

fn check(
    Case(dialect, status, pairs, facts): Case<'_>,
    class: Class,
    scope: Scope,
    seconds: Option<f64>,
) {
    let failure = classify(dialect, status, &headers(pairs), &facts, wall());
    let expected = Failure {
        class,
        scope,
        retry_after: seconds.map(Duration::from_secs_f64),
        at_once: false,
        cause: failure.cause,
        is_named: failure.is_named,
        doubt: failure.doubt,
        is_echo: false,
        worded: failure.worded,
    };
    assert_eq!(failure, expected, "{status} {pairs:?} {facts:?}");
}

#[test]
fn the_clients_fault_benches_nothing_and_goes_nowhere() {
    for status in [400, 404, 405, 409, 413, 415, 422] {
        let facts = json("invalid_request_error", "", "messages: field required");
        check(
            Case(Anthropic, status, &[], facts),
            Class::ClientFault,
            Scope::Nothing,
            None,
        );
        check(
            Case(OpenaiChat, status, &[], Said::default()),
            Class::ClientFault,
            Scope::Nothing,
            None,
        );
    }
    let forbidden = json("permission_error", "", "Your account may not use this beta");
    check(
        Case(Anthropic, 403, &[], forbidden),
        Class::ClientFault,
        Scope::Nothing,
        None,
    );
}

#[test]
fn every_vendors_wording_of_a_full_context_is_known() {
    for facts in [
        json(
            "invalid_request_error",
            "",
            "prompt is too long: 215000 tokens > 200000 maximum",
        ),
        json(
            "invalid_request_error",
            "",
            "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000",
        ),
        json(
            "invalid_request_error",
            "context_length_exceeded",
            "Your input exceeds",
        ),
        json(
            "INVALID_ARGUMENT",
            "400",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        json(
            "BadRequestError",
            "400",
            "This model's maximum context length is 32768 tokens. However, you requested",
        ),
        json(
            "invalid_request_error",
            "",
            "Invalid request: Your request exceeded model token limit: 131072",
        ),
        json("", "1261", "Prompt exceeds max length"),
        json(
            "exceed_context_size_error",
            "400",
            "the request exceeds the available context size",
        ),
    ] {
        check(
            Case(OpenaiChat, 400, &[], facts),
            Class::ContextLength,
            Scope::Nothing,
            None,
        );
    }
    let event = classify_event(
        OpenaiResponses,
        &json("", "context_length_exceeded", "x"),
        wall(),
    );
    assert_eq!(
        (event.class, event.next()),
        (Class::ContextLength, Next::Fallback)
    );
}

#[test]
fn a_refused_credential_benches_the_account_only_when_it_is_about_the_credential() {
    let wrong = json("authentication_error", "", "invalid x-api-key");
    check(
        Case(Anthropic, 401, &[], wrong),
        Class::Auth,
        Scope::Account,
        None,
    );
    check(
        Case(OpenaiChat, 401, &[], Said::default()),
        Class::Auth,
        Scope::Account,
        None,
    );
    let gemini = json(
        "INVALID_ARGUMENT",
        "400",
        "API key not valid. Please pass a valid API key.",
    );
    check(
        Case(Gemini, 400, &[], gemini),
        Class::Auth,
        Scope::Account,
        None,
    );
    let disabled = json(
        "permission_error",
        "",
        "This organization has been disabled.",
    );
    check(
        Case(Anthropic, 403, &[], disabled),
        Class::Auth,
        Scope::Account,
        None,
    );
    let model = json("", "", "Your project does not have access to model `gpt-9`");
    check(
        Case(OpenaiChat, 403, &[], model),
        Class::Auth,
        Scope::Nothing,
        None,
    );
    check(
        Case(Anthropic, 403, &[], Said::default()),
        Class::ServerError,
        Scope::Endpoint,
        None,
    );
}

#[test]
fn what_a_client_wrote_blames_no_account() {
    let blames = [
        "Your credit balance is too low",
        "incorrect api key",
        "exceeded your current quota",
        "overloaded",
    ];
    for phrase in blames {
        let model = format!("The model `{phrase}` does not exist");
        let field = format!("Unknown parameter: \"{phrase}\".");
        let value = format!("Invalid value: {phrase}. Supported values are: low, high.");
        let open = format!("messages.0: unexpected text \"{phrase}");
        let cases = [
            (
                404,
                json("invalid_request_error", "model_not_found", &model),
            ),
            (404, json("not_found_error", "", phrase)),
            (404, json("NotFoundError", "404", phrase)),
            (
                400,
                json("invalid_request_error", "model_not_found", phrase),
            ),
            (
                400,
                json("invalid_request_error", "unknown_parameter", &field),
            ),
            (400, json("invalid_request_error", "invalid_value", &value)),
            (400, json("invalid_request_error", "", &model)),
            (400, json("invalid_request_error", "", &open)),
            (413, json("request_too_large", "", phrase)),
        ];
        for (status, facts) in cases {
            check(
                Case(OpenaiChat, status, &[], facts),
                Class::ClientFault,
                Scope::Nothing,
                None,
            );
        }
    }
    // A quotation beside the phrase does not silence it.
    let spent = json(
        "invalid_request_error",
        "",
        "Model \"x\": your credit balance is too low to access the API.",
    );
    check(
        Case(Anthropic, 400, &[], spent),
        Class::Quota,
        Scope::Account,
        None,
    );
}

#[test]
fn a_restricted_key_is_not_a_dead_one() {
    let scopes =
        "You have insufficient permissions for this operation. Missing scopes: model.request.";
    for facts in [
        json("invalid_request_error", "missing_scope", scopes),
        json("invalid_request_error", "", scopes),
        json("", "missing_scope", ""),
    ] {
        for status in [401, 403] {
            check(
                Case(OpenaiChat, status, &[], facts),
                Class::Auth,
                Scope::Nothing,
                None,
            );
        }
    }
}

#[test]
fn a_spent_quota_lasts_until_the_stated_reset() {
    for facts in [
        json(
            "insufficient_quota",
            "insufficient_quota",
            "You exceeded your current quota",
        ),
        json("insufficient_quota", "project_spend_limit_exceeded", "x"),
        json(
            "exceeded_current_quota_error",
            "",
            "Your account is not active",
        ),
    ] {
        let minute = [
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-remaining-requests", "0"),
        ];
        check(
            Case(OpenaiChat, 429, &minute, facts),
            Class::Quota,
            Scope::Account,
            None,
        );
    }
    check(
        Case(OpenaiChat, 402, &[], Said::default()),
        Class::Quota,
        Scope::Account,
        None,
    );
    let codex = Said {
        retry_after: Some(SECOND * 7999),
        ..json(
            "usage_limit_reached",
            "",
            "The usage limit has been reached",
        )
    };
    check(
        Case(OpenaiResponses, 429, &[], codex),
        Class::Quota,
        Scope::Account,
        Some(7999.0),
    );
    let low = json(
        "invalid_request_error",
        "",
        "Your credit balance is too low to access the Anthropic API.",
    );
    check(
        Case(Anthropic, 400, &[], low),
        Class::Quota,
        Scope::Account,
        None,
    );
    let spent = json(
        "invalid_request_error",
        "",
        "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
    );
    check(
        Case(Anthropic, 400, &[], spent),
        Class::Quota,
        Scope::Account,
        Some(1_771_200.0),
    );
    let tier = json("rate_limit_error", "", "Error");
    check(
        Case(Anthropic, 429, &[("x-should-retry", "false")], tier),
        Class::Quota,
        Scope::Account,
        None,
    );
}

#[test]
fn a_rejected_subscription_waits_for_the_latest_rejected_window() {
    let facts = json("rate_limit_error", "", "Error");
    let both = [
        ("retry-after", "60"),
        ("anthropic-ratelimit-unified-status", "rejected"),
        (
            "anthropic-ratelimit-unified-representative-claim",
            "five_hour",
        ),
        ("anthropic-ratelimit-unified-reset", "1794315600"),
        ("anthropic-ratelimit-unified-5h-status", "rejected"),
        ("anthropic-ratelimit-unified-5h-reset", "1794315600"),
        ("anthropic-ratelimit-unified-7d-status", "rejected"),
        ("anthropic-ratelimit-unified-7d-reset", "1794484800"),
    ];
    check(
        Case(Anthropic, 429, &both, facts),
        Class::Quota,
        Scope::Account,
        Some(172_800.0),
    );
    let mut five = both;
    five[6].1 = "allowed";
    check(
        Case(Anthropic, 429, &five, facts),
        Class::Quota,
        Scope::Account,
        Some(3600.0),
    );
    let mut opus = five;
    opus[2].1 = "seven_day_opus";
    check(
        Case(Anthropic, 429, &opus, facts),
        Class::Quota,
        Scope::AccountModel,
        Some(3600.0),
    );
    check(
        Case(Anthropic, 429, &both[1..4], facts),
        Class::Quota,
        Scope::Account,
        Some(3600.0),
    );
}

#[test]
fn geminis_quotas_are_told_by_their_ids() {
    let day = ["GenerateRequestsPerDayPerProjectPerModel-FreeTier".to_owned()];
    let facts = Said {
        quota_ids: &day,
        retry_after: Some(SECOND * 37),
        ..json("RESOURCE_EXHAUSTED", "429", "You exceeded your quota")
    };
    check(
        Case(Gemini, 429, &[], facts),
        Class::Quota,
        Scope::AccountModel,
        Some(72_000.0),
    );
    let minute = ["GenerateContentInputTokensPerMinutePerProject".to_owned()];
    let facts = Said {
        quota_ids: &minute,
        retry_after: Some(SECOND * 37),
        ..json("RESOURCE_EXHAUSTED", "429", "Resource exhausted")
    };
    check(
        Case(Gemini, 429, &[], facts),
        Class::Throttled,
        Scope::Account,
        Some(37.0),
    );
}

#[test]
fn throttling_lasts_as_stated_and_the_latest_of_several_wins() {
    let facts = json(
        "rate_limit_error",
        "",
        "Number of requests has exceeded your rate limit",
    );
    for (pairs, seconds) in [
        (&[("retry-after", "7999")][..], 7999.0),
        (&[("retry-after", "1.5")], 1.5),
        (&[("retry-after-ms", "1500")], 1.5),
        (&[("retry-after", "Tue, 10 Nov 2026 12:00:30 GMT")], 30.0),
        (
            &[
                ("x-ratelimit-reset-requests", "120ms"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            360.0,
        ),
        (
            &[("retry-after", "5"), ("x-ratelimit-reset-tokens", "6m0s")],
            360.0,
        ),
        (
            &[
                ("retry-after", "5"),
                ("x-ratelimit-reset-requests", "8h0m0s"),
                ("x-ratelimit-remaining-requests", "150"),
            ],
            5.0,
        ),
        (
            &[
                ("x-ratelimit-reset-requests", "8h0m0s"),
                ("x-ratelimit-remaining-requests", "150"),
            ],
            28_800.0,
        ),
        (&[("x-ratelimit-reset", "1794312060")], 60.0),
    ] {
        check(
            Case(OpenaiChat, 429, pairs, facts),
            Class::Throttled,
            Scope::Account,
            Some(seconds),
        );
    }
    let body = Said {
        retry_after: Some(SECOND * 20),
        ..facts
    };
    check(
        Case(OpenaiChat, 429, &[("retry-after", "7")], body),
        Class::Throttled,
        Scope::Account,
        Some(20.0),
    );
}

#[test]
fn an_absurd_time_is_capped_and_breaks_nothing() {
    let facts = Said {
        retry_after: Some(Duration::MAX),
        ..json("rate_limit_error", "", "x")
    };
    let failure = classify(OpenaiChat, 429, &HeaderMap::new(), &facts, wall());
    assert_eq!(failure.retry_after, Some(Duration::from_hours(32 * 24)));
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    fail(
        &pool,
        "a",
        &Failure {
            retry_after: Some(Duration::MAX),
            ..failure
        },
        now,
    );
    assert_eq!(pool.snapshot(now)[0].until, failure.retry_after);
}

#[test]
fn limits_per_model_bench_only_that_class_of_models() {
    let facts = json(
        "rate_limit_error",
        "",
        "Number of request tokens has exceeded your per-minute rate limit",
    );
    let pairs = [
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
        (
            "anthropic-ratelimit-input-tokens-reset",
            "2026-11-10T12:00:41Z",
        ),
    ];
    check(
        Case(Anthropic, 429, &pairs, facts),
        Class::Throttled,
        Scope::AccountModel,
        Some(41.0),
    );
    let named = json(
        "tokens",
        "rate_limit_exceeded",
        "Rate limit reached for gpt-4o in organization org-x on tokens per min",
    );
    check(
        Case(OpenaiChat, 429, &[("retry-after-ms", "800")], named),
        Class::Throttled,
        Scope::AccountModel,
        Some(0.8),
    );
}

#[test]
fn throttling_without_a_hint_is_blind() {
    let facts = json("rate_limit_error", "", "Error");
    for pairs in [
        &[][..],
        &[("x-should-retry", "true")],
        &[("retry-after", "0")],
        &[("retry-after", "soon")],
    ] {
        check(
            Case(Anthropic, 429, pairs, facts),
            Class::ThrottledBlind,
            Scope::Account,
            None,
        );
    }
}

#[test]
fn overload_is_the_endpoints_whatever_its_status() {
    let anthropic = json("overloaded_error", "", "Overloaded");
    check(
        Case(Anthropic, 529, &[], anthropic),
        Class::Overloaded,
        Scope::Endpoint,
        None,
    );
    check(
        Case(Anthropic, 529, &[], Said::default()),
        Class::Overloaded,
        Scope::Endpoint,
        None,
    );
    check(
        Case(Anthropic, 500, &[], json("api_error", "", "Overloaded")),
        Class::Overloaded,
        Scope::Endpoint,
        None,
    );
    check(
        Case(
            OpenaiChat,
            503,
            &[],
            json("service_unavailable_error", "server_is_overloaded", "x"),
        ),
        Class::Overloaded,
        Scope::Endpoint,
        None,
    );
    check(
        Case(OpenaiChat, 503, &[], json("", "slow_down", "x")),
        Class::Overloaded,
        Scope::Endpoint,
        None,
    );
    check(
        Case(
            Gemini,
            503,
            &[],
            json("UNAVAILABLE", "503", "The model is overloaded."),
        ),
        Class::Overloaded,
        Scope::Endpoint,
        None,
    );
    check(
        Case(
            OpenaiChat,
            429,
            &[],
            json(
                "engine_overloaded_error",
                "",
                "The engine is currently overloaded",
            ),
        ),
        Class::Overloaded,
        Scope::Endpoint,
        None,
    );
    check(
        Case(OpenaiChat, 503, &[("retry-after", "20")], Said::default()),
        Class::Overloaded,
        Scope::Endpoint,
        Some(20.0),
    );
    let event = classify_event(Anthropic, &anthropic, wall());
    assert_eq!(
        (event.class, event.scope, event.next()),
        (Class::Overloaded, Scope::Endpoint, Next::ElsewhereOrInPlace)
    );
}

#[test]
fn a_failing_server_is_the_endpoints_too() {
    for status in [500, 502, 503, 504, 520, 521, 522, 523, 524, 408, 302] {
        check(
            Case(OpenaiChat, status, &[], Said::default()),
            Class::ServerError,
            Scope::Endpoint,
            None,
        );
    }
    check(
        Case(OpenaiChat, 200, &[], json("", "", "")),
        Class::ServerError,
        Scope::Endpoint,
        None,
    );
    check(
        Case(OpenaiChat, 200, &[], json("api_error", "", "boom")),
        Class::ServerError,
        Scope::Endpoint,
        None,
    );
}

#[test]
fn vendors_numbers_mean_the_same_to_the_pool_and_to_the_client() {
    let read = |dialect, status: u16, body: &str| {
        let parsed = match status {
            200 => parse_event(dialect, body.as_bytes()).expect("an error"),
            _ => parse(dialect, status, body.as_bytes()),
        };
        let hints = Hints::of(dialect, &parsed);
        let failure = weir::pool::classify(parsed.kind, &hints, &HeaderMap::new(), wall());
        (parsed.kind, failure.class, failure.scope)
    };
    let minimax =
        |code: u16| format!(r#"{{"base_resp":{{"status_code":{code},"status_msg":"m"}}}}"#);
    let glm = |code: u16| format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
    let account = Scope::Account;
    for dialect in [Anthropic, OpenaiChat, OpenaiResponses] {
        for (status, body, kind, class, scope) in [
            (200, minimax(1004), Kind::Authentication, Class::Auth, account),
            (200, minimax(2056), Kind::Quota, Class::Quota, account),
            (200, minimax(1002), Kind::RateLimit, Class::ThrottledBlind, account),
            (429, glm(1309), Kind::Quota, Class::Quota, account),
            (429, glm(1305), Kind::Overloaded, Class::Overloaded, Scope::Endpoint),
            (200, glm(1305), Kind::Overloaded, Class::Overloaded, Scope::Endpoint),
            (
                400,
                r#"{"code":"InvalidParameter","message":"Range of input length should be [1, 98304]"}"#.to_owned(),
                Kind::ContextLength,
                Class::ContextLength,
                Scope::Nothing,
            ),
        ] {
            assert_eq!(read(dialect, status, &body), (kind, class, scope), "{body}");
        }
    }
}

#[test]
fn an_error_with_status_200_means_what_it_says() {
    for (facts, class) in [
        (json("rate_limit_error", "", "x"), Class::ThrottledBlind),
        (
            json("", "429", "Rate limit exceeded"),
            Class::ThrottledBlind,
        ),
        (
            json("", "502", "Provider returned error"),
            Class::ServerError,
        ),
        (json("invalid_request_error", "", "x"), Class::ClientFault),
        (json("authentication_error", "", "x"), Class::Auth),
        (json("", "insufficient_quota", "x"), Class::Quota),
        (
            json("", "1302", "too many concurrent requests"),
            Class::ThrottledBlind,
        ),
        (json("", "weird", "x"), Class::ServerError),
    ] {
        assert_eq!(
            classify_event(Anthropic, &facts, wall()).class,
            class,
            "{facts:?}"
        );
    }
}

#[test]
fn broken_connections_before_and_after_the_commit_point() {
    for fault in [
        Fault::Connect,
        Fault::Dns,
        Fault::Eof,
        Fault::Refused,
        Fault::Reset,
        Fault::Tls,
    ] {
        let failure = classify_transport(fault, false);
        assert_eq!(
            (failure.class, failure.scope, failure.next()),
            (Class::Transport, Scope::Endpoint, Next::Elsewhere)
        );
        assert_eq!(failure.at_once, fault == Fault::Refused);
        let late = classify_transport(fault, true);
        assert_eq!((late.class, late.next()), (Class::Truncated, Next::Stop));
    }
    assert_eq!(
        classify_transport(Fault::FirstByte, false).next(),
        Next::ElsewhereOnce
    );
    assert_eq!(
        classify_transport(Fault::Idle, true).class,
        Class::Truncated
    );
    assert_eq!(Failure::client_gone().next(), Next::Stop);
}

#[test]
fn a_limit_on_one_model_class_leaves_the_others_usable() {
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    let opus = weir::pool::Want {
        model: "claude-opus-4-5",
        ..want()
    };
    let mut pick = pool.pick(&opus, now).unwrap();
    pick.lease.failed(
        &failure(Class::Quota, Scope::AccountModel, Some(100)),
        now,
        0,
    );
    assert!(
        pool.pick(
            &weir::pool::Want {
                model: "claude-opus-4-1",
                ..want()
            },
            now
        )
        .is_err()
    );
    assert!(serve(&pool, &want(), now).is_ok());
    let status = &pool.snapshot(now)[0];
    assert_eq!(status.state, State::Usable);
    assert_eq!(
        (&*status.models[0].name, status.models[0].until),
        ("opus", Some(SECOND * 100))
    );
    assert!(serve(&pool, &opus, now + SECOND * 100).is_ok());
}

#[test]
fn a_refused_credential_is_probed_after_half_an_hour_by_one_request() {
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    let auth = failure(Class::Auth, Scope::Account, None);
    fail(&pool, "a", &auth, now);
    assert_eq!(
        pool.pick(&want(), now + SECOND * 1799).unwrap_err().verdict,
        Verdict::Auth
    );
    let again = now + SECOND * 1800;
    let mut probe = pool.pick(&want(), again).unwrap();
    assert!(pool.pick(&want(), again).is_err());
    probe.lease.failed(&auth, again, 0);
    assert_eq!(pool.snapshot(again)[0].until, Some(SECOND * 1800));
    assert!(pool.enable("a"));
    assert!(serve(&pool, &want(), again).is_ok());
}

#[test]
fn a_clients_fault_proves_the_upstream_alive() {
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    let error = failure(Class::ServerError, Scope::Endpoint, None);
    for _ in 0..4 {
        fail(&pool, "a", &error, now);
        fail(&pool, "a", &error, now);
        fail(
            &pool,
            "a",
            &failure(Class::ClientFault, Scope::Nothing, None),
            now,
        );
    }
    fail(&pool, "a", &error, now);
    fail(&pool, "a", &error, now);
    fail(&pool, "a", &error, now);
    let out = pool.pick(&want(), now).unwrap_err();
    assert_eq!(
        (out.verdict, out.soonest),
        (Verdict::Down, Some(SECOND * 5))
    );
}

#[test]
fn a_client_that_leaves_counts_for_nothing() {
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    for _ in 0..10 {
        drop(pool.pick(&want(), now).unwrap());
        fail(&pool, "a", &Failure::client_gone(), now);
    }
    let status = &pool.snapshot(now)[0];
    assert_eq!((status.state, status.in_flight), (State::Usable, 0));
}

#[test]
fn overload_asks_no_more_than_ten_seconds_of_everyone() {
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    fail(
        &pool,
        "a",
        &failure(Class::Overloaded, Scope::Endpoint, Some(3600)),
        now,
    );
    assert_eq!(
        pool.pick(&want(), now).unwrap_err().soonest,
        Some(SECOND * 10)
    );
}

#[test]
fn unreadable_quota_headers_break_nothing() {
    let garbage = headers(&[
        ("anthropic-ratelimit-", "x"),
        ("anthropic-ratelimit-tokens-remaining", "-5"),
        ("anthropic-ratelimit-tokens-limit", "NaN"),
        ("anthropic-ratelimit-unified-5h-utilization", "lots"),
        (
            "anthropic-ratelimit-unified-5h-reset",
            "99999999999999999999",
        ),
        ("anthropic-ratelimit-future-thing-limit", "7"),
        ("x-ratelimit-remaining-requests", ""),
        ("x-codex-primary-used-percent", "1e999"),
        ("x-codex-", ""),
    ]);
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    let pick = pool.pick(&want(), now).unwrap();
    pick.lease.observe(&garbage, at(now, wall()));
    drop(pick);
    assert!(pool.snapshot(now)[0].windows.is_empty());
    assert!(serve(&pool, &want(), now).is_ok());
    assert!(quota::read(&HeaderMap::new(), wall()).is_none());
}

#[test]
fn one_request_that_breaks_a_server_counts_once_however_often_it_is_retried() {
    let mut list = accounts(&["a", "b", "c"]);
    for account in &mut list {
        account.endpoints = vec![endpoint("https://api.anthropic.com")];
    }
    let (pool, now) = build(list, Select::Weighted);
    let error = failure(Class::ServerError, Scope::Endpoint, None);
    for request in 1..=3 {
        let mut tried = Vec::new();
        while let Ok(mut pick) = pool.pick(
            &weir::pool::Want {
                tried: &tried,
                ..want()
            },
            now,
        ) {
            pick.lease.failed(&error, now, 0);
            tried.push(pick.tried(&error));
        }
        assert_eq!(pool.is_usable(now), request < 3);
    }
}
