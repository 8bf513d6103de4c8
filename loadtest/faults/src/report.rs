//! What the soak found, as a table, and what of it is a violation.
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::Options;
use crate::ledger::{Sums, Tokens};
use crate::proxy::{Proxy, Resources, sum};
use crate::setup::{KEY, SECRETS, Setup};

/// What Weir's admin plane says at the end.
#[derive(Debug)]
pub struct Figures {
    tokens: Tokens,
    other_tokens: u64,
    requests: u64,
    in_flight: f64,
    accounts_in_flight: f64,
    generation: u64,
    reload_ok: bool,
    refreshes: (u64, u64),
    violations: u64,
    /// When the account that is benched the longest may be asked again, in Unix seconds.
    benched_until: f64,
    leaks: bool,
    /// What `GET /v1/usage` tells the key: requests, tokens, and permits that are taken.
    usage: (u64, Tokens, u64),
    /// Dollars there, and in the metrics.
    usd: (f64, f64),
}

#[derive(Debug)]
pub struct Report {
    rows: Vec<(String, String)>,
    pub violations: Vec<String>,
}

/// All that a soak leaves to be judged.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) sums: &'a Sums,
    pub(crate) figures: &'a Figures,
    /// At the start, after the warm-up, at the end of the load, and when all clients have left.
    pub(crate) resources: [Resources; 4],
    /// How long the load lasted.
    pub(crate) took: Duration,
    pub(crate) proxy: &'a Proxy,
    /// Why Weir did not stop in good order, if it did not.
    pub(crate) stopped: Result<(), String>,
    /// What its ledger tells afterwards: tokens, billionths of a dollar.
    pub(crate) booked: Result<(Tokens, u64), String>,
}

impl Figures {
    pub async fn read(proxy: &Proxy) -> Result<Self, String> {
        let (_, text) = proxy.get("/metrics").await?;
        let (_, status) = proxy.get("/status").await?;
        let whole = |name: &str, labels: &[&str]| count(sum(&text, name, labels));
        let usage = proxy.usage(KEY).await?;
        let used = &usage["key"]["this_month"];
        let number = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
        let spent = Tokens {
            input: number(&used["tokens"]["input"]),
            cache_read: number(&used["tokens"]["cache_read"]),
            output: number(&used["tokens"]["output"]),
        };
        let permits = number(&usage["key"]["limits"]["concurrency"]["used"]);
        let kind = |kind: &str| whole("weir_tokens_total", &[&format!("kind=\"{kind}\"")]);
        let tokens = Tokens {
            input: kind("input"),
            cache_read: kind("cache_read"),
            output: kind("output"),
        };
        let refreshes = |outcome: &str| {
            whole(
                "weir_token_refreshes_total",
                &[&format!("outcome=\"{outcome}\"")],
            )
        };
        Ok(Self {
            tokens,
            other_tokens: whole("weir_tokens_total", &[]) - tokens.sum(),
            requests: whole("weir_requests_total", &[]),
            in_flight: sum(&text, "weir_inflight_requests", &[]),
            accounts_in_flight: sum(&text, "weir_account_inflight_requests", &[]),
            generation: whole("weir_config_generation", &[]),
            reload_ok: whole("weir_config_last_reload_successful", &[]) == 1,
            refreshes: (refreshes("ok"), refreshes("failed")),
            violations: whole("weir_translation_violations_total", &[]),
            benched_until: text
                .lines()
                .filter(|line| line.starts_with("weir_account_cooldown_until_seconds{"))
                .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
                .fold(0.0, f64::max),
            usage: (number(&used["requests"]), spent, permits),
            usd: (
                used["usd"].as_f64().unwrap_or(f64::NAN),
                sum(&text, "weir_cost_usd_total", &[]),
            ),
            leaks: SECRETS
                .iter()
                .any(|secret| text.contains(secret) || status.contains(secret)),
        })
    }
}

