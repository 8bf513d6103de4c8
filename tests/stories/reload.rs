//! Reload: all or nothing, however the file changes; what is in flight and what is known of accounts survives.
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::rig::{
    Lines, Process, TOKEN, Upstream, Weir, account, accounts, configuration, eventually, sample,
};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

fn named(name: &str, upstream: &Upstream) -> String {
    accounts(&[account(name, &lines(), upstream, "")])
}

fn serving(weir: &Weir) -> String {
    weir.ask(&lines()).send().is(200).account().to_owned()
}

#[track_caller]
fn becomes(weir: &Weir, name: &str) {
    eventually("the new configuration is in force", || {
        (serving(weir) == name).then_some(())
    });
}

fn start() -> (Upstream, Weir) {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::start(&named("old", &upstream));
    assert_eq!(serving(&weir), "old");
    (upstream, weir)
}

#[test]
fn an_atomic_rename_is_noticed() {
    let (upstream, weir) = start();
    let before = weir.status("/status/config");
    assert_eq!(before["applied_hash"], before["disk_hash"]);
    weir.rewrite(&named("new", &upstream));
    becomes(&weir, "new");
    let after = weir.status("/status/config");
    assert_eq!(after["applied_hash"], after["disk_hash"]);
    assert_ne!(after["applied_hash"], before["applied_hash"]);
    assert_eq!(
        (&after["generation"], &after["last_error"]),
        (&2.into(), &serde_json::Value::Null)
    );
    weir.until_metric("weir_config_generation", &[], 2.0);
}

#[test]
fn a_write_in_place_is_noticed() {
    let (upstream, weir) = start();
    std::fs::write(weir.file(), weir.text(&named("new", &upstream))).expect("a file");
    becomes(&weir, "new");
}

#[test]
fn a_post_is_answered_when_the_new_configuration_is_in_force() {
    let (upstream, weir) = start();
    weir.rewrite(&named("new", &upstream));
    // The watcher may be quicker: then there is nothing left to change.
    let verdict = weir.tell("/admin/reload").is(200).json();
    assert!(
        ["applied", "unchanged"]
            .iter()
            .any(|word| verdict["result"] == *word),
        "{verdict}"
    );
    assert_eq!(serving(&weir), "new");
    assert_eq!(
        weir.tell("/admin/reload").is(200).json()["result"],
        "unchanged"
    );
    weir.until_metric("weir_config_generation", &[], 2.0);
}

#[test]
fn a_swapped_symlink_is_noticed_as_kubernetes_does_it() {
    let upstream = Upstream::json(200, lines().answer);
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("token"), TOKEN).expect("a file");
    for (version, name) in [("..version_1", "old"), ("..version_2", "new")] {
        let folder = dir.path().join(version);
        std::fs::create_dir(&folder).expect("a directory");
        let text = configuration(dir.path(), &named(name, &upstream));
        std::fs::write(folder.join("weir.yaml"), text).expect("a file");
    }
    let file = dir.path().join("weir.yaml");
    std::os::unix::fs::symlink("..data/weir.yaml", &file).expect("a link");
    let link = dir.path().join("..data_tmp");
    let data = dir.path().join("..data");
    std::os::unix::fs::symlink("..version_1", &data).expect("a link");
    let weir = Weir::on(dir, &file).expect("weir starts");
    assert_eq!(serving(&weir), "old");
    std::os::unix::fs::symlink("..version_2", &link).expect("a link");
    std::fs::rename(&link, data).expect("a rename");
    becomes(&weir, "new");
}

