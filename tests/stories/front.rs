//! Before the first request: who is let in, and how long they may take.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::rig::client::Open;
use crate::rig::{Lines, Process, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::OpenaiChat)
}

fn weir(upstream: &Upstream, listen: &str, server: &str) -> Weir {
    Weir::start(&format!(
        "listen: [{{ addr: \"127.0.0.1:0\"{listen} }}]\nserver: {{ {server} }}\n{}",
        accounts(&[account("a", &lines(), upstream, "")])
    ))
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("weir listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(25)))
        .expect("a living socket");
    stream
}

/// Waits until the other side closes; what it said before.
fn until_closed(mut stream: &TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => said,
    }
}

fn rejections(weir: &Weir, reason: &str, count: f64) {
    weir.until_metric("weir_client_rejections_total", &[("reason", reason)], count);
}

#[test]
fn a_head_must_come_in_time_however_it_trickles() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "", "client_timeouts: { head: 1s }");
    for beginning in ["GET / HTTP/1.1\r\nhost: x\r\n", "P", "PRI * HTTP/2.0\r\n"] {
        let mut stream = connect(weir.addr());
        stream.write_all(beginning.as_bytes()).expect("open");
        let began = Instant::now();
        let mut trickle = stream.try_clone().expect("a second handle");
        let trickling = beginning.len() > 20;
        let sending = std::thread::spawn(move || {
            // Ends when the other side has closed.
            while trickling && trickle.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        until_closed(&stream);
        assert!(
            began.elapsed() >= Duration::from_millis(900),
            "{:?}",
            began.elapsed()
        );
        let _ = stream.shutdown(std::net::Shutdown::Both);
        sending.join().expect("no panic");
    }
    rejections(&weir, "head_timeout", 3.0);
    weir.ask(&lines()).send().is(200);
}

#[test]
fn a_connection_that_says_nothing_is_closed_and_nobody_is_to_blame() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "", "client_timeouts: { keepalive: 1s }");
    let fresh = connect(weir.addr());
    let mut used = connect(weir.addr());
    let call = weir.ask(&lines()).bytes();
    used.write_all(&call).expect("open");
    let began = Instant::now();
    let said = until_closed(&used);
    assert!(said.starts_with(b"HTTP/1.1 200"));
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert_eq!(until_closed(&fresh), b"");
    rejections(&weir, "head_timeout", 0.0);
}

#[test]
fn an_answer_that_takes_long_is_not_idle() {
    let upstream = Upstream::start(|_, wire| {
        wire.stream();
        for event in lines().events() {
            wire.chunk(event);
            std::thread::sleep(Duration::from_millis(300));
        }
        wire.end();
    });
    let weir = weir(
        &upstream,
        "",
        "client_timeouts: { keepalive: 1s, head: 300ms }",
    );
    let answer = weir.ask_stream(&lines()).send().is(200);
    assert!(answer.whole);
    assert_eq!(answer.text(), lines().events().concat());
}

#[test]
fn a_listener_takes_no_more_connections_than_it_may() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, ", max_connections: 2", "");
    let first = weir.ask(&lines()).open();
    let second = weir.ask(&lines()).open();
    assert_eq!(until_closed(&connect(weir.addr())), b"");
    rejections(&weir, "connections", 1.0);
    assert!(weir.metric("weir_connections", &[("side", "client")]) >= 2.0);
    drop((first, second));
    weir.until_metric("weir_connections", &[("side", "client")], 0.0);
    weir.ask(&lines()).send().is(200);
}

#[test]
fn one_address_has_no_more_connections_than_it_may_unless_it_is_a_trusted_proxy() {
    for (trusted, expected) in [("", false), (", trusted_proxies: [127.0.0.0/8]", true)] {
        let upstream = Upstream::json(200, lines().answer);
        let server = format!("client_limits: {{ connections_per_address: 1 }}{trusted}");
        let weir = weir(&upstream, "", &server);
        let _first = weir.ask(&lines()).open();
        let mut second = connect(weir.addr());
        let _ = second.write_all(&weir.ask(&lines()).bytes());
        let answered = Open::read(second).is_some();
        assert_eq!(answered, expected, "{trusted}");
        rejections(
            &weir,
            "connections_per_address",
            f64::from(u8::from(!expected)),
        );
    }
}

