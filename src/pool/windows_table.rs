//! The rate-limit windows that are understood, and the headers that report them.

/// The kind of value that one header states about a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field {
    Limit,
    Remaining,
    Reset,
    Status,
    Used,
    UsedPercent,
}

/// The window and the field that a header is about.
pub(super) fn field_of(header: &str) -> Option<(usize, Field)> {
    if let Some(rest) = header.strip_prefix(ANTHROPIC) {
        let (window, field) = rest.rsplit_once('-')?;
        let field = match field {
            "limit" => Field::Limit,
            "remaining" => Field::Remaining,
            "reset" => Field::Reset,
            "status" => Field::Status,
            "utilization" => Field::Used,
            _ => return None,
        };
        Some((kind_of(|kind| kind.anthropic == window)?, field))
    } else if let Some(rest) = header.strip_prefix("x-ratelimit-") {
        let (field, window) = rest.split_once('-').unwrap_or((rest, "requests"));
        let field = match field {
            "limit" => Field::Limit,
            "remaining" => Field::Remaining,
            "reset" => Field::Reset,
            _ => return None,
        };
        Some((kind_of(|kind| kind.name == window)?, field))
    } else {
        let rest = header.strip_prefix("x-codex-")?;
        let (window, field) = rest.split_once('-')?;
        let field = match field {
            "used-percent" => Field::UsedPercent,
            "reset-at" | "reset-after-seconds" => Field::Reset,
            _ => return None,
        };
        Some((kind_of(|kind| kind.codex == window)?, field))
    }
}

fn kind_of(is: impl Fn(&Kind) -> bool) -> Option<usize> {
    KINDS.iter().position(is)
}

/// What a window counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Requests,
    /// Only a share of an unknown whole is stated.
    Share,
    Tokens,
}

/// One window that an upstream may report.
#[derive(Debug)]
pub(super) struct Kind {
    /// The name in status and metrics, and in `x-ratelimit-*`.
    pub name: &'static str,
    /// The part of the header name between `anthropic-ratelimit-` and the field.
    pub anthropic: &'static str,
    /// The part of the header name between `x-codex-` and the field.
    pub codex: &'static str,
    /// The model class that the window is for; `None` = all models.
    pub model: Option<&'static str>,
    pub unit: Unit,
    /// The length in seconds, where it is fixed.
    pub length: Option<f64>,
    /// Whether it refills steadily instead of all at once at the reset.
    pub refills: bool,
}

const fn share(
    name: &'static str,
    anthropic: &'static str,
    codex: &'static str,
    model: Option<&'static str>,
    hours: f64,
) -> Kind {
    Kind {
        name,
        anthropic,
        codex,
        model,
        unit: Unit::Share,
        length: Some(hours * 3600.0),
        refills: false,
    }
}

const fn bucket(name: &'static str, unit: Unit) -> Kind {
    Kind {
        name,
        anthropic: name,
        codex: "",
        model: None,
        unit,
        length: None,
        refills: true,
    }
}

/// Every window that is understood.
pub(super) const KINDS: [Kind; 8] = [
    share("5h", "unified-5h", "primary", None, 5.0),
    share("7d", "unified-7d", "secondary", None, 7.0 * 24.0),
    share("7d_opus", "unified-7d_opus", "", Some("opus"), 7.0 * 24.0),
    share(
        "7d_sonnet",
        "unified-7d_sonnet",
        "",
        Some("sonnet"),
        7.0 * 24.0,
    ),
    bucket("requests", Unit::Requests),
    bucket("tokens", Unit::Tokens),
    bucket("input-tokens", Unit::Tokens),
    bucket("output-tokens", Unit::Tokens),
];

/// The prefix of all of Anthropic's rate-limit headers.
pub(super) const ANTHROPIC: &str = "anthropic-ratelimit-";
