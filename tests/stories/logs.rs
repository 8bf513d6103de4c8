//! The logs of a running process: another level without a restart, a file that was rotated.
use crate::rig::process::{bounded, command};
use crate::rig::{
    Lines, Process, TOKEN, Upstream, account, accounts, configuration, eventually, sample,
};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

fn yaml(upstream: &Upstream) -> String {
    accounts(&[account("a", &lines(), upstream, "")])
}

fn set(process: &Process, body: &str) -> crate::rig::Answer {
    let call = process.admin("PUT", "/admin/api/v1/log-level").key(TOKEN);
    call.body(body).send()
}

#[test]
fn the_level_is_changed_while_it_runs_until_the_file_says_another() {
    let upstream = Upstream::json(200, lines().answer);
    let process = Process::start(&yaml(&upstream));
    let level = || {
        let call = process.admin("GET", "/admin/api/v1/log-level").key(TOKEN);
        call.send().is(200).json()
    };
    assert_eq!(
        level(),
        serde_json::json!({"level": "info", "configured": "info"})
    );
    // A word at level `debug`: a reload that finds nothing new.
    let unchanged = || process.log().matches("configuration unchanged").count();
    let reload = || {
        process
            .admin("POST", "/admin/reload")
            .key(TOKEN)
            .send()
            .is(200)
    };
    reload();
    assert_eq!(unchanged(), 0);
    assert_eq!(
        set(&process, r#"{"level":"debug"}"#).is(200).json()["before"],
        "info"
    );
    reload();
    eventually("it is said", || (unchanged() == 1).then_some(()));
    assert_eq!(level()["level"], "debug");

    for wrong in [
        "",
        "{}",
        r#"{"level":"loud"}"#,
        r#"{"level":"info","for":"1h"}"#,
    ] {
        let told = set(&process, wrong).is(400);
        assert!(told.text().contains("warn, info"), "{}", told.text());
    }
    process
        .admin("POST", "/admin/api/v1/log-level")
        .key(TOKEN)
        .send()
        .is(405);
    process
        .admin("PUT", "/admin/api/v1/log-level")
        .send()
        .is(401);
    let file = process.dir().join("weir.yaml");
    let text = std::fs::read_to_string(&file).expect("a file");
    std::fs::write(&file, text + "retry: { max_attempts: 2 }\n").expect("a file");
    process.says("configuration reloaded");
    eventually("the file's own level", || {
        (level()["level"] == "info").then_some(())
    });
    let audit = process
        .admin("GET", "/admin/api/v1/audit")
        .key(TOKEN)
        .send()
        .is(200);
    assert!(audit.text().contains("log.level"), "{}", audit.text());
}

#[test]
fn a_level_of_the_environment_is_not_changed() {
    let upstream = Upstream::json(200, lines().answer);
    let process = Process::start_with(&yaml(&upstream), [("RUST_LOG", "info")]);
    let told = set(&process, r#"{"level":"debug"}"#).is(409);
    assert!(told.text().contains("RUST_LOG"), "{}", told.text());
}

#[test]
fn sigusr1_opens_the_access_log_anew_and_reads_nothing_else() {
    let upstream = Upstream::json(200, lines().answer);
    let process = Process::start(&yaml(&upstream));
    let log = process.dir().join("access.log");
    let ask = || {
        process
            .call("POST", lines().path)
            .body(lines().ask)
            .send()
            .is(200)
    };
    let written = |file: &std::path::Path| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.matches("\"request_id\"").count()
    };
    ask();
    eventually("a line", || (written(&log) == 1).then_some(()));
    let old = process.dir().join("access.log.1");
    std::fs::rename(&log, &old).expect("a rename");
    process.signal("USR1");
    eventually("a new file", || log.exists().then_some(()));
    ask();
    eventually("a line", || (written(&log) == 1).then_some(()));
    assert_eq!(written(&old), 1);
    assert!(
        !process.log().contains("configuration"),
        "{}",
        process.log()
    );
    process.call("GET", "/v1/models").send().is(200);
}

#[test]
fn logs_that_can_grow_no_more_stop_nothing() {
    let upstream = Upstream::json(200, lines().answer);
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("token"), TOKEN).expect("a file");
    let file = dir.path().join("weir.yaml");
    let text = configuration(dir.path(), &yaml(&upstream));
    std::fs::write(&file, text).expect("a file");
    let mut started = command(&["run", "-c"]);
    started.arg(&file);
    let process = Process::spawn(bounded(&started, 16), dir);
    set(&process, r#"{"level":"debug"}"#).is(200);

    // Each says a word, more than 8 KiB of them altogether, and the requests as much in the access log.
    for _ in 0..200 {
        let reload = process.admin("POST", "/admin/reload").key(TOKEN);
        reload.send().is(200);
    }
    eventually("the log is full", || {
        (process.log().len() == 8192).then_some(())
    });
    for _ in 0..30 {
        let call = process.call("POST", lines().path);
        call.body(lines().ask).send().is(200);
    }
    assert!(process.ended().is_none(), "it serves on");
    let metrics = process.admin("GET", "/metrics").send().is(200);
    assert!(metrics.text().contains("weir_requests_total"));
}
