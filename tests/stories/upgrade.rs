//! One process takes over from another: no connection is refused, no stream is cut, nothing is forgotten.
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use crate::rig::client::Open;
use crate::rig::process::{command, run};
use crate::rig::{Lines, Process, TOKEN, Upstream, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// The process that has taken over; ended with the test.
struct Follower(String);

impl Follower {
    /// Makes `process` hand over, and waits until the other serves.
    fn of(process: &Process) -> Self {
        process.signal("QUIT");
        process.says("handed over");
        let log = process.log();
        // The last that was started is the one that could take over.
        let mut started = log.lines().rev();
        let started = started.find(|line| line.contains("started the process that is to follow"));
        let line: serde_json::Value = serde_json::from_str(started.expect("a line")).expect("JSON");
        let follower = Self(line["pid"].to_string());
        let serving = || process.log().matches("\"serving\"").count() == 2;
        eventually("it serves", || serving().then_some(()));
        follower
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-s", "KILL", &self.0]).status();
    }
}

/// An upstream whose streams end when they are told to, each once; what is not streamed is answered at once.
fn patient() -> (Upstream, Sender<()>) {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |request, wire| {
        if !String::from_utf8_lossy(&request.body).contains("\"stream\":true") {
            wire.json(200, lines().answer);
            return;
        }
        wire.stream();
        lines().opening.iter().for_each(|event| wire.chunk(event));
        let go = wait
            .lock()
            .expect("no panic")
            .recv_timeout(Duration::from_mins(1));
        if go.is_ok() {
            lines().closing.iter().for_each(|event| wire.chunk(event));
            wire.end();
        }
    });
    (upstream, go)
}

fn yaml(upstream: &Upstream, more: &str) -> String {
    format!(
        "server: {{ drain_delay: 1s }}\n{more}{}",
        accounts(&[account("a", &lines(), upstream, "")])
    )
}

/// Asks over one connection until `stop`, on a new one whenever an answer says that this one closes.
fn ask_on(process: &Process, stop: &AtomicBool, answered: &AtomicUsize) {
    let ask = process.call("POST", lines().path).body(lines().ask).bytes();
    let addr = process.addr();
    let connect = || {
        let stream = TcpStream::connect(addr).expect("somebody listens");
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).expect("a living socket");
        stream
    };
    let mut stream = connect();
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(&ask).expect("an open connection");
        let open = Open::read(stream.try_clone().expect("a socket")).expect("an answer");
        let closes = open.headers.get("connection") == Some("close");
        let answer = open.rest().is(200);
        assert!(answer.whole);
        answered.fetch_add(1, Ordering::Relaxed);
        if closes {
            stream = connect();
        }
    }
}

#[test]
fn nothing_is_lost_when_another_process_takes_over_under_load() {
    let (upstream, go) = patient();
    let process = Process::start(&yaml(&upstream, ""));
    let open = |_| {
        let mut open = process
            .call("POST", lines().path)
            .body(lines().ask_stream)
            .open();
        open.event().expect("the stream begins");
        open
    };
    let streams: Vec<Open> = (0..20).map(open).collect();
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    // Ended when nobody asks it any more.
    let mut follower = None;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ask_on(&process, &stop, &answered));
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let call = process
                    .call("POST", lines().path)
                    .header("connection", "close");
                call.body(lines().ask).send().is(200);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        let so_many_more = |more: usize| {
            let from = answered.load(Ordering::Relaxed);
            eventually("they are served", || {
                (answered.load(Ordering::Relaxed) >= from + more).then_some(())
            });
        };
        so_many_more(50);
        follower = Some(Follower::of(&process));
        so_many_more(50);
        assert!(process.ended().is_none(), "20 streams are open");
        // The new process tells of itself, and of the old one while there is one.
        let figure = |target: &str| {
            let text = process
                .admin("GET", target)
                .send()
                .is(200)
                .text()
                .to_owned();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("weir_inflight_requests "));
            line.expect("a figure").parse::<f64>().expect("a number")
        };
        assert!(figure("/metrics") < 20.0);
        assert!(figure("/metrics?process=old") >= 20.0);
        for _ in 0..20 {
            go.send(()).expect("the upstream waits");
        }
        for stream in streams {
            let answer = stream.rest();
            assert!(answer.whole && answer.text().ends_with(lines().closing[3]));
        }
        assert_eq!(process.ends().code(), Some(0));
        so_many_more(50);
        eventually("the old one is gone", || {
            let old = process.admin("GET", "/metrics?process=old").send();
            (old.status == 404).then_some(())
        });
        stop.store(true, Ordering::Relaxed);
    });
    drop(follower);
    let log = std::fs::read_to_string(process.dir().join("access.log")).expect("a log");
    assert!(!log.contains("\"status\":5"), "{log}");
}

