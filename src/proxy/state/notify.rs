//! What systemd is told of the process: ready, reloading and how that went, stopping, and that it is alive.
//!
//! Without `NOTIFY_SOCKET` in the environment, which is how systemd says that it wants to hear, all of this does nothing.
use std::time::Duration;

use sd_notify::NotifyState;

/// Everything is bound and serving.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; `ready` ends it, however it went.
pub(super) fn reloading() {
    // A manager of version 253 or later tells by the time which reload is meant.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// One line for people.
pub(crate) fn say(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Another process of this service is the one to look after from now on.
pub(crate) fn followed_by(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// The process ends when what is in flight has ended.
pub(crate) fn stopping(in_flight: usize) {
    let status = format!("draining, {in_flight} requests in flight");
    tell(&[NotifyState::Stopping, NotifyState::Status(&status)]);
}

/// Says at half the time that systemd allows that the runtime still runs tasks. Ends with the runtime.
pub(crate) fn watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit > Duration::ZERO) else {
        return;
    };
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(limit / 2);
        loop {
            ticks.tick().await;
            tell(&[NotifyState::Watchdog]);
        }
    });
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
