//! Endpoints beside generation: routed by the model that they name, with the credential swapped.
use std::io::{Read as _, Write as _};
use std::time::Duration;

use crate::rig::client::Open;
use crate::rig::{KEY, Lines, Refusing, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

const FILE: &[u8] = b"\x00\xffbinary\r\n\r\n--boundary";

fn chat() -> Lines {
    sample(Dialect::OpenaiChat)
}

fn echo() -> Upstream {
    Upstream::start(|request, wire| {
        let headers = [
            ("content-type", "application/octet-stream"),
            ("x-vendor", "1"),
            ("set-cookie", "private=1"),
        ];
        wire.answer(200, &headers, &request.body);
    })
}

fn weir(upstream: &Upstream) -> Weir {
    Weir::start(&accounts(&[account("a", &chat(), upstream, "")]))
}

#[test]
fn an_upload_passes_with_the_credential_swapped() {
    let upstream = echo();
    let weir = weir(&upstream);
    let call = weir
        .call("POST", "/v1/files?purpose=batch&key=private")
        .body(FILE);
    let call = call.header("content-type", "multipart/form-data; boundary=boundary");
    let answer = call.header("cookie", "private=2").send().is(200);
    assert_eq!(answer.body, FILE);
    assert_eq!(
        (answer.header("x-vendor"), answer.header("set-cookie")),
        (Some("1"), None)
    );
    assert!(answer.header("x-request-id").is_some());
    let sent = upstream.only();
    assert_eq!(
        (sent.method.as_str(), sent.target.as_str()),
        ("POST", "/v1/files?purpose=batch")
    );
    assert_eq!(
        sent.headers.get("authorization"),
        Some("Bearer secret-of-a")
    );
    assert_eq!(
        sent.headers.get("content-type"),
        Some("multipart/form-data; boundary=boundary")
    );
    let all = format!("{:?}", sent.headers);
    assert!(!all.contains(KEY) && !all.contains("private"), "{all}");
}

#[test]
fn a_chunked_upload_and_other_methods_pass() {
    let upstream = echo();
    let weir = weir(&upstream);
    let answer = weir
        .call("POST", "/v1/uploads")
        .chunks(&[FILE, FILE])
        .send()
        .is(200);
    assert_eq!(answer.body, [FILE, FILE].concat());
    weir.call("DELETE", "/v1/files/file-1").send().is(200);
    weir.get("/v1/files/file-1/content").send().is(200);
    weir.post("/v1/batches", "{}").send().is(200);
    let requests = upstream.requests();
    let lines: Vec<String> = requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect();
    assert_eq!(
        lines,
        [
            "POST /v1/uploads",
            "DELETE /v1/files/file-1",
            "GET /v1/files/file-1/content",
            "POST /v1/batches",
        ]
    );
    weir.until_metric("weir_requests_total", &[("outcome", "ok")], 4.0);
}

#[test]
fn each_vendors_endpoints_go_to_accounts_of_its_dialect() {
    let upstreams: Vec<Upstream> = (0..3).map(|_| echo()).collect();
    let dialects = [Dialect::Anthropic, Dialect::OpenaiChat, Dialect::Gemini];
    let entries: Vec<String> = dialects
        .iter()
        .zip(&upstreams)
        .map(|(dialect, upstream)| account(dialect.as_str(), &sample(*dialect), upstream, ""))
        .collect();
    let weir = Weir::start(&accounts(&entries));
    weir.post("/v1/messages/batches?beta=true", "{}")
        .send()
        .is(200);
    weir.post("/v1/embeddings", "{\"model\":\"m\"}")
        .send()
        .is(200);
    weir.post("/v1beta/models/text-embedding-004:embedContent", "{}")
        .send()
        .is(200);
    let seen: Vec<_> = upstreams
        .iter()
        .map(|upstream| upstream.only().target)
        .collect();
    assert_eq!(
        seen,
        [
            "/v1/messages/batches?beta=true",
            "/v1/embeddings",
            "/v1beta/models/text-embedding-004:embedContent",
        ]
    );
    assert_eq!(
        upstreams[0].only().headers.get("x-api-key"),
        Some("secret-of-anthropic")
    );
    assert_eq!(
        upstreams[2].only().headers.get("x-goog-api-key"),
        Some("secret-of-gemini")
    );
}

#[test]
fn what_one_key_made_it_finds_again() {
    let upstreams = [echo(), echo(), echo()];
    let entries: Vec<String> = upstreams
        .iter()
        .enumerate()
        .map(|(at, upstream)| account(&format!("a{at}"), &chat(), upstream, ""))
        .collect();
    let weir = Weir::start(&accounts(&entries));
    for _ in 0..6 {
        weir.post("/v1/files", "{}").send().is(200);
    }
    let mut counts = upstreams.each_ref().map(Upstream::count);
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 6]);
}

