//! A small fleet with its own scraper: the learned use is the real use up to the last scrape.
use std::borrow::Cow;

use super::*;
use crate::fleet::answer::Labels;

/// 2026-10-31T22:00:00Z: two hours before a day and a month end.
const START: u64 = 1_793_484_000;
const HOUR: u64 = 3600;
const SCRAPE: u64 = 15;

/// One scraped value of one series.
struct Stored {
    family: Family,
    window: Window,
    run: String,
    instance: &'static str,
    name: &'static str,
    at: u64,
    value: f64,
}

/// A process; its windows restart with the day and the month.
struct Process {
    run: String,
    instance: &'static str,
    name: &'static str,
    spent: [u64; 2],
    begins: (u64, u64),
}

#[derive(Default)]
struct Prometheus(Vec<Stored>);

fn wall(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn begins(second: u64) -> (u64, u64) {
    spend::begins(wall(second), &TimeZone::UTC).expect("a date")
}

impl Process {
    fn new(run: &str, instance: &'static str, second: u64) -> Self {
        Self {
            run: run.to_owned(),
            instance,
            name: "team-a",
            spent: [0; 2],
            begins: begins(second),
        }
    }

    fn roll(&mut self, second: u64) {
        let now = begins(second);
        if now.0 != self.begins.0 {
            self.spent[0] = 0;
        }
        if now.1 != self.begins.1 {
            self.spent[1] = 0;
        }
        self.begins = now;
    }

    fn spend(&mut self, second: u64, amount: u64) {
        self.roll(second);
        self.spent = self.spent.map(|spent| spent + amount);
    }
}

impl Prometheus {
    /// Stores money in billionths, and the same number of tokens.
    fn scrape(&mut self, process: &mut Process, second: u64) {
        process.roll(second);
        for (window, spent) in Window::ALL.into_iter().zip(process.spent) {
            for (family, value) in [
                (Family::Cost, spent as f64 / 1e9),
                (Family::Tokens, spent as f64),
            ] {
                self.0.push(Stored {
                    family,
                    window,
                    run: process.run.clone(),
                    instance: process.instance,
                    name: process.name,
                    at: second,
                    value,
                });
            }
        }
    }

    /// The last value of every series except those of `mine`, within `range` seconds.
    fn last(&self, mine: &str, window: Window, at: u64, range: u64) -> Vec<Sample<'_>> {
        let mut last: HashMap<(&str, &str, &str, &str), f64> = HashMap::default();
        for stored in &self.0 {
            let is_meant = stored.window == window && stored.run != mine;
            if is_meant && stored.at <= at && stored.at + range >= at {
                let series = (
                    stored.family.name(),
                    &*stored.run,
                    stored.instance,
                    stored.name,
                );
                last.insert(series, stored.value);
            }
        }
        let samples = last
            .into_iter()
            .map(|((metric, run, instance, name), value)| {
                let labels = Labels {
                    metric: metric.into(),
                    run_id: run.into(),
                    instance: instance.into(),
                    scope: "key".into(),
                    name: name.into(),
                    kind: "output".into(),
                    ..Labels::default()
                };
                (labels, value)
            });
        samples.collect()
    }

    fn answer(&self, mine: &str, question: &Question) -> Vec<Sample<'_>> {
        let at = question.at / 1000;
        match question.about {
            About::Myself => Vec::new(),
            About::Used(window) => {
                let (_, range) = question.query.rsplit_once('[').expect("a range");
                let (range, _) = range.split_once("ms").expect("milliseconds");
                let range: u64 = range.parse().expect("a number");
                self.last(mine, window, at, range / 1000)
            }
            About::LastMinute => {
                let tokens = |at, range| {
                    let mut last = self.last(mine, Window::Month, at, range);
                    last.retain(|(labels, _)| labels.metric == Family::Tokens.name());
                    last
                };
                let (before, mut now) = (tokens(at - 60, HOUR), tokens(at, 300));
                for (labels, value) in &mut now {
                    let before = before.iter().find(|(before, _)| before == labels);
                    *value -= before.map_or(0.0, |(_, value)| *value);
                }
                let total = now.iter().map(|(_, value)| value.max(0.0)).sum();
                vec![(
                    Labels {
                        scope: "key".into(),
                        name: "team-a".into(),
                        ..Labels::default()
                    },
                    total,
                )]
            }
        }
    }

    /// Runs a round of `tally` with at most `answers` answers; `None` = it was interrupted.
    fn round(&self, tally: &mut Tally, second: u64, answers: usize) -> Option<ExternalSpend> {
        let questions = tally.begin(wall(second), &TimeZone::UTC);
        for (number, question) in questions.iter().enumerate() {
            if number >= answers {
                return None;
            }
            let samples = self.answer(&tally.run_id, question);
            tally.take(question, samples).expect("few enough");
        }
        let learned = tally.learned(wall(second));
        let team = learned.get(&(Scope::Key, Arc::from("team-a")));
        Some(team.copied().unwrap_or_default())
    }
}

