//! The signals of a service: `SIGTERM` and `SIGINT` drain, `SIGHUP` reloads.
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::reload;
use super::server::Stop;

/// Starts listening. What arrives is told in order.
pub(super) fn listen(reloads: reload::Handle) -> std::io::Result<mpsc::Receiver<Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (tell, told) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => { let _ = tell.send(Stop::Drain).await; }
                _ = interrupt.recv() => { let _ = tell.send(Stop::Drain).await; }
                _ = hangup.recv() => {
                    // Also opens the access log anew, whatever becomes of the configuration.
                    reloads.reload().await;
                }
            }
        }
    });
    Ok(told)
}
