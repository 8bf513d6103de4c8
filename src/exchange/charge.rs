//! What one answer costs, and its estimated usage.
use crate::pricing::PriceTable;
use crate::protocol::hub::usage::{Extras, Usage};
use crate::protocol::written::Written;
use crate::tokens::{Direction, Tokens};

/// USD for one answer of `model`. An advisor's tokens are charged at the price of the advisor's own model, or at that
/// of `model` if the former is unknown. `None` = no price is known.
pub(super) fn usd(
    prices: &PriceTable,
    model: &str,
    usage: &Usage,
    tier: Option<&str>,
    extras: &Extras,
) -> Option<f64> {
    let Some(advised) = extras.advised.filter(|_| extras.nano_usd.is_none()) else {
        return prices.bill(model, usage, tier, extras);
    };
    let answer = prices.bill(model, &usage.without(&advised.usage), tier, extras)?;
    // The speed applies only to the answer itself.
    let same = Extras {
        region: extras.region,
        ..Extras::default()
    };
    let price = |model: &str| prices.bill(model, &advised.usage, tier, &same);
    Some(answer + price(advised.model.as_str()).or_else(|| price(model))?)
}

/// The estimated usage for what `model` wrote, without the prompt.
pub(super) fn estimate(tokens: &Tokens, model: &str, written: &Written) -> Usage {
    let answer = |text, beside| tokens.measured(Direction::Answer, model, text, beside);
    let reasoning = answer(written.reasoning(), 0);
    let pictures = written.media().saturating_mul(PICTURE);
    Usage {
        output: answer(written.text(), pictures).saturating_add(reasoning),
        reasoning,
        ..Usage::default()
    }
}

/// Tokens of a generated image: one megapixel, as Gemini counts it. Source:
/// ai.google.dev/gemini-api/docs/pricing, "Output images up to 1024x1024px consume 1290 tokens".
const PICTURE: u64 = 1290;
