//! Notifies systemd about the process: ready, reloading and its result, stopping, and that it is alive.
//!
//! Without `NOTIFY_SOCKET` in the environment, by which systemd asks for notifications, all of this does nothing. A
//! separate thread sends them, because a manager that does not read would block the sender.
use std::sync::LazyLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;

/// Everything is bound and serving.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; `ready` ends it, whatever the result.
pub(super) fn reloading() {
    // systemd 253 or later identifies the reload by this time.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// A status line for people.
pub(crate) fn say(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Another process is the main process of this service from now on. Waits until that has been sent, because this
/// process may end at once; at most `PATIENCE`, in case nobody reads.
pub(crate) fn followed_by(pid: u32) {
    let (said, is_said) = sync_channel(1);
    if speak(&[NotifyState::MainPid(pid)], Some(said)) {
        let _ = is_said.recv_timeout(PATIENCE);
    }
}

/// The process ends when the requests in flight have ended.
pub(crate) fn stopping(in_flight: usize) {
    let status = format!("draining, {in_flight} requests in flight");
    tell(&[NotifyState::Stopping, NotifyState::Status(&status)]);
}

/// Reports to systemd that the runtime still runs tasks, at half the interval that systemd allows. Ends with the
/// runtime.
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

/// Passes a message to the sending thread. `false` = there is none, or too many messages are waiting.
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

/// The message, and whom to tell when it has been sent.
type QueuedMessage = (String, Option<SyncSender<()>>);

/// The channel to the sending thread; `None` where no notifications are wanted.
static SPEAKER: LazyLock<Option<SyncSender<QueuedMessage>>> = LazyLock::new(|| {
    std::env::var_os("NOTIFY_SOCKET")?;
    let (speaker, messages) = sync_channel::<QueuedMessage>(MOST_WAITING);
    let speaks = move || {
        for (text, said) in messages {
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

/// The most messages that wait for a manager that does not read.
const MOST_WAITING: usize = 16;