impl Report {
    pub(crate) fn new(options: &Options, seen: Seen<'_>) -> Self {
        let Seen {
            setup,
            sums,
            figures,
            resources: [start, warm, end, left],
            took,
            proxy,
            stopped,
            booked,
        } = seen;
        let mut report = Self {
            rows: Vec::new(),
            violations: Vec::new(),
        };
        report.row(
            "load",
            format!(
                "{} s after {} s of warm-up, {} clients, seed {}",
                took.as_secs(),
                options.warm_up.as_secs(),
                options.clients,
                options.seed
            ),
        );
        report.requests(sums, figures);
        report.tokens(sums, figures);
        report.money(sums, figures, booked);
        let faults: u64 = setup
            .upstreams
            .iter()
            .map(|upstream| upstream.faults.load(Ordering::Relaxed))
            .sum();
        report.row("faulty answers of upstreams", faults.to_string());
        report.check(faults > 0, || {
            "no fault was played: the soak proved nothing".to_owned()
        });
        report.row("configurations applied", figures.generation.to_string());
        report.check(figures.generation > 1 && figures.reload_ok, || {
            "no reload was applied".to_owned()
        });
        let (granted, failed) = figures.refreshes;
        report.row(
            "access tokens",
            format!("{granted} granted, {failed} refreshes failed"),
        );
        report.check(granted > 1 && failed > 0, || {
            "no access token was refreshed, or no refresh failed".to_owned()
        });
        report.memory(options, warm, end);
        report.row(
            "file descriptors",
            format!(
                "{} at the start, {} at the end",
                start.descriptors, left.descriptors
            ),
        );
        report.check(left.descriptors <= start.descriptors, || {
            format!(
                "{} file descriptors were not given back",
                left.descriptors - start.descriptors
            )
        });
        report.row(
            "in flight at the end",
            format!(
                "{} requests, {} at accounts",
                figures.in_flight, figures.accounts_in_flight
            ),
        );
        report.check(
            figures.in_flight == 0.0 && figures.accounts_in_flight == 0.0,
            || "requests are in flight although no client asks".to_owned(),
        );
        let (lines, faults) = proxy.log_faults();
        report.row(
            "lines of the log",
            format!(
                "{lines}, of which {} are panics, errors or leaks",
                faults.len()
            ),
        );
        for line in faults {
            report.violations.push(format!("in the log: {line}"));
        }
        report.check(!figures.leaks, || {
            "a secret in /metrics or /status".to_owned()
        });
        if let Err(why) = stopped {
            report.violations.push(why);
        }
        for (what, (count, example)) in &sums.violations {
            report
                .violations
                .push(format!("{count} x {what}, for example: {example}"));
        }
        report
    }

    fn requests(&mut self, sums: &Sums, figures: &Figures) {
        self.row(
            "requests",
            format!(
                "{}, of which {} translated, {} retried",
                sums.requests, sums.translated, sums.retried
            ),
        );
        if sums.filled > 0 {
            let text = format!("{} more, in fair weather", sums.filled);
            self.row("- to fill what Weir remembers", text);
        }
        for (outcome, count) in &sums.outcomes {
            self.row(
                &format!("- {outcome}"),
                format!("{count} ({:.1} %)", 100.0 * share(*count, sums.requests)),
            );
        }
        let complete = sums.outcomes.get("complete").copied().unwrap_or(0);
        self.check(2 * complete > sums.requests, || {
            "fewer than half of the requests were answered".to_owned()
        });
        self.check(figures.requests == sums.requests + sums.filled, || {
            format!(
                "weir_requests_total says {}, the clients asked {}",
                figures.requests,
                sums.requests + sums.filled
            )
        });
        // Hours are what clients said, in words that an upstream repeated; nothing else here lasts that long.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let latest = now.map_or(f64::MAX, |now| now.as_secs_f64() + 2.0 * 3600.0);
        self.check(figures.benched_until < latest, || {
            format!(
                "an account is benched until {}, as a client wrote",
                figures.benched_until
            )
        });
        self.check(figures.violations == 0, || {
            format!(
                "{} translation violations, of upstreams that broke no rule",
                figures.violations
            )
        });
    }

