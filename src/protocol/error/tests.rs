//! Tests of the module above this file.
use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use ErrorKind as Kind;

fn full(kind: Kind) -> WireError {
    WireError::new(kind, "say it again")
        .param("messages[0]")
        .retry_after(Some(Duration::from_millis(1500)))
        .request_id("req_7")
}

#[track_caller]
fn encodes(dialect: Dialect, error: &WireError, expected: &str) {
    let body = encode(dialect, error);
    assert_eq!(std::str::from_utf8(&body), Ok(expected));
}

#[test]
fn each_dialect_has_its_envelope() {
    encodes(
        Dialect::Anthropic,
        &full(Kind::RateLimit),
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"say it again"},"request_id":"req_7"}"#,
    );
    encodes(
        Dialect::Anthropic,
        &WireError::new(
            Kind::ContextLength,
            "prompt is too long: 9 tokens > 8 maximum",
        )
        .code("prompt_too_long"),
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum","details":{"error_code":"prompt_too_long"}},"request_id":null}"#,
    );
    for dialect in [Dialect::OpenaiChat, Dialect::OpenaiResponses] {
        encodes(
            dialect,
            &full(Kind::InvalidRequest),
            r#"{"error":{"message":"say it again","type":"invalid_request_error","param":"messages[0]","code":null}}"#,
        );
        encodes(
            dialect,
            &WireError::new(Kind::Authentication, "no"),
            r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        );
    }
    encodes(
        Dialect::Gemini,
        &WireError::new(Kind::NotFound, "no"),
        r#"{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}"#,
    );
    encodes(
        Dialect::Gemini,
        &full(Kind::RateLimit),
        concat!(
            r#"{"error":{"code":429,"message":"say it again","status":"RESOURCE_EXHAUSTED","details":["#,
            r#"{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"messages[0]","description":"say it again"}]},"#,
            r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.500s"}]}}"#,
        ),
    );
}

#[test]
fn a_gemini_client_gets_no_raw_line_separator() {
    let error = WireError::new(Kind::Api, "a\u{2028}b\u{2029}c\u{85}d");
    encodes(
        Dialect::Gemini,
        &error,
        r#"{"error":{"code":500,"message":"a\u2028b\u2029c\u0085d","status":"INTERNAL"}}"#,
    );
}

#[test]
fn the_statuses_are_those_the_sdks_expect() {
    let table = [
        (Kind::Authentication, [401, 401, 401]),
        (Kind::Billing, [402, 429, 429]),
        (Kind::ContextLength, [400, 400, 400]),
        (Kind::ModelNotFound, [404, 404, 404]),
        (Kind::Overloaded, [529, 503, 503]),
        (Kind::Quota, [429, 429, 429]),
        (Kind::Timeout, [504, 504, 504]),
        (Kind::TooLarge, [413, 413, 413]),
        (Kind::Unavailable, [503, 503, 503]),
    ];
    for (kind, statuses) in table {
        let found = [Dialect::Anthropic, Dialect::OpenaiChat, Dialect::Gemini]
            .map(|dialect| status(dialect, kind));
        assert_eq!(found, statuses, "{kind:?}");
    }
}

#[test]
fn what_is_encoded_is_understood_again() {
    // Kinds that one dialect distinguishes and another does not.
    let blurred = |kind| match kind {
        Kind::MethodNotAllowed | Kind::Unsupported => Kind::InvalidRequest,
        Kind::ModelNotFound => Kind::NotFound,
        Kind::Billing | Kind::Quota | Kind::TooDear => Kind::RateLimit,
        Kind::Overloaded => Kind::Unavailable,
        Kind::NoAnswer => Kind::Api,
        other => other,
    };
    for dialect in Dialect::ALL {
        for kind in Kind::ALL {
            let error = WireError::new(kind, "some words").request_id("req_1");
            let parsed = parse(dialect, status(dialect, kind), &encode(dialect, &error));
            let exact = match kind {
                Kind::ContextLength
                    if dialect != Dialect::OpenaiChat && dialect != Dialect::OpenaiResponses =>
                {
                    Kind::InvalidRequest
                }
                other => other,
            };
            assert!(
                parsed.kind == exact || blurred(parsed.kind) == blurred(exact),
                "{dialect} {kind:?}: {parsed:?}",
            );
            assert_eq!(parsed.message, "some words");
            assert!(parsed.is_json);
        }
    }
}

