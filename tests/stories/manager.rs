//! What a service manager is told: ready, reloading and how that went, alive, stopping.
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::rig::{Process, Upstream, account, accounts, sample};
use weir::protocol::Dialect;

/// systemd's end of the socket.
struct Manager {
    socket: UnixDatagram,
    dir: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).expect("a timeout");
        Self { socket, dir }
    }

    fn path(&self) -> String {
        self.dir.path().join("notify").display().to_string()
    }

    /// The next message that has this line.
    #[track_caller]
    fn hears(&self, line: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer);
            let length = length.unwrap_or_else(|_| panic!("nobody says {line}"));
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|said| said == line) {
                return message;
            }
        }
    }
}

fn yaml() -> String {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::start(|_, wire| wire.end());
    accounts(&[account("a", &lines, &upstream, "")])
}

#[test]
fn a_manager_hears_of_start_reload_and_end() {
    let manager = Manager::new();
    let text = format!("server: {{ drain_delay: 0s }}\n{}", yaml());
    let mut process = Process::start_with(&text, [("NOTIFY_SOCKET", &*manager.path())]);
    assert!(
        manager
            .hears("READY=1")
            .contains("STATUS=serving generation 1")
    );

    let file = process.dir().join("weir.yaml");
    let good = std::fs::read_to_string(&file).expect("a file");
    std::fs::write(&file, format!("{good}\nnonsense: 1\n")).expect("a file");
    process.signal("HUP");
    assert!(manager.hears("RELOADING=1").contains("MONOTONIC_USEC="));
    let told = manager.hears("READY=1");
    assert!(
        told.contains("STATUS=serving generation 1; the file was rejected: ")
            && told.contains("nonsense"),
        "{told}"
    );

    std::fs::write(&file, format!("{good}\nretry: {{ max_attempts: 2 }}\n")).expect("a file");
    process.signal("HUP");
    let told = loop {
        let told = manager.hears("READY=1");
        // The watch of the file may have been first, and the signal finds nothing new.
        if !told.contains("rejected") {
            break told;
        }
    };
    assert!(told.contains("STATUS=serving generation 2"), "{told}");

    process.signal("TERM");
    manager.hears("STOPPING=1");
    assert_eq!(process.exit().code(), Some(0));
}

#[test]
fn a_watchdog_is_fed() {
    let manager = Manager::new();
    let path = manager.path();
    let variables = [("NOTIFY_SOCKET", &*path), ("WATCHDOG_USEC", "400000")];
    let _process = Process::start_with(&yaml(), variables);
    manager.hears("READY=1");
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");
}
