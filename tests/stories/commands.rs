//! The binary: its exit codes, and the ways to start it.
use crate::rig::process::{command, run};
use crate::rig::{
    KEY, Process, TOKEN, Upstream, account, accounts, configuration, eventually, sample,
};
use weir::protocol::Dialect;

fn yaml(upstream: &Upstream) -> String {
    accounts(&[account("a", &sample(Dialect::Anthropic), upstream, "")])
}

/// A directory with a configuration file; what the file says.
fn file(yaml: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("token"), TOKEN).expect("a file");
    let path = dir.path().join("weir.yaml");
    std::fs::write(&path, configuration(dir.path(), yaml)).expect("a file");
    let path = path.display().to_string();
    (dir, path)
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["--nonsense"][..],
        &["dance"],
        &[],
        &["run", "-x"],
        &["key"],
    ] {
        let ended = run(&mut command(arguments));
        assert_eq!(ended.code, Some(2), "{arguments:?} {ended:?}");
        assert!(ended.stderr.contains("Usage"), "{ended:?}");
    }
}

#[test]
fn help_and_version_are_0() {
    let ended = run(&mut command(&["--version"]));
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), concat!("weir ", env!("CARGO_PKG_VERSION"), "\n"))
    );
    for arguments in ["help", "--help"] {
        let ended = run(&mut command(&[arguments]));
        assert!(
            ended.code == Some(0) && ended.stdout.contains("demo"),
            "{ended:?}"
        );
    }
}

#[test]
fn a_bad_configuration_is_78_and_every_fault_has_its_place() {
    let upstream = Upstream::json(200, "{}");
    let bad = yaml(&upstream).replace("provider: anthropic", "provider: anthropik") + "retri: {}\n";
    let (_dir, path) = file(&bad);
    for verb in ["run", "check"] {
        let ended = run(&mut command(&[verb, "-c", &path]));
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(ended.stderr.contains("2 faults found"), "{ended:?}");
        let places = ended
            .stderr
            .lines()
            .filter(|line| line.starts_with(&path))
            .count();
        assert_eq!(places, 2, "{ended:?}");
        assert!(ended.stderr.contains("did you mean `retry`"), "{ended:?}");
        assert!(
            !ended.stderr.contains("secret-of") && !ended.stderr.contains(KEY),
            "{ended:?}"
        );
    }
    let ended = run(&mut command(&["run", "-c", "/nowhere/weir.yaml"]));
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("/nowhere/weir.yaml"), "{ended:?}");
}

