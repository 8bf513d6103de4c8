//! Polls the configured Prometheus, and tells the limits what other processes used.
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::app::App;
use crate::config;
use crate::exchange::Gateway;
use crate::fleet::tally::Scraped;
use crate::fleet::{Matchers, Tally, Unanswered, answer};
use crate::proxy::upstream::prometheus;

/// Starts polling. Returns after the first poll, so that a restart forgets nothing, but after [`FIRST_POLL`] at the
/// latest: a Prometheus that does not answer does not prevent serving.
pub(crate) async fn begin(app: &Arc<App>) {
    let (first, done) = oneshot::channel();
    tokio::spawn(follow(Arc::clone(app), first));
    if tokio::time::timeout(FIRST_POLL, done).await.is_err() {
        tracing::warn!("Prometheus has not answered yet: serving with what is known here");
    }
}

/// Polls as long as the process lives, by the configuration in force.
async fn follow(app: Arc<App>, first: oneshot::Sender<()>) {
    let (mut first, mut poller) = (Some(first), None);
    loop {
        let gateway = app.gateway();
        let server = gateway.config.prometheus.as_ref();
        poller = server.map(|server| Poller::of(server, poller, &app));
        if let Some(poller) = &mut poller {
            poller.poll(&app, &gateway).await;
        }
        // The caller may no longer be waiting.
        let _ = first.take().map(|first| first.send(()));
        drop(gateway);
        match &poller {
            None => app.reloads.notified().await,
            Some(poller) => tokio::select! {
                () = tokio::time::sleep(poller.server.poll) => {}
                () = app.reloads.notified() => {}
            },
        }
    }
}

/// One Prometheus, and what it has reported.
struct Poller {
    server: config::Prometheus,
    tally: Tally,
    /// Whether the last poll succeeded; `None` before the first.
    is_up: Option<bool>,
    scraped: Scraped,
}

impl Poller {
    /// The poller `before` continues if it is for the same server; otherwise a new one starts.
    fn of(server: &config::Prometheus, before: Option<Self>, app: &App) -> Self {
        if let Some(before) = before.filter(|before| before.server == *server) {
            return before;
        }
        let matchers = server.matchers.iter();
        let matchers = Matchers::new(matchers.map(|(name, value)| (&**name, &**value)));
        Self {
            tally: Tally::new(&app.run_id, server.instance.clone(), matchers),
            server: server.clone(),
            is_up: None,
            scraped: Scraped::No,
        }
    }

    async fn poll(&mut self, app: &App, gateway: &Gateway) {
        let at = SystemTime::now();
        let round = self.round(app, gateway, at).await;
        // A reload during the poll may have brought new keys or another server.
        let gateway = app.gateway();
        if gateway.config.prometheus.as_ref() != Some(&self.server) {
            return;
        }
        match round {
            Ok(()) => {
                let learn = || {
                    for ((scope, name), external) in self.tally.learned(at) {
                        let limits = &gateway.limits;
                        // Names that only other hosts know do not matter here.
                        limits.learn(scope, &name, &external, at, Instant::now());
                    }
                };
                tokio::task::block_in_place(learn);
                let self_scraped = *self.tally.scraped() == Scraped::Yes;
                app.telemetry.polled(Ok((at, self_scraped)));
                self.say_up();
            }
            Err(unanswered) => {
                app.telemetry.polled(Err(unanswered.failure));
                self.say_down(&unanswered);
            }
        }
    }

    async fn round(
        &mut self,
        app: &App,
        gateway: &Gateway,
        at: SystemTime,
    ) -> Result<(), Unanswered> {
        for question in self.tally.begin(at, gateway.limits.zone()) {
            let body = prometheus::ask(&app.connections, &self.server, &question).await?;
            let tally = &mut self.tally;
            let mut take = || tally.take(&question, answer::parse(&body)?);
            if body.len() > BRIEF {
                tokio::task::block_in_place(take)?;
            } else {
                take()?;
            }
        }
        Ok(())
    }

    fn say_up(&mut self) {
        let url = &self.server.endpoint.origin;
        if self.is_up != Some(true) {
            tracing::info!(%url, "Prometheus answers: limits count what other processes used");
        }
        self.is_up = Some(true);
        if let Scraped::As(instance) = self.tally.scraped()
            && self.scraped != *self.tally.scraped()
        {
            let expected = self.server.instance.as_deref();
            tracing::warn!(%url, instance, expected, "Prometheus scrapes this weir under another `instance` than `prometheus.instance_label` says");
        }
        self.scraped.clone_from(self.tally.scraped());
    }

    fn say_down(&mut self, why: &Unanswered) {
        if self.is_up != Some(false) {
            let url = &self.server.endpoint.origin;
            tracing::warn!(%url, %why, "Prometheus does not answer: limits go on with what is known here");
        }
        self.is_up = Some(false);
    }
}

/// How long the start waits for the first poll.
const FIRST_POLL: Duration = Duration::from_secs(5);

/// The bytes that are parsed without moving other work to another thread: that takes a tenth of a millisecond.
const BRIEF: usize = 64 << 10;