#[test]
fn the_admin_plane_answers_when_clients_hold_every_connection_there_is() {
    let upstream = Upstream::json(200, lines().answer);
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("token"), crate::rig::TOKEN).expect("a file");
    let yaml = accounts(&[account("a", &lines(), &upstream, "")]);
    let text = crate::rig::configuration(dir.path(), &yaml);
    let file = dir.path().join("weir.yaml");
    std::fs::write(&file, text).expect("a file");
    let mut shell = std::process::Command::new("sh");
    shell.args([
        "-c",
        "ulimit -n 200; exec \"$@\"",
        "sh",
        env!("CARGO_BIN_EXE_weir"),
        "run",
        "-c",
    ]);
    shell.arg(&file).env_clear().current_dir(dir.path());
    let process = Process::spawn(shell, dir);
    let held: Vec<_> = (0..120).map(|_| connect(process.addr())).collect();
    process.says("as many connections as the descriptors");
    for _ in 0..5 {
        process.admin("GET", "/livez").send().is(200);
        process.admin("GET", "/metrics").send().is(200);
    }
    let lines_of_it = process
        .log()
        .matches("as many connections as the descriptors")
        .count();
    assert_eq!(lines_of_it, 1, "{}", process.log());
    drop(held);
    crate::rig::eventually("there is room again", || {
        let mut stream = connect(process.addr());
        let _ = stream.write_all(&process.call("POST", lines().path).body(lines().ask).bytes());
        Open::read(stream).map(|open| assert_eq!(open.rest().status, 200))
    });
}

/// One request after this header of the PROXY protocol; whom the access log names, if it was answered.
fn introduced(weir: &Weir, header: &[u8]) -> Option<String> {
    let mut stream = connect(weir.addr());
    let call = [header, &weir.ask(&lines()).bytes()].concat();
    let _ = stream.write_all(&call);
    let open = Open::read(stream)?;
    let id = open.headers.get("x-request-id")?.to_owned();
    assert_eq!(open.rest().status, 200);
    let line = weir.line(|line| line["request_id"] == id.as_str());
    Some(line["client_ip"].as_str().expect("an address").to_owned())
}

#[test]
fn a_trusted_proxy_says_who_the_client_is() {
    let upstream = Upstream::json(200, lines().answer);
    let trust = "trusted_proxies: [127.0.0.1]";
    let one = weir(&upstream, ", proxy_protocol: v1", trust);
    let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
    assert_eq!(introduced(&one, line).as_deref(), Some("192.0.2.7"));
    assert_eq!(
        introduced(&one, b"PROXY UNKNOWN\r\n").as_deref(),
        Some("127.0.0.1")
    );
    assert_eq!(introduced(&one, b""), None);
    rejections(&one, "proxy_protocol", 1.0);
    let two = weir(&upstream, ", proxy_protocol: v2", trust);
    let header = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
        &[192, 0, 2, 8, 198, 51, 100, 1, 0xdc, 4, 1, 0xbb],
    ]
    .concat();
    assert_eq!(introduced(&two, &header).as_deref(), Some("192.0.2.8"));
    assert_eq!(introduced(&two, line), None);
    rejections(&two, "proxy_protocol", 1.0);
}

#[test]
fn who_is_no_trusted_proxy_may_introduce_nobody() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, ", proxy_protocol: v1", "");
    let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
    assert_eq!(introduced(&weir, line), None);
    assert_eq!(introduced(&weir, b""), None);
    rejections(&weir, "proxy_protocol", 2.0);
    assert_eq!(upstream.count(), 0);
}

/// A Weir with a certificate for localhost; the arguments with which curl reaches it.
fn with_tls(
    upstream: &Upstream,
    tls: &str,
    listen: &str,
    server: &str,
) -> (Weir, tempfile::TempDir, Vec<String>) {
    let dir = tempfile::tempdir().expect("a directory");
    crate::http2::certificate(dir.path());
    let path = dir.path().display();
    let tls =
        format!(", tls: {{ cert: \"{path}/tls.crt\", key: \"{path}/tls.key\"{tls} }}{listen}");
    let weir = weir(upstream, &tls, server);
    let port = weir.addr().port();
    let arguments = [
        "--cacert".to_owned(),
        format!("{path}/tls.crt"),
        "--resolve".to_owned(),
        format!("localhost:{port}:127.0.0.1"),
        format!("https://localhost:{port}{}", lines().path),
    ];
    (weir, dir, arguments.to_vec())
}