fn tally(run: &str, instance: Option<&str>) -> Tally {
    Tally::new(run, instance.map(Arc::from), Matchers::default())
}

/// USD in billionths: today and this month, of earlier runs on this host and of others.
fn figures(external: &ExternalSpend) -> [u64; 4] {
    [
        external.earlier.day.nano_usd,
        external.earlier.month.nano_usd,
        external.others.day.nano_usd,
        external.others.month.nano_usd,
    ]
}

#[test]
fn a_first_sample_that_is_not_zero_counts_in_full() {
    let mut prometheus = Prometheus::default();
    let mut other = Process::new("b1", "edge-2", START);
    other.spend(START, 7);
    prometheus.scrape(&mut other, START + SCRAPE);
    let mut mine = tally("a1", Some("edge-1"));
    let learned = prometheus.round(&mut mine, START + SCRAPE + 1, usize::MAX);
    let learned = learned.expect("answers");
    assert_eq!(figures(&learned), [0, 0, 7, 7]);
    assert_eq!(learned.tokens, 7);
}

#[test]
fn what_this_run_spent_is_not_learned_and_what_the_host_spent_before_is_its_own() {
    let mut prometheus = Prometheus::default();
    let mut before = Process::new("a1", "edge-1", START);
    before.spend(START, 100);
    prometheus.scrape(&mut before, START);
    let mut now = Process::new("a2", "edge-1", START + 60);
    now.spend(START + 60, 30);
    prometheus.scrape(&mut now, START + 60);
    let mut mine = tally("a2", Some("edge-1"));
    let learned = prometheus.round(&mut mine, START + 61, usize::MAX);
    assert_eq!(figures(&learned.expect("answers")), [100, 100, 0, 0]);
    // For a host without a name, every run may be its own.
    let mut mine = tally("b1", None);
    let learned = prometheus.round(&mut mine, START + 61, usize::MAX);
    assert_eq!(figures(&learned.expect("answers")), [130, 130, 0, 0]);
}

#[test]
fn no_question_reaches_into_yesterday() {
    let midnight = START + 2 * HOUR;
    let questions =
        tally("a1", None).begin(wall(midnight) + Duration::from_millis(300), &TimeZone::UTC);
    let used: Vec<&Question> = questions
        .iter()
        .filter(|question| matches!(question.about, About::Used(_)))
        .collect();
    assert_eq!(used.len(), Window::ALL.len());
    for question in used {
        assert!(question.query.ends_with("[300ms]))"), "{}", question.query);
    }
}

