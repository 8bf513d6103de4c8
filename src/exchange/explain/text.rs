//! The report as text for people: a key word at the margin, the details beside it.
use std::fmt::{self, Display, Formatter, Write as _};
use std::time::Duration;

use serde_json::Value;

use super::accounts::seconds;
use super::report::{
    AnswerPart, AttemptsPart, Candidate, ClientPart, LimitPart, PoolPart, PricePart, Report,
    RequestPart, ReservedPart, RoutePart, SessionPart, UntranslatablePart, UpstreamPart,
};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self, f)
    }
}

fn write(report: &Report, f: &mut Formatter<'_>) -> fmt::Result {
    let mut page = Page { f };
    page.section("verdict", [verdict(report)])?;
    page.section("note", report.notes.iter().cloned())?;
    page.section("request", request(&report.request))?;
    page.section("client", report.client.iter().map(client))?;
    let rewrites = (!report.rewrites.is_empty()).then(|| report.rewrites.join(", "));
    page.section("rewrites", rewrites)?;
    page.section("route", report.route.iter().flat_map(route))?;
    page.section("pool", report.pool.iter().flat_map(pool))?;
    page.section("session", report.session.iter().map(session))?;
    page.section("accounts", candidates(&report.candidates))?;
    page.section("attempts", report.attempts.iter().flat_map(attempts))?;
    page.section("dialects", report.untranslatable.iter().map(untranslatable))?;
    page.section("limits", limits(&report.limits))?;
    page.section("price", report.price.iter().flat_map(price))?;
    page.section("upstream", report.upstream.iter().flat_map(upstream))?;
    page.section("answer", report.answer.iter().flat_map(answer))
}

struct Page<'a, 'b> {
    f: &'a mut Formatter<'b>,
}

impl Page<'_, '_> {
    /// Writes a section; nothing when there are no lines.
    fn section(&mut self, name: &str, lines: impl IntoIterator<Item = String>) -> fmt::Result {
        for (at, line) in lines.into_iter().enumerate() {
            let margin = if at == 0 { name } else { "" };
            // Text from the request must not move the cursor or forge a line.
            let line: String = line
                .chars()
                .map(|char| match char {
                    '\t' => ' ',
                    char if char.is_control() => '\u{fffd}',
                    char => char,
                })
                .collect();
            writeln!(self.f, "{margin:MARGIN$}{line}")?;
        }
        Ok(())
    }
}

fn verdict(report: &Report) -> String {
    match (&report.answer, &report.upstream) {
        (Some(answer), _) if answer.status >= 400 => {
            format!("refused with {}", answer.status)
        }
        (Some(_), _) => "answered by Weir itself, nobody is asked".into(),
        (None, Some(upstream)) => {
            format!("served by {} in {}", upstream.account, upstream.dialect)
        }
        (None, None) => "answered by Weir itself".into(),
    }
}

fn request(request: &RequestPart) -> Vec<String> {
    let mut first = format!("{} {}: {}", request.method, request.path, request.operation);
    if let Some(dialect) = request.dialect {
        let _ = write!(first, ", {dialect}");
    }
    let mut second = Vec::new();
    second.extend(request.model.as_ref().map(|model| format!("model {model}")));
    second.extend(request.stream.map(|stream| {
        let kind = if stream { "streamed" } else { "not streamed" };
        kind.to_owned()
    }));
    second.push(format!("{} bytes", request.body_bytes));
    second.extend(
        request
            .input_tokens
            .map(|tokens| format!("about {tokens} input tokens")),
    );
    let mut lines = vec![first, second.join(", ")];
    lines.extend(request.reserved.iter().map(reserved));
    lines
}

fn reserved(reserved: &ReservedPart) -> String {
    let mut line = format!(
        "set aside until it ends: {} tokens of the account's limit",
        reserved.account_tokens
    );
    if let (Some(tokens), Some(usd)) = (reserved.tokens, reserved.usd) {
        let _ = write!(line, ", {tokens} tokens and {usd:.6} USD of the client's");
    }
    line
}

