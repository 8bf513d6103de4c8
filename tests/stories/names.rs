//! Names in any script: in the configuration, in headers, in paths, in metrics and in the log.
use serde_json::Value;

use crate::rig::{KEY, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

/// `é` as two characters.
const TYPED: &str = "Ame\u{301}lie";

/// An account with a key that a header can carry.
fn entry(name: &str, lines: &Lines, upstream: &Upstream) -> String {
    account(name, lines, upstream, "").replace(&format!("secret-of-{name}"), "secret")
}

/// Two accounts, of which the second serves one project; references are typed otherwise than names.
fn start(upstream: &Upstream) -> Weir {
    let lines = sample(Dialect::Anthropic);
    let [first, second] = ["账户-一", "कर्म"].map(|name| entry(name, &lines, upstream));
    Weir::start(&format!(
        "{}\npools:\n  - {{ name: default, accounts: [账户-一] }}\n  - {{ name: für-{TYPED}, accounts: [कर्म] }}\n\
         routes: [{{ when: {{ project: 研究* }}, pool: für-Amélie }}]\n\
         keys: [{{ name: {TYPED}, key: \"{KEY}\", debug: true, projects: [研究, Заказ] }}]\n\
         projects: [{{ name: 研究 }}, {{ name: Заказ }}]\n",
        accounts(&[first, second])
    ))
}

#[test]
fn a_name_is_one_in_the_file_in_headers_and_in_paths() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::json(200, lines.answer);
    let weir = start(&upstream);
    let ask = |name: &str, value: &str| weir.ask(&lines).header(name, value).send();
    let decoded = |answer: &crate::rig::Answer| {
        let account = answer.account();
        percent_decoded(account)
    };
    assert_eq!(decoded(&ask("x-other", "1").is(200)), "账户-一");
    // Percent-encoded, and as a client writes it that knows no better.
    assert_eq!(
        decoded(&ask("x-weir-project", "%E7%A0%94%E7%A9%B6").is(200)),
        "कर्म"
    );
    assert_eq!(decoded(&ask("x-weir-project", "研究").is(200)), "कर्म");
    assert_eq!(
        decoded(&ask("x-weir-project", "%D0%97%D0%B0%D0%BA%D0%B0%D0%B7").is(200)),
        "账户-一"
    );
    let refused = ask("x-weir-project", "%E6%98%8E");
    assert_eq!(refused.status, 403);
    assert!(
        String::from_utf8_lossy(&refused.body).contains('明'),
        "{refused:?}"
    );
    let named = "%E0%A4%95%E0%A4%B0%E0%A5%8D%E0%A4%AE";
    assert_eq!(decoded(&ask("x-weir-account", named).is(200)), "कर्म");
    ask("x-weir-account", "%E5%A4%96").is(400);
    for path in [
        "/admin/accounts/%E8%B4%A6%E6%88%B7-%E4%B8%80/drain",
        "/admin/api/v1/accounts/%E8%B4%A6%E6%88%B7-%E4%B8%80/enable",
    ] {
        weir.tell(path).is(200);
    }
    let projects = weir.get("/v1/projects").send().is(200).json();
    assert!(projects.to_string().contains("研究"), "{projects}");
    weir.until_metric("weir_project_requests_total", &[("project", "研究")], 2.0);
    let line: Value = weir.line(|line| line["project"] == "研究");
    assert_eq!(line["key"], "Amélie", "{line}");
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(&tail[..2]).expect("ASCII");
            bytes.push(u8::from_str_radix(digits, 16).expect("hex"));
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn one_name_typed_in_two_ways_is_a_fault() {
    let upstream = Upstream::json(200, "{}");
    let lines = sample(Dialect::Anthropic);
    let [first, second] = ["Amélie", TYPED].map(|name| entry(name, &lines, &upstream));
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("weir.yaml");
    std::fs::write(
        &file,
        format!(
            "version: 1\nanonymous: true\n{}",
            accounts(&[first, second])
        ),
    )
    .expect("a file");
    let mut check = crate::rig::process::command(&["check", "-c"]);
    let ended = crate::rig::process::run(check.arg(&file));
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("a second time"), "{ended:?}");
}