#[test]
fn the_vendors_own_refusals_pass_but_for_those_about_the_account() {
    let upstream = Upstream::start(|request, wire| match request.target.as_str() {
        "/v1/files/missing" => wire.json(404, "{\"error\": \"theirs\"}"),
        "/v1/files/denied" => wire.json(401, "{\"error\": \"secret-of-a is wrong\"}"),
        _ => wire.json(500, "{\"error\": \"secret-of-a broke\"}"),
    });
    let weir = weir(&upstream);
    let missing = weir.get("/v1/files/missing").send().is(404);
    assert_eq!(missing.text(), "{\"error\": \"theirs\"}");
    let broken = weir.get("/v1/files/broken").send().is(502);
    assert_eq!(broken.text(), "{\"error\": \"*********** broke\"}");
    let denied = weir.get("/v1/files/denied").send().is(502);
    assert_eq!(chat().error(&denied.json()).0, "server_error");
    assert!(!denied.text().contains("secret"), "{}", denied.text());
}

#[test]
fn a_vendor_that_cannot_be_reached_is_a_502_and_a_body_too_large_a_413() {
    let gone = Refusing::start();
    let weir = Weir::start(&format!(
        "accounts:\n  - {{ name: a, provider: openai-compatible, base_url: \"{}/v1\", key: x }}\nserver: {{ max_body: 1KiB }}\n",
        gone.url()
    ));
    let answer = weir.get("/v1/files").send().is(502);
    assert_eq!(chat().error(&answer.json()).0, "server_error");
    let upstream = echo();
    let entry = account("a", &chat(), &upstream, "");
    let weir = Weir::start(&format!(
        "{}server: {{ max_body: 1KiB }}\n",
        accounts(&[entry])
    ));
    weir.call("POST", "/v1/files")
        .body([b'x'; 5000])
        .send()
        .is(413);
    weir.call("POST", "/v1/files")
        .chunks(&[&[b'x'; 3000]])
        .send()
        .is(413);
    weir.is_well();
}

