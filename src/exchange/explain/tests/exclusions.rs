//! Which accounts are excluded, and what the report says about them.
use super::*;

fn ask_at(gateway: &Gateway, occasion: Occasion) -> Report {
    asked(
        gateway,
        Some("team"),
        (None, &HeaderMap::new()),
        SONNET,
        occasion,
    )
    .expect("a report")
}

#[test]
fn a_benched_account_is_out_with_reason_and_time() {
    let gateway = gateway(HOUSE);
    let occasion = occasion();
    bench(&gateway.pool, "a", &throttled(600), occasion.moment.now);
    let report = ask_at(&gateway, occasion);
    assert_eq!(report.upstream.expect("asked").account, "b");
    let a = report
        .candidates
        .iter()
        .find(|candidate| candidate.account == "a");
    let a = a.expect("considered");
    let excluded = a.excluded.as_ref().expect("out");
    assert_eq!(
        (excluded.reason, excluded.class),
        ("benched", Some("throttled"))
    );
    assert!(
        excluded
            .wait_seconds
            .is_some_and(|wait| (590.0..=600.0).contains(&wait))
    );
    let limits: Vec<_> = report
        .limits
        .iter()
        .map(|limit| (limit.scope.as_str(), limit.limit, limit.used))
        .collect();
    assert!(
        limits.contains(&("account b", "rpm", Some(0.0))),
        "{limits:?}"
    );
}

#[test]
fn when_everybody_is_out_it_is_the_refusal_that_a_client_would_see() {
    let gateway = gateway(HOUSE);
    let occasion = occasion();
    for account in ["a", "b"] {
        bench(&gateway.pool, account, &throttled(600), occasion.moment.now);
    }
    // This key may not use the fallback.
    let report = asked(
        &gateway,
        Some("narrow"),
        (None, &HeaderMap::new()),
        SONNET,
        occasion,
    )
    .expect("a report");
    assert_eq!(
        report.pool.expect("routed").forbidden.as_deref(),
        Some("gpt")
    );
    let answer = report.answer.expect("refused");
    assert_eq!((report.served, answer.status), (false, 429));
    assert!(answer.headers.iter().any(|(name, _)| name == "retry-after"));
}

#[test]
fn reasons_of_exclusion_have_their_words() {
    let gateway = gateway(HOUSE);
    let occasion = occasion();
    let auth = crate::pool::classify(
        crate::protocol::error::ErrorKind::Authentication,
        &crate::pool::Hints::of_status(crate::protocol::UpstreamDialect::Anthropic, 401),
        &HeaderMap::new(),
        occasion.moment.wall,
    );
    assert_eq!(auth.class, FailureClass::Auth);
    bench(&gateway.pool, "a", &auth, occasion.moment.now);
    gateway.pool.drain("b");
    let report = ask_at(&gateway, occasion);
    let text = report.to_string();
    assert!(text.contains("out: benched: auth"), "{text}");
    assert!(text.contains("out: drained by the operator"), "{text}");
    assert_eq!(report.upstream.expect("asked").account, "g");
}