fn client(client: &ClientPart) -> String {
    let by = match client.found_by {
        "name" => " (by name)",
        "anonymous" => " (without a key)",
        _ => "",
    };
    let mut line = format!("key {}{by}", client.key);
    for (name, value) in [("group", &client.group), ("project", &client.project)] {
        if let Some(value) = value {
            let _ = write!(line, ", {name} {value}");
        }
    }
    for (name, values) in [("pools", &client.pools), ("models", &client.models)] {
        if let Some(values) = values {
            let _ = write!(line, ", only {name} {}", values.join(", "));
        }
    }
    line
}

fn route(route: &RoutePart) -> Vec<String> {
    let mut first = match route.matched {
        Some(index) => format!("routes[{index}]"),
        None if route.passed_over.is_empty() => "none configured".into(),
        None => "none matches, the default".into(),
    };
    if let Some(pool) = &route.pool {
        let _ = write!(first, ", to pool {pool}");
    }
    if let Some(model) = &route.model {
        let _ = write!(first, ", as model {model}");
    }
    let mut lines = vec![first];
    lines.extend(route.passed_over.iter().map(|passed| {
        let found = passed.found.as_deref().unwrap_or("none");
        format!(
            "  not routes[{}]: {} wants {}, the request has {found}",
            passed.route, passed.condition, passed.wanted
        )
    }));
    lines
}

fn pool(pool: &PoolPart) -> Vec<String> {
    let mut line = format!(
        "{}: select {}, affinity {}",
        pool.name, pool.select, pool.affinity
    );
    for fallback in &pool.fallbacks {
        let _ = write!(line, ", then {fallback}");
    }
    let mut lines = vec![line];
    if let Some(forbidden) = &pool.forbidden {
        lines.push(format!(
            "  not its fallback {forbidden}, which this key may not use"
        ));
    }
    lines
}

fn session(session: &SessionPart) -> String {
    let affinity = session.affinity.map(|affinity| format!(": {affinity}"));
    format!(
        "{} {}{}",
        session.kind,
        session.id,
        affinity.unwrap_or_default()
    )
}

fn candidates(candidates: &[Candidate]) -> Vec<String> {
    let widest = |of: fn(&Candidate) -> usize, least: usize| {
        candidates.iter().map(of).max().unwrap_or(0).max(least)
    };
    let account = widest(|candidate| candidate.account.chars().count(), 7);
    let pool = widest(|candidate| candidate.pool.chars().count(), 4);
    let mut lines = Vec::new();
    if !candidates.is_empty() {
        lines.push(format!(
            "{:account$}  {:pool$}  priority  weight  would be",
            "account", "pool"
        ));
    }
    lines.extend(candidates.iter().map(|candidate| {
        let fate = match (candidate.attempt, &candidate.excluded) {
            (Some(attempt), None) => format!("attempt {attempt}"),
            (Some(attempt), Some(out)) => format!("attempt {attempt}, although: {}", out.why),
            (None, Some(out)) => format!("out: {}", out.why),
            (None, None) => "not reached".to_owned(),
        };
        format!(
            "{:account$}  {:pool$}  {:>8}  {:>6.1}  {fate}",
            candidate.account, candidate.pool, candidate.priority, candidate.weight
        )
    }));
    lines
}

fn attempts(attempts: &AttemptsPart) -> Vec<String> {
    let mut lines = Vec::new();
    if attempts.max > 1 {
        let time =
            seconds(Duration::try_from_secs_f64(attempts.deadline_seconds).unwrap_or_default());
        lines.push(format!(
            "at most {} within {time}; retries add at most {:.0} % to the traffic",
            attempts.max,
            attempts.budget * 100.0
        ));
    } else {
        lines.push("one, no retry".into());
    }
    if attempts.wait_seconds > 0.0 {
        lines.push(format!("after a wait of {:.1} s", attempts.wait_seconds));
    }
    lines.extend(attempts.order.iter().enumerate().map(|(at, attempt)| {
        let model = if attempt.model.is_empty() {
            String::new()
        } else {
            format!(", model {}", attempt.model)
        };
        format!(
            "{}. {} ({}): {}{model}",
            at + 1,
            attempt.account,
            attempt.pool,
            attempt.dialect
        )
    }));
    lines
}