#[test]
fn a_key_that_is_bound_to_models_has_no_way_around_them() {
    let upstream = echo();
    let weir = Weir::start(&format!(
        "{}keys:\n  - {{ name: bound, key: {KEY}, models: [\"gpt-*\"] }}\n",
        accounts(&[account("a", &chat(), &upstream, "")])
    ));
    weir.post("/v1/embeddings", "{\"model\":\"dear\"}")
        .send()
        .is(403);
    weir.post("/v1/files/../chat/completions", chat().ask)
        .send()
        .is(400);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_vendor_that_never_answers_is_given_up() {
    let upstream = Upstream::start(|_, wire| {
        assert!(
            wire.closes_within(std::time::Duration::from_secs(25)),
            "weir hangs up"
        );
    });
    let patience = ", timeouts: { first_byte: 300ms, idle: 300ms }";
    let weir = Weir::start(&accounts(&[account("a", &chat(), &upstream, patience)]));
    let answer = weir
        .post("/v1/embeddings", "{\"model\":\"m\"}")
        .send()
        .is(504);
    assert_eq!(chat().error(&answer.json()).0, "server_error");
    // Waiting for the vendor is no overhead of Weir's.
    let line = weir.line(|line| line["status"] == 504);
    let (all, own) = (line["duration_ms"].as_u64(), line["overhead_us"].as_u64());
    assert!(all >= Some(300) && own < Some(200_000), "{line}");
}

#[test]
fn a_stream_of_a_vendor_endpoint_is_forwarded_as_it_comes_and_ends_with_its_client() {
    let upstream = Upstream::start(|_, wire| {
        wire.stream();
        wire.chunk("data: {\"first\":1}\n\n");
        // Nothing more: the client has seen the first event when it leaves.
        assert!(
            wire.closes_within(std::time::Duration::from_secs(25)),
            "weir hangs up"
        );
    });
    let weir = weir(&upstream);
    let mut open = weir
        .post(
            "/v1/audio/speech",
            "{\"model\":\"tts-1\",\"stream_format\":\"sse\"}",
        )
        .open();
    assert_eq!(open.event().as_deref(), Some("data: {\"first\":1}\n\n"));
    drop(open);
    let line = weir.line(|line| line["path"] == "/v1/audio/speech");
    assert_eq!(line["end"], "client_gone", "{line}");
    assert_eq!(weir.account("a")["state"], "usable");
}

#[test]
fn a_vendor_answer_that_breaks_off_breaks_off_for_the_client() {
    let upstream = Upstream::start(|_, wire| {
        wire.raw("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegun");
        wire.close();
    });
    let weir = weir(&upstream);
    let answer = weir.get("/v1/files/large/content").send();
    assert_eq!(
        (answer.body.as_slice(), answer.whole),
        (b"begun".as_slice(), false)
    );
    let line = weir.line(|line| line["path"] == "/v1/files/large/content");
    assert_eq!(line["end"], "upstream_eof", "{line}");
    assert!(line["model_served"].is_null(), "{line}");
}

#[test]
fn a_client_without_a_key_reaches_no_vendor() {
    let upstream = echo();
    let weir = weir(&upstream);
    weir.get("/v1/files")
        .without("authorization")
        .send()
        .is(401);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn an_upstream_is_never_told_two_lengths() {
    use std::io::Write;
    let upstream = echo();
    let weir = weir(&upstream);
    let call = weir.call("POST", "/v1/files").header("content-length", "3");
    let mut stream = call.header("transfer-encoding", "chunked").start();
    stream
        .write_all(b"5\r\nhello\r\n0\r\n\r\n")
        .expect("weir reads");
    let answer = crate::rig::client::Open::read(stream)
        .expect("an answer")
        .rest();
    if answer.status == 200 {
        assert_eq!(answer.body, b"hello");
        let sent = upstream.only().headers;
        assert!(
            sent.get("transfer-encoding").is_none() && sent.get("content-length") == Some("5"),
            "{sent:?}"
        );
    } else {
        assert_eq!((answer.status, upstream.count()), (400, 0));
    }
}

fn form(parts: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        let file = if *name == "file" {
            "; filename=\"model\""
        } else {
            ""
        };
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
    };
    let parts: String = parts.iter().map(part).collect();
    format!("{parts}--b--\r\n")
}

#[test]
fn what_names_a_model_is_routed_by_it_and_renamed_where_it_stands() {
    let [vectors, others] = [echo(), echo()];
    let models = ", models: { \"text-embedding-*\": embed-1, whisper: whisper-1 }";
    let weir = Weir::start(&format!(
        "{}pools:\n  - {{ name: chat, accounts: [others] }}\n  - {{ name: vectors, accounts: [vectors] }}\nroutes:\n  - {{ pool: chat, model: gpt-4o }}\n",
        accounts(&[
            account("vectors", &chat(), &vectors, models),
            account("others", &chat(), &others, ", models: [\"gpt-*\"]"),
        ])
    ));
    let answer = weir.post(
        "/v1/embeddings",
        r#"{"input":"a","model":"text-embedding-3-small","dimensions":4}"#,
    );
    assert_eq!(
        answer.send().is(200).text(),
        r#"{"input":"a","model":"embed-1","dimensions":4}"#
    );
    let typed = |body: String| {
        let call = weir.call("POST", "/v1/audio/transcriptions").body(body);
        call.header("content-type", "multipart/form-data; boundary=b")
    };
    let sound = "RIFF--b\r\nname=\"model\"";
    let answer = typed(form(&[("file", sound), ("model", "whisper")]))
        .send()
        .is(200);
    assert_eq!(
        answer.text(),
        form(&[("file", sound), ("model", "whisper-1")])
    );
    let unnamed = typed(form(&[("file", sound)])).send().is(400);
    assert!(unnamed.text().contains("`model`"), "{}", unnamed.text());
    assert_eq!((vectors.count(), others.count()), (2, 0));
}

#[test]
fn a_key_that_is_bound_to_models_may_use_them_beside_generation_too() {
    let upstream = echo();
    let weir = Weir::start(&format!(
        "{}keys:\n  - {{ name: bound, key: {KEY}, models: [\"text-*\", \"gpt-*\"] }}\n  - {{ name: open, key: open-key-of-a-client, models: [\"text-*\"], files: true }}\n",
        accounts(&[account("a", &chat(), &upstream, "")])
    ));
    weir.post("/v1/embeddings", "{\"model\":\"text-1\"}")
        .send()
        .is(200);
    weir.post("/v1/embeddings", "{\"model\":\"dear\"}")
        .send()
        .is(403);
    let image = weir.post("/v1/images/generations", "{}").send().is(400);
    assert!(image.text().contains("`model`"), "{}", image.text());
    weir.get("/v1/files").send().is(403);
    weir.get("/v1/files")
        .without("authorization")
        .header("authorization", "Bearer open-key-of-a-client")
        .send()
        .is(200);
    // What OpenRouter may answer with instead counts as asked for.
    let asks = |more: &str| format!("{{\"model\":\"gpt-4o\",\"messages\":[],{more}}}");
    for more in [
        "\"models\":[\"gpt-4o\",\"dear\"]",
        "\"models\":\"dear\"",
        "\"fallbacks\":[{\"model\":\"dear\"}]",
        "\"preset\":\"dear\"",
        "\"tools\":[{\"type\":\"x\",\"model\":\"dear\"}]",
    ] {
        weir.post("/v1/chat/completions", asks(more)).send().is(403);
    }
    // And so does what another reader of forms would find.
    let open = form(&[("model", "text-1")]);
    for (kind, hidden) in [
        (
            "form-data; boundary=b",
            "--b\r\ncontent-disposition: form-data; name*=UTF-8''model\r\n\r\ndear\r\n",
        ),
        (
            "form-data; boundary=b",
            "--b\r\ncontent-disposition: form-data; name=\"mo\\del\"\r\n\r\ndear\r\n",
        ),
        ("form-data; boundary=b; boundary=c", ""),
    ] {
        let call = weir
            .call("POST", "/v1/audio/transcriptions")
            .body(format!("{hidden}{open}"));
        call.header("content-type", &format!("multipart/{kind}"))
            .send()
            .is(400);
    }
    assert_eq!(upstream.count(), 2);
}

#[test]
fn what_such_an_endpoint_answers_is_no_failure_because_it_is_no_conversation() {
    let answers = [
        (
            "/v1/moderations",
            r#"{"id":"modr-1","model":"m","results":[]}"#,
        ),
        (
            "/v1/images/generations",
            r#"{"created":1,"data":[{"b64_json":"AA=="}]}"#,
        ),
        (
            "/v1/rerank",
            r#"{"results":[{"index":0,"relevance_score":0.5}]}"#,
        ),
        (
            "/v1/embeddings",
            r#"{"object":"list","data":[],"usage":{"prompt_tokens":7,"total_tokens":7}}"#,
        ),
    ];
    let upstream = Upstream::start(move |request, wire| {
        let found = answers.iter().find(|(path, _)| *path == request.target);
        wire.json(200, found.expect("a path").1);
    });
    let weir = weir(&upstream);
    for (path, answer) in answers {
        assert_eq!(
            weir.post(path, "{\"model\":\"m\"}").send().is(200).text(),
            answer
        );
    }
    let line = weir.line(|line| line["path"] == "/v1/embeddings");
    assert_eq!(line["tokens"]["input"], 7, "{line}");
}

#[test]
fn a_model_call_in_other_letters_is_one() {
    let upstream = echo();
    let weir = Weir::start(&format!(
        "{}keys:\n  - {{ name: bound, key: {KEY}, models: [\"gpt-*\"] }}\n",
        accounts(&[account("a", &chat(), &upstream, "")])
    ));
    let ask = "{\"model\":\"dear\",\"messages\":[]}";
    for path in [
        "/v1/chat/completion%73",
        "//v1/chat/completions/",
        "/chat/completions",
        "/v1/v1/chat/completions",
        "/v1beta/openai/chat/completions",
        "/openai/deployments/dear/chat/completions",
    ] {
        weir.post(path, ask).send().is(403);
    }
    for path in [
        "/v1/chat/completions//",
        "/v1/chat%2Fcompletions",
        "/v1/files/%2e%2e/x",
    ] {
        weir.post(path, ask).send().is(400);
    }
    weir.call("TRACE", "/v1/files").send().is(405);
    weir.call("PUT", "/v1/files/f").send().is(405);
    let long = format!("{{\"model\":\"{}\",\"messages\":[]}}", "gpt-".repeat(100));
    weir.post("/v1/chat/completions", long).send().is(400);
    let query = format!("/v1/chat/completions?x={}", "x".repeat(20_000));
    weir.post(&query, ask).send().is(414);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_side_endpoint_that_fails_says_nothing_about_the_models_that_answer() {
    let sample = chat();
    let upstream = Upstream::start(|request, wire| match request.target.as_str() {
        "/v1/chat/completions" => wire.json(200, chat().answer),
        "/v1/embeddings" => wire.json(500, "{}"),
        _ => wire.json(
            403,
            "{\"error\":{\"message\":\"no access to files\",\"code\":\"permission_denied\"}}",
        ),
    });
    let weir = weir(&upstream);
    for _ in 0..4 {
        weir.get("/v1/files").send();
        weir.post("/v1/embeddings", "{\"model\":\"m\"}").send();
    }
    weir.post("/v1/chat/completions", sample.ask).send().is(200);
    assert_eq!(weir.account("a")["state"], "usable");
}

/// What an endpoint beside generation says is held against nobody's answers, and against no other kind of endpoint.
#[test]
fn refusals_beside_generation_are_judged_by_themselves() {
    let lines = chat();
    for (status, headers) in [
        (403, None),
        (429, Some(("retry-after", "600"))),
        (500, None),
        (402, None),
    ] {
        let upstream = Upstream::start(move |request, wire| {
            if request.target.starts_with("/v1/files") {
                let mut said = vec![("content-type", "application/json")];
                said.extend(headers);
                wire.answer(
                    status,
                    &said,
                    r#"{"error":{"message":"no","type":"x","code":null}}"#,
                );
            } else {
                wire.json(200, chat().answer);
            }
        });
        let weir = weir(&upstream);
        for _ in 0..4 {
            weir.get("/v1/files").send();
            weir.ask(&lines).send().is(200);
        }
        assert_eq!(weir.account("a")["state"], "usable", "{status}");
        weir.get("/v1/batches").send().is(200);
    }
}

/// Nor does what works there prove that answers work.
#[test]
fn files_do_not_bring_a_failing_server_back() {
    let upstream = Upstream::start(|request, wire| {
        if request.target.starts_with("/v1/files") {
            wire.json(200, "{}");
        } else {
            wire.json(500, r#"{"error":{"message":"down"}}"#);
        }
    });
    let weir = weir(&upstream);
    crate::rig::eventually("the endpoint is out for failing", || {
        weir.ask(&chat()).send();
        weir.get("/v1/files").send();
        (weir.account("a")["state"] == "benched").then_some(())
    });
}

/// A restricted key is refused at some endpoints with a plain 401: it may well be good for answers.
#[test]
fn a_plain_401_beside_generation_counts_for_that_kind_of_endpoint_alone() {
    const PLAIN: &str = r#"{"error":{"message":"You must use another kind of key here.","type":"invalid_request_error","code":null}}"#;
    const TYPED: &str = r#"{"type":"error","error":{"type":"authentication_error","message":"This endpoint is not enabled."}}"#;
    for said in [PLAIN, TYPED] {
        let upstream = Upstream::start(move |request, wire| {
            if request.target.starts_with("/v1/embeddings") {
                wire.json(401, said);
            } else {
                wire.json(200, chat().answer);
            }
        });
        let spare = Upstream::json(200, chat().answer);
        let weir = Weir::start(&accounts(&[
            account("a", &chat(), &upstream, ""),
            account("b", &chat(), &spare, ", priority: 1"),
        ]));
        for _ in 0..3 {
            let answer = weir
                .post("/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\"}")
                .send()
                .is(200);
            assert_eq!(answer.account(), "b");
        }
        // It is not asked each time anew, but it is for all else.
        assert_eq!(upstream.count(), 1, "{said}");
        assert_eq!(weir.ask(&chat()).send().is(200).account(), "a");
        let image = weir.post("/v1/images/generations", "{\"model\":\"m\"}");
        assert_eq!(image.send().is(200).account(), "a");
    }
}

/// What is said about the credential as a whole counts for everything, wherever it is said.
#[test]
fn a_dead_credential_is_out_wherever_that_is_told() {
    for said in [
        r#"{"error":{"message":"No.","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        r#"{"error":{"message":"Incorrect API key provided: sk-x.","type":"invalid_request_error","code":null}}"#,
        r#"{"error":{"message":"gone","code":"account_deactivated"}}"#,
    ] {
        let upstream = Upstream::json(401, said);
        let weir = weir(&upstream);
        weir.post("/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\"}")
            .send();
        assert_eq!(weir.account("a")["state"], "benched", "{said}");
    }
    // But not where the client wrote it.
    let upstream = Upstream::json(
        401,
        r#"{"error":{"message":"Unsupported input: incorrect api key","type":"invalid_request_error"}}"#,
    );
    let weir = weir(&upstream);
    weir.post(
        "/v1/embeddings",
        "{\"model\":\"m\",\"input\":\"Incorrect API key\"}",
    )
    .send();
    assert_eq!(weir.account("a")["state"], "usable");
}

/// A file lives at one account: whatever names it goes there, also for an answer.
#[test]
fn what_lives_at_an_account_is_asked_for_there() {
    let upstreams = ["file-of-a", "file-of-b"].map(|id| {
        Upstream::start(move |request, wire| {
            let body = String::from_utf8_lossy(&request.body);
            if request.method == "POST" && request.target == "/v1/files" {
                wire.json(
                    200,
                    format!(r#"{{"id":"{id}","object":"file","filename":"file-of-c"}}"#),
                );
            } else if body.contains("\"file-of-") && !body.contains(id)
                || request.target.contains("file-of-") && !request.target.contains(id)
            {
                wire.json(404, r#"{"error":{"message":"No such File object"}}"#);
            } else {
                wire.json(200, chat().answer);
            }
        })
    });
    let entries = [
        account("a", &chat(), &upstreams[0], ""),
        account("b", &chat(), &upstreams[1], ""),
    ];
    let keys: Vec<String> = (0..6)
        .map(|at| format!("key-{at}-0123456789abcdef"))
        .collect();
    let list: String = keys
        .iter()
        .enumerate()
        .map(|(at, key)| format!("  - {{ name: k{at}, key: {key} }}\n"))
        .collect();
    let weir = Weir::start(&(accounts(&entries) + "keys:\n" + &list));
    let mut seen = std::collections::BTreeSet::new();
    for key in &keys {
        let made = weir.post("/v1/files", "x").key(key).send().is(200).json();
        let id = made["id"].as_str().expect("an id").to_owned();
        // Whoever asks, in whatever session.
        for other in &keys {
            let body = format!(
                r#"{{"model":"m","user":"{other}","messages":[{{"role":"user","content":[{{"type":"file","file":{{"file_id":"{id}"}}}}]}}]}}"#
            );
            weir.post(chat().path, body).key(other).send().is(200);
            weir.get(&format!("/v1/files/{id}/content"))
                .key(other)
                .send()
                .is(200);
        }
        seen.insert(id);
    }
    assert_eq!(seen.len(), 2, "both accounts made files");
}

/// Of a file of this length.
fn file(length: usize) -> Vec<u8> {
    let line = b"{\"custom_id\":\"r\",\"method\":\"POST\"}\n";
    line.iter().copied().cycle().take(length).collect()
}

/// A file passes while it comes: nothing of it is held, whatever memory there is, and not a byte changes.
#[test]
fn a_large_file_passes_as_it_comes() {
    let upstream = Upstream::start(|request, wire| {
        let length = request.headers.get("content-length").map(str::to_owned);
        let coded = request.headers.get("transfer-encoding").map(str::to_owned);
        wire.json(
            200,
            format!(
                "{{\"id\":\"file-1\",\"bytes\":{},\"length\":{length:?},\"coding\":{coded:?}}}",
                request.body.len()
            )
            .replace("Some(", "[")
            .replace(')', "]")
            .replace("None", "null"),
        );
    });
    let weir = Weir::start(&format!(
        "{}server: {{ max_body: 1MiB, max_buffered: 2MiB, max_upload: 16MiB }}\n",
        accounts(&[account("a", &chat(), &upstream, "")])
    ));
    let body = file(12 << 20);
    let call = || {
        weir.call("POST", "/v1/files")
            .header("content-type", "multipart/form-data; boundary=x")
    };
    let answer = call().body(&body).send().is(200).json();
    assert_eq!(answer["bytes"], body.len(), "{answer}");
    assert_eq!(answer["length"][0], body.len().to_string(), "{answer}");
    let chunks: Vec<&[u8]> = body.chunks(100_000).collect();
    let answer = call().chunks(&chunks).send().is(200).json();
    assert_eq!(answer["bytes"], body.len(), "{answer}");
    assert_eq!(answer["coding"][0], "chunked", "{answer}");
    assert!(
        upstream
            .requests()
            .iter()
            .all(|request| request.body == body)
    );
    // A client that asks first is told to go on once there is somebody to send to.
    let asking = call().header("expect", "100-continue");
    let mut stream = asking
        .header("content-length", &body.len().to_string())
        .start();
    let mut leave = [0; 25];
    stream.read_exact(&mut leave).expect("leave to send");
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body).expect("weir reads");
    let answer = Open::read(stream).expect("an answer").rest().is(200);
    assert_eq!(answer.json()["bytes"], body.len());
    weir.until_metric("weir_buffered_bytes", &[], 0.0);
    // Declared or not, what is too large is refused and names the setting.
    let large = file(17 << 20);
    let refused = call().body(&large).send().is(413);
    assert!(
        refused.text().contains("server.max_upload"),
        "{}",
        refused.text()
    );
    assert_eq!(upstream.count(), 3);
    let chunks: Vec<&[u8]> = large.chunks(1 << 20).collect();
    let refused = call().chunks(&chunks).send().is(413);
    assert!(
        refused.text().contains("server.max_upload"),
        "{}",
        refused.text()
    );
    assert_eq!(weir.account("a")["state"], "usable");
    weir.is_well();
}

/// What has begun to pass is sent to nobody else; what an upstream says of it reaches the client at once.
#[test]
fn a_file_that_is_refused_half_way_is_sent_once() {
    let upstream = Upstream::hasty(|request, wire| {
        if request.target == "/v1/files" {
            let body = r#"{"error":{"message":"no more files","type":"invalid_request_error"}}"#;
            wire.answer(
                413,
                &[
                    ("content-type", "application/json"),
                    ("connection", "close"),
                ],
                body,
            );
            wire.closes_within(Duration::from_secs(20));
        } else {
            wire.reset();
        }
    });
    let spare = Upstream::start(|_, _| panic!("nothing is sent twice"));
    let weir = Weir::start(&accounts(&[
        account("a", &chat(), &upstream, ""),
        account("b", &chat(), &spare, ", priority: 9"),
    ]));
    let body = file(8 << 20);
    let call = |path| {
        weir.call("POST", path)
            .header("content-type", "application/octet-stream")
            .body(&body)
    };
    let refused = call("/v1/files").send().is(413);
    assert!(
        refused.text().contains("no more files"),
        "{}",
        refused.text()
    );
    call("/v1/uploads/upload_1/parts").send().is(502);
    assert_eq!(weir.account("a")["state"], "usable");
    weir.is_well();
}

/// A client that leaves in the middle of a file leaves an upstream that knows that it has not all of it.
#[test]
fn a_file_that_breaks_off_is_never_whole() {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = Upstream::hasty(move |request, wire| {
        let declared: usize = request
            .headers
            .get("content-length")
            .map_or(0, |length| length.parse().expect("a length"));
        let missing = declared - wire.swallow();
        tell.lock()
            .expect("no panic")
            .send(missing)
            .expect("the story waits");
    });
    let weir = Weir::before(&upstream, &chat());
    let body = file(4 << 20);
    let mut stream = weir
        .call("POST", "/v1/files")
        .header("content-type", "application/octet-stream")
        .header("content-length", &body.len().to_string())
        .start();
    stream.write_all(&body[..2 << 20]).expect("weir reads");
    drop(stream);
    let missing = told
        .recv_timeout(Duration::from_secs(20))
        .expect("the upstream notices");
    assert!(missing >= 2 << 20, "{missing}");
    weir.until_metric("weir_inflight_requests", &[], 0.0);
    assert_eq!(weir.account("a")["state"], "usable");
}