#[test]
fn limits_and_benches_go_over() {
    let (upstream, go) = patient();
    let spent = Upstream::start(|_, wire| {
        wire.answer(429, &[("retry-after", "600")], "{}");
    });
    let key = crate::rig::KEY;
    let yaml = format!(
        "server: {{ drain_delay: 0s }}\n\
         keys: [{{ name: team, key: \"{key}\", debug: true, limits: {{ concurrency: 1, rpm: 4 }} }}]\n{}",
        accounts(&[
            account("spent", &lines(), &spent, ", priority: 0"),
            account("a", &lines(), &upstream, ", priority: 1")
        ]),
    );
    let process = Process::start(&yaml);
    let state = |process: &Process, name: &str| {
        let call = process
            .admin("GET", "/status/accounts")
            .send()
            .is(200)
            .json();
        let found = call
            .as_array()
            .and_then(|list| list.iter().find(|one| one["name"] == name));
        found.expect("an account")["state"].clone()
    };
    process
        .call("POST", lines().path)
        .body(lines().ask)
        .send()
        .is(200);
    assert_eq!(state(&process, "spent"), "benched");
    let token = format!("Bearer {TOKEN}");
    let drain = process.admin("POST", "/admin/accounts/a/drain");
    drain.header("authorization", &token).send().is(200);
    let enable = process.admin("POST", "/admin/accounts/a/enable");
    enable.header("authorization", &token).send().is(200);
    let mut stream = process
        .call("POST", lines().path)
        .body(lines().ask_stream)
        .open();
    stream.event().expect("the stream begins");

    let _follower = Follower::of(&process);
    assert_eq!(state(&process, "spent"), "benched");
    // The only place of this key is taken by a stream of the other process.
    let ask = || process.call("POST", lines().path).body(lines().ask).send();
    let refused = ask().is(429);
    assert!(refused.text().contains("concurren"), "{}", refused.text());
    go.send(()).expect("the upstream waits");
    assert!(stream.rest().whole);
    eventually("the place is free", || (ask().status == 200).then_some(()));
    assert_eq!(process.ends().code(), Some(0));
    // Two before, one or more after: the fourth of the minute is the last.
    eventually("the minute is used", || {
        let answer = ask();
        (answer.status == 429).then(|| assert!(answer.header("retry-after").is_some()))
    });
    // What the old process settled after the handover is known, too, and nothing twice.
    let usage = process.call("GET", "/v1/usage").send().is(200).json();
    assert_eq!(usage["key"]["today"]["requests"], 4, "{usage}");
    assert_eq!(spent.count(), 1, "it was never asked again");
}

#[test]
fn a_file_that_is_bad_by_now_leaves_the_old_process_serving() {
    let (upstream, _go) = patient();
    let process = Process::start(&yaml(&upstream, ""));
    let file = process.dir().join("weir.yaml");
    let good = std::fs::read_to_string(&file).expect("a file");
    std::fs::write(&file, format!("{good}\nnonsense: 1\n")).expect("a file");
    process.signal("QUIT");
    let why = process.says("nobody took over");
    assert!(why.contains("78"), "{why}");
    process
        .call("POST", lines().path)
        .body(lines().ask)
        .send()
        .is(200);
    process.admin("GET", "/readyz").send().is(200);
    std::fs::write(&file, good).expect("a file");
    let _follower = Follower::of(&process);
    assert_eq!(process.ends().code(), Some(0));
    process
        .call("POST", lines().path)
        .body(lines().ask)
        .send()
        .is(200);
}