#[test]
fn a_good_configuration_passes_the_check_and_nothing_is_started() {
    let upstream = Upstream::start(|_, _| panic!("nobody is called"));
    let (_dir, path) = file(&yaml(&upstream));
    let ended = run(&mut command(&["check", "-c", &path]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("1 account"), "{ended:?}");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn the_environment_names_the_file_too() {
    let upstream = Upstream::json(200, "{}");
    let (_dir, path) = file(&yaml(&upstream));
    let ended = run(command(&["check"]).env("WEIR_CONFIG", &path));
    assert!(
        ended.code == Some(0) && ended.stdout.contains(&path),
        "{ended:?}"
    );
}

#[test]
fn two_processes_on_one_port_is_a_clear_error_and_1() {
    let upstream = Upstream::json(200, "{}");
    let first = Process::start(&yaml(&upstream));
    let addr = first.addr();
    let (_dir, path) = file(&format!(
        "listen: [{{ addr: \"{addr}\" }}]\n{}",
        yaml(&upstream)
    ));
    let ended = run(&mut command(&["run", "-c", &path]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains(&format!("cannot listen on {addr}: another process has it")),
        "{ended:?}"
    );
    Process::call(&first, "GET", "/health").send().is(200);
}

#[test]
fn without_a_file_or_a_key_it_says_what_to_do() {
    let ended = run(&mut command(&["run"]));
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(
        ended.stderr.contains("ANTHROPIC_API_KEY") && ended.stderr.contains("weir demo"),
        "{ended:?}"
    );
}

#[test]
fn a_new_key_goes_into_the_configuration_as_printed() {
    let ended = run(&mut command(&["key", "new", "--name", "fresh"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let key = ended.stdout.lines().next().expect("a key").to_owned();
    let entry: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("  "))
        .collect();
    let entry = entry.join("\n");
    assert!(!entry.contains(&key), "{entry}");
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::json(200, lines.answer);
    let process = Process::start(&format!("keys:\n{entry}\n{}", yaml(&upstream)));
    let ask = |key: &str| {
        process
            .call("POST", lines.path)
            .key(key)
            .body(lines.ask)
            .send()
    };
    ask(&key).is(200);
    ask(KEY).is(401);
    let again = run(&mut command(&["key", "new"]));
    assert_ne!(again.stdout.lines().next(), Some(key.as_str()));
}

/// `weir run` without a configuration, on ports of its own, with its state in `home`.
fn without_a_file(home: &std::path::Path, more: &[&str]) -> Process {
    let mut arguments = vec!["run", "--addr", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    arguments.extend_from_slice(more);
    let mut command = command(&arguments);
    command.env("ANTHROPIC_API_KEY", "sk-ant-from-the-environment");
    command.env("HOME", home);
    // A checkout: its samples are not taken for a configuration.
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let process = Process::spawn(command, tempfile::tempdir().expect("a directory"));
    process.says("serving anthropic with the API keys found in the environment");
    process
}

#[test]
fn an_api_key_in_the_environment_is_enough_and_the_client_key_survives_a_restart() {
    let home = tempfile::tempdir().expect("a directory");
    let first = without_a_file(home.path(), &[]);
    let key = first.says("    weir_").trim().to_owned();
    let accepts = |process: &Process, key: &str, status: u16| {
        let models = process.call("GET", "/v1/models").key(key).send().is(status);
        assert!(
            status != 200 || models.text().contains("claude"),
            "{}",
            models.text()
        );
    };
    accepts(&first, &key, 200);
    accepts(&first, "wrong", 401);
    assert!(!first.log().contains("sk-ant"), "{}", first.log());
    drop(first);
    let kept = home.path().join(".local/state/weir/client-key.sha256");
    let text = std::fs::read_to_string(&kept).expect("a digest");
    assert!(!text.contains(&key) && text.trim().len() == 64, "{text}");

    let second = without_a_file(home.path(), &[]);
    assert!(!second.log().contains("weir_"), "{}", second.log());
    accepts(&second, &key, 200);
    drop(second);

    let third = without_a_file(home.path(), &["--new-key"]);
    let new = third.says("    weir_").trim().to_owned();
    accepts(&third, &new, 200);
    accepts(&third, &key, 401);
}

#[test]
fn the_options_of_a_start_without_a_file_are_refused_beside_one() {
    let upstream = Upstream::json(200, "{}");
    let (_dir, path) = file(&yaml(&upstream));
    for more in [
        &["--addr", "127.0.0.1:0"][..],
        &["--admin", "127.0.0.1:0"],
        &["--new-key"],
    ] {
        let arguments: Vec<&str> = ["run", "-c", &path].iter().chain(more).copied().collect();
        let ended = run(&mut command(&arguments));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("`listen`"), "{ended:?}");
    }
}

#[test]
fn health_is_told_by_the_exit_code() {
    let upstream = Upstream::json(200, "{}");
    let process = Process::start(&yaml(&upstream));
    let admin = process.admin_addr().to_string();
    let ready = run(&mut command(&["health", "--addr", &admin]));
    assert_eq!(ready.code, Some(0), "{ready:?}");
    let live = run(&mut command(&["health", "--live", "--addr", &admin]));
    assert_eq!(live.code, Some(0), "{live:?}");
    drop(process);
    let gone = run(&mut command(&["health", "--addr", &admin]));
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(gone.stderr.contains(&admin), "{gone:?}");
    let nonsense = run(&mut command(&["health", "--addr", "localhost"]));
    assert_eq!(nonsense.code, Some(2), "{nonsense:?}");
}

#[test]
fn health_asks_at_the_unix_socket_of_the_configuration() {
    let upstream = Upstream::json(200, "{}");
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("admin.sock");
    let admin = format!("admin: {{ addr: \"unix:{}\" }}\n", socket.display());
    let (files, path) = file(&(yaml(&upstream) + &admin));
    let before = run(&mut command(&["health", "-c", &path]));
    assert_eq!(before.code, Some(1), "{before:?}");
    let mut process = Process::spawn(command(&["run", "-c", &path]), files);
    let ready = run(&mut command(&["health", "-c", &path]));
    assert_eq!(ready.code, Some(0), "{ready:?}");
    process.signal("TERM");
    assert_eq!(process.exit().code(), Some(0));
    assert!(!socket.exists(), "the socket's file outlived its process");
}

/// However it is told to end; and what is found in its place at the start.
#[test]
fn the_file_of_a_unix_socket_goes_with_its_process_and_is_taken_from_nobody() {
    let (held, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |_, _| {
        let _ = wait.lock().expect("no panic").recv();
    });
    // Dropped before the upstream is, however this ends: that waits for its answers.
    let held = held;
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("admin.sock");
    let admin = format!("admin: {{ addr: \"unix:{}\" }}\n", socket.display());
    let start = || {
        let (files, path) = file(&(yaml(&upstream) + &admin));
        Process::spawn(command(&["run", "-c", &path]), files)
    };
    for signals in [&["INT"][..], &["TERM", "TERM"], &["INT", "TERM"]] {
        // A remnant of one that was killed makes room.
        drop(std::os::unix::net::UnixListener::bind(&socket).expect("a socket"));
        let mut process = start();
        let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}"#;
        // With a request under way the first signal alone does not end it.
        let open = signals.len() > 1;
        let before = upstream.count();
        let waits = open.then(|| process.call("POST", "/v1/messages").body(body).start());
        if open {
            eventually("the request is there", || {
                (upstream.count() > before).then_some(())
            });
        }
        process.signal(signals[0]);
        if let Some(second) = signals.get(1) {
            process.says(if signals[0] == "INT" {
                "\"draining\""
            } else {
                "about to drain"
            });
            process.signal(second);
        }
        assert_eq!(process.exit().code(), Some(0), "{signals:?}");
        assert!(!socket.exists(), "{signals:?}");
        drop(waits);
    }
    // Another process's that listens is left to it.
    let process = start();
    let (_files, path) = file(&(yaml(&upstream) + &admin));
    let second = run(&mut command(&["run", "-c", &path]));
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(
        second.stderr.contains("another process has it"),
        "{second:?}"
    );
    std::os::unix::net::UnixStream::connect(&socket).expect("the first one's");
    drop(process);
    // And so is what is no socket.
    std::fs::remove_file(&socket).expect("the killed one's");
    std::fs::write(&socket, "precious").expect("a file");
    let third = run(&mut command(&["run", "-c", &path]));
    assert_eq!(third.code, Some(1), "{third:?}");
    assert_eq!(std::fs::read(&socket).expect("a file"), b"precious");
    drop(held);
}

#[test]
fn a_certificate_of_another_key_is_a_fault_of_the_configuration_and_a_missing_mount_is_not() {
    let upstream = Upstream::json(200, "{}");
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["a", "b"] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
        std::fs::write(dir.path().join(format!("{name}.crt")), made.cert.pem()).expect("a file");
        let key = made.key_pair.serialize_pem();
        std::fs::write(dir.path().join(format!("{name}.key")), key).expect("a file");
    }
    let shown = dir.path().display();
    let mixed = format!(
        "listen: [{{ addr: \"127.0.0.1:0\", tls: {{ cert: \"{shown}/a.crt\", key: \"{shown}/b.key\" }} }}]\n"
    );
    let (_files, path) = file(&(yaml(&upstream) + &mixed));
    let ended = run(&mut command(&["run", "-c", &path]));
    assert_eq!(ended.code, Some(78), "{ended:?}");
    for late in [
        "ledger: { path: /nowhere/ledger }\n",
        "log: { access: /nowhere/access.log }\n",
    ] {
        let (_files, path) = file(&(yaml(&upstream) + late));
        let ended = run(&mut command(&["run", "-c", &path]));
        assert_eq!(ended.code, Some(1), "{late} {ended:?}");
        assert!(ended.stderr.contains("/nowhere/"), "{ended:?}");
    }
}

#[test]
fn a_check_on_a_machine_without_the_secrets_can_pass() {
    let (_dir, path) = file(
        "accounts:\n  - { name: a, provider: anthropic, key: { env: NOT_HERE } }\n  - { name: b, provider: openai, key: { file: none.key }, egress: { env: NOT_HERE_EITHER } }\nlisten: [{ addr: \"127.0.0.1:0\", tls: { cert: none.crt, key: none.key } }]\n",
    );
    let strict = run(&mut command(&["check", "-c", &path]));
    assert_eq!(strict.code, Some(78), "{strict:?}");
    let lenient = run(&mut command(&[
        "check",
        "-c",
        &path,
        "--allow-missing-secrets",
    ]));
    assert_eq!(lenient.code, Some(0), "{lenient:?}");
    assert!(
        lenient.stdout.contains("warning: ") && lenient.stdout.contains("`NOT_HERE` unset"),
        "{lenient:?}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let upstream = Upstream::json(200, "{}");
    let (_dir, path) = file(&yaml(&upstream));
    for arguments in [
        &["key", "new"][..],
        &["check", "-c", &path],
        &["explain", "-c", &path, "--key", "nobody"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = command(arguments)
            .stdin(std::process::Stdio::null())
            .stdout(writer)
            .output()
            .expect("weir exists");
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(!stderr.contains("panicked"), "{arguments:?} {stderr}");
        if arguments[0] != "explain" {
            assert_eq!(ended.status.code(), Some(0), "{arguments:?} {stderr}");
        }
    }
}

#[test]
fn a_new_key_has_a_name_that_the_configuration_takes() {
    for name in ["a b", "", "other", "-x"] {
        let ended = run(&mut command(&["key", "new", &format!("--name={name}")]));
        assert_eq!(ended.code, Some(2), "{name:?} {ended:?}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
}

#[test]
fn a_warning_says_that_it_is_one() {
    let upstream = Upstream::json(200, "{}");
    let (_dir, path) = file(&(yaml(&upstream) + "version: 1\nlog: { bodies: true }\n"));
    let ended = run(&mut command(&["check", "-c", &path]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let first = ended.stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with("warning: "), "{ended:?}");
}

#[test]
fn text_diagnostics_have_no_colours_in_a_file() {
    let upstream = Upstream::json(200, "{}");
    let (dir, path) = file(&(yaml(&upstream) + "log: { format: text }\n"));
    let process = Process::spawn_unready(command(&["run", "-c", &path]), dir);
    process.says("listening");
    let log = process.log();
    assert!(
        log.contains("listening") && !log.contains('\u{1b}'),
        "{log}"
    );
}

#[test]
fn accounts_are_tested_by_their_list_of_models() {
    let lists = Upstream::json(200, r#"{"data":[{"id":"m1"},{"id":"m2"}]}"#);
    let refuses = Upstream::json(
        401,
        r#"{"error":{"message":"wrong key secret-of-refuses"}}"#,
    );
    let no_list = Upstream::json(404, "{}");
    let lines = sample(Dialect::OpenaiResponses);
    let more = ", timeouts: { connect: 1s }";
    let mut entries = vec![
        account("lists", &lines, &lists, more),
        account("refuses", &lines, &refuses, more),
        account("no-list", &sample(Dialect::Anthropic), &no_list, more),
    ];
    entries.push("{ name: nowhere, provider: openai, base_url: \"http://127.0.0.1:9/v1\", key: secret-of-nowhere }".to_owned());
    let (_dir, path) = file(&accounts(&entries));
    let ended = run(&mut command(&["test", "--all", "-c", &path]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .map(|line| line.split_whitespace().take(3).collect())
        .collect();
    assert_eq!(
        said,
        [
            ["lists", "fine", "200"],
            ["refuses", "refused", "401"],
            ["no-list", "no_list", "404"],
            ["nowhere", "unreachable", "-"]
        ]
    );
    assert!(
        ended.stdout.contains("2 models") && !ended.stdout.contains("secret-of"),
        "{ended:?}"
    );
    let request = &lists.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/v1/models")
    );
    assert_eq!(
        request.headers.get("authorization"),
        Some("Bearer secret-of-lists")
    );
    assert_eq!(
        no_list.requests()[0].headers.get("x-api-key"),
        Some("secret-of-no-list")
    );
    let one = run(&mut command(&["test", "lists", "-c", &path]));
    assert_eq!(
        (one.code, one.stdout.lines().count()),
        (Some(0), 1),
        "{one:?}"
    );
    for arguments in [&["test", "-c", &path][..], &["test", "nobody", "-c", &path]] {
        assert_eq!(run(&mut command(arguments)).code, Some(2));
    }
}

#[test]
fn a_running_weir_tests_an_account_too() {
    let upstream = Upstream::json(200, r#"{"data":[{"id":"m1"}]}"#);
    let weir = crate::rig::Weir::start(&yaml(&upstream));
    for path in ["/admin/api/v1/accounts/a/test", "/admin/accounts/a/test"] {
        let answer = weir.tell(path).is(200).json();
        assert_eq!(
            (&answer["result"], &answer["models"][0]),
            (&"fine".into(), &"m1".into()),
            "{answer}"
        );
    }
    weir.tell("/admin/api/v1/accounts/nobody/test").is(404);
    weir.admin("POST", "/admin/api/v1/accounts/a/test")
        .send()
        .is(401);
}

#[test]
fn a_first_configuration_is_made_and_serves() {
    use std::os::unix::fs::PermissionsExt as _;
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::start(move |request, wire| {
        if request.method == "GET" {
            wire.json(200, r#"{"data":[{"id":"m1"}]}"#);
        } else {
            wire.json(200, lines.answer);
        }
    });
    let place = tempfile::tempdir().expect("a directory");
    let dir = place.path().join("first").display().to_string();
    let base = format!("{}/v1", upstream.url());
    let arguments = [
        "init",
        "--dir",
        &dir,
        "--provider",
        "openai-compatible",
        "--base-url",
        &base,
        "--key",
        "-",
    ];
    let ended = crate::rig::process::run_with(&mut command(&arguments), "sk-mine\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("1 models") && !ended.stdout.contains("sk-mine"),
        "{ended:?}"
    );
    let (yaml, secret) = (
        format!("{dir}/weir.yaml"),
        format!("{dir}/secrets/provider.key"),
    );
    let mode = |path: &str| {
        std::fs::metadata(path)
            .expect("it was written")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode(&secret), mode(&format!("{dir}/secrets"))),
        (0o600, 0o700)
    );
    assert_eq!(
        std::fs::read_to_string(&secret).expect("a file"),
        "sk-mine\n"
    );
    let key = ended
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("    weir_"))
        .expect("a key");
    let key = format!("weir_{key}");
    let ended = run(&mut command(&["check", "-c", &yaml]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // What is there is not written over, and a key that is refused writes nothing.
    assert_eq!(
        crate::rig::process::run_with(&mut command(&arguments), "sk-mine\n").code,
        Some(1)
    );
    let refuses = Upstream::json(401, "{}");
    let base = format!("{}/v1", refuses.url());
    let other = place.path().join("other").display().to_string();
    let arguments = [
        "init",
        "--dir",
        &other,
        "--provider",
        "openai-compatible",
        "--base-url",
        &base,
        "--key",
        "sk",
    ];
    let ended = run(&mut command(&arguments));
    assert!(
        ended.code == Some(1) && ended.stderr.contains("nothing was written"),
        "{ended:?}"
    );
    assert!(!std::path::Path::new(&other).exists());
    let ended = run(&mut command(&["init", "--dir", &other]));
    assert!(
        ended.code == Some(2) && ended.stderr.contains("weir init --provider"),
        "{ended:?}"
    );
    // The file as it is, but for the ports.
    let text = std::fs::read_to_string(&yaml).expect("a file");
    let text = text
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:9090", "127.0.0.1:0");
    std::fs::write(
        &yaml,
        text.replace("version: 1", "version: 1\nlog: { access: off }"),
    )
    .expect("a file");
    let mut started = command(&["run", "-c"]);
    started.arg(&yaml);
    let process = Process::spawn(started, place);
    let call = crate::rig::Call::new(process.addr(), "POST", lines.path).key(&key);
    call.header("content-type", "application/json")
        .body(lines.ask)
        .send()
        .is(200);
    assert_eq!(
        upstream
            .requests()
            .last()
            .expect("asked")
            .headers
            .get("authorization"),
        Some("Bearer sk-mine")
    );
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(&mut command(&["completions", shell]));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for word in ["import", "client", "health", "usage"] {
            assert!(ended.stdout.contains(word), "{shell}: {word}");
        }
    }
    let place = tempfile::tempdir().expect("a directory");
    let ended = run(&mut command(&[
        "manual",
        &place.path().display().to_string(),
    ]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for page in ["weir.1", "weir-run.1", "weir-import.1"] {
        let text = std::fs::read_to_string(place.path().join(page)).expect(page);
        assert!(text.contains(".TH"), "{page}: {text}");
    }
}

#[test]
fn the_first_run_page_writes_a_configuration_for_whoever_has_the_link_once() {
    let upstream = Upstream::start(|request, wire| {
        if request.headers.get("x-api-key") == Some("sk-right") {
            wire.json(200, r#"{"data":[{"id":"claude-haiku-4-5"}]}"#);
        } else {
            wire.json(
                401,
                r#"{"error":{"type":"authentication_error","message":"no"}}"#,
            );
        }
    });
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("etc");
    let place = place.display().to_string();
    let mut command = command(&["init", "--web", "--addr", "127.0.0.1:0", "--dir", &place]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("its output"));
    let link = loop {
        let mut line = String::new();
        assert!(std::io::BufRead::read_line(&mut lines, &mut line).expect("a line") > 0);
        if let Some(rest) = line.trim().strip_prefix("http://") {
            break rest.to_owned();
        }
    };
    let (addr, code) = link.split_once("/#code=").expect("a code");
    let addr: std::net::SocketAddr = addr.parse().expect("an address");
    let call = |method: &str, path: &str| crate::rig::Call::new(addr, method, path);
    let page = call("GET", "/").send().is(200);
    assert!(
        page.header("content-security-policy")
            .expect("a policy")
            .contains("default-src 'self'")
    );
    assert!(!page.text().contains(code));
    // Neither a name of somebody else's nor a page of theirs gets in, and no wrong code.
    call("GET", "/")
        .without("host")
        .header("host", "evil.example")
        .send()
        .is(421);
    call("POST", "/session")
        .header("origin", "http://evil.example")
        .body("{}")
        .send()
        .is(403);
    call("POST", "/session")
        .body(r#"{"code":"guess"}"#)
        .send()
        .is(401);
    call("POST", "/make").body("{}").send().is(401);
    let entered = call("POST", "/session")
        .body(format!("{{\"code\":\"{code}\"}}"))
        .send()
        .is(200);
    let session = entered.json()["session"]
        .as_str()
        .expect("a session")
        .to_owned();
    call("POST", "/session")
        .body(format!("{{\"code\":\"{code}\"}}"))
        .send()
        .is(401);
    let make = |key: &str| {
        let wish = serde_json::json!({ "provider": "anthropic", "key": key, "base_url": upstream.url(), "name": "me", "test": true });
        call("POST", "/make")
            .key(&session)
            .body(wish.to_string())
            .send()
    };
    let refused = make("sk-wrong").is(422);
    assert!(
        refused.text().contains("nothing was written"),
        "{}",
        refused.text()
    );
    assert!(!std::path::Path::new(&place).join("weir.yaml").exists());
    let made = make("sk-right").is(201).json();
    let client = made["client_key"].as_str().expect("a key").to_owned();
    assert!(child.wait().expect("it ends").success());
    let text = std::fs::read_to_string(format!("{place}/weir.yaml")).expect("a file");
    assert!(
        text.contains("sha256") && !text.contains(&client) && !text.contains("sk-right"),
        "{text}"
    );
    let key = std::fs::read_to_string(format!("{place}/secrets/provider.key")).expect("a file");
    assert_eq!(key.trim(), "sk-right");
    let checked = run(&mut self::command(&[
        "check",
        "-c",
        &format!("{place}/weir.yaml"),
    ]));
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    // It is for this host only.
    let open = run(&mut self::command(&[
        "init",
        "--web",
        "--addr",
        "0.0.0.0:0",
        "--dir",
        &place,
        "--force",
    ]));
    assert!(
        open.code == Some(1) && open.stderr.contains("loopback"),
        "{}",
        open.stderr
    );
}
