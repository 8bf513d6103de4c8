//! The same failures in each vendor's own words.
use crate::rig::{ALL, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect::{self, Anthropic, Gemini, OpenaiChat, OpenaiResponses};

/// One way in which a vendor says no.
struct No {
    dialect: Dialect,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    class: &'static str,
    /// What the client gets when there is nobody else.
    last: u16,
}

const NOES: &[No] = &[
    No {
        dialect: OpenaiChat,
        status: 429,
        headers: &[],
        body: r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        class: "quota",
        last: 429,
    },
    No {
        dialect: OpenaiChat,
        status: 429,
        headers: &[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "2m30s"),
        ],
        body: r#"{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
        class: "throttled",
        last: 429,
    },
    No {
        dialect: OpenaiResponses,
        status: 429,
        headers: &[("retry-after-ms", "90000")],
        body: r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#,
        class: "throttled",
        last: 429,
    },
    No {
        dialect: OpenaiChat,
        status: 401,
        headers: &[],
        body: r#"{"error":{"message":"Incorrect API key provided: secret-of-a.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        class: "auth",
        last: 502,
    },
    No {
        dialect: Gemini,
        status: 429,
        headers: &[],
        body: r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"40s"}]}}"#,
        class: "quota",
        last: 429,
    },
    No {
        dialect: Gemini,
        status: 429,
        headers: &[],
        body: r#"{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"120s"}]}}"#,
        class: "throttled",
        last: 429,
    },
    No {
        dialect: Gemini,
        status: 400,
        headers: &[],
        body: r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#,
        class: "auth",
        last: 502,
    },
    No {
        dialect: Gemini,
        status: 503,
        headers: &[],
        body: r#"{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}"#,
        class: "overloaded",
        last: 503,
    },
    No {
        dialect: OpenaiChat,
        status: 503,
        headers: &[],
        body: r#"{"error":{"message":"Slow Down","type":"service_unavailable_error","code":"slow_down"}}"#,
        class: "overloaded",
        last: 503,
    },
    No {
        dialect: Anthropic,
        status: 403,
        headers: &[("content-type", "text/html")],
        body: "<html>Attention Required! | Cloudflare</html>",
        class: "server_error",
        last: 502,
    },
    No {
        dialect: Anthropic,
        status: 520,
        headers: &[("content-type", "text/html")],
        body: "<html>Web server is returning an unknown error</html>",
        class: "server_error",
        last: 502,
    },
    No {
        dialect: OpenaiChat,
        status: 200,
        headers: &[],
        body: r#"{"error":{"message":"The server had an error","type":"server_error","code":null}}"#,
        class: "server_error",
        last: 502,
    },
    No {
        dialect: Gemini,
        status: 200,
        headers: &[],
        body: r#"{"error":{"code":500,"message":"An internal error has occurred.","status":"INTERNAL"}}"#,
        class: "server_error",
        last: 502,
    },
];

fn refuse(no: &'static No) -> Upstream {
    Upstream::start(move |_, wire| {
        let json = [("content-type", "application/json")];
        let typed = no.headers.iter().any(|(name, _)| *name == "content-type");
        let headers = [if typed { &[][..] } else { &json }, no.headers].concat();
        wire.answer(no.status, &headers, no.body);
    })
}

#[test]
fn each_refusal_is_read_for_what_it_means() {
    for no in NOES {
        let lines = sample(no.dialect);
        let (bad, good) = (refuse(no), Upstream::json(200, lines.answer));
        let both = [
            account("a", &lines, &bad, ""),
            account("b", &lines, &good, ", priority: 1"),
        ];
        let weir = Weir::start(&accounts(&both));
        assert_eq!(
            weir.ask(&lines).send().is(200).account(),
            "b",
            "{}",
            no.body
        );
        let line = weir.line(|line| line["status"] == 200);
        assert_eq!(line["attempts"][0]["class"], no.class, "{}", no.body);
        let weir = Weir::before(&bad, &lines);
        let answer = weir.ask(&lines).send();
        assert_eq!(
            answer.status,
            no.last,
            "{} for {}",
            answer.status_and_body(),
            no.body
        );
        assert!(!answer.text().contains("secret-of"), "{}", answer.text());
        let (kind, _) = lines.error(&answer.json());
        assert!(!kind.is_empty(), "{}", answer.text());
    }
}

/// An error as an event of a stream, before any content.
fn first_events(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Anthropic => &[
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"Internal server error\"}}\n\n",
        ],
        OpenaiChat => &[
            "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"code\":null}}\n\n",
            "data: [DONE]\n\n",
        ],
        OpenaiResponses => &[
            "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\",\"output\":[]}}\n\n",
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":1,\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"The server had an error\"},\"output\":[]}}\n\n",
        ],
        Gemini => &[
            "data: {\"error\":{\"code\":500,\"message\":\"Internal error\",\"status\":\"INTERNAL\"}}\n\n",
        ],
    }
}

#[test]
fn an_error_before_any_content_is_never_seen_when_another_account_can_serve() {
    for lines in ALL.map(sample) {
        let bad = Upstream::start(move |_, wire| wire.events(first_events(lines.dialect)));
        let good = Upstream::start(move |_, wire| wire.events(&lines.events()));
        let weir = Weir::start(&accounts(&[
            account("a", &lines, &bad, ""),
            account("b", &lines, &good, ", priority: 1"),
        ]));
        let answer = weir.ask_stream(&lines).send().is(200);
        assert_eq!(answer.text(), lines.events().concat());
        weir.until_metric("weir_failovers_total", &[("reason", "server_error")], 1.0);
        let weir = Weir::before(&bad, &lines);
        let answer = weir.ask_stream(&lines).send().is(502);
        assert!(
            !lines.error(&answer.json()).0.is_empty(),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn a_prompt_that_is_too_long_keeps_the_words_that_clients_look_for() {
    let too_long: [(Dialect, u16, &'static str); 4] = [
        (
            Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 250000 tokens > 200000 maximum"}}"#,
        ),
        (
            OpenaiChat,
            400,
            r#"{"error":{"message":"This model's maximum context length is 128000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        ),
        (
            OpenaiResponses,
            400,
            r#"{"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}}"#,
        ),
        (
            Gemini,
            400,
            r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
        ),
    ];
    for (dialect, status, body) in too_long {
        let lines: Lines = sample(dialect);
        let upstream = Upstream::json(status, body);
        let other = Upstream::json(200, lines.answer);
        let entries = [
            account("a", &lines, &upstream, ""),
            account("b", &lines, &other, ", priority: 1"),
        ];
        let weir = Weir::start(&accounts(&entries));
        assert_eq!(weir.ask(&lines).send().is(status).text(), body);
        assert_eq!(other.count(), 0);
        weir.line(|line| line["attempts"][0]["class"] == "context_length");
    }
}