/// Asserts the kind of a body with this status.
#[track_caller]
fn reads(status: u16, body: &str, kind: Kind) -> ParsedError {
    let parsed = parse(Dialect::OpenaiChat, status, body.as_bytes());
    assert_eq!(parsed.kind, kind, "{parsed:?}");
    parsed
}

#[test]
fn the_status_decides_when_the_body_says_nothing() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "upstream connect error",
        "<html><title>502</title></html>",
    ] {
        for (status, kind) in [
            (400, Kind::InvalidRequest),
            (401, Kind::Authentication),
            (402, Kind::Billing),
            (403, Kind::Permission),
            (404, Kind::NotFound),
            (405, Kind::MethodNotAllowed),
            (408, Kind::RequestTimeout),
            (409, Kind::Conflict),
            (413, Kind::TooLarge),
            (422, Kind::InvalidRequest),
            (429, Kind::RateLimit),
            (500, Kind::Api),
            (502, Kind::BadGateway),
            (503, Kind::Unavailable),
            (504, Kind::Timeout),
            (522, Kind::BadGateway),
            (529, Kind::Overloaded),
        ] {
            let parsed = reads(status, body, kind);
            assert_eq!(parsed.status, status);
        }
    }
}

#[test]
fn a_page_is_not_json() {
    let page = "<!DOCTYPE html><html><head><title> 520: Web server error </title></head></html>";
    let parsed = reads(520, page, Kind::BadGateway);
    assert!(!parsed.is_json);
    assert_eq!(parsed.message, "520: Web server error");
    assert_eq!(
        reads(503, "no healthy upstream", Kind::Unavailable).message,
        "no healthy upstream"
    );
}

#[test]
fn openai_codes_refine_the_status() {
    let error = |status, type_: &str, code: &str, kind| {
        reads(
            status,
            &format!(
                r#"{{"error":{{"message":"m","type":"{type_}","param":"p","code":"{code}"}}}}"#
            ),
            kind,
        )
    };
    error(
        400,
        "invalid_request_error",
        "context_length_exceeded",
        Kind::ContextLength,
    );
    error(
        404,
        "invalid_request_error",
        "model_not_found",
        Kind::ModelNotFound,
    );
    error(429, "insufficient_quota", "insufficient_quota", Kind::Quota);
    error(
        429,
        "insufficient_quota",
        "credit_balance_exhausted",
        Kind::Quota,
    );
    error(429, "requests", "rate_limit_exceeded", Kind::RateLimit);
    error(429, "slow_down", "slow_down", Kind::RateLimit);
    error(
        503,
        "service_unavailable_error",
        "slow_down",
        Kind::Overloaded,
    );
    error(
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        Kind::Overloaded,
    );
    error(429, "engine_overloaded_error", "", Kind::Overloaded);
    let parsed = error(
        400,
        "invalid_request_error",
        "unsupported_value",
        Kind::InvalidRequest,
    );
    assert_eq!(parsed.param.as_deref(), Some("p"));
    assert_eq!(parsed.code.as_deref(), Some("unsupported_value"));
    assert_eq!(parsed.type_.as_deref(), Some("invalid_request_error"));
}

#[test]
fn anthropic_says_some_things_only_in_words() {
    let error = |status, message: &str, kind| {
        let body = format!(
            r#"{{"type":"error","error":{{"type":"invalid_request_error","message":"{message}"}},"request_id":"req_9"}}"#
        );
        let parsed = parse(Dialect::Anthropic, status, body.as_bytes());
        assert_eq!(parsed.kind, kind, "{message}");
        assert_eq!(parsed.request_id.as_deref(), Some("req_9"));
    };
    error(
        400,
        "prompt is too long: 210000 tokens > 200000 maximum",
        Kind::ContextLength,
    );
    error(
        400,
        "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
        Kind::ContextLength,
    );
    error(
        400,
        "Your credit balance is too low to access the Anthropic API.",
        Kind::Billing,
    );
    error(
        400,
        "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
        Kind::Billing,
    );
    error(
        400,
        "messages: at least one message is required",
        Kind::InvalidRequest,
    );
    let missing =
        br#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}"#;
    assert_eq!(
        parse(Dialect::Anthropic, 404, missing).kind,
        Kind::ModelNotFound
    );
    let detailed = br#"{"type":"error","error":{"type":"invalid_request_error","message":"m","details":{"error_code":"prompt_too_long"}}}"#;
    let parsed = parse(Dialect::Anthropic, 400, detailed);
    assert_eq!(
        (parsed.kind, parsed.code.as_deref()),
        (Kind::ContextLength, Some("prompt_too_long"))
    );
}

