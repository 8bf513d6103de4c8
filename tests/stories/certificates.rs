//! Client certificates: who is known by one, who needs one, and that authorities are renewed while Weir runs.
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair, SanType};
use serde_json::Value;
use tempfile::TempDir;
use weir::protocol::Dialect;

use crate::rig::{Lines, Process, TOKEN, Upstream, Weir, account, accounts, eventually, sample};

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// An authority that makes certificates for clients.
struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { certificate, key }
    }

    fn write(&self, path: &Path) {
        std::fs::write(path, self.certificate.pem()).expect("a file");
    }

    /// curl's arguments for a client with this name.
    fn client(&self, dir: &Path, name: &str, san: SanType) -> Vec<String> {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.subject_alt_names = vec![san];
        let key = KeyPair::generate().expect("a key");
        let made = params.signed_by(&key, &self.certificate, &self.key);
        let [cert, secret] = ["crt", "key"].map(|kind| dir.join(format!("{name}.{kind}")));
        std::fs::write(&cert, made.expect("a certificate").pem()).expect("a file");
        std::fs::write(&secret, key.serialize_pem()).expect("a file");
        let shown = |path: PathBuf| path.display().to_string();
        vec![
            "--cert".to_owned(),
            shown(cert),
            "--key".to_owned(),
            shown(secret),
        ]
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("ASCII"))
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().expect("ASCII"))
}

/// A directory with the server's certificate and an authority.
fn files() -> (TempDir, Authority) {
    let dir = tempfile::tempdir().expect("a directory");
    crate::http2::certificate(dir.path());
    let authority = Authority::new();
    authority.write(&dir.path().join("ca.crt"));
    (dir, authority)
}

fn tls(dir: &Path) -> String {
    let dir = dir.display();
    format!("{{ cert: \"{dir}/tls.crt\", key: \"{dir}/tls.key\", client_ca: \"{dir}/ca.crt\" }}")
}

/// What curl gets: status and body; `None` when there is no answer.
fn curl(dir: &Path, port: u16, path: &str, arguments: &[String]) -> Option<(u16, String)> {
    let ended = Command::new("curl")
        .args(["-s", "--max-time", "20", "-w", "\n%{http_code}", "--cacert"])
        .arg(dir.join("tls.crt"))
        .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
        .args(arguments)
        .arg(format!("https://localhost:{port}{path}"))
        .output()
        .expect("curl exists");
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let (body, status) = text.rsplit_once('\n')?;
    let status = status.parse().ok().filter(|status| *status > 0)?;
    Some((status, body.to_owned()))
}

fn asking(more: &[&[String]]) -> Vec<String> {
    let ask = ["-d", lines().ask, "-H", "content-type: application/json"];
    let ask = ask.iter().map(|argument| (*argument).to_owned());
    ask.chain(more.concat()).collect()
}

fn with_key(key: &str) -> Vec<String> {
    vec!["-H".to_owned(), format!("x-api-key: {key}")]
}

