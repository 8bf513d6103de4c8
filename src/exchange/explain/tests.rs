//! The report: what it says about each step, and about failures.
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::config;
use crate::exchange::attempts::Step;
use crate::moment::Moment;
use crate::outcome::FailureClass;
use crate::pool::{Failure, Pool, affinity};

mod exclusions;
mod live;
mod secrets;

fn gateway(yaml: &str) -> Gateway {
    let text = format!("version: 1\n{yaml}");
    let config = config::parse("test", &text, &|_| None).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", faults.join("\n"))
    });
    Gateway::build(config, None)
}

/// Three accounts of two dialects, two pools, three routes, three keys.
const HOUSE: &str = r#"
accounts:
  - { name: a, provider: anthropic, key: secret-of-a, weight: 3, models: ["claude-*"] }
  - { name: b, provider: anthropic, key: secret-of-b, models: ["claude-*"], limits: { rpm: 60, concurrency: 4 } }
  - name: g
    provider: openai-compatible
    base_url: https://chat.example.com/v1
    key: secret-of-g
    headers: { x-team: secret-header }
    query: { api-version: "7", api_key: secret-parameter, code: secret-code, sig: secret-sig }
    egress: socks5://user:secret-egress@127.0.0.1:1080
pools:
  - { name: claude, accounts: [a, b], fallback: gpt }
  - { name: gpt, accounts: [g] }
routes:
  - { when: { model: "claude-*haiku*" }, pool: gpt, model: gpt-5-mini }
  - { when: { model: "claude-*", header: { x-lane: "slow*" } }, pool: gpt }
  - { when: { model: "claude-*" }, pool: claude }
keys:
  - { name: team, key: secret-of-team, group: research, project: moon }
  - { name: narrow, key: secret-of-narrow, pools: [claude], models: ["claude-*"] }
  - { name: late, key: secret-of-late, expires: 2020-01-01T00:00:00Z }
groups: [{ name: research }]
prices: [{ model: "gpt-5-mini", input: 1, output: 2 }]
"#;

const SONNET: &str =
    r#"{"model":"claude-sonnet-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;
const HAIKU: &str = r#"{"model":"claude-haiku-4-5","max_tokens":9,"top_k":5,"messages":[{"role":"user","content":"Hi"}]}"#;

fn occasion() -> Occasion {
    let moment = Moment {
        now: Instant::now(),
        wall: SystemTime::now(),
    };
    Occasion { moment, draw: 1 }
}

/// Asks as a key by its name.
fn ask(gateway: &Gateway, key: &str, body: &str) -> Report {
    asked(
        gateway,
        Some(key),
        (None, &HeaderMap::new()),
        body,
        occasion(),
    )
    .expect("a report")
}

fn asked(
    gateway: &Gateway,
    key: Option<&str>,
    (path, headers): (Option<&str>, &HeaderMap),
    body: &str,
    occasion: Occasion,
) -> Result<Report, String> {
    let explained = ExplainedRequest {
        path,
        headers,
        key,
        body: Bytes::copy_from_slice(body.as_bytes()),
        in_flight: Some(0),
    };
    explain(gateway, &explained, occasion)
}

fn header(name: &'static str, value: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, http::HeaderValue::from_static(value));
    headers
}

/// Benches an account in the same way as a request would.
fn bench(pool: &Pool, account: &str, failure: &Failure, now: Instant) {
    let want = Want {
        pool: 0,
        pools: None,
        model: "claude-sonnet-5",
        vendor_family: None,
        dialect: None,
        inexpressible: &[],
        prefers: None,
        account: Some(account),
        session: None,
        previous_response: None,
        tried: &[],
        prices: None,
        tokens: 0,
        draw: 0,
        insist: true,
    };
    let mut pick = pool.pick(&want, now).expect("usable");
    pick.lease.failed(failure, now, 0);
}

fn throttled(wait: u64) -> Failure {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::RETRY_AFTER, wait.into());
    let hints = crate::pool::Hints::of_status(crate::protocol::UpstreamDialect::Anthropic, 429);
    let kind = crate::protocol::error::ErrorKind::RateLimit;
    crate::pool::classify(kind, &hints, &headers, SystemTime::now())
}

