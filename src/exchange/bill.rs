//! What is booked for one request: what its answer states, else what was seen of it. Whoever asks (the limits, the ledger, the
//! metrics, the access log) gets the same figures, since they stand here and are not touched once they have been booked.
use super::admit::Admitted;
use super::{Gateway, limits};
use crate::outcome::UsageSource;
use crate::protocol::hub::usage::{Extras, Stated, Usage};
use crate::protocol::written::Written;
use crate::tokens::Direction;

/// The bill of one request.
#[derive(Debug, Default)]
pub(super) struct Bill {
    usage: Option<(Usage, UsageSource)>,
    extras: Extras,
    service_tier: Option<String>,
    /// What answers took that were thrown away, because the model spoilt them: the provider bills them all the same.
    spoilt: Option<Usage>,
    spoilt_usd: Option<f64>,
    /// Whether figures were refused.
    refused: bool,
    /// Whether it has been booked.
    closed: bool,
}

/// What an answer says and shows of its use.
pub(super) struct Evidence<'a> {
    pub stated: Option<(Stated, UsageSource)>,
    /// What the model wrote, for where that is asked.
    pub written: &'a dyn Fn() -> Written,
    pub service_tier: Option<&'a str>,
}

impl Bill {
    /// What was used so far. `estimate` says what was probably used where that is not stated.
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
            // Sold by something else than tokens, of which the model wrote none.
            Some((usage, source))
                if usage.total() == 0 && usage.is_something() && written().is_empty() =>
            {
                (usage, source)
            }
            // Nobody asked for nothing: whoever states no prompt only left it out.
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
            // Some servers state zeros, or only what the prompt took, until they know.
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

    /// The client left after its request had been sent: the prompt is paid for, whatever became of the answer.
    pub(super) fn leave(&mut self, estimate: impl Fn(&Written) -> Usage) {
        if self.usage.is_none() && !self.closed {
            self.usage = Some((estimate(&Written::default()), UsageSource::Estimated));
        }
    }

    /// The same, of a request beside generation that asks for this.
    pub(super) fn leave_asked(&mut self, asked: Stated) {
        if self.usage.is_none() && !self.closed {
            self.extras = asked.extras;
            self.usage = Some((asked.usage, UsageSource::Estimated));
        }
    }

    /// An answer was thrown away that took this and costs so much.
    pub(super) fn spoil(&mut self, stated: Stated, usd: Option<f64>) {
        self.refused |= stated.extras.refused;
        self.spoilt = Some(self.spoilt.unwrap_or_default().and(stated.usage));
        self.spoilt_usd = sum(self.spoilt_usd, usd);
    }

    /// It is booked now, and stays as it is.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// What the answer took, without what was spoilt before it.
    pub(super) fn answer(&self) -> Option<(Usage, UsageSource)> {
        self.usage
    }

    /// Whether a figure was refused.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// What the answer took, and what was spoilt before it.
    pub(super) fn usage(&self) -> Option<(Usage, UsageSource)> {
        match (self.usage, self.spoilt) {
            (Some((usage, source)), Some(spoilt)) => Some((usage.and(spoilt), source)),
            (None, Some(spoilt)) => Some((spoilt, UsageSource::Reported)),
            (usage, None) => usage,
        }
    }

    /// What all of that costs, by the price of `price`.
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
        sum(usd, self.spoilt_usd)
    }

    /// How many tokens this text was that the model wrote; `None` where not all of it was seen.
    pub(super) fn lesson(&self, written: &Written) -> Option<u64> {
        let (usage, UsageSource::Reported) = self.usage? else {
            return None;
        };
        let hidden = !written.reasoning().is_empty() && usage.reasoning == 0;
        let all = !hidden && written.media() == 0 && !written.text().is_empty();
        all.then_some(usage.output.saturating_sub(usage.reasoning))
    }
}

/// What was probably used for an answer of which this was seen. `model` is the upstream's name.
pub(super) fn estimate(
    gateway: &Gateway,
    admitted: &Admitted,
    model: Option<&str>,
    written: &Written,
) -> Usage {
    let model = model.unwrap_or(&admitted.model);
    let answer = |text, beside| {
        let tokens = &gateway.tokens;
        tokens.measured(Direction::Answer, model, text, beside)
    };
    let reasoning = answer(written.reasoning(), 0);
    let pictures = written.media().saturating_mul(PICTURE);
    Usage {
        input: limits::input(gateway, admitted),
        output: answer(written.text(), pictures).saturating_add(reasoning),
        reasoning,
        ..Usage::default()
    }
}

/// Both, as far as they are known.
fn sum(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

/// Tokens of a picture that a model made: one of a million pixels, as Gemini counts it.
/// Source: ai.google.dev/gemini-api/docs/pricing, "Output images up to 1024x1024px consume 1290 tokens".
const PICTURE: u64 = 1290;

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
        bill.spoil(stated(5, 5), Some(0.25));
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