#[test]
fn gemini_says_it_in_the_details() {
    let body = |message: &str, details: &str| {
        format!(
            r#"[{{"error":{{"code":429,"message":"{message}","status":"RESOURCE_EXHAUSTED","details":[{details},{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37.25s"}}]}}}}]"#
        )
    };
    let quota = |id: &str| {
        format!(
            r#"{{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaMetric":"m","quotaId":"{id}"}}]}}"#
        )
    };
    let words = "You exceeded your current quota, please check your plan and billing details.";
    let minute = body(words, &quota("GenerateRequestsPerMinutePerProjectPerModel"));
    let parsed = parse(Dialect::Gemini, 429, minute.as_bytes());
    assert_eq!(
        parsed.kind,
        Kind::RateLimit,
        "a limit per minute is worded like a spent quota"
    );
    assert_eq!(parsed.retry_after, Some(Duration::from_millis(37_250)));
    let day = body(
        words,
        &quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
    );
    let parsed = parse(Dialect::Gemini, 429, day.as_bytes());
    assert_eq!(parsed.kind, Kind::Quota);
    assert_eq!(
        parsed.quota_ids,
        ["GenerateRequestsPerDayPerProjectPerModel-FreeTier"]
    );
    let key = br#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#;
    let parsed = parse(Dialect::Gemini, 400, key);
    assert_eq!(
        (parsed.kind, parsed.code.as_deref()),
        (Kind::Authentication, Some("API_KEY_INVALID"))
    );
    let long = br#"{"error":{"code":400,"message":"The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#;
    assert_eq!(parse(Dialect::Gemini, 400, long).kind, Kind::ContextLength);
}

#[test]
fn other_envelopes_are_read() {
    let azure = reads(
        429,
        r#"{"error":{"code":"429","message":"Please retry after 20 seconds."}}"#,
        Kind::RateLimit,
    );
    assert_eq!(azure.retry_after, Some(Duration::from_secs(20)));
    reads(
        422,
        r#"{"detail":[{"loc":["body","model"],"msg":"field required","type":"missing"}]}"#,
        Kind::InvalidRequest,
    );
    assert_eq!(
        reads(404, r#"{"detail":"Not Found"}"#, Kind::NotFound).message,
        "Not Found"
    );
    let codex = reads(
        429,
        r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"plus","resets_at":1763640000,"resets_in_seconds":5400}}"#,
        Kind::Quota,
    );
    assert_eq!(codex.retry_after, Some(Duration::from_mins(90)));
    assert_eq!(codex.resets_at, Some(1_763_640_000));
    reads(404, r#"{"error":"model 'x' not found"}"#, Kind::NotFound);
    reads(
        400,
        r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}"#,
        Kind::ContextLength,
    );
    reads(
        429,
        r#"{"error":{"code":"1302","message":"x"}}"#,
        Kind::RateLimit,
    );
    reads(
        429,
        r#"{"error":{"code":"1113","message":"x"}}"#,
        Kind::Quota,
    );
    reads(401, r#"{"code":1000,"msg":"x"}"#, Kind::Authentication);
    reads(
        403,
        r#"{"code":20012,"message":"x","data":null}"#,
        Kind::Permission,
    );
    reads(
        500,
        r#"{"success":false,"errors":[{"code":7003,"message":"x"}]}"#,
        Kind::Api,
    );
    reads(
        503,
        r#"{"error":{"message":"The model is overloaded. Please try again later."}}"#,
        Kind::Overloaded,
    );
}