#[test]
fn it_tells_route_pool_accounts_and_attempts() {
    let gateway = gateway(HOUSE);
    let report = ask(&gateway, "team", SONNET);
    assert!(report.served);
    let client = report.client.expect("known");
    assert_eq!((client.key.as_str(), client.found_by), ("team", "name"));
    assert_eq!(client.group.as_deref(), Some("research"));
    let route = report.route.expect("read");
    assert_eq!(
        (route.matched, route.pool.as_deref()),
        (Some(2), Some("claude"))
    );
    let passed: Vec<_> = route
        .passed_over
        .iter()
        .map(|passed| {
            (
                passed.route,
                passed.condition.as_str(),
                passed.found.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        passed,
        [
            (0, "model", Some("claude-sonnet-5")),
            (1, "header x-lane", None)
        ]
    );
    let pool = report.pool.expect("routed");
    assert_eq!(
        (pool.name.as_str(), &pool.fallbacks[..]),
        ("claude", &["gpt".to_owned()][..])
    );
    let tried: Vec<_> = report
        .candidates
        .iter()
        .map(|candidate| (candidate.account.as_str(), candidate.attempt))
        .collect();
    assert_eq!(tried, [("a", Some(1)), ("b", Some(2)), ("g", Some(3))]);
    let attempts = report.attempts.expect("made");
    assert_eq!(attempts.max, 3);
    let dialects: Vec<_> = attempts
        .order
        .iter()
        .map(|attempt| attempt.dialect)
        .collect();
    assert_eq!(dialects, ["anthropic", "anthropic", "openai-chat"]);
    let upstream = report.upstream.expect("asked");
    assert_eq!(upstream.url, "https://api.anthropic.com/v1/messages");
    assert_eq!(upstream.change, "unchanged");
    assert_eq!(
        upstream.body.map(|body| body.get().to_owned()).as_deref(),
        Some(SONNET)
    );
}

#[test]
fn rewrites_are_named_and_their_work_is_seen() {
    let rewrites = "rewrites:\n  - { name: brief, when: { key: team }, clamp: { /max_tokens: [1, 5] } }\n  - { name: haiku, set: { /model: claude-haiku-4-5 }, when: { key: narrow } }\n";
    let gateway = gateway(&format!("{HOUSE}{rewrites}"));
    let report = ask(&gateway, "team", SONNET);
    assert_eq!(report.rewrites, ["brief"]);
    let upstream = report.upstream.as_ref().expect("asked");
    assert_eq!(upstream.change, "rewritten");
    let body = upstream.body.as_ref().map(|body| body.get());
    assert_eq!(body, Some(SONNET.replace('9', "5").as_str()));
    let text = report.to_string();
    assert!(text.contains("rewrites   brief"), "{text}");
    // Routes see the result of the rewrites.
    let report = ask(&gateway, "narrow", SONNET);
    assert_eq!(report.route.expect("looked for").matched, Some(0));
}

#[test]
fn a_translation_tells_what_it_drops_and_what_it_costs() {
    let gateway = gateway(HOUSE);
    let report = ask(&gateway, "team", HAIKU);
    let upstream = report.upstream.expect("asked");
    assert_eq!(
        (upstream.dialect, upstream.change),
        ("openai-chat", "translated")
    );
    assert_eq!(upstream.model.as_deref(), Some("gpt-5-mini"));
    assert_eq!(
        upstream.url,
        "https://chat.example.com/v1/chat/completions?api-version=7&api_key=***&code=***&sig=***"
    );
    assert_eq!(upstream.egress.as_deref(), Some("socks5://127.0.0.1:1080"));
    let dropped: Vec<_> = upstream
        .dropped
        .iter()
        .map(|dropped| dropped.field)
        .collect();
    assert_eq!(dropped, ["top_k"]);
    let price = report.price.expect("a generation");
    assert_eq!(price.model.as_deref(), Some("gpt-5-mini"));
    let tokens = report.request.input_tokens.expect("estimated");
    let usd = price.input_usd.expect("priced");
    assert!((usd - tokens as f64 / 1e6).abs() < 1e-12, "{usd} {tokens}");
}

/// The model must call the search, and only the search's vendors can run it.
const SEARCH: &str = r#"{"model":"m","max_tokens":16,"tool_choice":{"type":"tool","name":"web_search"},"tools":[{"type":"web_search_20250305","name":"web_search"}],"messages":[{"role":"user","content":"Hi"}]}"#;

/// The upstream decides whether it accepts half a token; no translator does.
#[test]
fn what_cannot_be_read_goes_only_to_those_who_get_it_as_it_came() {
    let house = |first: &str| {
        format!(
            "accounts:
  - {{ name: first, provider: {first}, key: k }}
  - {{ name: foreign, provider: openai, dialect: openai-chat, key: k, priority: 1 }}
  - {{ name: second, provider: anthropic, key: k }}
pools:
  - {{ name: default, accounts: [first, foreign], fallback: more }}
  - {{ name: more, accounts: [second] }}
keys: [{{ name: team, key: x }}]
"
        )
    };
    let body = SONNET.replace('9', "9.5");
    let path = Some("/v1/messages");
    let report = |first: &str| {
        let gateway = gateway(&house(first));
        asked(
            &gateway,
            Some("team"),
            (path, &HeaderMap::new()),
            &body,
            occasion(),
        )
        .expect("a report")
    };
    for (first, expected) in [
        ("anthropic", &["first", "second"][..]),
        ("gemini", &["second"]),
    ] {
        let report = report(first);
        assert!(report.served, "{report}");
        let attempts = report.attempts.expect("some").order;
        let order: Vec<&str> = attempts.iter().map(|it| it.account.as_str()).collect();
        assert_eq!(order, expected);
        let part = report.untranslatable.expect("named");
        assert_eq!(part.dialects, ["gemini", "openai-chat", "openai-responses"]);
        let foreign = report.candidates.iter().find(|it| it.account == "foreign");
        let excluded = foreign.and_then(|it| it.excluded.as_ref());
        assert_eq!(excluded.map(|excluded| excluded.reason), Some("dialect"));
    }
}

#[test]
fn what_one_dialect_cannot_say_is_named_with_the_reason() {
    let mute = "anonymous: true\naccounts:\n  - { name: mute, provider: openai-compatible, base_url: http://127.0.0.1:9/v1, key: k }\n";
    let able =
        "  - { name: able, provider: openai, dialect: openai-responses, key: k, priority: 1 }\n";
    let explained = |yaml: &str| {
        let none = HeaderMap::new();
        asked(
            &gateway(yaml),
            None,
            (Some("/v1/messages"), &none),
            SEARCH,
            occasion(),
        )
        .expect("a report")
    };
    let report = explained(mute);
    let answer = report.answer.expect("refused");
    assert_eq!((report.served, answer.status), (false, 400));
    let message = answer.body["error"]["message"].as_str().expect("words");
    assert!(message.contains("web_search"), "{message}");

    let report = explained(&format!("{mute}{able}"));
    assert_eq!(report.upstream.expect("asked").account, "able");
    let part = report.untranslatable.expect("named");
    assert_eq!(part.dialects, ["openai-chat"]);
    assert!(
        part.field == "tools.0" && part.why.contains("web_search"),
        "{part:?}"
    );
    let mute = report
        .candidates
        .iter()
        .find(|candidate| candidate.account == "mute");
    let excluded = mute.and_then(|mute| mute.excluded.as_ref());
    assert_eq!(excluded.map(|excluded| excluded.reason), Some("dialect"));
}

#[test]
fn limits_are_told_as_they_stand_and_asking_spends_none() {
    let limits = "project: moon, limits: { rpm: 1, usd_per_day: 5 } }";
    let gateway = Arc::new(gateway(&HOUSE.replace("project: moon }", limits)));
    let occasion = occasion();
    let none = HeaderMap::new();
    let report = |occasion| {
        asked(&gateway, Some("team"), (None, &none), SONNET, occasion).expect("a report")
    };
    let standing = |report: &Report| {
        let of_key = report
            .limits
            .iter()
            .filter(|limit| limit.scope == "key team");
        let of_key = of_key.map(|limit| (limit.limit, limit.cap, limit.used));
        of_key.collect::<Vec<_>>()
    };
    for _ in 0..3 {
        let report = report(occasion);
        assert!(report.served);
        let unused = [("rpm", 1.0, Some(0.0)), ("usd_per_day", 5.0, Some(0.0))];
        assert_eq!(standing(&report), unused);
        let reserved = report.request.reserved.expect("read");
        assert!(reserved.usd.is_some_and(|usd| usd > 0.0), "{reserved:?}");
    }
    let key = named_key(&gateway, "team").expect("configured");
    let permit = gateway.limits.admit(
        gateway.limits.principal(key.index, None),
        crate::limits::Used::default(),
        occasion.moment,
    );
    let refused = report(occasion);
    assert_eq!(standing(&refused)[0], ("rpm", 1.0, Some(1.0)));
    let answer = refused.answer.expect("refused");
    assert_eq!((refused.served, answer.status), (false, 429));
    let message = answer.body["error"]["message"].as_str().expect("words");
    assert!(message.contains("1 requests per minute"), "{message}");
    drop(permit);

    // Without a running process there is only the configuration.
    let explained = ExplainedRequest {
        path: None,
        headers: &none,
        key: Some("team"),
        body: Bytes::from_static(SONNET.as_bytes()),
        in_flight: None,
    };
    let alone = explain(&gateway, &explained, occasion).expect("a report");
    assert_eq!(standing(&alone)[0], ("rpm", 1.0, None));
}

#[test]
fn refusals_are_those_of_the_live_path() {
    let gateway = gateway(HOUSE);
    let none = HeaderMap::new();
    let status = |key, path, headers: &HeaderMap, body| {
        let report = asked(&gateway, key, (path, headers), body, occasion()).expect("a report");
        report.answer.map_or(200, |answer| answer.status)
    };
    assert_eq!(status(None, None, &none, SONNET), 401);
    assert_eq!(
        status(None, None, &header("x-api-key", "wrong"), SONNET),
        401
    );
    assert_eq!(
        status(None, None, &header("x-api-key", "secret-of-late"), SONNET),
        401
    );
    assert_eq!(status(Some("late"), None, &none, SONNET), 401);
    assert_eq!(
        status(None, None, &header("x-api-key", "secret-of-team"), SONNET),
        200
    );
    assert_eq!(status(Some("narrow"), None, &none, HAIKU), 403);
    assert_eq!(
        status(
            Some("narrow"),
            None,
            &none,
            r#"{"model":"gpt-5","messages":[]}"#
        ),
        403
    );
    assert_eq!(status(Some("team"), Some("/nothing"), &none, SONNET), 404);
    assert_eq!(status(Some("team"), Some("/v1/models"), &none, SONNET), 405);
    assert_eq!(status(Some("team"), Some("/v1/messages"), &none, "{"), 400);
    assert_eq!(
        status(Some("team"), Some("/v1/messages"), &none, r#"{"model":5}"#),
        400
    );
    // Two members of the same name must not evade the models that a key may use.
    let twice = r#"{"model":"claude-sonnet-5","model":"claude-haiku-4-5","messages":[]}"#;
    assert_eq!(
        status(Some("team"), Some("/v1/messages"), &none, twice),
        400
    );
}

#[test]
fn a_question_that_makes_no_sense_is_no_refusal() {
    let gateway = gateway(HOUSE);
    let none = HeaderMap::new();
    let wrong = |key, path, body| {
        asked(&gateway, key, (path, &none), body, occasion()).expect_err("a wrong question")
    };
    assert!(wrong(Some("nobody"), None, SONNET).contains("team"));
    assert!(wrong(Some("team"), None, "{}").contains("`messages`"));
    assert!(wrong(Some("team"), Some("v1/messages"), SONNET).contains("/v1/messages"));
    assert!(wrong(Some("team"), Some("https://x/v1/messages y"), SONNET).contains("no path"));
}

#[test]
fn counting_for_another_dialect_is_answered_by_an_estimate() {
    let gateway = gateway(HOUSE);
    let path = Some("/v1/messages/count_tokens");
    let report = asked(
        &gateway,
        Some("team"),
        (path, &HeaderMap::new()),
        HAIKU,
        occasion(),
    );
    let report = report.expect("a report");
    let answer = report.answer.expect("an estimate");
    assert_eq!((report.served, answer.status), (true, 200));
    assert!(answer.body["input_tokens"].as_u64() > Some(0));
    assert!(report.upstream.is_none() && report.price.is_none());
}

#[test]
fn an_endpoint_that_weir_does_not_interpret_has_its_account_too() {
    let gateway = gateway(
        "anonymous: true\naccounts: [{ name: a, provider: anthropic, key: secret-of-a }]\n",
    );
    let path = Some("/v1/messages/batches?limit=3");
    let report = asked(
        &gateway,
        None,
        (path, &HeaderMap::new()),
        r#"{"requests":[]}"#,
        occasion(),
    );
    let report = report.expect("a report");
    let upstream = report.upstream.expect("asked");
    assert_eq!(
        upstream.url,
        "https://api.anthropic.com/v1/messages/batches?limit=3"
    );
    assert_eq!(
        (report.request.operation, upstream.change),
        ("vendor", "unchanged")
    );
}

#[test]
fn the_session_is_told_by_its_kind() {
    let gateway = gateway(HOUSE);
    let headers = header("x-claude-code-session-id", "s-1");
    let report = asked(&gateway, Some("team"), (None, &headers), SONNET, occasion());
    let session = report.expect("a report").session.expect("one");
    assert_eq!(
        (session.kind, session.id.as_str()),
        ("x-claude-code-session-id", "s-1")
    );
    assert_eq!(session.affinity, Some("new"));
}