#[test]
fn tokens_are_learned_once() {
    let mut prometheus = Prometheus::default();
    let mut other = Process::new("b1", "edge-2", START);
    other.spend(START, 1000);
    prometheus.scrape(&mut other, START);
    let mut mine = tally("a1", Some("edge-1"));
    let mut tokens = |prometheus: &Prometheus, second| {
        let learned = prometheus.round(&mut mine, second, usize::MAX);
        learned.expect("answers").tokens
    };
    // Two minutes later they do not belong to the last minute any more.
    prometheus.scrape(&mut other, START + 120);
    assert_eq!(tokens(&prometheus, START + 121), 0);
    other.spend(START + 130, 5);
    prometheus.scrape(&mut other, START + 135);
    assert_eq!(tokens(&prometheus, START + 136), 5);
    assert_eq!(tokens(&prometheus, START + 151), 0);
    // Nothing was queried for an hour: only its last minute counts.
    for minute in 3..=60 {
        other.spend(START + minute * 60, 10);
        prometheus.scrape(&mut other, START + minute * 60);
    }
    assert_eq!(tokens(&prometheus, START + HOUR + 1), 10);
}

#[test]
fn a_round_that_breaks_goes_on_where_it_broke() {
    let month = 29 * 24 * HOUR;
    let mut prometheus = Prometheus::default();
    let mut other = Process::new("b1", "edge-2", START - month);
    other.spend(START - month, 7);
    prometheus.scrape(&mut other, START - month);
    let mut mine = tally("a1", Some("edge-1"));
    let all = mine.begin(wall(START), &TimeZone::UTC).len();
    assert!(all > 30, "{all}");
    assert_eq!(prometheus.round(&mut mine, START, 20), None);
    let left = mine.begin(wall(START), &TimeZone::UTC).len();
    assert!(left < 20, "{left}");
    let learned = prometheus.round(&mut mine, START, usize::MAX);
    assert_eq!(figures(&learned.expect("answers")), [0, 0, 0, 7]);
    // From now on a round has few queries, however long the month is.
    let next = mine.begin(wall(START + SCRAPE), &TimeZone::UTC).len();
    assert_eq!(next, 1 + Window::ALL.len());
}

#[test]
fn a_key_that_comes_back_elsewhere_is_no_burst_of_tokens() {
    let mut prometheus = Prometheus::default();
    let mut steady = Process::new("b1", "edge-2", START);
    let mut forgetful = Process::new("c1", "edge-3", START);
    for process in [&mut steady, &mut forgetful] {
        process.spend(START, 1_000_000);
        prometheus.scrape(process, START);
    }
    let mut mine = tally("a1", Some("edge-1"));
    let mut tokens = |prometheus: &Prometheus, second| {
        let learned = prometheus.round(&mut mine, second, usize::MAX);
        learned.expect("answers").tokens
    };
    assert_eq!(tokens(&prometheus, START + 1), 2_000_000);
    forgetful.spent = [5; 2];
    prometheus.scrape(&mut forgetful, START + 15);
    assert_eq!(tokens(&prometheus, START + 16), 0);
    forgetful.spend(START + 20, 7);
    prometheus.scrape(&mut forgetful, START + 30);
    assert_eq!(tokens(&prometheus, START + 31), 7);
    // The use since the beginning of the month belongs to the last minute, however small it is compared with the
    // previous month.
    for process in [&mut steady, &mut forgetful] {
        prometheus.scrape(process, START + 2 * HOUR - 15);
    }
    let _ = tokens(&prometheus, START + 2 * HOUR - 1);
    steady.spend(START + 2 * HOUR + 1, 3);
    for process in [&mut steady, &mut forgetful] {
        prometheus.scrape(process, START + 2 * HOUR + 10);
    }
    assert_eq!(tokens(&prometheus, START + 2 * HOUR + 11), 3);
}

