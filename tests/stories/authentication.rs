//! Who may call, and what is said to those who may not.
use crate::rig::{ALL, Answer, KEY, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

const ANTHROPIC: fn() -> Lines = || sample(Dialect::Anthropic);

fn weir(keys: &str) -> (Upstream, Weir) {
    let upstream = Upstream::json(200, ANTHROPIC().answer);
    let entry = account("a", &ANTHROPIC(), &upstream, "");
    let weir = Weir::start(&format!("{}keys:\n  - {keys}\n", accounts(&[entry])));
    (upstream, weir)
}

fn ask(weir: &Weir, headers: &[(&str, &str)], query: &str) -> Answer {
    let lines = ANTHROPIC();
    let call = weir.post(&format!("{}{query}", lines.path), lines.ask);
    let call = call.without("authorization");
    let add = |call: crate::rig::Call, (name, value): &(&str, &str)| call.header(name, value);
    headers.iter().fold(call, add).send()
}

#[test]
fn a_key_is_accepted_wherever_the_sdks_put_it() {
    let (upstream, weir) = weir("{ name: team, key: k-1 }");
    ask(&weir, &[("Authorization", "Bearer k-1")], "").is(200);
    ask(&weir, &[("authorization", "bearer   k-1")], "").is(200);
    ask(&weir, &[("x-api-key", "k-1")], "").is(200);
    ask(&weir, &[("X-Goog-Api-Key", "k-1")], "").is(200);
    ask(&weir, &[], "?key=k-1").is(200);
    ask(&weir, &[], "?beta=true&key=k%2D1").is(200);
    let both = [("authorization", "Bearer stale"), ("x-api-key", "k-1")];
    ask(&weir, &both, "").is(200);
    assert_eq!(upstream.count(), 7);
}

#[test]
fn a_missing_or_wrong_key_is_a_401_in_the_dialect_of_the_caller() {
    let upstream = Upstream::start(|_, _| panic!("nobody is let through"));
    let entries = ALL.map(|dialect| {
        let name = dialect.as_str();
        account(name, &sample(dialect), &upstream, "")
    });
    let weir = Weir::start(&accounts(&entries));
    for lines in ALL.map(sample) {
        let kind = match lines.dialect {
            Dialect::Anthropic => "authentication_error",
            Dialect::Gemini => "UNAUTHENTICATED",
            _ => "invalid_request_error",
        };
        let missing = weir.ask(&lines).without("authorization").send().is(401);
        let wrong = weir.ask(&lines).key("wrong").send().is(401);
        for answer in [missing, wrong] {
            let (said, message) = lines.error(&answer.json());
            assert_eq!(said, kind, "{}", answer.text());
            assert!(message.contains("API key"), "{message}");
            assert!(!answer.text().contains("wrong"), "{}", answer.text());
        }
    }
    weir.until_metric(
        "weir_requests_total",
        &[("outcome", "unauthenticated")],
        8.0,
    );
}

#[test]
fn an_expired_key_is_refused_in_the_words_of_a_wrong_one() {
    let (upstream, weir) = weir("{ name: team, key: k-1, expires: 2020-01-01T00:00:00Z }");
    let expired = ask(&weir, &[("x-api-key", "k-1")], "").is(401);
    let wrong = ask(&weir, &[("x-api-key", "k-2")], "").is(401);
    let message = |answer: &Answer| ANTHROPIC().error(&answer.json()).1;
    assert_eq!(message(&expired), message(&wrong));
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_key_reaches_only_its_models() {
    let (upstream, weir) = weir("{ name: team, key: k-1, models: [\"claude-haiku*\"] }");
    let key = [("x-api-key", "k-1")];
    let refused = ask(&weir, &key, "").is(403);
    let (kind, message) = ANTHROPIC().error(&refused.json());
    assert_eq!(kind, "permission_error");
    assert!(message.contains("claude-sonnet-4-5"), "{message}");
    let body = ANTHROPIC()
        .ask
        .replace("claude-sonnet-4-5", "claude-haiku-4-5");
    weir.post("/v1/messages", body).key("k-1").send().is(200);
    // No way around it: a second `model`, also when it is spelt differently.
    for second in ["model", "m\\u006fdel"] {
        let body = ANTHROPIC().ask.replace("sonnet", "haiku");
        let body = body.replacen('{', &format!("{{\"{second}\":\"claude-opus-4-5\","), 1);
        weir.post("/v1/messages", body).key("k-1").send().is(400);
    }
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_key_reaches_only_its_pools() {
    let upstream = Upstream::json(200, ANTHROPIC().answer);
    let entries = ["a", "b"].map(|name| account(name, &ANTHROPIC(), &upstream, ""));
    let weir = Weir::start(&format!(
        "{}pools:\n  - {{ name: first, accounts: [a] }}\n  - {{ name: second, accounts: [b] }}\n\
         routes:\n  - {{ when: {{ model: \"claude-sonnet*\" }}, pool: first }}\n\
         keys:\n  - {{ name: all, key: {KEY}, debug: true }}\n  - {{ name: bound, key: k-2, pools: [second], debug: true }}\n",
        accounts(&entries)
    ));
    assert_eq!(weir.ask(&ANTHROPIC()).send().is(200).account(), "a");
    weir.ask(&ANTHROPIC()).key("k-2").send().is(403);
    let other = ANTHROPIC().ask.replace("sonnet", "opus");
    let answer = weir.post("/v1/messages", other).key("k-2").send().is(200);
    assert_eq!(answer.account(), "b");
}

#[test]
fn a_web_page_of_another_origin_needs_a_key_or_an_allowed_origin() {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::json(200, lines.answer);
    let entry = account("a", &lines, &upstream, "");
    let config = |more: &str| {
        format!(
            "{}anonymous: true\n{more}",
            accounts(std::slice::from_ref(&entry))
        )
    };
    let weir = Weir::start(&config(""));
    let ask = |weir: &Weir, origin: &str| {
        let call = weir.ask(&lines).without("authorization");
        call.header("origin", origin).send()
    };
    ask(&weir, "https://evil.example.com").is(403);
    ask(&weir, "null").is(403);
    let own = format!("http://{}", weir.addr());
    ask(&weir, &own).is(200);
    weir.ask(&lines).without("authorization").send().is(200);
    weir.ask(&lines)
        .header("origin", "https://evil.example.com")
        .send()
        .is(200);
    let allowed = Weir::start(&config(
        "server: { cors: { allow_origins: [\"https://app.example.com\"] } }\n",
    ));
    ask(&allowed, "https://app.example.com").is(200);
    ask(&allowed, "https://evil.example.com").is(403);
}

#[test]
fn anonymous_callers_are_served_only_when_the_configuration_says_so() {
    let upstream = Upstream::json(200, ANTHROPIC().answer);
    let entry = account("a", &ANTHROPIC(), &upstream, "");
    let weir = Weir::start(&format!(
        "{}keys: []\nanonymous: true\n",
        accounts(&[entry])
    ));
    ask(&weir, &[], "").is(200);
    ask(&weir, &[("x-api-key", "whatever an SDK insists on")], "").is(200);
    weir.until_metric("weir_requests_total", &[("key", "anonymous")], 2.0);
}