/// A volume of Kubernetes: all files of a version change at once, by one symbolic link.
#[test]
fn fragments_come_go_and_are_swapped_as_one() {
    let upstream = Upstream::json(200, lines().answer);
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("token"), TOKEN).expect("a file");
    let text = configuration(dir.path(), "include: [\"conf.d/*.yaml\"]\naccounts:\n");
    let file = dir.path().join("weir.yaml");
    std::fs::write(&file, text).expect("a file");
    let conf = dir.path().join("conf.d");
    std::fs::create_dir(&conf).expect("a directory");
    for (version, name) in [("..version_1", "old"), ("..version_2", "new")] {
        std::fs::create_dir(conf.join(version)).expect("a directory");
        std::fs::write(conf.join(version).join("a.yaml"), named(name, &upstream)).expect("a file");
    }
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, conf.join(name)).expect("a link");
    };
    link("..version_1", "..data");
    link("..data/a.yaml", "a.yaml");
    let weir = Weir::on(dir, &file).expect("weir starts");
    assert_eq!(serving(&weir), "old");
    link("..version_2", "..data_tmp");
    std::fs::rename(conf.join("..data_tmp"), conf.join("..data")).expect("a rename");
    becomes(&weir, "new");
    let status = weir.status("/status/config");
    assert_eq!(status["applied_hash"], status["disk_hash"]);

    std::fs::write(conf.join("b.yaml"), named("second", &upstream)).expect("a file");
    let accounts = |count: usize| {
        eventually("the fragments are in force", || {
            let accounts = weir.status("/status/accounts");
            (accounts.as_array().map(Vec::len) == Some(count)).then_some(())
        });
    };
    accounts(2);
    std::fs::remove_file(conf.join("a.yaml")).expect("it was there");
    accounts(1);
    assert_eq!(serving(&weir), "second");
    // Nothing is left to serve with: that is a fault, and what was stays.
    std::fs::remove_file(conf.join("b.yaml")).expect("it was there");
    eventually("the fault is told", || {
        let error = weir.status("/status/config")["last_error"].to_string();
        error.contains("at least one account").then_some(())
    });
    assert_eq!(serving(&weir), "second");
}

/// A file of prices is taken when it changes, and refused as a whole when it is wrong.
#[test]
fn a_changed_file_of_prices_is_noticed() {
    let upstream = Upstream::json(200, lines().answer);
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("token"), TOKEN).expect("a file");
    let prices = dir.path().join("prices.yaml");
    let costs = |usd: &str| {
        let text = format!("[{{ model: \"*\", input: {usd}, output: {usd} }}]\n");
        std::fs::write(&prices, text).expect("a file");
    };
    costs("1000000");
    let yaml = format!("prices: {{ file: prices.yaml }}\n{}", named("a", &upstream));
    let file = dir.path().join("weir.yaml");
    std::fs::write(&file, configuration(dir.path(), &yaml)).expect("a file");
    let weir = Weir::on(dir, &file).expect("weir starts");
    let cost = || {
        let answer = weir.ask(&lines()).send().is(200);
        let id = answer.header("x-request-id").expect("an id");
        let line = weir.line(|line| line["request_id"] == id);
        line["cost_usd"].as_f64().expect("a price")
    };
    let first = cost();
    assert!(first > 1.0, "{first}");
    costs("500000");
    weir.until_metric("weir_config_generation", &[], 2.0);
    assert!((cost() - first / 2.0).abs() < 1e-9);
    // Above what a price may be: what was stays.
    costs("2000000");
    eventually("the fault is told", || {
        let error = weir.status("/status/config")["last_error"].to_string();
        error.contains("prices.yaml:1").then_some(())
    });
    assert!((cost() - first / 2.0).abs() < 1e-9);
}

#[test]
fn a_changed_secret_file_is_noticed() {
    let upstream = Upstream::json(200, lines().answer);
    let dir = tempfile::tempdir().expect("a directory");
    let secret = dir.path().join("key");
    std::fs::write(&secret, "first\n").expect("a file");
    let (url, path) = (upstream.url(), secret.display());
    let weir = Weir::start(&format!(
        "accounts:\n  - {{ name: a, provider: anthropic, base_url: \"{url}\", key: {{ file: \"{path}\" }} }}\n"
    ));
    let sent = || {
        serving(&weir);
        let last = upstream.requests().pop().expect("a request");
        last.headers.get("x-api-key").map(str::to_owned)
    };
    assert_eq!(sent().as_deref(), Some("first"));
    std::fs::write(&secret, "second\n").expect("a file");
    eventually("the new secret is used", || {
        (sent().as_deref() == Some("second")).then_some(())
    });
}

