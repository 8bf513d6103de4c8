//! HTTP/2 and TLS, asked for by a client that others wrote: curl.
use std::path::Path;
use std::process::Command;

use crate::rig::{KEY, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// Runs curl; the body, and `version status`, of the answer.
pub fn curl(arguments: &[&str], body: &str) -> (String, String) {
    let own = arguments
        .iter()
        .any(|argument| argument.starts_with("x-api-key"));
    let key = (!own).then(|| ["-H".to_owned(), format!("x-api-key: {KEY}")]);
    let output = Command::new("curl")
        .args([
            "-sS",
            "--max-time",
            "30",
            "-w",
            "\n%{http_version} %{http_code}",
        ])
        .args(["--data-binary", body])
        .args(arguments)
        .args(key.iter().flatten())
        .output()
        .expect("curl exists");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        output.status.success(),
        "{text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (body, verdict) = text.rsplit_once('\n').expect("a verdict");
    (body.to_owned(), verdict.to_owned())
}

/// A certificate for localhost that signs itself, and its key.
pub fn certificate(dir: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(dir.join("tls.crt"), made.cert.pem()).expect("a file");
    std::fs::write(dir.join("tls.key"), made.key_pair.serialize_pem()).expect("a file");
}

fn upstream() -> Upstream {
    Upstream::start(|request, wire| {
        if request.body == lines().ask_stream.as_bytes() {
            wire.events(&lines().events());
        } else {
            wire.json(200, lines().answer);
        }
    })
}

#[test]
fn http_2_without_tls_is_spoken_with_prior_knowledge() {
    let upstream = upstream();
    let weir = Weir::before(&upstream, &lines());
    let url = format!("http://{}{}", weir.addr(), lines().path);
    let h2 = ["--http2-prior-knowledge", &url];
    assert_eq!(
        curl(&h2, lines().ask),
        (lines().answer.into(), "2 200".into())
    );
    assert_eq!(
        curl(&h2, lines().ask_stream),
        (lines().events().concat(), "2 200".into())
    );
    let nothing = format!("http://{}/nothing", weir.addr());
    assert_eq!(
        curl(&["--http2-prior-knowledge", &nothing], "{}").1,
        "2 404"
    );
    weir.until_metric("weir_requests_total", &[("outcome", "ok")], 2.0);
}

#[test]
fn who_hangs_up_after_the_last_byte_has_had_its_answer() {
    let upstream = upstream();
    let weir = Weir::before(&upstream, &lines());
    let url = format!("http://{}{}", weir.addr(), lines().path);
    for ask in [lines().ask, lines().ask_stream].repeat(10) {
        curl(&["--http2-prior-knowledge", &url], ask);
    }
    weir.until_metric("weir_requests_total", &[], 20.0);
    weir.until_metric("weir_requests_total", &[("outcome", "ok")], 20.0);
}

#[test]
fn a_large_body_over_http_2_reaches_the_upstream_whole() {
    let upstream = upstream();
    let weir = Weir::before(&upstream, &lines());
    let body = lines().ask.replace("Hi", &"0123456789".repeat(300_000));
    let file = weir.path("body");
    std::fs::write(&file, &body).expect("a file");
    let url = format!("http://{}{}", weir.addr(), lines().path);
    let (_, verdict) = curl(
        &["--http2-prior-knowledge", &url],
        &format!("@{}", file.display()),
    );
    assert_eq!(verdict, "2 200");
    assert!(upstream.only().body == body.as_bytes());
}

#[test]
fn tls_offers_http_2_by_alpn_and_http_1_1_to_others() {
    let dir = tempfile::tempdir().expect("a directory");
    certificate(dir.path());
    let upstream = upstream();
    let path = dir.path().display().to_string();
    let weir = Weir::start(&format!(
        "listen:\n  - {{ addr: \"127.0.0.1:0\" }}\n  - addr: 127.0.0.1:0\n    tls: {{ cert: \"{path}/tls.crt\", key: \"{path}/tls.key\" }}\n{}",
        accounts(&[account("a", &lines(), &upstream, "")])
    ));
    let port = weir.addrs()[1].port();
    let url = format!("https://localhost:{port}{}", lines().path);
    let (trust, at) = (
        format!("{path}/tls.crt"),
        format!("localhost:{port}:127.0.0.1"),
    );
    let tls = |version| {
        curl(
            &["--cacert", &trust, "--resolve", &at, version, &url],
            lines().ask,
        )
    };
    assert_eq!(tls("--http2"), (lines().answer.into(), "2 200".into()));
    assert_eq!(tls("--http1.1"), (lines().answer.into(), "1.1 200".into()));
    let stream = curl(
        &["--cacert", &trust, "--resolve", &at, &url],
        lines().ask_stream,
    );
    assert_eq!(stream, (lines().events().concat(), "2 200".into()));
    // The plain listener beside it serves, too.
    weir.ask(&lines()).send().is(200);
}

#[test]
fn a_renewed_certificate_is_served_after_a_reload() {
    let dir = tempfile::tempdir().expect("a directory");
    certificate(dir.path());
    let path = dir.path().display().to_string();
    let upstream = upstream();
    let weir = Weir::start(&format!(
        "listen:\n  - addr: 127.0.0.1:0\n    tls: {{ cert: \"{path}/tls.crt\", key: \"{path}/tls.key\" }}\n{}",
        accounts(&[account("a", &lines(), &upstream, "")])
    ));
    let port = weir.addr().port();
    let url = format!("https://localhost:{port}{}", lines().path);
    let at = format!("localhost:{port}:127.0.0.1");
    let trust = format!("{path}/tls.crt");
    let first = std::fs::read(&trust).expect("a certificate");
    curl(&["--cacert", &trust, "--resolve", &at, &url], lines().ask);
    certificate(dir.path());
    assert_ne!(std::fs::read(&trust).expect("a certificate"), first);
    weir.tell("/admin/reload").is(200);
    curl(&["--cacert", &trust, "--resolve", &at, &url], lines().ask);
    assert_eq!(upstream.count(), 2);
}

#[test]
fn a_certificate_of_another_key_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    certificate(dir.path());
    let path = dir.path().display().to_string();
    let upstream = upstream();
    let yaml = |name: &str| {
        format!(
            "listen:\n  - addr: 127.0.0.1:0\n    tls: {{ cert: \"{path}/tls.crt\", key: \"{path}/tls.key\" }}\n{}",
            accounts(&[account(name, &lines(), &upstream, "")])
        )
    };
    let weir = Weir::start(&yaml("old"));
    let expiry = weir.metric("weir_tls_certificate_expiry_timestamp_seconds", &[]);
    assert!(expiry > 1_800_000_000.0, "{expiry}");
    let port = weir.addr().port();
    let url = format!("https://localhost:{port}{}", lines().path);
    let at = format!("localhost:{port}:127.0.0.1");
    let trust = format!("{path}/trust.crt");
    std::fs::copy(dir.path().join("tls.crt"), &trust).expect("a copy");
    let key = std::fs::read(dir.path().join("tls.key")).expect("a key");
    certificate(dir.path());
    std::fs::write(dir.path().join("tls.key"), key).expect("a file");
    std::fs::write(weir.file(), weir.text(&yaml("new"))).expect("a file");
    let answer = weir.tell("/admin/reload");
    assert_ne!(answer.status, 200);
    assert!(
        answer.text().contains("belong together"),
        "{}",
        answer.text()
    );
    assert_eq!(weir.status("/status/config")["generation"], 1);
    curl(&["--cacert", &trust, "--resolve", &at, &url], lines().ask);
}

