//! The signals of a service: `SIGTERM` and `SIGINT` drain, the former after a delay; `SIGHUP` reloads;
//! `SIGUSR1` opens the access log anew; `SIGQUIT` hands over to a new process; `SIGXFSZ` ends nothing.
use std::sync::Arc;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::proxy::state::reload;
use crate::telemetry::Telemetry;

/// What ends the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// Say so for `server.drain_delay`, then drain.
    Retire,
    /// Finish what is in flight, for at most `server.drain_timeout`.
    Drain,
    /// Do not wait.
    Now,
    /// Start the binary that is installed now, let it take over, and drain.
    HandOver,
}

/// Starts listening. What arrives is told in order.
pub(crate) fn listen(
    reloads: reload::Handle,
    telemetry: Arc<Telemetry>,
) -> std::io::Result<mpsc::Receiver<Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut rotated = signal(SignalKind::user_defined1())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // Where it is caught, a write beyond the size that a file may have (`ulimit -f`, `LimitFSIZE=`) fails with a cause, as on
    // a full disk; else it ends the process. What was caught needs no answer.
    drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?);
    let (tell, told) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => { let _ = tell.send(Stop::Retire).await; }
                _ = interrupt.recv() => { let _ = tell.send(Stop::Drain).await; }
                _ = quit.recv() => { let _ = tell.send(Stop::HandOver).await; }
                _ = rotated.recv() => telemetry.reopen(),
                _ = hangup.recv() => {
                    // Also opens the access log anew, whatever becomes of the configuration.
                    reloads.reload().await;
                }
            }
        }
    });
    Ok(told)
}
