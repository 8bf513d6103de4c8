//! What systemd is told of the process: ready, reloading and how that went, stopping, and that it is alive.
//!
//! Without `NOTIFY_SOCKET` in the environment, which is how systemd says that it wants to hear, all of this does nothing. A thread of
//! its own speaks: a manager that does not read holds up whoever talks to it.
use std::sync::LazyLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
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

/// Another process of this service is the one to look after from now on. Waits until that has been said, for this process may end at
/// once; not for long, if nobody listens.
pub(crate) fn followed_by(pid: u32) {
    let (said, is_said) = sync_channel(1);
    if speak(&[NotifyState::MainPid(pid)], Some(said)) {
        let _ = is_said.recv_timeout(PATIENCE);
    }
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
    speak(states, None);
}

/// Hands it to the thread that speaks. `false` when there is none, or too much waits to be said.
fn speak(states: &[NotifyState<'_>], said: Option<SyncSender<()>>) -> bool {
    let Some(speaker) = &*SPEAKER else {
        return false;
    };
    let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
    let is_taken = speaker.try_send((lines.join("\n"), said)).is_ok();
    if !is_taken {
        tracing::warn!("systemd does not listen to what it is told");
    }
    is_taken
}

/// What is to be said, and whom to tell that it was.
type Saying = (String, Option<SyncSender<()>>);

/// The way to the thread that speaks; `None` where nobody wants to hear.
static SPEAKER: LazyLock<Option<SyncSender<Saying>>> = LazyLock::new(|| {
    std::env::var_os("NOTIFY_SOCKET")?;
    let (speaker, sayings) = sync_channel::<Saying>(MOST_WAITING);
    let speaks = move || {
        for (text, said) in sayings {
            if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&text)]) {
                tracing::warn!(%error, "systemd could not be told");
            }
            if let Some(said) = said {
                let _ = said.try_send(());
            }
        }
    };
    let thread = thread::Builder::new().name("notify".to_owned());
    thread.spawn(speaks).ok().map(|_| speaker)
});

/// How long a process that is followed waits for its manager.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sayings that wait for a manager that does not read.
const MOST_WAITING: usize = 16;
