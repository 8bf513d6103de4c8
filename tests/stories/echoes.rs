//! An upstream that repeats the account's credential: no client gets to read it.
use crate::rig::{ALL, Upstream, Weir, account, accounts, sample};
use crate::translation::only;
use weir::protocol::Dialect;

const SECRET: &str = "secret-of-a";
const MASK: &str = "***********";

#[test]
fn a_repeated_credential_is_masked_by_as_many_bytes_in_headers_and_bodies() {
    for lines in ALL.map(sample) {
        let upstream = Upstream::start(move |request, wire| {
            let told = lines.answer.replace("Hello", SECRET);
            match request.number {
                0 => wire.answer(
                    200,
                    &[("content-type", "application/json"), ("x-echo", SECRET)],
                    &told,
                ),
                _ => wire.answer(
                    400,
                    &[("content-type", "application/json"), ("x-echo", SECRET)],
                    "{\"error\":{\"message\":\"bad key secret-of-a\",\"type\":\"invalid_request_error\"}}",
                ),
            }
        });
        let weir = Weir::start(&accounts(&[only("a", &lines, &upstream, "")]));
        let answer = weir.ask(&lines).send().is(200);
        assert_eq!(answer.header("x-echo"), Some(MASK));
        assert_eq!(answer.text(), lines.answer.replace("Hello", MASK));
        let refused = weir.ask(&lines).send().is(400);
        assert_eq!(refused.header("x-echo"), Some(MASK));
        assert!(
            refused.text().contains(&format!("bad key {MASK}")),
            "{}",
            refused.text()
        );
    }
}

#[test]
fn a_stream_that_repeats_it_in_two_reads_is_masked_too() {
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        wire.chunk(lines.opening[0]);
        let event = lines.opening[1].replace("Hel", SECRET);
        let (one, two) = event.split_at(event.find("-of-").expect("the secret"));
        wire.chunk(one);
        wire.chunk(two);
        for event in lines.closing {
            wire.chunk(event);
        }
        wire.end();
    });
    let weir = Weir::start(&accounts(&[account("a", &lines, &upstream, "")]));
    let answer = weir.ask_stream(&lines).send().is(200);
    let expected = lines
        .events()
        .concat()
        .replace("\"Hel\"", &format!("\"{MASK}\""));
    assert_eq!(answer.text(), expected);
}

#[test]
fn a_translated_answer_and_a_vendor_endpoint_do_not_tell_it_either() {
    let chat = sample(Dialect::OpenaiChat);
    let upstream = Upstream::start(move |request, wire| {
        let body = match request.target.as_str() {
            "/v1/chat/completions" => chat.answer.replace("Hello", SECRET),
            _ => format!("{{\"echo\":\"{SECRET}\"}}"),
        };
        wire.answer(200, &[("content-type", "application/json")], &body);
    });
    let weir = Weir::start(&accounts(&[only("a", &chat, &upstream, "")]));
    let answer = weir.ask(&sample(Dialect::Anthropic)).send().is(200);
    assert!(!answer.text().contains(SECRET), "{}", answer.text());
    let listed = weir.get("/v1/files").send().is(200);
    assert_eq!(listed.text(), format!("{{\"echo\":\"{MASK}\"}}"));
    let vectors = weir
        .post("/v1/embeddings", "{\"model\":\"m\"}")
        .send()
        .is(200);
    assert_eq!(vectors.text(), format!("{{\"echo\":\"{MASK}\"}}"));
}

/// However an answer is compressed, it is looked into; what cannot be is not passed on.
#[test]
fn a_compressed_answer_tells_it_no_more_than_a_plain_one() {
    let chat = sample(Dialect::OpenaiChat);
    let pack: fn(&str, &str) -> Vec<u8> = |coding, text| match coding {
        "gzip" => crate::money::gzip(text.as_bytes()),
        "zstd" => zstd::encode_all(text.as_bytes(), 1).expect("memory"),
        // LZW, say: the bytes do not matter, since nobody here reads them.
        _ => text.as_bytes().to_vec(),
    };
    for coding in ["gzip", "zstd", "compress", "dcz"] {
        let upstream = Upstream::start(move |request, wire| {
            let asks_stream = String::from_utf8_lossy(&request.body).contains("\"stream\":true");
            let head = |media| [("content-type", media), ("content-encoding", coding)];
            match request.target.as_str() {
                "/v1/chat/completions" if asks_stream => {
                    let text = chat
                        .events()
                        .concat()
                        .replace("\"Hel\"", &format!("\"{SECRET}\""));
                    wire.answer(200, &head("text/event-stream"), pack(coding, &text));
                }
                "/v1/chat/completions" if request.headers.get("x-fail").is_some() => {
                    let error = format!(
                        r#"{{"error":{{"message":"bad {SECRET}","type":"invalid_request_error"}}}}"#
                    );
                    wire.answer(400, &head("application/json"), pack(coding, &error));
                }
                "/v1/chat/completions" => {
                    let text = chat.answer.replace("Hello", SECRET);
                    wire.answer(200, &head("application/json"), pack(coding, &text));
                }
                "/v1/files/file-1/content" => {
                    wire.answer(
                        200,
                        &head("application/octet-stream"),
                        pack(coding, "a file"),
                    );
                }
                _ => {
                    let text = format!("{{\"echo\":\"{SECRET}\"}}");
                    wire.answer(200, &head("application/json"), pack(coding, &text));
                }
            }
        });
        let weir = Weir::start(&accounts(&[account("a", &chat, &upstream, "")]));
        let is_known = matches!(coding, "gzip" | "zstd");
        let answers = [
            weir.ask(&chat).send(),
            weir.ask_stream(&chat).send(),
            weir.get("/v1/files").send(),
        ];
        for answer in answers {
            assert!(
                !answer.text().contains(SECRET),
                "{coding}: {}",
                answer.text()
            );
            if is_known {
                assert_eq!(answer.status, 200, "{coding}");
                assert_eq!(answer.header("content-encoding"), None);
                assert!(answer.text().contains(MASK), "{coding}: {}", answer.text());
            } else {
                assert_eq!(answer.status, 502, "{coding}");
            }
        }
        if !is_known {
            let line = weir.line(|line| line["status"] == 502);
            assert_eq!(line["attempts"][0]["cause"], "undecodable", "{line}");
        }
        // Three such answers in a row are a server that fails.
        let weir = Weir::start(&accounts(&[account("a", &chat, &upstream, "")]));
        // An error is what its status says, whether or not its words can be read.
        let refused = weir.ask(&chat).header("x-fail", "1").send().is(400);
        assert!(!refused.text().contains(SECRET), "{}", refused.text());
        assert_eq!(refused.header("content-encoding"), None);
        let shown = if is_known { MASK } else { "cannot be read" };
        assert!(
            refused.text().contains(shown),
            "{coding}: {}",
            refused.text()
        );
        // A file passes: it is not searched, and it is the client who knows what it is.
        let file = weir.get("/v1/files/file-1/content").send().is(200);
        let kept = (!is_known).then_some(coding);
        assert_eq!(
            (file.text(), file.header("content-encoding")),
            ("a file", kept)
        );
    }
}
