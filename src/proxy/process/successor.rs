//! The old process's side of a handover: starts the binary that is now at this process's path, and gives it everything.
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, timeout};

use super::bind::Heirlooms;
use super::handover::{Heard, Hello, State, ToNew, ToOld, converse, say, send_sockets};
use crate::limits::HandoverLog;
use crate::proxy::admin;
use crate::proxy::clocks;
use crate::proxy::state::app::App;
use crate::proxy::state::notify;

/// How this process was started, so that the next one is started in the same way.
#[derive(Debug)]
pub(super) struct Means {
    /// Stored at the start, because the system forgets the path of a binary that was replaced.
    binary: Option<PathBuf>,
    arguments: Vec<OsString>,
}

impl Means {
    pub(super) fn of_this_process() -> Self {
        let given = std::env::args_os().skip(1);
        let mut arguments: Vec<OsString> = given.filter(|given| given != UPGRADE).collect();
        arguments.push(UPGRADE.into());
        Self {
            binary: std::env::current_exe().ok(),
            arguments,
        }
    }

    /// Starts the process with a socket to this one as its standard input. The receiver gets its exit status if it
    /// ends.
    fn start(
        &self,
        socket: UnixStream,
    ) -> io::Result<(u32, oneshot::Receiver<io::Result<ExitStatus>>)> {
        let Some(binary) = &self.binary else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut child = Command::new(binary)
            .args(&self.arguments)
            // The variable names this process.
            .env_remove("WATCHDOG_PID")
            .stdin(OwnedFd::from(socket))
            .spawn()?;
        let pid = child.id();
        let (tell, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("successor".to_owned())
            .spawn(move || {
                let _ = tell.send(child.wait());
            })?;
        Ok((pid, ended))
    }
}

/// The process that serves now.
#[derive(Debug)]
pub(super) struct Successor {
    heard: Heard,
    write: OwnedWriteHalf,
    handover_log: HandoverLog,
}

impl Successor {
    /// Starts the process and waits until it serves. `Err` says why it does not; then nothing has changed.
    pub(super) async fn start(
        app: &Arc<App>,
        means: &Means,
        heirlooms: &Heirlooms,
    ) -> Result<Self, String> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
        let (names, sockets) = heirlooms.named();
        let hello = Hello { names };
        send_sockets(&ours, &hello, &sockets).map_err(|error| error.to_string())?;
        let (pid, mut ended) = means
            .start(theirs)
            .map_err(|error| format!("it cannot be started: {error}"))?;
        tracing::info!(pid, "started the process that is to follow");
        let (heard, write) = converse(ours).map_err(|error| error.to_string())?;
        let told = tokio::select! {
            told = timeout(PATIENCE, Self::tell(app, heard, write, pid)) => told,
            status = &mut ended => return Err(how(status)),
        };
        match told {
            Ok(Ok(successor)) => Ok(successor),
            // A process that ends closes its socket a moment before its exit status is available.
            Ok(Err(why)) => Err(timeout(LAST_WORDS, ended).await.map_or(why, how)),
            Err(_) => Err(format!("it was not ready after {} s", PATIENCE.as_secs())),
        }
    }

    async fn tell(
        app: &Arc<App>,
        mut heard: Heard,
        mut write: OwnedWriteHalf,
        pid: u32,
    ) -> Result<Self, String> {
        let gone = || "it has gone".to_owned();
        until(&mut heard, &ToOld::Ready).await.ok_or_else(gone)?;
        let (gateway, at) = (app.gateway(), clocks::moment());
        let (handover_log, used) = HandoverLog::begin(&gateway.limits, at);
        let pool = gateway.pool.memo(at.now);
        let state = ToNew::State(Box::new(State { pool, used }));
        say(&mut write, &state)
            .await
            .map_err(|error| error.to_string())?;
        until(&mut heard, &ToOld::Serving).await.ok_or_else(gone)?;
        notify::followed_by(pid);
        // If the message cannot be sent, the new process goes on without it.
        let _ = say(&mut write, &ToNew::Main).await;
        Ok(Self {
            heard,
            write,
            handover_log,
        })
    }

    /// Sends what is settled here until `over`, and then the last of it.
    pub(super) async fn follow(self, app: Arc<App>, mut over: oneshot::Receiver<()>) {
        let Self {
            mut heard,
            mut write,
            mut handover_log,
        } = self;
        let (asks, mut asked) = mpsc::channel(8);
        let hear = tokio::spawn(async move {
            while let Some(message) = heard.next::<ToOld>().await {
                if message == ToOld::Metrics && asks.send(()).await.is_err() {
                    return;
                }
            }
        });
        let mut ticks = tokio::time::interval(TELL_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (message, is_last) = tokio::select! {
                _ = ticks.tick() => (None, false),
                _ = &mut over => (None, true),
                Some(()) = asked.recv() => {
                    let text = tokio::task::block_in_place(|| admin::metrics(&app));
                    (Some(ToNew::Metrics(text)), false)
                }
            };
            let message = message.or_else(|| {
                let used = handover_log.go_on(&app.gateway().limits, clocks::moment());
                (!used.is_empty()).then_some(ToNew::Used(used))
            });
            if let Some(message) = message
                && say(&mut write, &message).await.is_err()
            {
                break;
            }
            if is_last {
                break;
            }
        }
        hear.abort();
    }
}

/// How a process ended that never served.
fn how(status: Result<io::Result<ExitStatus>, oneshot::error::RecvError>) -> String {
    match status {
        Ok(Ok(status)) => format!("it ended: {status}; its own lines in the log say why"),
        _ => "it ended".to_owned(),
    }
}

/// Waits for this message.
async fn until(heard: &mut Heard, message: &ToOld) -> Option<()> {
    while heard.next::<ToOld>().await? != *message {}
    Some(())
}

/// The argument for the next process.
const UPGRADE: &str = "--upgrade";

/// How long the next process may take until it serves.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long to wait for the exit status of a process that is gone.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The interval at which the next process is told what is settled here.
const TELL_EVERY: Duration = Duration::from_millis(200);