#[test]
fn under_tls_the_header_of_the_proxy_comes_first() {
    let upstream = Upstream::json(200, lines().answer);
    let (_weir, _dir, mut arguments) = with_tls(
        &upstream,
        "",
        ", proxy_protocol: v1",
        "trusted_proxies: [127.0.0.1]",
    );
    arguments.push("--haproxy-protocol".to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (body, status) = crate::http2::curl(&arguments, lines().ask);
    assert_eq!(
        (body.as_str(), status.ends_with("200")),
        (lines().answer, true),
        "{status}"
    );
}

#[test]
fn a_handshake_must_end_in_time() {
    let upstream = Upstream::json(200, lines().answer);
    let (weir, _dir, arguments) = with_tls(&upstream, "", "", "client_timeouts: { tls: 1s }");
    let began = Instant::now();
    assert_eq!(until_closed(&connect(weir.addr())), b"");
    assert!(began.elapsed() >= Duration::from_millis(900));
    rejections(&weir, "tls_timeout", 1.0);
    let mut stream = connect(weir.addr());
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("open");
    until_closed(&stream);
    rejections(&weir, "tls_failed", 1.0);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (body, _) = crate::http2::curl(&arguments, lines().ask);
    assert_eq!(body, lines().answer);
}

#[test]
fn versions_of_tls_below_the_least_are_not_spoken() {
    let upstream = Upstream::json(200, lines().answer);
    for (least, spoken) in [("", true), (", min_version: \"1.3\"", false)] {
        let (_weir, _dir, arguments) = with_tls(&upstream, least, "", "");
        for (most, expected) in [("1.2", spoken), ("1.3", true)] {
            let ended = std::process::Command::new("curl")
                .args([
                    "-sS",
                    "--tls-max",
                    most,
                    "-d",
                    lines().ask,
                    "-o",
                    "/dev/null",
                ])
                .args(["-H", &format!("authorization: Bearer {}", crate::rig::KEY)])
                .args(&arguments)
                .output()
                .expect("curl exists");
            assert_eq!(
                ended.status.success(),
                expected,
                "{least} {most}: {ended:?}"
            );
        }
    }
}

#[test]
fn a_body_that_trickles_is_refused() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "", "client_timeouts: { body_rate: 100B }");
    let mut stream = connect(weir.addr());
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .expect("a living socket");
    let call = weir.ask(&lines()).bytes();
    let (most, last) = call.split_at(call.len() - 40);
    stream.write_all(most).expect("open");
    let mut trickle = stream.try_clone().expect("a second handle");
    let last = last.to_owned();
    let sending = std::thread::spawn(move || {
        // It pauses never as long as it takes to be refused for silence alone.
        for byte in last {
            if trickle.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let open = Open::read(stream).expect("an answer");
    assert_eq!(open.rest().status, 408);
    rejections(&weir, "body_rate", 1.0);
    sending.join().expect("no panic");
    assert_eq!(upstream.count(), 0);
}

/// Asks four times, one after the other; for each how many connections curl had to make, and the status.
fn four_times(weir: &Weir) -> Vec<String> {
    let url = format!("http://{}{}", weir.addr(), lines().path);
    let ended = std::process::Command::new("curl")
        .args(["-sS", "-w", "%{num_connects} %{http_code}\n"])
        .args(["-d", lines().ask])
        .args(["-H", &format!("authorization: Bearer {}", crate::rig::KEY)])
        .args([0; 4].iter().flat_map(|_| ["-o", "/dev/null", &url]))
        .output()
        .expect("curl exists");
    assert!(ended.status.success(), "{ended:?}");
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_connection_carries_no_more_requests_than_it_may() {
    let upstream = Upstream::json(200, lines().answer);
    let capped = "client_limits: { requests_per_connection: 2 }";
    let weir_capped = weir(&upstream, "", capped);
    let seen = four_times(&weir_capped);
    assert_eq!(seen, ["1 200", "0 200", "1 200", "0 200"]);
    rejections(&weir_capped, "requests_per_connection", 2.0);
    let trusting = format!("{capped}, trusted_proxies: [127.0.0.1]");
    for server in ["", &trusting] {
        let seen = four_times(&weir(&upstream, "", server));
        assert_eq!(seen, ["1 200", "0 200", "0 200", "0 200"], "{server}");
    }
}

/// A frame of HTTP/2: its type, flags and stream, and what it carries.
type Frame = (u8, u8, u32, Vec<u8>);

fn write_frame(stream: &mut TcpStream, (kind, flags, of, carried): &Frame) {
    let length = u32::try_from(carried.len()).expect("short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([*kind, *flags]);
    bytes.extend(of.to_be_bytes());
    bytes.extend(carried);
    stream.write_all(&bytes).expect("open");
}

fn read_frame(stream: &mut TcpStream) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut carried = vec![0; length as usize];
    stream.read_exact(&mut carried).expect("whole frames");
    let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some((head[3], head[4], of, carried))
}

#[test]
fn an_http_2_connection_says_goaway_and_answers_what_was_asked_before() {
    let upstream = Upstream::json(200, lines().answer);
    let server = "client_limits: { requests_per_connection: 2 }";
    let weir = weir(&upstream, "", server);
    let mut stream = connect(weir.addr());
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .expect("open");
    write_frame(&mut stream, &(4, 0, 0, Vec::new()));
    // GET, http, an authority and a path, none of them compressed; END_STREAM and END_HEADERS.
    let asked = b"\x82\x86\x41\x01x\x44\x07/health".to_vec();
    for of in [1, 3, 5] {
        write_frame(&mut stream, &(1, 5, of, asked.clone()));
    }
    let (mut ended, mut goaway) = (Vec::new(), Vec::new());
    while let Some((kind, flags, of, carried)) = read_frame(&mut stream) {
        match kind {
            0 | 1 if flags & 1 == 1 => ended.push(of),
            6 if flags & 1 == 0 => write_frame(&mut stream, &(6, 1, 0, carried)),
            7 => goaway.push(u32::from_be_bytes([
                carried[0], carried[1], carried[2], carried[3],
            ])),
            _ => {}
        }
    }
    ended.sort_unstable();
    assert_eq!(
        (ended, goaway.last()),
        (vec![1, 3, 5], Some(&5)),
        "{goaway:?}"
    );
    rejections(&weir, "requests_per_connection", 1.0);
}

#[test]
fn an_idle_http_2_connection_hears_goaway_before_it_is_closed() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "", "client_timeouts: { keepalive: 1s }");
    let mut stream = connect(weir.addr());
    // The preface and empty settings.
    let hello = [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        &[0, 0, 0, 4, 0, 0, 0, 0, 0],
    ]
    .concat();
    stream.write_all(&hello).expect("open");
    let began = Instant::now();
    let mut kinds = Vec::new();
    while let Some((kind, ..)) = read_frame(&mut stream) {
        kinds.push(kind);
    }
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert!(kinds.contains(&7), "{kinds:?}");
    rejections(&weir, "head_timeout", 0.0);
}

#[test]
fn under_tls_too_a_client_that_asks_nothing_is_closed() {
    let upstream = Upstream::json(200, lines().answer);
    let (weir, dir, _) = with_tls(&upstream, "", "", "client_timeouts: { keepalive: 1s }");
    let began = Instant::now();
    let ended = std::process::Command::new("timeout")
        .args([
            "25", "openssl", "s_client", "-quiet", "-alpn", "http/1.1", "-CAfile",
        ])
        .arg(dir.path().join("tls.crt"))
        .args(["-connect", &weir.addr().to_string()])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut client| {
            // Its input stays open until it ends.
            let _input = client.stdin.take();
            client.wait()
        })
        .expect("openssl exists");
    assert_ne!(ended.code(), Some(124), "it was not closed");
    assert!(began.elapsed() >= Duration::from_millis(900));
    rejections(&weir, "head_timeout", 0.0);
    rejections(&weir, "tls_failed", 0.0);
}

