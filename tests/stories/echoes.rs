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