    fn tokens(&mut self, sums: &Sums, figures: &Figures) {
        for (source, (requests, weir, upstreams)) in &sums.sources {
            let text = match source.as_str() {
                "none" => format!("{requests} requests without any"),
                "estimated" => format!("{requests} requests, weir {}", shown(*weir)),
                _ => format!(
                    "{requests} requests, weir {}, upstreams {}",
                    shown(*weir),
                    shown(*upstreams)
                ),
            };
            self.row(&format!("tokens, {source}"), text);
            self.check(source != "reported" || weir == upstreams, || {
                format!(
                    "reported tokens differ: weir {}, upstreams {}",
                    shown(*weir),
                    shown(*upstreams)
                )
            });
        }
        let (requests, tokens, permits) = figures.usage;
        self.row(
            "GET /v1/usage",
            format!(
                "{requests} requests, {}, {permits} permits taken",
                shown(tokens)
            ),
        );
        self.check(
            requests == sums.requests + sums.filled && tokens == sums.logged && permits == 0,
            || "GET /v1/usage tells the key something else than the access log".to_owned(),
        );
        self.row("tokens in /metrics", shown(figures.tokens));
        self.check(
            figures.tokens == sums.logged && figures.other_tokens == 0,
            || {
                format!(
                    "/metrics {} and {} of other kinds, access log {}",
                    shown(figures.tokens),
                    figures.other_tokens,
                    shown(sums.logged)
                )
            },
        );
    }

    /// The same billionths of a dollar in the limits, the metrics, the ledger and the access lines, whatever their source.
    fn money(&mut self, sums: &Sums, figures: &Figures, booked: Result<(Tokens, u64), String>) {
        let logged = sums.logged.nano_usd();
        let (limits, metrics) = figures.usd;
        self.row(
            "USD in the access log",
            format!("{:.9}", logged as f64 / 1e9),
        );
        for (whose, usd) in [("GET /v1/usage", limits), ("/metrics", metrics)] {
            self.check((usd * 1e9 - logged as f64).abs() < 0.5, || {
                format!("{whose} says {usd:.9} USD, the access log {logged} billionths")
            });
        }
        match booked {
            Err(why) => self.violations.push(why),
            Ok((tokens, nano)) => {
                self.row("tokens in the ledger", shown(tokens));
                self.check((tokens, nano) == (sums.logged, logged), || {
                    format!(
                        "the ledger says {} and {nano} billionths, the access log {} and {logged}",
                        shown(tokens),
                        shown(sums.logged)
                    )
                });
            }
        }
    }

    fn memory(&mut self, options: &Options, warm: Resources, end: Resources) {
        let mib = |resources: Resources| resources.resident as f64 / f64::from(1 << 20);
        let growth = 100.0 * (mib(end) / mib(warm) - 1.0);
        let judged = options.judges_memory();
        let remark = if judged {
            ""
        } else {
            " (too short a run to judge)"
        };
        self.row(
            "resident memory",
            format!(
                "{:.1} MiB after the warm-up, {:.1} MiB at the end: {growth:+.1} %{remark}",
                mib(warm),
                mib(end)
            ),
        );
        self.check(!judged || growth <= MOST_GROWTH, || {
            format!("memory grew by {growth:.1} %")
        });
    }

    fn row(&mut self, what: &str, figure: String) {
        self.rows.push((what.to_owned(), figure));
    }

    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(what());
        }
    }

    pub fn text(&self) -> String {
        let mut text = "| fault soak | |\n| --- | --- |\n".to_owned();
        for (what, figure) in &self.rows {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {what} | {figure} |");
        }
        let _ = writeln!(text, "| violations | {} |", self.violations.len());
        for violation in &self.violations {
            let _ = write!(text, "\nVIOLATION: {violation}");
        }
        text
    }
}

fn shown(tokens: Tokens) -> String {
    format!(
        "{} input, {} cached, {} output",
        tokens.input, tokens.cache_read, tokens.output
    )
}

fn share(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a counter, far below 2^52"
)]
fn count(value: f64) -> u64 {
    value as u64
}

/// Percent.
const MOST_GROWTH: f64 = 5.0;