/// What Weir says to these bytes, up to the end of the connection or of the first answer.
fn said_to(weir: &Weir, bytes: &[u8]) -> Option<u16> {
    let mut stream = connect(weir.addr());
    stream.write_all(bytes).expect("open");
    Open::read(stream).map(|open| open.rest().status)
}

#[test]
fn what_proxies_disagree_about_is_refused_and_nothing_of_it_is_sent_on() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "", "");
    let (path, key, body) = (lines().path, crate::rig::KEY, lines().ask);
    let size = format!("{:x}", body.len());
    let post = |framing: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{framing}\r\n\r\n{body}"
        )
    };
    let chunked = "Transfer-Encoding: chunked";
    let good = post(chunked, &format!("{size};a=b\r\n{body}\r\n0\r\n\r\n"));
    assert_eq!(said_to(&weir, good.as_bytes()), Some(200));
    let length = body.len();
    for bad in [
        post(chunked, &format!("\r\n{size}\r\n{body}\r\n0\r\n\r\n")),
        post(chunked, &format!("{size}\r\n{body}\r\n\r\n0\r\n\r\n")),
        post(chunked, &format!("{size};a\nb\r\n{body}\r\n0\r\n\r\n")),
        post(chunked, &format!("{size} \r\n{body}\r\n0\r\n\r\n")),
        post(
            "Transfer-Encoding: gzip, chunked",
            &format!("{size}\r\n{body}\r\n0\r\n\r\n"),
        ),
        post(
            "Transfer-Encoding: foo",
            &format!("{size}\r\n{body}\r\n0\r\n\r\n"),
        ),
        post(&format!("Content-Length: {length}"), body).replace("Host: x\r\n", ""),
        post(&format!("Content-Length: {length}"), body).replace(" HTTP/1.1", " x HTTP/1.1"),
        post(&format!("Content-Length: {length}"), body).replace("POST ", "POST  "),
        post(&format!("Content-Length: {length}"), body).replace(path, &format!("{path}\t")),
    ] {
        assert_eq!(said_to(&weir, bad.as_bytes()), Some(400), "{bad}");
    }
    assert_eq!(upstream.count(), 1);
    rejections(&weir, "framing", 4.0);
}