#[test]
fn a_certificate_says_who_calls() {
    let upstream = Upstream::json(200, lines().answer);
    let (dir, authority) = files();
    let dir = dir.path();
    let weir = Weir::start(&format!(
        "listen: [{{ addr: \"127.0.0.1:0\", tls: {} }}]\n{}keys:\n  - {{ name: ci, certificate: {{ san: CI.example.com }} }}\n  - {{ name: agent, key: secret-of-the-agent, certificate: {{ san: \"spiffe://example.com/agent\" }} }}\n  - {{ name: plain, key: secret-of-anybody }}\n",
        tls(dir),
        accounts(&[account("a", &lines(), &upstream, "")])
    ));
    let ci = authority.client(dir, "ci", dns("ci.example.com"));
    let agent = authority.client(dir, "agent", uri("spiffe://example.com/agent"));
    let stranger = authority.client(dir, "stranger", dns("stranger.example.com"));
    let ask = |more: &[&[String]]| curl(dir, weir.addr().port(), lines().path, &asking(more));
    let status = |more: &[&[String]]| ask(more).map(|(status, _)| status);
    let known = |name: &str, more: &[&[String]]| {
        let before = weir.lines().len();
        assert_eq!(status(more), Some(200), "{name}");
        eventually("its access line", || {
            (weir.lines().len() > before).then_some(())
        });
        let line: Value = weir.lines().pop().expect("a line");
        assert_eq!(line["key"], name, "{line}");
    };
    let http1 = ["--http1.1".to_owned()];
    known("ci", &[&ci]);
    known("ci", &[&ci, &http1]);
    // SDKs insist on sending something; a key that is good says more than the certificate.
    known("ci", &[&ci, &with_key("sk-dummy")]);
    known("plain", &[&ci, &with_key("secret-of-anybody")]);
    known("plain", &[&with_key("secret-of-anybody")]);
    known("agent", &[&agent, &with_key("secret-of-the-agent")]);
    let (refused, why) = ask(&[&with_key("secret-of-the-agent")]).expect("an answer");
    assert_eq!(refused, 401);
    assert!(why.contains("client certificate"), "{why}");
    assert_eq!(
        status(&[&stranger, &with_key("secret-of-the-agent")]),
        Some(401)
    );
    assert_eq!(status(&[&agent]), Some(401));
    assert_eq!(status(&[&stranger]), Some(401));
    assert_eq!(status(&[]), Some(401));
    // Whose authority is not known does not come in at all.
    let forged = Authority::new().client(dir, "forged", dns("ci.example.com"));
    assert_eq!(status(&[&forged]), None);
}