#[test]
fn a_service_manager_hears_whom_to_look_after_and_a_unix_socket_stays() {
    let (upstream, _go) = patient();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    let deadline = Instant::now() + Duration::from_mins(1);
    let hears = |line: &str| loop {
        // Signs of life come for ever.
        assert!(Instant::now() < deadline, "nobody says {line}");
        let mut buffer = [0; 4096];
        let length = manager
            .recv(&mut buffer)
            .unwrap_or_else(|_| panic!("nobody says {line}"));
        if String::from_utf8_lossy(&buffer[..length])
            .lines()
            .any(|said| said == line)
        {
            return;
        }
    };
    let socket = dir.path().join("admin.sock");
    let admin = format!("admin: {{ addr: \"unix:{}\" }}\n", socket.display());
    let variables = [
        ("NOTIFY_SOCKET", path.to_str().expect("text")),
        ("WATCHDOG_USEC", "400000"),
    ];
    let process = Process::start_with(&yaml(&upstream, &admin), variables);
    hears("READY=1");
    let follower = Follower::of(&process);
    hears(&format!("MAINPID={}", follower.0));
    hears("READY=1");
    hears("WATCHDOG=1");
    assert_eq!(process.ends().code(), Some(0));
    // The file of the socket is the other's now, and there.
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).expect("the admin plane");
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .expect("an open connection");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // A manager hears all that it is told, the watchdog's signs of life among it.
    let hearing = manager.try_clone().expect("a socket");
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while hearing.recv(&mut buffer).is_ok() {}
    });
    let told = Command::new("kill")
        .args(["-s", "TERM", &follower.0])
        .status();
    assert!(told.expect("kill exists").success());
    eventually("its file is gone with it", || {
        (!socket.exists()).then_some(())
    });
}

#[test]
fn one_that_is_stopped_waits_for_the_one_before_which_can_be_asked_meanwhile() {
    let (upstream, go) = patient();
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("admin.sock");
    let admin = format!("admin: {{ addr: \"unix:{}\" }}\n", socket.display());
    let process = Process::start(&yaml(&upstream, &admin));
    let mut stream = process
        .call("POST", lines().path)
        .body(lines().ask_stream)
        .open();
    stream.event().expect("the stream begins");
    let follower = Follower::of(&process);
    let old = eventually("the old one has a socket of its own", || {
        let files = std::fs::read_dir(dir.path()).expect("a directory");
        let names = files.map(|file| file.expect("an entry").path());
        let is_old = |path: &std::path::PathBuf| path.to_string_lossy().contains("/old-");
        names.into_iter().find(is_old)
    });
    let metrics = eventually("it answers there", || {
        let mut stream = std::os::unix::net::UnixStream::connect(&old).ok()?;
        let ask = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(ask).ok()?;
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).ok()?;
        Some(answer)
    });
    assert!(
        metrics.contains("\nweir_inflight_requests 1\n"),
        "{metrics}"
    );
    let told = Command::new("kill")
        .args(["-s", "TERM", &follower.0])
        .status();
    assert!(told.expect("kill exists").success());
    process.says("waiting for the process before this one");
    // systemd tells every process of the service; the old one does it already.
    process.signal("TERM");
    assert!(!process.log().contains("\"stopped\""), "{}", process.log());
    go.send(()).expect("the upstream waits");
    let answer = stream.rest();
    assert!(answer.whole && answer.text().ends_with(lines().closing[3]));
    assert_eq!(process.ends().code(), Some(0));
    eventually("both have ended", || {
        (process.log().matches("\"stopped\"").count() == 2).then_some(())
    });
    eventually("its socket is gone", || (!old.exists()).then_some(()));
}

#[test]
fn upgrade_by_hand_says_what_to_do() {
    let ended = run(&mut command(&["run", "--upgrade"]));
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("send SIGQUIT to the running one"),
        "{}",
        ended.stderr
    );
}
