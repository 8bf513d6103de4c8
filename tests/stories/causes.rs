//! What is behind a failure has a word of its own: in the access log, in `/status/accounts`, in the log.
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use crate::rig::process::Process;
use crate::rig::proxies::Proxy;
use crate::rig::{Lines, Refusing, Upstream, Weir, Wire, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// Asks once; the class and the cause of the one attempt, which `/status/accounts` says as well.
#[track_caller]
fn cause(weir: &Weir, status: u16) -> (String, String) {
    weir.ask(&lines()).send().is(status);
    let line = weir.line(|line| line["status"] == status);
    let attempt = &line["attempts"][0];
    let failure = &weir.account("a")["last_failure"];
    assert_eq!(failure["cause"], attempt["cause"], "{failure}");
    assert_eq!(failure["class"], attempt["class"], "{failure}");
    assert!(failure["hint"].is_string(), "{failure}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&attempt["class"]), text(&attempt["cause"]))
}

fn at(url: &str, more: &str) -> Weir {
    Weir::start(&format!(
        "accounts:\n  - {{ name: a, provider: anthropic, base_url: \"{url}\", key: x{more} }}\n"
    ))
}

fn before(more: &str, play: impl Fn(&mut Wire) + Send + Sync + 'static) -> (Upstream, Weir) {
    let upstream = Upstream::start(move |_, wire| play(wire));
    let weir = Weir::start(&accounts(&[account("a", &lines(), &upstream, more)]));
    (upstream, weir)
}

fn pair(class: &str, cause: &str) -> (String, String) {
    (class.to_owned(), cause.to_owned())
}

#[test]
fn no_connection() {
    let nobody = Refusing::start();
    let refusing = at(&nobody.url(), "");
    assert_eq!(cause(&refusing, 502), pair("transport", "refused"));
    let nameless = at("http://nowhere.invalid", ", timeouts: { connect: 20s }");
    assert_eq!(cause(&nameless, 502), pair("transport", "dns"));
}

#[test]
fn a_proxy_in_between() {
    let asking = [Proxy::http(true), Proxy::socks5(true)];
    for (scheme, proxy) in ["http", "socks5"].into_iter().zip(asking) {
        let egress = format!(", egress: \"{scheme}://{}\"", proxy.addr);
        let weir = at("http://127.0.0.1:1", &egress);
        assert_eq!(
            cause(&weir, 502),
            pair("transport", "proxy_auth"),
            "{scheme}"
        );
    }
    let refusing = Upstream::hasty(|_, wire| wire.answer(403, &[], "no"));
    let egress = format!(", egress: \"{}\"", refusing.url());
    let weir = at("http://127.0.0.1:1", &egress);
    assert_eq!(cause(&weir, 502), pair("transport", "proxy_refused"));
}

/// What asks for a proxy's credentials or another protocol is on the way, and nothing that the client can mend.
#[test]
fn something_on_the_way_asks_for_what_no_client_has() {
    let json = [("content-type", "application/json")];
    let text = [("content-type", "text/plain")];
    for (status, word) in [(407, "proxy_auth"), (426, "not_http")] {
        for head in [json, text] {
            let body = r#"{"error":{"type":"invalid_request_error","message":"on the way"}}"#;
            let (_upstream, weir) = before("", move |wire| wire.answer(status, &head, body));
            assert_eq!(cause(&weir, 502), pair("server_error", word), "{status}");
        }
    }
}

#[test]
fn an_answer_that_no_api_gives() {
    let page = "<html><body>Sign in to the network</body></html>";
    let html = [("content-type", "text/html; charset=utf-8")];
    for status in [200, 403, 502] {
        let (_upstream, weir) = before("", move |wire| wire.answer(status, &html, page));
        assert_eq!(cause(&weir, 502), pair("server_error", "html"), "{status}");
    }
    let (_upstream, weir) = before("", |wire| {
        wire.answer(308, &[("location", "https://elsewhere.example/")], "");
    });
    assert_eq!(cause(&weir, 502), pair("server_error", "redirect"));
    let (_upstream, weir) = before("", |wire| wire.raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
    assert_eq!(cause(&weir, 502), pair("transport", "not_http"));
}

#[test]
fn silence_and_breaking_off() {
    let first_byte = ", timeouts: { first_byte: 300ms }";
    let (_upstream, weir) = before(first_byte, |wire| {
        wire.closes_within(Duration::from_secs(20));
    });
    assert_eq!(cause(&weir, 504), pair("slow", "first_byte_timeout"));
    let idle = ", timeouts: { idle: 300ms }";
    let (_upstream, weir) = before(idle, |wire| {
        wire.raw(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{",
        );
        wire.closes_within(Duration::from_secs(20));
    });
    assert_eq!(cause(&weir, 504), pair("slow", "idle_timeout"));
    let (_upstream, weir) = before("", Wire::reset);
    assert_eq!(cause(&weir, 502), pair("transport", "reset"));
}

/// A Weir that speaks TLS with this certificate, made for `localhost`.
fn behind_tls(upstream: &Upstream, expired: bool) -> (tempfile::TempDir, Weir) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    if expired {
        wanted.not_before = rcgen::date_time_ymd(2019, 1, 1);
        wanted.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = wanted.self_signed(&key).expect("a certificate");
    let path = dir.path().display().to_string();
    std::fs::write(dir.path().join("tls.crt"), made.pem()).expect("a file");
    std::fs::write(dir.path().join("tls.key"), key.serialize_pem()).expect("a file");
    let weir = Weir::start(&format!(
        "listen: [{{ addr: \"127.0.0.1:0\", tls: {{ cert: \"{path}/tls.crt\", key: \"{path}/tls.key\" }} }}]\n{}",
        accounts(&[account("a", &lines(), upstream, "")])
    ));
    (dir, weir)
}

#[test]
fn a_certificate_that_will_not_do() {
    let inner = Upstream::start(|_, _| panic!("no handshake, no request"));
    let (good, far) = behind_tls(&inner, false);
    let (old, late) = behind_tls(&inner, true);
    let trust = |dir: &tempfile::TempDir| dir.path().join("tls.crt").display().to_string();
    let (good, old) = (trust(&good), trust(&old));
    let (far, late) = (far.addr().port(), late.addr().port());
    // A server that speaks no TLS: it answers the first bytes with a page, as nginx does.
    let plain = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let plainly = plain.local_addr().expect("a bound socket");
    std::thread::spawn(move || {
        for mut stream in plain.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    for (url, trusted, word) in [
        (format!("https://localhost:{far}"), None, "tls_unknown_ca"),
        (format!("https://127.0.0.1:{far}"), Some(&good), "tls_name"),
        (
            format!("https://localhost:{late}"),
            Some(&old),
            "tls_expired",
        ),
        (format!("https://{plainly}"), Some(&good), "tls"),
    ] {
        let yaml = format!(
            "accounts:\n  - {{ name: a, provider: anthropic, base_url: \"{url}\", key: x }}\n"
        );
        let near = Process::start_with(&yaml, trusted.map(|file| ("SSL_CERT_FILE", &**file)));
        near.call("POST", lines().path)
            .body(lines().ask)
            .send()
            .is(502);
        let accounts = near.admin("GET", "/status/accounts").send().json();
        assert_eq!(accounts[0]["last_failure"]["cause"], word, "{url}");
        let line = near.says(word);
        assert!(
            line.contains("WARN") && line.contains("an attempt failed"),
            "{line}"
        );
    }
}