#[test]
fn authorities_are_renewed_without_a_restart() {
    let upstream = Upstream::json(200, lines().answer);
    let (dir, old) = files();
    let dir = dir.path();
    let weir = Weir::start(&format!(
        "listen: [{{ addr: \"127.0.0.1:0\", tls: {} }}]\n{}keys: [{{ name: ci, certificate: {{ san: ci.example.com }} }}]\n",
        tls(dir),
        accounts(&[account("a", &lines(), &upstream, "")])
    ));
    let new = Authority::new();
    let of_old = old.client(dir, "old", dns("ci.example.com"));
    let of_new = new.client(dir, "new", dns("ci.example.com"));
    let status = |certificate: &[String]| {
        let answer = curl(
            dir,
            weir.addr().port(),
            lines().path,
            &asking(&[certificate]),
        );
        answer.map(|(status, _)| status)
    };
    assert_eq!((status(&of_old), status(&of_new)), (Some(200), None));
    new.write(&dir.join("ca.crt"));
    weir.tell("/admin/reload").is(200);
    assert_eq!((status(&of_old), status(&of_new)), (None, Some(200)));
    // One that cannot be used is refused as a whole, and the last good one stays.
    std::fs::write(
        dir.join("ca.crt"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .expect("a file");
    weir.tell("/admin/reload").is(422);
    assert_eq!(status(&of_new), Some(200));
}

#[test]
fn the_admin_plane_under_tls_wants_a_certificate_of_everybody_but_probes() {
    let upstream = Upstream::json(200, lines().answer);
    let (dir, authority) = files();
    let dir = dir.path();
    std::fs::write(dir.join("token"), TOKEN).expect("a file");
    let process = Process::start(&format!(
        "admin: {{ addr: \"127.0.0.1:0\", token: {{ file: \"{}/token\" }}, tls: {} }}\n{}",
        dir.display(),
        tls(dir),
        accounts(&[account("a", &lines(), &upstream, "")])
    ));
    let port = process.admin_addr().port();
    let operator = authority.client(dir, "operator", dns("operator.example.com"));
    let get = |path: &str, more: &[String]| curl(dir, port, path, more).map(|(status, _)| status);
    assert_eq!(get("/livez", &[]), Some(200));
    assert_eq!(get("/readyz", &[]), Some(200));
    for path in ["/metrics", "/status", "/console", "/admin/api/v1/session"] {
        let (status, why) = curl(dir, port, path, &[]).expect("an answer");
        assert_eq!(status, 401, "{path}");
        assert!(why.contains("admin.tls.client_ca"), "{path}: {why}");
    }
    assert_eq!(get("/metrics", &operator), Some(200));
    let metrics = curl(dir, port, "/metrics", &operator).expect("an answer").1;
    assert!(
        metrics.contains("weir_tls_certificate_expiry_timestamp_seconds{listener="),
        "{metrics}"
    );
    // A certificate opens the door; what may be changed is a matter of tokens, as ever.
    let mut reload = operator.clone();
    reload.extend(["-X".to_owned(), "POST".to_owned()]);
    assert_eq!(get("/admin/reload", &reload), Some(401));
    reload.extend(["-H".to_owned(), format!("authorization: Bearer {TOKEN}")]);
    assert_eq!(get("/admin/reload", &reload), Some(200));
    let forged = Authority::new().client(dir, "forged", dns("operator.example.com"));
    assert_eq!(get("/livez", &forged), None);
    // The health check of an image asks without one.
    let yaml = std::fs::read_to_string(process.dir().join("weir.yaml")).expect("a file");
    let file = dir.join("health.yaml");
    std::fs::write(
        &file,
        yaml.replacen(
            "addr: \"127.0.0.1:0\", token",
            &format!("addr: \"127.0.0.1:{port}\", token"),
            1,
        ),
    )
    .expect("a file");
    let mut health = crate::rig::process::command(&["health", "-c"]);
    let ended = crate::rig::process::run(health.arg(&file));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // Plain text is no answer and harms nobody.
    let plain = Command::new("curl")
        .args([
            "-s",
            "--max-time",
            "20",
            &format!("http://127.0.0.1:{port}/livez"),
        ])
        .output();
    assert!(!plain.expect("curl exists").status.success());
    assert_eq!(get("/livez", &[]), Some(200));
}

#[test]
fn what_cannot_work_is_a_fault() {
    let (dir, _authority) = files();
    let dir = dir.path();
    let upstream = Upstream::json(200, "{}");
    let accounts = accounts(&[account("a", &lines(), &upstream, "")]);
    let faults = |more: &str| {
        let file = dir.join("weir.yaml");
        std::fs::write(&file, format!("version: 1\n{accounts}{more}")).expect("a file");
        let ended =
            crate::rig::process::run(crate::rig::process::command(&["check", "-c"]).arg(&file));
        assert_eq!(ended.code, Some(78), "{ended:?}");
        ended.stderr
    };
    let listen = format!("listen: [{{ addr: \"127.0.0.1:1\", tls: {} }}]\n", tls(dir));
    let nobody_asks = faults("keys: [{ name: ci, certificate: { san: x } }]\n");
    assert!(
        nobody_asks.contains("no listener asks for"),
        "{nobody_asks}"
    );
    let twice = faults(&format!(
        "{listen}keys: [{{ name: a, certificate: {{ san: x }} }}, {{ name: b, certificate: {{ san: X }} }}]\n"
    ));
    assert!(twice.contains("same certificate as that of `a`"), "{twice}");
    let none = faults(&format!(
        "{listen}keys: [{{ name: a, certificate: {{}} }}]\n"
    ));
    assert!(none.contains("san"), "{none}");
    let unix = faults(&format!(
        "anonymous: true\nadmin: {{ addr: \"unix:{}/admin.sock\", tls: {} }}\n",
        dir.display(),
        tls(dir)
    ));
    assert!(unix.contains("TLS for a Unix socket"), "{unix}");
    let swapped = faults(&format!(
        "anonymous: true\n{}",
        listen.replace("ca.crt", "tls.key")
    ));
    assert!(
        swapped.contains("the certificate of an authority in PEM"),
        "{swapped}"
    );
}