/// Two hosts with restarts and outages in a fixed random sequence, across midnight and the end of a month.
#[test]
fn through_restarts_and_midnight_the_sum_is_exact_to_the_last_scrape() {
    for seed in 1..=5u64 {
        let mut state = seed;
        let mut draw = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let mut prometheus = Prometheus::default();
        let mut mine = tally("a1", Some("edge-1"));
        let mut runs = 0;
        let mut live = [
            Process::new("b0", "edge-2", START),
            Process::new("c0", "edge-3", START),
        ];
        // For every run, its use at the last scrape.
        let mut truth: HashMap<String, ([u64; 2], (u64, u64))> = HashMap::default();
        for step in 0..16 * 60 {
            let second = START + step * SCRAPE;
            for process in &mut live {
                process.spend(second, draw(1_000_000_000));
                if draw(50) != 0 {
                    prometheus.scrape(process, second);
                    truth.insert(process.run.clone(), (process.spent, process.begins));
                }
                if draw(60) == 0 {
                    runs += 1;
                    let run = format!("{}{runs}", &process.run[..1]);
                    *process = Process::new(&run, process.instance, second);
                }
            }
            let answers = if draw(10) == 0 { 2 } else { usize::MAX };
            let Some(learned) = prometheus.round(&mut mine, second + 1, answers) else {
                continue;
            };
            let (day, month) = begins(second + 1);
            let sum = |window: usize, begins: &dyn Fn(&(u64, u64)) -> bool| {
                let runs = truth.values().filter(|(_, when)| begins(when));
                runs.map(|(spent, _)| spent[window]).sum::<u64>()
            };
            let expected = [
                0,
                0,
                sum(0, &|when| when.0 == day),
                sum(1, &|when| when.1 == month),
            ];
            assert_eq!(figures(&learned), expected, "seed {seed}, step {step}");
        }
        assert!(runs > 5, "{runs}");
    }
}

#[test]
fn two_jobs_that_scrape_one_target_count_once() {
    let mut mine = tally("a1", Some("edge-1"));
    let questions = mine.begin(wall(START), &TimeZone::UTC);
    let sample = |instance: &'static str, value: f64| {
        let labels = Labels {
            metric: Family::Cost.name().into(),
            run_id: "b1".into(),
            instance: instance.into(),
            scope: "key".into(),
            name: "team-a".into(),
            ..Labels::default()
        };
        (labels, value)
    };
    for question in &questions {
        let samples = if matches!(question.about, About::Used(_)) {
            vec![sample("edge-2", 2.0), sample("10.0.0.2:9090", 1.0)]
        } else {
            Vec::new()
        };
        mine.take(question, samples).expect("few enough");
    }
    let learned = mine.learned(wall(START));
    let team = &learned[&(Scope::Key, Arc::from("team-a"))];
    assert_eq!(team.others.day.nano_usd, nano_usd(2.0));
}

#[test]
fn what_is_known_is_bounded_whatever_is_answered() {
    for kind in ["output", "a kind of later versions"] {
        let mut mine = tally("a1", None);
        let questions = mine.begin(wall(START), &TimeZone::UTC);
        let samples = (0..=MAX_ENTRIES).map(|number| {
            let labels = Labels {
                metric: Family::Tokens.name().into(),
                run_id: "b1".into(),
                scope: "key".into(),
                name: number.to_string().into(),
                kind: kind.into(),
                ..Labels::default()
            };
            (labels, 1.0)
        });
        let mut used = questions
            .iter()
            .filter(|question| matches!(question.about, About::Used(_)));
        let question = used.next().expect("one");
        let taken = mine.take(question, samples.collect());
        assert_eq!(taken, Err(Fault::TooMany), "{kind}");
    }
}

#[test]
fn a_host_knows_whether_and_as_what_it_is_scraped() {
    let check = |instance: Option<&str>, found: &[&'static str], expected: &Scraped| {
        let mut mine = tally("a1", instance);
        let question = Question::myself("a1", &Matchers::default(), 0);
        let samples = found.iter().map(|instance| {
            let labels = Labels {
                instance: Cow::Borrowed(*instance),
                ..Labels::default()
            };
            (labels, 1.0)
        });
        mine.take(&question, samples.collect()).expect("few enough");
        assert_eq!(mine.scraped(), expected);
    };
    check(Some("edge-1"), &[], &Scraped::No);
    check(Some("edge-1"), &["x:9090", "edge-1"], &Scraped::Yes);
    check(
        Some("edge-1"),
        &["x:9090"],
        &Scraped::As("x:9090".to_owned()),
    );
    check(None, &["x:9090"], &Scraped::Yes);
}
