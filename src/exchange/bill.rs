//! What is booked for one request: what its answer states, otherwise an estimate from what was seen of it. The limits,
//! the ledger, the metrics and the access log all take their figures from here, and the figures do not change once they
//! are booked.
use super::admit::Admitted;
use super::{Gateway, charge, limits};
use crate::outcome::UsageSource;
use crate::protocol::hub::usage::{Extras, Stated, Usage};
use crate::protocol::written::Written;

/// The bill of one request.
#[derive(Debug, Default)]
pub(super) struct Bill {
    usage: Option<(Usage, UsageSource)>,
    extras: Extras,
    service_tier: Option<String>,
    /// The use of answers that were discarded because the model produced something unusable; the provider charges for
    /// them all the same.
    discarded: Option<Usage>,
    discarded_usd: Option<f64>,
    /// Whether stated figures were rejected as impossible.
    refused: bool,
    /// Whether the bill has been booked.
    closed: bool,
}

/// What an answer states and shows about its use.
pub(super) struct Evidence<'a> {
    pub stated: Option<(Stated, UsageSource)>,
    /// What the model wrote; computed on demand.
    pub written: &'a dyn Fn() -> Written,
    pub service_tier: Option<&'a str>,
}

impl Bill {
    /// Records the use so far. `estimate` returns the probable use where none is stated.
    pub(super) fn note(&mut self, evidence: Evidence<'_>, estimate: impl Fn(&Written) -> Usage) {
        if self.closed {
            return;
        }
        let Evidence {
            stated,
            written,
            service_tier,
        } = evidence;
        self.service_tier = service_tier.map(str::to_owned);
        self.extras = stated.map_or_else(Extras::default, |(stated, _)| stated.extras);
        self.refused |= self.extras.refused;
        let charged = self.extras.nano_usd.is_some();
        let stated = stated.map(|(stated, source)| (stated.usage, source));
        self.usage = Some(match stated {
            // The request was charged by another unit than tokens, and the model wrote no tokens.
            Some((usage, source))
                if usage.total() == 0 && usage.is_something() && written().is_empty() =>
            {
                (usage, source)
            }
            // No request has an empty prompt: an upstream that states none has only left it out.
            Some((usage, UsageSource::Reported))
                if usage.prompt() == 0 && usage.output > 0 && !charged =>
            {
                let guess = estimate(&written());
                let input = guess.prompt();
                let source = if input > 0 {
                    UsageSource::Estimated
                } else {
                    UsageSource::Reported
                };
                (Usage { input, ..usage }, source)
            }
            Some((usage, UsageSource::Reported))
                if usage.output > 0 || written().is_empty() && usage.total() > 0 =>
            {
                (usage, UsageSource::Reported)
            }
            // Some servers state zeros, or only the prompt's tokens, until they know the rest.
            Some((usage, source)) if usage.prompt() > 0 => {
                let guess = estimate(&written());
                let source = match source {
                    UsageSource::Reported => UsageSource::Estimated,
                    other => other,
                };
                let more = guess.output > usage.output;
                let usage = Usage {
                    output: usage.output.max(guess.output),
                    reasoning: if more {
                        guess.reasoning
                    } else {
                        usage.reasoning
                    },
                    ..usage
                };
                (usage, source)
            }
            _ => (estimate(&written()), UsageSource::Estimated),
        });
    }

    /// The client left after its request had been sent: the prompt is charged, whatever became of the answer.
    pub(super) fn leave(&mut self, estimate: impl Fn(&Written) -> Usage) {
        if self.usage.is_none() && !self.closed {
            self.usage = Some((estimate(&Written::default()), UsageSource::Estimated));
        }
    }

    /// The same for what is known by another estimate: what a request beside generation asked for, or what a response
    /// holds that states no use.
    pub(super) fn note_estimate(&mut self, estimate: Stated) {
        if self.usage.is_none() && !self.closed {
            self.extras = estimate.extras;
            self.usage = Some((estimate.usage, UsageSource::Estimated));
        }
    }

    /// An answer with this use and cost was discarded.
    pub(super) fn discard(&mut self, stated: Stated, usd: Option<f64>) {
        self.refused |= stated.extras.refused;
        self.discarded = Some(self.discarded.unwrap_or_default().and(stated.usage));
        self.discarded_usd = sum(self.discarded_usd, usd);
    }

    /// The bill is booked now and does not change any more.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// The use of the answer, without discarded answers before it.
    pub(super) fn answer(&self) -> Option<(Usage, UsageSource)> {
        self.usage
    }

    /// Whether a stated figure was rejected as impossible.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// The use of the answer and of discarded answers before it.
    pub(super) fn usage(&self) -> Option<(Usage, UsageSource)> {
        match (self.usage, self.discarded) {
            (Some((usage, source)), Some(discarded)) => Some((usage.and(discarded), source)),
            (None, Some(discarded)) => Some((discarded, UsageSource::Reported)),
            (usage, None) => usage,
        }
    }