#[test]
fn a_vendor_endpoint_works_over_http_2_as_well() {
    let upstream = Upstream::start(|request, wire| wire.answer(200, &[], &request.body));
    let chat = sample(Dialect::OpenaiChat);
    let weir = Weir::before(&upstream, &chat);
    let file = weir.path("body");
    std::fs::write(&file, "x".repeat(5 << 20)).expect("a file");
    let url = format!("http://{}/v1/batches", weir.addr());
    let (echo, verdict) = curl(
        &["--http2-prior-knowledge", &url],
        &format!("@{}", file.display()),
    );
    assert_eq!((echo.len(), verdict.as_str()), (5 << 20, "2 200"));
    assert_eq!(
        upstream.only().headers.get("authorization"),
        Some("Bearer secret-of-a")
    );
}

#[test]
fn a_broken_stream_over_http_2_ends_in_the_dialects_error() {
    let upstream = Upstream::start(|_, wire| {
        wire.stream();
        lines().opening.iter().for_each(|event| wire.chunk(event));
        wire.close();
    });
    let weir = Weir::before(&upstream, &lines());
    let url = format!("http://{}{}", weir.addr(), lines().path);
    let (text, verdict) = curl(&["--http2-prior-knowledge", &url], lines().ask_stream);
    assert_eq!(verdict, "2 200");
    assert!(
        text.starts_with(&lines().opening.concat()) && text.contains("event: error\n"),
        "{text}"
    );
}

/// Whoever opens more streams than a connection may have is refused stream by stream, and that is counted.
#[test]
fn a_stream_too_many_is_refused_and_counted() {
    use std::io::{Read, Write};

    let gate = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let open = gate.clone();
    let upstream = Upstream::start(move |_, wire| {
        crate::rig::eventually("the gate opens", || {
            open.load(std::sync::atomic::Ordering::Relaxed)
                .then_some(())
        });
        wire.json(200, lines().answer);
    });
    let weir = Weir::start(
        &(accounts(&[account("a", &lines(), &upstream, "")])
            + "server: { client_limits: { streams_per_connection: 2 } }\n"),
    );
    let mut stream = std::net::TcpStream::connect(weir.addr()).expect("weir listens");
    // The preface, empty settings, and requests for `/nothing` whose bodies never end.
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (&b":path"[..], lines().path.as_bytes()),
        (b":authority", b"weir"),
        (b"x-api-key", KEY.as_bytes()),
    ] {
        block.extend([0, u8::try_from(name.len()).expect("short")]);
        block.extend(name);
        block.push(u8::try_from(value.len()).expect("short"));
        block.extend(value);
    }
    for id in [1, 3, 5, 7] {
        bytes.extend([
            0,
            0,
            u8::try_from(block.len()).expect("short"),
            1,
            4,
            0,
            0,
            0,
            id,
        ]);
        bytes.extend(&block);
    }
    stream.write_all(&bytes).expect("weir reads");
    weir.until_metric(
        "weir_client_rejections_total",
        &[("reason", "streams")],
        2.0,
    );
    gate.store(true, std::sync::atomic::Ordering::Relaxed);
    drop(stream.read(&mut [0; 16]));
}
