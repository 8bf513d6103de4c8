//! Batches: asked from the account that made them, booked to the key that made them, at their own price, over restarts.
use std::path::Path;

use serde_json::Value;

use crate::rig::{KEY, Lines, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

/// Keys of two teams before two accounts, with a ledger.
fn yaml(lines: &Lines, upstreams: [&Upstream; 2], ledger: &Path) -> String {
    let [first, second] = upstreams;
    format!(
        "ledger: {{ path: \"{}\" }}\n\
         keys:\n  - {{ name: maker, key: \"{KEY}\", group: g }}\n  - {{ name: second, key: sk-the-other-key-of-the-story }}\n\
         prices: [{{ model: \"*\", input: 1000, output: 2000, tiers: {{ batch: 0.5 }} }}]\n{}",
        ledger.display(),
        accounts(&[
            account("a", lines, first, ""),
            account("b", lines, second, "")
        ])
    )
}

/// What the access log says of the results of batches, once there are so many lines of it.
fn booked(weir: &Weir, count: usize) -> Vec<Value> {
    eventually("the results are booked", || {
        let lines = weir.lines().into_iter();
        let booked: Vec<Value> = lines.filter(|line| line["via"] == "batch").collect();
        (booked.len() >= count).then_some(booked)
    })
}

fn spent(weir: &Weir, key: &str) -> f64 {
    let usage = weir.call("GET", "/v1/usage").key(key).send().is(200);
    let usage: Value = usage.json();
    usage["key"]["today"]["usd"].as_f64().expect("a number")
}

const OTHER: &str = "sk-the-other-key-of-the-story";

const ANTHROPIC_RESULTS: &str = concat!(
    r#"{"custom_id":"1","result":{"type":"succeeded","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1000,"output_tokens":100}}}}"#,
    "\n",
    r#"{"custom_id":"2","result":{"type":"canceled"}}"#,
    "\n",
);

/// An account of Anthropic's that knows only the batches that it made.
fn anthropic(name: &'static str) -> Upstream {
    Upstream::start(move |request, wire| {
        let own = format!("msgbatch_{name}");
        match (&*request.method, &*request.target) {
            ("POST", "/v1/messages/batches") => {
                let said = format!(
                    r#"{{"id":"{own}","type":"message_batch","processing_status":"in_progress","results_url":null}}"#
                );
                wire.json(200, said);
            }
            ("GET", target) if target == format!("/v1/messages/batches/{own}/results") => {
                let headers = [("content-type", "application/x-jsonl")];
                wire.answer(200, &headers, ANTHROPIC_RESULTS);
            }
            _ => wire.json(
                404,
                r#"{"type":"error","error":{"type":"not_found_error","message":"x"}}"#,
            ),
        }
    })
}

/// The id of a batch that was made.
fn make(weir: &Weir) -> String {
    let made = weir.post("/v1/messages/batches", r#"{"requests":[]}"#);
    let made: Value = made.send().is(200).json();
    made["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_batch_of_anthropic_is_booked_to_its_maker_once_wherever_it_is() {
    let lines = sample(Dialect::Anthropic);
    let upstreams = [anthropic("a"), anthropic("b")];
    let directory = tempfile::tempdir().expect("a directory");
    let yaml = yaml(
        &lines,
        [&upstreams[0], &upstreams[1]],
        &directory.path().join("ledger"),
    );
    let mut weir = Weir::start(&yaml);
    let id = make(&weir);
    let results = format!("/v1/messages/batches/{id}/results");
    weir.drain();
    weir.join().expect("it served");

    // After a restart the account is known, and whoever fetches the results, the maker pays.
    let mut weir = Weir::start(&yaml);
    for _ in 0..4 {
        let fetched = weir.call("GET", &results).key(OTHER).send().is(200);
        assert_eq!(fetched.text(), ANTHROPIC_RESULTS);
    }
    let booked = booked(&weir, 1);
    assert_eq!(booked.len(), 1, "{booked:?}");
    let line = &booked[0];
    assert_eq!(
        (&line["key"], &line["model_served"]),
        (&"maker".into(), &"claude-sonnet-4-5".into())
    );
    assert_eq!(line["path"], results.as_str());
    // Half of 1000×0.001 + 100×0.002.
    assert!(
        (line["cost_usd"].as_f64().expect("a price") - 0.6).abs() < 1e-9,
        "{line}"
    );
    eventually("the maker has paid", || {
        ((spent(&weir, KEY) - 0.6).abs() < 1e-9).then_some(())
    });
    assert!(spent(&weir, OTHER).abs() < 1e-9);
    weir.until_metric("weir_cost_usd_total", &[("key", "maker")], 0.6);
    weir.drain();
    weir.join().expect("it served");

    // What is booked stays booked.
    let weir = Weir::start(&yaml);
    weir.get(&results).send().is(200);
    weir.line(|line| line["path"] == results.as_str() && line["key"] == "maker");
    assert!((spent(&weir, KEY) - 0.6).abs() < 1e-9);
}

/// An account of OpenAI's with one batch, whose results are in a file.
fn openai(name: &'static str) -> Upstream {
    Upstream::start(move |request, wire| {
        let (batch, file) = (format!("batch_{name}"), format!("file-{name}-out"));
        let input = format!("file-{name}-in");
        let target = request.target.as_str();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        match (&*request.method, target) {
            ("POST", "/v1/files") => {
                wire.json(200, format!(r#"{{"id":"{input}","object":"file","purpose":"batch"}}"#));
            }
            ("POST", "/v1/batches") if body.contains(&input) => {
                let said = format!(r#"{{"id":"{batch}","object":"batch","status":"validating"}}"#);
                wire.json(200, said);
            }
            ("GET", _) if target == format!("/v1/batches/{batch}") => {
                let said = format!(
                    r#"{{"id":"{batch}","object":"batch","status":"completed","output_file_id":"{file}","error_file_id":null}}"#
                );
                wire.json(200, said);
            }
            ("GET", _) if target == format!("/v1/files/{file}/content") => {
                let line = |id: u32, model: &str| {
                    format!(
                        r#"{{"id":"{id}","custom_id":"c{id}","response":{{"status_code":200,"body":{{"id":"x","object":"chat.completion","model":"{model}","choices":[],"usage":{{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}}}}},"error":null}}"#
                    )
                };
                let lines = [line(1, "gpt-5"), line(2, "gpt-4o-mini"), line(3, "gpt-5")];
                let headers = [("content-type", "application/octet-stream")];
                wire.answer(200, &headers, lines.join("\n"));
            }
            _ => wire.json(404, r#"{"error":{"message":"No such thing","type":"invalid_request_error","param":null,"code":null}}"#),
        }
    })
}

#[test]
fn a_batch_of_openai_is_booked_by_the_file_of_its_results() {
    let lines = sample(Dialect::OpenaiChat);
    let upstreams = [openai("a"), openai("b")];
    let directory = tempfile::tempdir().expect("a directory");
    let yaml = yaml(
        &lines,
        [&upstreams[0], &upstreams[1]],
        &directory.path().join("ledger"),
    );
    let mut weir = Weir::start(&yaml);
    let said = |answer: crate::rig::Answer| -> Value { answer.is(200).json() };
    let file = said(weir.post("/v1/files", "{}").send())["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    // The file is at one of the two accounts, also after a restart: the batch goes there.
    weir.drain();
    weir.join().expect("it served");
    let weir = Weir::start(&yaml);
    let ask = format!(
        r#"{{"input_file_id":"{file}","endpoint":"/v1/chat/completions","completion_window":"24h"}}"#
    );
    let batch = said(weir.post("/v1/batches", &ask).send());
    let batch = batch["id"].as_str().expect("an id");
    let done = said(
        weir.call("GET", &format!("/v1/batches/{batch}"))
            .key(OTHER)
            .send(),
    );
    let results = done["output_file_id"].as_str().expect("a file");
    let content = format!("/v1/files/{results}/content");
    for _ in 0..2 {
        weir.call("GET", &content).key(OTHER).send().is(200);
    }
    let booked = booked(&weir, 2);
    let mut found: Vec<(&str, f64, u64)> = booked
        .iter()
        .map(|line| {
            assert_eq!(line["key"], "maker", "{line}");
            (
                line["model_served"].as_str().expect("a model"),
                line["cost_usd"].as_f64().expect("a price"),
                line["tokens"]["input"].as_u64().expect("a number"),
            )
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(other.0));
    assert_eq!(found, [("gpt-4o-mini", 0.6, 1000), ("gpt-5", 1.2, 2000)]);
    eventually("the maker has paid", || {
        ((spent(&weir, KEY) - 1.8).abs() < 1e-9).then_some(())
    });
    assert!(spent(&weir, OTHER).abs() < 1e-9);
}

#[test]
fn results_whose_maker_nobody_knows_are_booked_to_whoever_fetches_them() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::start(|_, wire| {
        wire.answer(
            200,
            &[("content-type", "application/x-jsonl")],
            ANTHROPIC_RESULTS,
        );
    });
    let weir = Weir::start(&format!(
        "keys: [{{ name: maker, key: \"{KEY}\" }}]\n\
         prices: [{{ model: \"*\", input: 1000, output: 2000 }}]\n{}",
        accounts(&[account("a", &lines, &upstream, "")])
    ));
    for _ in 0..3 {
        weir.get("/v1/messages/batches/msgbatch_old/results")
            .send()
            .is(200);
    }
    // The built-in table knows that this model's batches cost half; the entry does not say otherwise.
    eventually("it is paid once", || {
        ((spent(&weir, KEY) - 0.6).abs() < 1e-9).then_some(())
    });
    assert_eq!(booked(&weir, 1).len(), 1);
    // A file of the client's own is no result.
    let own =
        Upstream::start(|_, wire| wire.answer(200, &[], "{\"usage\":{\"prompt_tokens\":1000}}\n"));
    let lines = sample(Dialect::OpenaiChat);
    let weir = Weir::before(&own, &lines);
    weir.get("/v1/files/file-1/content").send().is(200);
    let line = weir.line(|line| line["path"] == "/v1/files/file-1/content");
    assert!(line["usage_source"].is_null(), "{line}");
}

#[test]
fn a_batch_of_gemini_is_booked_by_its_answers() {
    let lines = sample(Dialect::Gemini);
    let answer = r#"{"response":{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1000,"candidatesTokenCount":100,"totalTokenCount":1100},"modelVersion":"gemini-2.5-flash"}}"#;
    let done = format!(
        r#"{{"name":"batches/1","metadata":{{"state":"BATCH_STATE_SUCCEEDED"}},"done":true,"response":{{"inlinedResponses":{{"inlinedResponses":[{answer},{answer}]}}}}}}"#
    );
    let upstream = Upstream::start(move |request, wire| {
        let path = request.target.split('?').next().unwrap_or_default();
        match (&*request.method, path) {
            ("POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent") => {
                wire.json(
                    200,
                    r#"{"name":"batches/1","metadata":{"state":"BATCH_STATE_PENDING"}}"#,
                );
            }
            ("GET", "/v1beta/batches/1") => wire.json(200, &done),
            ("GET", "/download/v1beta/files/r1:download") => {
                wire.answer(200, &[], format!("{answer}\n"));
            }
            _ => wire.json(404, "{}"),
        }
    });
    let weir = Weir::start(&format!(
        "keys:\n  - {{ name: maker, key: \"{KEY}\" }}\n  - {{ name: second, key: {OTHER} }}\n\
         prices: [{{ model: \"*\", input: 1000, output: 2000 }}]\n{}",
        accounts(&[account("a", &lines, &upstream, "")])
    ));
    weir.post(
        "/v1beta/models/gemini-2.5-flash:batchGenerateContent",
        r#"{"batch":{}}"#,
    )
    .send()
    .is(200);
    for _ in 0..2 {
        weir.call("GET", "/v1beta/batches/1")
            .key(OTHER)
            .send()
            .is(200);
    }
    eventually("the maker has paid", || {
        ((spent(&weir, KEY) - 1.2).abs() < 1e-9).then_some(())
    });
    assert!(spent(&weir, OTHER).abs() < 1e-9);
    assert_eq!(booked(&weir, 1).len(), 1);
    // Whose that file is nobody knows.
    let file = "/download/v1beta/files/r1:download?alt=media";
    weir.call("GET", file).key(OTHER).send().is(200);
    eventually("whoever fetches it has paid", || {
        ((spent(&weir, OTHER) - 0.6).abs() < 1e-9).then_some(())
    });
}