#[test]
fn sighup_reloads_and_opens_the_access_log_anew() {
    let upstream = Upstream::json(200, lines().answer);
    let process = Process::start(&named("old", &upstream));
    let dir = process.dir().to_owned();
    let ask = || {
        process
            .call("POST", lines().path)
            .body(lines().ask)
            .send()
            .is(200)
    };
    assert_eq!(ask().account(), "old");
    let log = dir.join("access.log");
    eventually("a line is written", || {
        std::fs::read_to_string(&log)
            .ok()?
            .contains("\"old\"")
            .then_some(())
    });
    std::fs::rename(&log, dir.join("access.log.1")).expect("a rename");
    let text = configuration(&dir, &named("new", &upstream));
    std::fs::write(dir.join("weir.yaml"), text).expect("a file");
    process.signal("HUP");
    process.says("configuration reloaded");
    assert_eq!(ask().account(), "new");
    eventually("a line is written", || {
        std::fs::read_to_string(&log)
            .ok()?
            .contains("\"new\"")
            .then_some(())
    });
}

#[test]
fn a_bad_configuration_changes_nothing_and_every_fault_is_told() {
    let upstream = Upstream::json(200, lines().answer);
    let process = Process::start(&named("old", &upstream));
    let bad = configuration(process.dir(), &named("new", &upstream));
    let bad = bad.replace("provider: anthropic", "provider: anthropik, wieght: 1");
    std::fs::write(process.dir().join("weir.yaml"), &bad).expect("a file");
    process.says("keeping the one in force");
    let log = process.log();
    assert!(
        log.contains("anthropik") && log.contains("wieght") && log.contains("did you mean"),
        "{log}"
    );
    assert!(!log.contains("secret-of"), "{log}");
    let status = process.admin("GET", "/status/config").send().is(200).json();
    assert!(
        status["last_error"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("anthropik")),
        "{status}"
    );
    assert_ne!(status["applied_hash"], status["disk_hash"]);
    let metrics = process.admin("GET", "/metrics").send().text().to_owned();
    assert!(
        metrics.contains("weir_config_last_reload_successful 0"),
        "{metrics}"
    );
    let told = process
        .admin("POST", "/admin/reload")
        .key(TOKEN)
        .send()
        .is(422)
        .json();
    assert_eq!(told["result"], "rejected", "{told}");
    let ask = || {
        process
            .call("POST", lines().path)
            .body(lines().ask)
            .send()
            .is(200)
    };
    assert_eq!(ask().account(), "old");
    // Mended, it is taken.
    let good = bad.replace("provider: anthropik, wieght: 1", "provider: anthropic");
    std::fs::write(process.dir().join("weir.yaml"), good).expect("a file");
    process.says("configuration reloaded");
    assert_eq!(ask().account(), "new");
    let metrics = process.admin("GET", "/metrics").send().text().to_owned();
    assert!(
        metrics.contains("weir_config_last_reload_successful 1"),
        "{metrics}"
    );
}

#[test]
fn a_deleted_configuration_file_changes_nothing() {
    let (_upstream, weir) = start();
    std::fs::remove_file(weir.file()).expect("it was there");
    eventually("the failed reload is told", || {
        let error = &weir.status("/status/config")["last_error"]["message"];
        error
            .as_str()
            .is_some_and(|text| text.contains("cannot be read"))
            .then_some(())
    });
    weir.until_metric("weir_config_last_reload_successful", &[], 0.0);
    assert_eq!(serving(&weir), "old");
    weir.tell("/admin/reload").is(422);
}

#[test]
fn a_request_in_flight_finishes_on_the_configuration_that_it_began_with() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |request, wire| {
        if request.number > 0 {
            return wire.json(200, lines().answer);
        }
        wire.stream();
        lines().opening.iter().for_each(|event| wire.chunk(event));
        let wait = wait.lock().expect("no panic");
        wait.recv_timeout(Duration::from_secs(25))
            .expect("the reload happens");
        lines().closing.iter().for_each(|event| wire.chunk(event));
        wire.end();
    });
    let weir = Weir::start(&named("old", &upstream));
    let mut open = weir.ask_stream(&lines()).open();
    open.event().expect("the stream begins");
    weir.rewrite(&named("new", &upstream));
    weir.tell("/admin/reload").is(200);
    assert_eq!(serving(&weir), "new");
    go.send(()).expect("the upstream waits");
    assert!(open.rest().text().ends_with(lines().closing[3]));
    let line = weir.line(|line| line["stream"] == true);
    assert_eq!(
        (&line["account"], &line["end"]),
        (&"old".into(), &"complete".into()),
        "{line}"
    );
}

