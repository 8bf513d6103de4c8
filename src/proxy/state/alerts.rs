//! Reports budgets that are nearly spent to a webhook.
//!
//! Budgets are checked once a second, outside the requests. Alerts wait in a bounded queue until the webhook accepts
//! them. With a ledger, accepted alerts are recorded beside it, so that a restart sends nothing twice.
use std::collections::{HashSet, VecDeque};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::app::App;
use crate::limits::alerts::{Alert, Watch};
use crate::proxy::upstream::webhook::{self, Posted};
use crate::telemetry::alerted::Alerted;

/// Starts both tasks. They run as long as the process, by the configuration in force.
pub(crate) fn begin(app: &Arc<App>) {
    let (to, from) = mpsc::channel(MOST_WAITING);
    tokio::spawn(look(Arc::clone(app), to));
    tokio::spawn(deliver(Arc::clone(app), from));
}

async fn look(app: Arc<App>, to: mpsc::Sender<Alert>) {
    let mut watch = Watch::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let gateway = app.gateway();
        let Some(alerts) = &gateway.config.alerts else {
            continue;
        };
        // Thousands of keys have thousands of budgets, so this may block.
        let due = tokio::task::block_in_place(|| {
            watch.look(&gateway.limits, &alerts.at, SystemTime::now())
        });
        for alert in due {
            if to.try_send(alert).is_err() {
                app.telemetry.alerted(Alerted::Dropped);
                tracing::warn!("an alert of a budget is dropped: too many wait for the webhook");
            }
        }
    }
}

/// An alert that the webhook has not accepted yet.
struct Waiting {
    alert: Alert,
    since: Instant,
    tries: u32,
    next: Instant,
}

async fn deliver(app: Arc<App>, mut from: mpsc::Receiver<Alert>) {
    let mut taken = Taken::read(
        app.gateway()
            .config
            .ledger
            .as_ref()
            .map(|ledger| &*ledger.path),
    );
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    loop {
        let next = waiting.iter().map(|waiting| waiting.next).min();
        let room = waiting.len() < MOST_WAITING;
        tokio::select! {
            alert = from.recv(), if room => match alert {
                Some(alert) if taken.has(&alert) => {}
                Some(alert) => waiting.push_back(Waiting::new(alert)),
                None => return,
            },
            () = until(next) => {
                let now = Instant::now();
                let due = waiting.iter().position(|waiting| waiting.next <= now);
                if let Some(due) = due.and_then(|at| waiting.remove(at)) {
                    waiting.extend(due.post(&app, &mut taken).await);
                }
            }
        }
    }
}

async fn until(next: Option<Instant>) {
    match next {
        Some(next) => tokio::time::sleep_until(next.into()).await,
        None => std::future::pending().await,
    }
}

impl Waiting {
    fn new(alert: Alert) -> Self {
        let now = Instant::now();
        Self {
            alert,
            since: now,
            tries: 0,
            next: now,
        }
    }

    /// Posts the alert. `Some` = it has to be tried again.
    async fn post(mut self, app: &App, taken: &mut Taken) -> Option<Self> {
        let gateway = app.gateway();
        // The `?` returns when a reload has removed the webhook.
        let webhook = &gateway.config.alerts.as_ref()?.webhook;
        let (body, url) = (self.alert.body(&app.instance()), &webhook.endpoint.origin);
        let posted = webhook::post(&app.connections, webhook, body, SystemTime::now()).await;
        match posted {
            Posted::Taken => {
                app.telemetry.alerted(Alerted::Sent);
                taken.note(&self.alert);
                None
            }
            Posted::Refused(status) => {
                app.telemetry.alerted(Alerted::Failed);
                tracing::error!(%url, status, "the webhook refuses an alert of a budget");
                None
            }
            Posted::NotNow(why) if self.since.elapsed() > LONGEST => {
                app.telemetry.alerted(Alerted::Failed);
                tracing::error!(%url, why, "an alert of a budget is given up: the webhook has not taken it for a day");
                None
            }
            Posted::NotNow(why) => {
                if self.tries == 0 {
                    tracing::warn!(%url, why, "the webhook has not taken an alert of a budget: it is tried again");
                }
                self.next = Instant::now() + wait(self.tries);
                self.tries += 1;
                Some(self)
            }
        }
    }
}

/// The wait after this many tries: 1, 2, 4 … seconds, then five minutes each.
fn wait(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.min(9)).min(SLOWEST)
}

/// The alerts that the webhook has accepted; across restarts if there is a ledger.
struct Taken {
    path: Option<PathBuf>,
    ids: HashSet<String>,
}

impl Taken {
    /// Reads the file beside the ledger, without alerts about windows that ended long ago.
    fn read(ledger: Option<&Path>) -> Self {
        let path = ledger.map(beside);
        let text = path
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok());
        let text = text.unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let oldest = now.unwrap_or_default().saturating_sub(A_MONTH).as_secs();
        let kept: Vec<(&str, &str)> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(began, _)| began.parse::<u64>().is_ok_and(|began| began >= oldest))
            .collect();
        if let Some(path) = &path
            && kept.len() < text.lines().count()
        {
            let rest = kept.iter().map(|(began, id)| format!("{began} {id}\n"));
            // If this fails, the old file remains and serves as well.
            let _ = std::fs::write(path, rest.collect::<String>());
        }
        Self {
            ids: kept.into_iter().map(|(_, id)| id.to_owned()).collect(),
            path,
        }
    }

    fn has(&self, alert: &Alert) -> bool {
        self.ids.contains(&alert.id())
    }

    fn note(&mut self, alert: &Alert) {
        let Some(path) = &self.path else { return };
        let line = format!("{} {}\n", alert.began(), alert.id());
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            .open(path);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            let path = path.display();
            tracing::warn!(%path, %error, "it cannot be written down which alerts were sent: after a restart they are sent again");
        }
    }
}

/// The path of the file for a ledger at this path.
fn beside(ledger: &Path) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(".alerts");
    name.into()
}

/// The interval at which budgets are checked.
const EVERY: Duration = Duration::from_secs(1);

/// The most alerts that wait, in the queue and outside it.
const MOST_WAITING: usize = 1_000;

/// How long an alert is retried.
const LONGEST: Duration = Duration::from_hours(24);

/// The longest wait between two tries.
const SLOWEST: Duration = Duration::from_mins(5);

/// Longer than any window.
const A_MONTH: Duration = Duration::from_hours(24 * 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        let waits: Vec<u64> = (0..12).map(|tries| wait(tries).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(wait(u32::MAX), SLOWEST);
    }

    #[test]
    fn what_was_taken_is_known_after_a_restart_until_its_window_is_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("after 1970").as_secs();
        let text = format!("{now} new\n17 old\nnonsense\n");
        std::fs::write(beside(&ledger), text).expect("a file");
        let taken = Taken::read(Some(&ledger));
        assert_eq!(taken.ids, HashSet::from(["new".to_owned()]));
        let text = std::fs::read_to_string(beside(&ledger)).expect("a file");
        assert_eq!(text, format!("{now} new\n"));
        assert!(Taken::read(None).ids.is_empty());
    }
}
