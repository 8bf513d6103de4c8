//! A network and a table of hosts for one test alone, where the machine allows it.
use std::path::Path;
use std::process::Command;

/// Whether the caller is the test inside. Else it is run again there: with a loopback interface, with an interface that
/// leads nowhere (10.99.0.0/24 and fd99::/64), and with `hosts` in place of `/etc/hosts`. A machine that allows no such
/// thing is told of, and nothing is tested there.
pub fn inside(test: &str, hosts: &str) -> bool {
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let table = dir.path().join("hosts");
    std::fs::write(&table, hosts).expect("a file");
    let Some(how) = [&["-n", "-m"][..], &["-r", "-n", "-m"]]
        .into_iter()
        .find(|how| run(how, &table, &["true"]).is_some_and(|ended| ended.status.success()))
    else {
        eprintln!("{test}: not tested, since this machine lends no network namespace");
        return false;
    };
    let this = std::env::current_exe().expect("a running test");
    let this = this.to_str().expect("a path of UTF-8");
    let ended = run(how, &table, &[this, "--exact", test, "--nocapture"]).expect("it ran before");
    let said = String::from_utf8_lossy(&ended.stdout);
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}{complaint}");
    assert!(
        said.contains("1 passed"),
        "no test is called {test}: {said}"
    );
    false
}

fn run(how: &[&str], hosts: &Path, command: &[&str]) -> Option<std::process::Output> {
    Command::new("unshare")
        .args(how)
        .args(["sh", "-c", SET_UP, "sh"])
        .args(command)
        .env("HOSTS", hosts)
        .env(MARK, "yes")
        .output()
        .ok()
}

const SET_UP: &str = "mount --bind \"$HOSTS\" /etc/hosts && ip link set lo up && \
    ip link add nowhere type dummy && ip addr add 10.99.0.1/24 dev nowhere && \
    ip addr add fd99::1/64 dev nowhere nodad && ip link set nowhere up && exec \"$@\"";

const MARK: &str = "WEIR_STORIES_IN_A_NETWORK_OF_THEIR_OWN";