#[test]
fn no_request_fails_or_takes_a_credential_astray_while_accounts_come_and_go() {
    let upstreams = [0, 1].map(|_| Upstream::json(200, lines().answer));
    let [first, second] = &upstreams;
    // `same` moves to another address with another credential, and one account is replaced by another.
    let yaml = |here: &Upstream, key: &str, other: &str| {
        let moved = account("same", &lines(), here, "").replace("secret-of-same", key);
        accounts(&[moved, account(other, &lines(), here, "")])
            .replace(&format!("secret-of-{other}"), key)
    };
    let weir = Weir::start(&yaml(first, "first-key", "old"));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    weir.ask(&lines()).send().is(200);
                }
            });
        }
        for _ in 0..10 {
            for yaml in [
                yaml(second, "second-key", "new"),
                yaml(first, "first-key", "old"),
            ] {
                weir.rewrite(&yaml);
                weir.tell("/admin/reload").is(200);
            }
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    for (upstream, key) in [(first, "first-key"), (second, "second-key")] {
        assert!(upstream.count() > 0);
        let keys = upstream.requests();
        assert!(
            keys.iter()
                .all(|request| request.headers.get("x-api-key") == Some(key)),
            "{key}"
        );
    }
}

#[test]
fn cooldowns_survive_a_reload_and_metrics_do_too() {
    let limited = Upstream::start(|_, wire| wire.answer(429, &[("retry-after", "3000")], "{}"));
    let good = Upstream::json(200, lines().answer);
    let entries = |project: &str| {
        accounts(&[
            account("a", &lines(), &limited, project),
            account("b", &lines(), &good, ", priority: 1"),
        ])
    };
    let weir = Weir::start(&entries(""));
    assert_eq!(serving(&weir), "b");
    weir.rewrite(&entries(", project: other-project"));
    weir.tell("/admin/reload").is(200);
    weir.until_metric("weir_config_generation", &[], 2.0);
    let account = weir.account("a");
    assert_eq!(
        (&account["state"], &account["reason"]),
        (&"benched".into(), &"throttled".into())
    );
    assert_eq!(serving(&weir), "b");
    assert_eq!(limited.count(), 1);
    weir.until_metric("weir_requests_total", &[("outcome", "ok")], 2.0);
}

#[test]
fn what_needs_a_restart_is_named() {
    let (upstream, weir) = start();
    weir.rewrite(&format!(
        "server: {{ threads: 3 }}\nlisten: [{{ addr: \"127.0.0.1:1\" }}]\n{}",
        named("new", &upstream)
    ));
    eventually("the rest is applied", || {
        (serving(&weir) == "new").then_some(())
    });
    let process = Process::start(&named("old", &upstream));
    // It is named with every change until it is done, and not once it is no longer wanted.
    let threads = "server: { threads: 3 }\n";
    for (name, more, told) in [
        ("a", threads, 1),
        ("b", threads, 2),
        ("c", "", 2),
        ("d", threads, 3),
    ] {
        let yaml = format!("{more}{}", named(name, &upstream));
        let text = configuration(process.dir(), &yaml);
        std::fs::write(process.dir().join("weir.yaml"), text).expect("a file");
        eventually("it is applied and told", || {
            let answer = process.call("POST", lines().path).body(lines().ask).send();
            let log = process.log();
            let lines = log.lines().filter(|line| line.contains("need a restart"));
            let count = lines.filter(|line| line.contains("server.threads")).count();
            assert!(count <= told, "{name}: {log}");
            (answer.is(200).account() == name && count == told).then_some(())
        });
    }
}

#[test]
fn a_log_or_a_ledger_that_cannot_be_opened_refuses_the_whole_configuration() {
    let (upstream, weir) = start();
    for (other, named_file) in [
        ("log: { access: /no/such/place/access.log }\n", "access log"),
        ("ledger: { path: /no/such/place/ledger }\n", "ledger"),
    ] {
        let yaml = format!("{other}{}", named("new", &upstream));
        std::fs::write(weir.file(), weir.text(&yaml)).expect("a file");
        let answer = weir.tell("/admin/reload");
        assert_ne!(answer.status, 200, "{other}");
        let text = answer.text();
        assert!(
            text.contains(named_file) && text.contains("/no/such/place"),
            "{text}"
        );
        assert_eq!(serving(&weir), "old");
        assert_eq!(weir.status("/status/config")["generation"], 1);
    }
}
