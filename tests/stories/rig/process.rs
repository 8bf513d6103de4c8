//! The real binary: what only a process can show, such as signals, exit codes and its log.
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use super::{Call, KEY, PATIENCE, eventually};

/// A running `weir`; killed when dropped.
pub struct Process {
    child: Mutex<Child>,
    dir: tempfile::TempDir,
}

/// What a command that ended by itself left behind.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// `weir` with these arguments and nothing of the environment that would choose a configuration.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).env_clear();
    // An empty directory: `./conf/weir.yaml` would be found.
    command.current_dir(std::env::temp_dir());
    command
}

/// The same command, whose files may each grow to so many blocks of 512 bytes: what a full disk is to the one that writes, without
/// being root.
pub fn bounded(command: &Command, blocks: u32) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(format!("ulimit -f {blocks} && exec \"$0\" \"$@\""));
    shell.arg(command.get_program()).args(command.get_args());
    shell.env_clear().current_dir(std::env::temp_dir());
    shell
}

/// Runs it to its end.
pub fn run(command: &mut Command) -> Ended {
    ended(&command.stdin(Stdio::null()).output().expect("weir exists"))
}

/// The same, with something on its standard input.
pub fn run_with(command: &mut Command, input: &str) -> Ended {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("weir exists");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may end without reading all of it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    ended(&child.wait_with_output().expect("it ends"))
}

fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Process {
    /// `weir run` with this configuration, as soon as it serves.
    pub fn start(yaml: &str) -> Self {
        Self::start_with(yaml, [])
    }

    /// The same, with variables of the environment.
    pub fn start_with<'a>(
        yaml: &str,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("token"), super::TOKEN).expect("a file");
        let text = super::configuration(dir.path(), yaml);
        std::fs::write(dir.path().join("weir.yaml"), text).expect("a file");
        let mut command = command(&["run", "-c"]);
        command.arg(dir.path().join("weir.yaml")).envs(variables);
        Self::spawn(command, dir)
    }

    /// A command that serves until it is told not to, as soon as it does; its files are in `dir`.
    pub fn spawn(command: Command, dir: tempfile::TempDir) -> Self {
        let process = Self::spawn_unready(command, dir);
        process.says("\"serving\"");
        process
    }

    /// The same, at once.
    pub fn spawn_unready(mut command: Command, dir: tempfile::TempDir) -> Self {
        let file = |name: &str| std::fs::File::create(dir.path().join(name)).expect("a file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("weir exists");
        Self {
            child: Mutex::new(child),
            dir,
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Everything that it wrote to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stderr")).expect("a file")
    }

    /// Waits until a line of the log contains `text`, and gives it.
    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        eventually(&format!("the log says {text}"), || {
            let log = self.log();
            log.lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
        })
    }

    /// Of the process.
    pub fn id(&self) -> u32 {
        self.child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .id()
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr_of("\"listening\"")
    }

    pub fn call(&self, method: &str, target: &str) -> Call {
        Call::new(self.addr(), method, target).key(KEY)
    }

    /// A call of the admin plane.
    pub fn admin(&self, method: &str, target: &str) -> Call {
        Call::new(self.admin_addr(), method, target)
    }

    pub fn admin_addr(&self) -> SocketAddr {
        self.addr_of("\"admin plane listening\"")
    }

    fn addr_of(&self, message: &str) -> SocketAddr {
        let line: serde_json::Value = serde_json::from_str(&self.says(message)).expect("JSON");
        let addr = line["addr"].as_str().expect("an address");
        addr.parse().expect("an address")
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.child.lock().expect("no panic").id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.expect("kill exists").success());
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.ended().is_some()
    }

    /// How it has ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().expect("no panic");
        child.try_wait().expect("a child")
    }

    /// Waits for its end.
    pub fn exit(&mut self) -> ExitStatus {
        self.ends()
    }

    /// The same, while others look at it.
    pub fn ends(&self) -> ExitStatus {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(std::time::Instant::now() < deadline, "it does not end");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}