    /// The cost of the whole use in US dollars; `price` gives the cost of one answer.
    pub(super) fn usd(
        &self,
        price: impl Fn(&Usage, Option<&str>, &Extras) -> Option<f64>,
    ) -> Option<f64> {
        let usd = self.usage.and_then(|(usage, source)| {
            let extras = match source {
                UsageSource::Estimated => Extras {
                    nano_usd: None,
                    ..self.extras
                },
                _ => self.extras,
            };
            price(&usage, self.service_tier.as_deref(), &extras)
        });
        sum(usd, self.discarded_usd)
    }

    /// The number of tokens of the text that the model wrote; `None` where not all of the text was seen.
    pub(super) fn lesson(&self, written: &Written) -> Option<u64> {
        let (usage, UsageSource::Reported) = self.usage? else {
            return None;
        };
        let hidden = !written.reasoning().is_empty() && usage.reasoning == 0;
        let all = !hidden && written.media() == 0 && !written.text().is_empty();
        let advised = self.extras.advised.map(|advised| advised.usage);
        let usage = usage.without(&advised.unwrap_or_default());
        all.then_some(usage.output.saturating_sub(usage.reasoning))
    }
}

/// The probable use for an answer of which `written` was seen. `model` is the upstream's name.
pub(super) fn estimate(
    gateway: &Gateway,
    admitted: &Admitted,
    model: Option<&str>,
    written: &Written,
) -> Usage {
    Usage {
        input: limits::input(gateway, admitted),
        ..charge::estimate(&gateway.tokens, model.unwrap_or(&admitted.model), written)
    }
}

/// The sum of both, as far as they are known.
fn sum(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hub::units::Units;

    const GUESS: Usage = Usage {
        input: 70,
        cache_read: 0,
        cache_write_5m: 0,
        cache_write_1h: 0,
        output: 40,
        reasoning: 5,
        units: Units::NONE,
    };

    fn stated(input: u64, output: u64) -> Stated {
        Stated {
            usage: Usage {
                input,
                output,
                ..Usage::default()
            },
            extras: Extras::default(),
        }
    }

    fn note(stated: Option<(Stated, UsageSource)>, text: &str) -> (u64, u64, UsageSource) {
        let mut written = Written::default();
        written.say(text);
        let mut bill = Bill::default();
        let evidence = Evidence {
            stated,
            written: &|| written,
            service_tier: None,
        };
        bill.note(evidence, |_| GUESS);
        let (usage, source) = bill.usage().expect("a use");
        (usage.input, usage.output, source)
    }

    #[test]
    fn what_is_stated_counts_as_far_as_it_can_be() {
        use UsageSource::{Estimated, Partial, Reported};
        for (given, text, expected) in [
            (Some((stated(10, 20), Reported)), "text", (10, 20, Reported)),
            (Some((stated(10, 0), Reported)), "", (10, 0, Reported)),
            (Some((stated(0, 20), Reported)), "text", (70, 20, Estimated)),
            (Some((stated(10, 0), Reported)), "text", (10, 40, Estimated)),
            (Some((stated(0, 0), Reported)), "text", (70, 40, Estimated)),
            (Some((stated(0, 0), Reported)), "", (70, 40, Estimated)),
            (Some((stated(10, 1), Partial)), "text", (10, 40, Partial)),
            (Some((stated(10, 90), Partial)), "text", (10, 90, Partial)),
            (None, "text", (70, 40, Estimated)),
        ] {
            assert_eq!(note(given, text), expected, "{given:?} {text}");
        }
    }

    #[test]
    fn what_is_booked_stays_and_what_was_spoilt_counts() {
        let mut bill = Bill::default();
        bill.discard(stated(5, 5), Some(0.25));
        assert_eq!(bill.usage().map(|(usage, _)| usage.total()), Some(10));
        bill.leave(|_| GUESS);
        bill.close();
        let evidence = Evidence {
            stated: Some((stated(1, 1), UsageSource::Reported)),
            written: &Written::default,
            service_tier: None,
        };
        bill.note(evidence, |_| GUESS);
        assert_eq!(bill.usage().map(|(usage, _)| usage.input), Some(75));
        assert_eq!(bill.usd(|_, _, _| Some(1.0)), Some(1.25));
        assert_eq!(bill.usd(|_, _, _| None), Some(0.25));
    }

    #[test]
    fn only_an_answer_that_was_seen_whole_is_a_lesson() {
        let mut bill = Bill::default();
        let mut written = Written::default();
        written.say("a text");
        let mut note = |written, usage| {
            let evidence = Evidence {
                stated: Some((
                    Stated {
                        usage,
                        extras: Extras::default(),
                    },
                    UsageSource::Reported,
                )),
                written: &|| written,
                service_tier: None,
            };
            bill.note(evidence, |_| GUESS);
            bill.lesson(&written)
        };
        assert_eq!(note(written, GUESS), Some(35));
        written.think("a thought");
        assert_eq!(note(written, GUESS), Some(35));
        let hidden = Usage {
            reasoning: 0,
            ..GUESS
        };
        assert_eq!(note(written, hidden), None);
        written.show();
        assert_eq!(note(written, GUESS), None);
    }
}