#[test]
fn requests_that_are_sent_together_are_answered_one_by_one() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = weir(&upstream, "", "");
    let call = weir.ask(&lines()).bytes();
    let mut stream = connect(weir.addr());
    stream.write_all(&call.repeat(3)).expect("open");
    let mut said = Vec::new();
    while said
        .windows(12)
        .filter(|some| some == b"HTTP/1.1 200")
        .count()
        < 3
        || !said.ends_with(lines().answer.as_bytes())
    {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).expect("an answer");
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&some[..count]);
    }
    assert_eq!(upstream.count(), 3);
}

/// An upstream that says nothing until the sender is dropped, and tells when it is asked.
fn silent() -> (Upstream, Receiver<()>, Sender<()>) {
    let (begun, asked) = channel();
    let (go, wait) = channel();
    let parts = Mutex::new((begun, wait));
    let upstream = Upstream::start(move |_, _| {
        let parts = parts.lock().expect("no panic");
        let _ = parts.0.send(());
        let _ = parts.1.recv();
    });
    (upstream, asked, go)
}

#[test]
fn a_client_that_leaves_is_noticed_although_its_next_request_waits() {
    let (upstream, asked, _go) = silent();
    let weir = weir(&upstream, "", "");
    let call = weir.ask_stream(&lines()).bytes();
    for together in [true, false] {
        let mut stream = connect(weir.addr());
        if together {
            stream.write_all(&call.repeat(2)).expect("open");
            asked.recv_timeout(Duration::from_secs(20)).expect("asked");
        } else {
            stream.write_all(&call).expect("open");
            weir.until_metric("weir_inflight_requests", &[], 1.0);
            stream.write_all(&call).expect("open");
        }
        drop(stream);
        let began = Instant::now();
        weir.until_metric("weir_inflight_requests", &[], 0.0);
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
    }
}
