//! The new process's side of a handover: the sockets, the state of the previous process, and what that process still
//! settles.
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::handover::{Heard, State, ToNew, ToOld, converse, receive_sockets, say};
use crate::proxy::clocks;
use crate::proxy::state::app::App;
use crate::proxy::state::start_error::StartError;

/// What the previous process has handed over so far.
#[derive(Debug)]
pub struct Inherited {
    sockets: Vec<(String, OwnedFd)>,
    stream: UnixStream,
}

impl Inherited {
    /// Reads from standard input, where a running Weir sends it. `Err` says what to do instead.
    pub fn receive() -> Result<Self, String> {
        let wrong = |error: std::io::Error| {
            format!(
                "`--upgrade` is given by a running Weir to the process that follows it, and there is none here ({error}): \
                 send SIGQUIT to the running one"
            )
        };
        let input = std::io::stdin().as_fd().try_clone_to_owned();
        let stream = UnixStream::from(input.map_err(wrong)?);
        stream.set_read_timeout(Some(PATIENCE)).map_err(wrong)?;
        let (hello, sockets) = receive_sockets(&stream).map_err(wrong)?;
        Ok(Self {
            sockets: hello.names.into_iter().zip(sockets).collect(),
            stream,
        })
    }

    /// The socket that was bound under this name; it can be taken once.
    pub(super) fn take(&mut self, name: &str) -> Option<OwnedFd> {
        let place = self.sockets.iter().position(|(known, _)| known == name)?;
        Some(self.sockets.remove(place).1)
    }

    /// Everything is prepared: asks the previous process for its state and takes it over. Sockets that nobody took are
    /// closed.
    pub(super) async fn succeed(self, app: &Arc<App>) -> Result<Heir, StartError> {
        let broken = |why: &str| StartError::Handover(why.to_owned());
        let (mut heard, mut write) =
            converse(self.stream).map_err(|error| broken(&error.to_string()))?;
        let asked = async {
            say(&mut write, &ToOld::Ready).await.ok()?;
            loop {
                if let ToNew::State(state) = heard.next().await? {
                    return Some(state);
                }
            }
        };
        let state = timeout(PATIENCE, asked).await.ok().flatten();
        let state = state.ok_or_else(|| broken("the process before has gone"))?;
        recall(app, &state);
        Ok(Heir { heard, write })
    }
}

fn recall(app: &App, state: &State) {
    let (gateway, at) = (app.gateway(), clocks::moment());
    gateway.pool.recall(&state.pool, at.now);
    gateway.limits.recall(&state.used, true, at);
}

/// The process that serves now, while the previous one ends.
#[derive(Debug)]
pub(super) struct Heir {
    heard: Heard,
    write: OwnedWriteHalf,
}

impl Heir {
    /// Requests are accepted here, so the previous process may stop. Resolves when the service manager knows the new
    /// main process.
    pub(super) async fn serve(mut self, app: &Arc<App>) {
        let told = async {
            say(&mut self.write, &ToOld::Serving).await.ok()?;
            loop {
                if let ToNew::Main = self.heard.next().await? {
                    return Some(());
                }
            }
        };
        // If the previous process has gone meanwhile, this one goes on.
        let _ = timeout(TELLING, told).await;
        tokio::spawn(self.follow(app.clone()));
    }

    /// Takes over what the previous process settles, until that process has ended.
    async fn follow(self, app: Arc<App>) {
        let Self {
            mut heard,
            mut write,
        } = self;
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<String>>(8);
        app.predecessor().is_there(ask);
        let (said, mut answers) = mpsc::channel(1);
        let hear = async {
            while let Some(message) = heard.next().await {
                match message {
                    ToNew::Used(used) => {
                        let at = clocks::moment();
                        app.gateway().limits.recall(&used, false, at);
                    }
                    ToNew::Metrics(text) => {
                        let _ = said.send(text).await;
                    }
                    ToNew::State(_) | ToNew::Main => {}
                }
            }
        };
        let relay = async {
            while let Some(answer) = asked.recv().await {
                let Ok(()) = say(&mut write, &ToOld::Metrics).await else {
                    return;
                };
                if let Some(text) = answers.recv().await {
                    let _ = answer.send(text);
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = hear => {}
            () = relay => {}
        }
        app.predecessor().is_gone();
        app.gateway().limits.alone();
        tracing::info!("the process before has ended");
    }
}

/// How long the previous process may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long it may take to tell the service manager about this one.
const TELLING: Duration = Duration::from_secs(5);