fn untranslatable(part: &UntranslatablePart) -> String {
    let dialects = part.dialects.join(", ");
    format!("not in {dialects}: {}: {}", part.field, part.why)
}

fn limits(limits: &[LimitPart]) -> Vec<String> {
    let scope = limits
        .iter()
        .map(|limit| limit.scope.chars().count())
        .max()
        .unwrap_or(0);
    let name = limits
        .iter()
        .map(|limit| limit.limit.len())
        .max()
        .unwrap_or(0);
    let lines = limits.iter().map(|limit| {
        let mut used = limit
            .used
            .map_or_else(String::new, |used| format!(", {used} used"));
        let resets = limit.resets_in_seconds.filter(|_| limit.used != Some(0.0));
        if let Some(time) = resets.and_then(|time| Duration::try_from_secs_f64(time).ok()) {
            let _ = write!(used, ", all back in {}", seconds(time));
        }
        format!(
            "{:scope$}  {:name$}  {}{used}",
            limit.scope, limit.limit, limit.cap
        )
    });
    lines.collect()
}

fn price(price: &PricePart) -> Vec<String> {
    let (Some(model), Some(rates)) = (&price.model, &price.rates) else {
        return vec!["none is known: `prices` in the configuration can give one".into()];
    };
    let mut lines = vec![format!(
        "{model}: input {}, output {}, cache read {}, cache write {} (1 h: {}) USD per million tokens",
        rates.input, rates.output, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h
    )];
    if let Some(usd) = price.input_usd {
        lines.push(format!(
            "the input is about {usd:.6} USD if nothing of it is cached"
        ));
    }
    lines
}

fn upstream(upstream: &UpstreamPart) -> Vec<String> {
    let mut lines = vec![format!("{} {}", upstream.method, upstream.url)];
    if let Some(egress) = &upstream.egress {
        lines.push(format!("through {egress}"));
    }
    let headers = upstream.headers.iter();
    lines.extend(headers.map(|(name, value)| format!("{name}: {value}")));
    let change = match upstream.change {
        "translated" => format!("translated to {}", upstream.dialect),
        "rewritten" => "as the rewrites left it".to_owned(),
        "model" => "as it came but for the name of the model".to_owned(),
        _ => "as it came".to_owned(),
    };
    lines.push(format!("body of {} bytes, {change}:", upstream.body_bytes));
    match &upstream.body {
        Some(body) => lines.extend(shortened(body.get()).lines().map(str::to_owned)),
        None => lines.push("(no JSON)".into()),
    }
    lines.extend(upstream.dropped.iter().map(|dropped| {
        let effect = if dropped.notable {
            "the answer may differ"
        } else {
            "a hint, or of no effect on the answer"
        };
        format!(
            "dropped {}: {} has nothing like it for this model; {effect}",
            dropped.field, upstream.dialect
        )
    }));
    lines
}

fn answer(answer: &AnswerPart) -> Vec<String> {
    let mut lines = vec![format!("HTTP status {}", answer.status)];
    let headers = answer.headers.iter();
    lines.extend(headers.map(|(name, value)| format!("{name}: {value}")));
    lines.push(match &answer.body {
        Value::Null => String::new(),
        body => body.to_string(),
    });
    lines.extend(answer.hint.iter().map(|hint| format!("hint: {hint}")));
    lines
}

/// A long text without its middle.
fn shortened(text: &str) -> String {
    if text.len() <= LONGEST_BODY {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(LONGEST_BODY / 2);
    let tail = text.ceil_char_boundary(text.len() - LONGEST_BODY / 2);
    format!(
        "{} ... {} bytes, all with --json ... {}",
        text.get(..head).unwrap_or_default(),
        tail - head,
        text.get(tail..).unwrap_or_default()
    )
}

/// The column at which the text begins.
const MARGIN: usize = 11;

/// The most bytes of a body that is shown completely.
const LONGEST_BODY: usize = 8 << 10;