#[test]
fn a_200_may_be_an_error_all_the_same() {
    let kind =
        |body: &str| parse_event(Dialect::OpenaiChat, body.as_bytes()).map(|error| error.kind);
    assert_eq!(
        kind(r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#),
        Some(Kind::Overloaded)
    );
    assert_eq!(
        kind(r#"{"type":"error","code":"rate_limit_exceeded","message":"m","param":null}"#),
        Some(Kind::RateLimit)
    );
    assert_eq!(
        kind(r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#),
        Some(Kind::Unavailable)
    );
    assert_eq!(
        kind(r#"{"error":{"code":"400","message":"prompt is too long"}}"#),
        Some(Kind::ContextLength)
    );
    assert_eq!(
        kind(r#"{"base_resp":{"status_code":1004,"status_msg":"m"}}"#),
        Some(Kind::Authentication)
    );
    assert_eq!(
        kind(r#"{"code":500,"msg":"404 NOT_FOUND","success":false}"#),
        Some(Kind::Api)
    );
    for fine in [
        r#"{"error":null,"choices":[]}"#,
        r#"{"base_resp":{"status_code":0,"status_msg":""},"choices":[]}"#,
        r#"{"code":0,"message":"success","data":{}, "x": 1}"#,
        r#"{"id":"x","object":"chat.completion.chunk","choices":[]}"#,
        "[]",
        "[DONE]",
    ] {
        assert_eq!(kind(fine), None, "{fine}");
    }
}

#[test]
fn delays_in_prose_are_read() {
    let after = |message: &str| {
        let body = json!({ "error": { "message": message } }).to_string();
        parse(Dialect::OpenaiChat, 429, body.as_bytes()).retry_after
    };
    let millis = |millis| Some(Duration::from_millis(millis));
    assert_eq!(after("Please try again in 1.5s."), millis(1500));
    assert_eq!(after("Please try again in 120ms. Visit us."), millis(120));
    assert_eq!(after("Please try again in 6m0s."), millis(360_000));
    assert_eq!(after("Please try again in 1h2m3s"), millis(3_723_000));
    assert_eq!(
        after("Try again in 2 minutes 5 seconds, thanks"),
        millis(125_000)
    );
    assert_eq!(after("Please retry in 37.2s."), millis(37_200));
    assert_eq!(after("please retry after 20 seconds"), millis(20_000));
    assert_eq!(after("Please try again in a while."), None);
    assert_eq!(after("try again in 5 parsecs"), None);
    assert_eq!(
        after("try again in 99999999999999999999999999999h"),
        Some(Duration::from_hours(8760))
    );
    assert_eq!(after("try again in "), None);
}

#[test]
fn a_long_message_is_clipped() {
    let body = json!({ "error": { "message": "é".repeat(5000) } }).to_string();
    let parsed = parse(Dialect::OpenaiChat, 500, body.as_bytes());
    assert_eq!(parsed.message.len(), parse::MAX_MESSAGE);
}

#[track_caller]
fn masks(body: &str, expected: &str) {
    let masked = mask(body.as_bytes(), "account-key-0815");
    assert_eq!(std::str::from_utf8(&masked), Ok(expected));
    assert_eq!(matches!(masked, Cow::Borrowed(_)), body == expected);
}

#[test]
fn credentials_are_masked() {
    masks("Incorrect key: account-key-0815.", "Incorrect key: ***.");
    masks("account-key-0815account-key-0815", "******");
    masks(
        "Incorrect API key provided: sk-proj-abcd***********wxyz. Find",
        "Incorrect API key provided: sk-***. Find",
    );
    masks("\"sk-ant-api03-AbC_d-e123\"", "\"sk-***\"");
    masks("?key=AIzaSyA1234567890_-abcdefghij&x", "?key=AIza***&x");
    masks(
        "Authorization: bearer eyJhbGciOi.eyJzdWIi.c2ln",
        "Authorization: bearer ***",
    );
    masks("{\"k\":\"gsk_abcdefghijklmnop\"}", "{\"k\":\"gsk_***\"}");
}

#[test]
fn innocent_text_is_not_masked() {
    for body in [
        "",
        "a task-force of risk-averse desk-bound people",
        "Bearer authentication is needed",
        "sk-1",
        "AIza",
        "{\"error\":1}",
    ] {
        masks(body, body);
    }
    assert_eq!(
        &*mask(b"a demo key", "demo"),
        b"a demo key",
        "a dummy key would mask innocent text"
    );
    assert_eq!(&*mask(b"nothing", ""), b"nothing");
}

proptest! {
    #[test]
    fn parsing_never_fails(body in prop::collection::vec(any::<u8>(), 0..64), status in any::<u16>()) {
        for dialect in Dialect::ALL {
            let _ = parse(dialect, status, &body);
            let _ = parse_event(dialect, &body);
        }
    }

    #[test]
    fn a_secret_never_survives(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
        let body = format!("{before}account-key-0815{after}");
        let masked = mask(body.as_bytes(), "account-key-0815");
        prop_assert!(memchr::memmem::find(&masked, b"account-key-0815").is_none());
    }
}

#[test]
fn every_word_is_known_on_every_path() {
    for (place, (word, kind)) in words_table::WORDS.iter().enumerate() {
        let event = format!(r#"{{"error":{{"message":"m","code":"{word}"}}}}"#);
        let parsed = parse_event(Dialect::OpenaiChat, event.as_bytes()).expect("an error");
        assert_eq!(parsed.kind, *kind, "{word}");
        let others = words_table::WORDS.iter().skip(place + 1);
        let twice = others.filter(|(other, _)| other.eq_ignore_ascii_case(word));
        assert_eq!(twice.count(), 0, "{word} stands twice");
    }
    for (vendor, number, kind) in words_table::NUMBERS {
        let event = match *vendor {
            "base_resp" => {
                format!(r#"{{"base_resp":{{"status_code":{number},"status_msg":"m"}}}}"#)
            }
            _ => format!(r#"{{"error":{{"message":"m","code":"{number}"}}}}"#),
        };
        let parsed = parse_event(Dialect::OpenaiChat, event.as_bytes()).expect("an error");
        assert_eq!(parsed.kind, *kind, "{vendor} {number}");
    }
}

#[test]
fn every_phrase_can_decide_and_none_hides_behind_another() {
    for (phrase, kind) in words_table::PHRASES {
        let (status, expected) = match kind {
            Kind::ModelNotFound => (403, Kind::ModelNotFound),
            Kind::Permission => (400, Kind::Permission),
            Kind::Overloaded => (500, Kind::Overloaded),
            Kind::TooDear => (402, Kind::TooDear),
            _ => (400, *kind),
        };
        let body = serde_json::json!({ "error": { "message": phrase, "type": "" } }).to_string();
        reads(status, &body, expected);
        assert!(phrase.chars().all(|c| !c.is_ascii_uppercase()), "{phrase}");
    }
}

#[test]
fn vendors_wordings_of_a_full_context_are_one_kind() {
    for message in [
        "Range of input length should be [1, 98304]",
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "The input (40000 tokens) is longer than the model's context length (32768 tokens).",
        "length of prompt_tokens (40000) must be less than max_seq_len (32768).",
        "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 4000 `inputs` tokens and 200 `max_new_tokens`",
        "prompt token count of 130000 exceeds the limit of 128000",
        "Input is too long for requested model.",
        "Please reduce the length of the messages or completion.",
        "Trying to keep the first 9000 tokens when context overflows. However, the model is loaded with context length of only 4096 tokens",
        "the input length exceeds the context length",
        "Prompt length of 9000 tokens exceeds maximum",
        "Invalid request: Your request exceeded model token limit: 131072",
    ] {
        let body = serde_json::json!({ "error": { "message": message, "type": "invalid_request_error", "code": "invalid_value" } });
        reads(400, &body.to_string(), Kind::ContextLength);
        let bare = serde_json::json!({ "error": message });
        reads(400, &bare.to_string(), Kind::ContextLength);
    }
}

/// `OpenRouter` repeats the vendor's headers in the body of its own error.
#[test]
fn a_reset_in_repeated_headers_is_read() {
    let parsed = |headers: &str| {
        let body = format!(
            r#"{{"error":{{"message":"slow","code":429,"metadata":{{"headers":{headers}}}}}}}"#
        );
        let parsed = parse(Dialect::OpenaiChat, 429, body.as_bytes());
        (
            parsed.retry_after.map(|wait| wait.as_millis()),
            parsed.resets_at,
        )
    };
    for (headers, expected) in [
        (
            r#"{"X-RateLimit-Reset":"1763640000000"}"#,
            (None, Some(1_763_640_000)),
        ),
        (
            r#"{"x-ratelimit-reset":1763640000}"#,
            (None, Some(1_763_640_000)),
        ),
        (r#"{"X-RateLimit-Reset":"1m30s"}"#, (Some(90_000), None)),
        (r#"{"Retry-After":"7"}"#, (Some(7_000), None)),
        (r#"{"X-RateLimit-Remaining":"9"}"#, (None, None)),
        (r#"{"X-RateLimit-Reset":"soon"}"#, (None, None)),
        (r#"{"X-RateLimit-Reset":-5}"#, (None, None)),
        ("[]", (None, None)),
        ("null", (None, None)),
    ] {
        assert_eq!(parsed(headers), expected, "{headers}");
    }
}

#[test]
fn the_words_of_a_wait_are_found() {
    let found = |message| wait_in_words(message).map(|(wait, words)| (wait.as_secs(), words));
    assert_eq!(
        found("Slow down. Please Try Again in 9h 0m 3s. Bye"),
        Some((32_403, "Try Again in 9h 0m 3s"))
    );
    assert_eq!(
        found("é: retry after 20 seconds"),
        Some((20, "retry after 20 seconds"))
    );
    assert_eq!(found("try again in a while"), None);
}
