//! Videos are sold by the second when they are done, to the key that asked for them: row by row of `docs/MONEY.md`.
use std::sync::Mutex;

use serde_json::Value;

use super::books::{OTHER, add_up, nano, priced};
use crate::rig::{KEY, Upstream, Weir, account, eventually, sample};
use weir::protocol::Dialect::OpenaiChat;

const VIDEOS: &str = "/v1/videos";
const ONE: &str = "/v1/videos/video_1";

fn video(status: &str, model: &str, seconds: u64, size: &str) -> String {
    format!(
        r#"{{"id":"video_1","object":"video","created_at":1,"status":"{status}","progress":0,"model":"{model}","seconds":"{seconds}","size":"{size}"}}"#
    )
}

/// A form as SDKs send it.
fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, value)| {
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    });
    fields.collect::<String>() + "--b--\r\n"
}

/// An upstream that makes one video, which is in this state when it is asked for the first time, and the second, and so on.
fn studio(made: String, states: Vec<String>) -> Upstream {
    let states = Mutex::new(states.into_iter());
    Upstream::start(
        move |request, wire| match (request.method.as_str(), request.target.as_str()) {
            ("POST", _) => wire.json(200, &made),
            ("GET", ONE) => {
                let state = states.lock().expect("a lock").next();
                match state {
                    Some(state) => wire.json(200, state),
                    None => wire.json(
                        404,
                        r#"{"error":{"message":"gone","type":"invalid_request_error"}}"#,
                    ),
                }
            }
            _ => wire.answer(200, &[("content-type", "video/mp4")], b"film"),
        },
    )
}

fn line(weir: &Weir, number: usize) -> Value {
    eventually("its line", || {
        let lines = weir.lines().into_iter();
        let mut lines = lines.filter(|line| line["path"] != "/v1/usage");
        lines.nth(number - 1)
    })
}

/// What is asked, whether as a form, what is answered, milliseconds and billionths of a dollar.
type Row = (
    Vec<(&'static str, &'static str)>,
    bool,
    (&'static str, u64, &'static str),
    u64,
    u64,
);

fn rows() -> Vec<Row> {
    let prompt = ("prompt", "a fox");
    vec![
        // Four seconds of the usual model, which nobody named.
        (
            vec![prompt],
            false,
            ("sora-2", 4, "720x1280"),
            4_000,
            400_000_000,
        ),
        (
            vec![prompt, ("model", "sora-2"), ("seconds", "8")],
            true,
            ("sora-2", 8, "720x1280"),
            8_000,
            800_000_000,
        ),
        (
            vec![
                prompt,
                ("model", "sora-2-pro"),
                ("seconds", "12"),
                ("size", "1280x720"),
            ],
            false,
            ("sora-2-pro", 12, "1280x720"),
            12_000,
            3_600_000_000,
        ),
        (
            vec![
                prompt,
                ("model", "sora-2-pro"),
                ("seconds", "4"),
                ("size", "1792x1024"),
            ],
            true,
            ("sora-2-pro", 4, "1792x1024"),
            4_000,
            2_000_000_000,
        ),
    ]
}

#[test]
fn a_video_is_booked_once_when_it_is_done() {
    for (fields, is_form, (model, seconds, size), millis, usd) in rows() {
        let state = |status| video(status, model, seconds, size);
        let upstream = studio(
            state("queued"),
            vec![state("in_progress"), state("completed"), state("completed")],
        );
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger");
        let entry = account("a", &sample(OpenaiChat), &upstream, "");
        let weir = Weir::start(&priced(&ledger, "[]", "", &[entry]));
        let (body, media) = if is_form {
            (form(&fields), "multipart/form-data; boundary=b")
        } else {
            let members: serde_json::Map<String, Value> = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
                .collect();
            (Value::from(members).to_string(), "application/json")
        };
        let call = weir.call("POST", VIDEOS).body(body);
        call.header("content-type", media).send().is(200);
        let asked = line(&weir, 1);
        assert!(
            asked["cost_usd"].is_null() && asked["units"].is_null(),
            "{asked}"
        );
        let look = || weir.get(ONE).send().is(200);
        look();
        assert!(line(&weir, 2)["cost_usd"].is_null(), "not yet");
        look();
        let done = line(&weir, 3);
        assert_eq!(done["units"]["video_ms"], millis, "{done}");
        assert_eq!(nano(&done["cost_usd"]), usd, "{done}");
        assert_eq!(done["usage_source"], "reported", "{done}");
        assert_eq!(done["model_served"], model, "{done}");
        look();
        assert!(line(&weir, 4)["cost_usd"].is_null(), "it is booked");
        weir.get("/v1/videos/video_1/content").send().is(200);
        assert!(
            line(&weir, 5)["cost_usd"].is_null(),
            "its content costs nothing more"
        );
        add_up(&weir, &ledger, 5);
        let labels = [("key", "team"), ("kind", "video_ms")];
        weir.until_metric("weir_units_total", &labels, millis as f64);
    }
}

