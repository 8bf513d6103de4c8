//! Reports and live requests alternate: the report says what happens, and asking for it changes nothing.
use super::*;

/// One step of SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    affinity::mix(*state)
}

/// Thousands of requests, failures and times, for every strategy: what the report says then happens, and a pool that is
/// asked for reports behaves like one that is not.
#[test]
fn it_says_what_happens_and_changes_nothing() {
    for select in [
        "weighted",
        "round-robin",
        "random",
        "failover",
        "least-busy",
    ] {
        let yaml = HOUSE.replace(
            "{ name: claude, accounts: [a, b], fallback: gpt }",
            &format!("{{ name: claude, accounts: [a, b], fallback: gpt, select: {select} }}"),
        );
        let (asked_of, left_alone) = (Arc::new(gateway(&yaml)), Arc::new(gateway(&yaml)));
        let mut now = Instant::now();
        let mut state = 7;
        for _ in 0..120 {
            let draw = next(&mut state);
            let body = if draw.is_multiple_of(4) {
                SONNET.replace(
                    "max_tokens",
                    r#"metadata":{"user_id":"u_session_1"},"max_tokens"#,
                )
            } else {
                SONNET.to_owned()
            };
            let moment = Moment {
                now,
                wall: SystemTime::now(),
            };
            let occasion = Occasion { moment, draw };
            let headers = HeaderMap::new();
            let report = asked(&asked_of, Some("team"), (None, &headers), &body, occasion);
            let report = report.expect("a report");
            let failure = match next(&mut state) % 5 {
                0 => Some(throttled(20)),
                1 => Some(crate::pool::classify_transport(
                    crate::pool::Fault::Refused,
                    false,
                )),
                _ => None,
            };
            let live = [&asked_of, &left_alone]
                .map(|gateway| live(gateway, &body, occasion, failure.as_ref()));
            let said = report.upstream.as_ref().map(|upstream| {
                let body = upstream.body.as_ref().map(|body| body.get().to_owned());
                (
                    upstream.account.clone(),
                    upstream.url.clone(),
                    body.unwrap_or_default(),
                )
            });
            assert_eq!(
                said.as_ref().ok_or(()),
                live[0].as_ref().map_err(|_| ()),
                "{select}"
            );
            assert_eq!(live[0], live[1], "{select}");
            if let Err(status) = live[0] {
                assert_eq!(report.answer.map(|answer| answer.status), Some(status));
            }
            now += Duration::from_millis(next(&mut state) % 3000);
        }
    }
}

/// What the live path does with a request: account, URL and body of its first attempt, or the status of a refusal.
fn live(
    gateway: &Arc<Gateway>,
    body: &str,
    occasion: Occasion,
    failure: Option<&Failure>,
) -> Result<(String, String, String), u16> {
    let headers = HeaderMap::new();
    let key = named_key(gateway, "team").expect("configured");
    let Operation::Model(call) = operation::operation(&Method::POST, "/v1/messages", &headers)
    else {
        panic!("a model call");
    };
    let dialect = call.dialect;
    let body = Bytes::copy_from_slice(body.as_bytes());
    let arrived = Arrived {
        call,
        headers: &headers,
        query: None,
        body,
    };
    let admitted = admit::admit(gateway, key, arrived, occasion.moment.wall).expect("admitted");
    let mut attempts = Attempts::new(Arc::clone(gateway), admitted, None, occasion.moment.now);
    let Moment { mut now, wall } = occasion.moment;
    loop {
        let moment = Moment { now, wall };
        match attempts.next(Occasion { moment, ..occasion }) {
            Step::Go(mut attempt) => {
                let head = attempts.head(&attempt, &headers, false).expect("a head");
                let pick = attempt.pick();
                let made = (
                    pick.account.name.to_string(),
                    upstream::url(&pick.account, pick.endpoint, &head),
                );
                let lease = attempt.lease_mut();
                match failure {
                    Some(failure) => lease.failed(failure, now, occasion.draw),
                    None => lease.completed(now),
                }
                let body = attempt.body().to_bytes();
                let body = String::from_utf8(body.to_vec()).expect("text");
                return Ok((made.0, made.1, body));
            }
            Step::Wait(time) => now += time.max(Duration::from_millis(1)),
            Step::Refuse(refusal) => return Err(refusal.answer(dialect, "x").status),
            Step::Answer(answer) => return Err(answer.status),
            Step::Estimate(estimate) => return Err(estimate.rough().status),
        }
    }
}
