//! The signals of the process: `SIGTERM` (after a delay) and `SIGINT` drain; `SIGHUP` reloads; `SIGUSR1` reopens the
//! access log; `SIGQUIT` hands over to a new process; `SIGXFSZ` is ignored.
use std::sync::Arc;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::proxy::state::reload;
use crate::telemetry::Telemetry;

/// How the process is asked to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// Report not ready for `server.drain_delay`, then drain.
    Retire,
    /// Finish the requests in flight, for at most `server.drain_timeout`.
    Drain,
    /// End without waiting.
    Now,
    /// Start the binary that is installed now, let it take over, and drain.
    HandOver,
}

/// Starts listening for signals. They are reported in the order in which they arrive.
pub(crate) fn listen(
    reloads: reload::Handle,
    telemetry: Arc<Telemetry>,
) -> std::io::Result<mpsc::Receiver<Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut rotated = signal(SignalKind::user_defined1())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // When the signal is caught, a write beyond the largest allowed file size (`ulimit -f`, `LimitFSIZE=`) fails with
    // an error, as on a full disk; otherwise the signal would end the process. Nothing else needs to be done about it.
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
                    // This also reopens the access log, even if the configuration is rejected.
                    reloads.reload().await;
                }
            }
        }
    });
    Ok(told)
}