#[test]
fn a_video_that_failed_costs_nothing_and_another_key_books_none() {
    let state = |status| video(status, "sora-2", 4, "720x1280");
    let upstream = studio(
        state("queued"),
        vec![state("completed"), state("failed"), state("completed")],
    );
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let entry = account("a", &sample(OpenaiChat), &upstream, "");
    let weir = Weir::start(&priced(&ledger, "[]", "", &[entry]));
    weir.post(VIDEOS, r#"{"prompt":"a fox"}"#).send().is(200);
    weir.get(ONE).key(OTHER).send().is(200);
    for _ in 0..2 {
        weir.get(ONE).key(KEY).send().is(200);
    }
    let costs = || {
        weir.lines()
            .into_iter()
            .all(|line| line["cost_usd"].is_null())
    };
    eventually("all lines", || (weir.lines().len() >= 4).then_some(()));
    assert!(costs(), "{:?}", weir.lines());
}

/// A remix names no model and no length: its answer does.
#[test]
fn a_remix_is_booked_as_what_its_answer_says() {
    let state = |status| video(status, "sora-2-pro", 8, "1024x1792");
    let upstream = studio(state("queued"), vec![state("completed")]);
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let entry = account("a", &sample(OpenaiChat), &upstream, "");
    let weir = Weir::start(&priced(&ledger, "[]", "", &[entry]));
    weir.post("/v1/videos/video_0/remix", r#"{"prompt":"a red fox"}"#)
        .send()
        .is(200);
    weir.get(ONE).send().is(200);
    let done = line(&weir, 2);
    assert_eq!(nano(&done["cost_usd"]), 4_000_000_000, "{done}");
    assert_eq!(done["model_served"], "sora-2-pro", "{done}");
    add_up(&weir, &ledger, 2);
}

/// It is reserved before it is asked for, and until it is done; what is done by then is spent.
#[test]
fn a_video_is_reserved_until_it_is_done() {
    let state = |status| video(status, "sora-2", 4, "720x1280");
    let upstream = studio(state("queued"), vec![state("failed")]);
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let entry = account("a", &sample(OpenaiChat), &upstream, "");
    let weir = Weir::start(&priced(&ledger, "[]", "usd_per_day: 0.7", &[entry]));
    let ask = |seconds: u64| {
        let body = format!(r#"{{"model":"sora-2","prompt":"a fox","seconds":"{seconds}"}}"#);
        weir.post(VIDEOS, body).send()
    };
    ask(8).is(429);
    assert_eq!(upstream.count(), 0, "nothing was asked for");
    ask(4).is(200);
    ask(4).is(429);
    weir.get(ONE).send().is(200);
    ask(4).is(200);
}

/// Weir itself asks a minute later.
#[test]
fn a_video_that_nobody_fetches_is_asked_for() {
    let state = |status| video(status, "sora-2", 8, "720x1280");
    let upstream = studio(state("queued"), vec![state("completed")]);
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = directory.path().join("ledger");
    let entry = account("a", &sample(OpenaiChat), &upstream, "");
    let weir = Weir::start(&priced(&ledger, "[]", "", &[entry]));
    weir.post(VIDEOS, r#"{"prompt":"a fox","seconds":"8"}"#)
        .send()
        .is(200);
    let since = std::time::Instant::now();
    while weir.lines().len() < 2 && since.elapsed().as_secs() < 90 {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let done = line(&weir, 2);
    assert_eq!(done["via"], "background", "{done}");
    assert_eq!(done["path"], ONE, "{done}");
    assert_eq!(nano(&done["cost_usd"]), 800_000_000, "{done}");
    add_up(&weir, &ledger, 2);
}
