//! The usage of endpoints other than generation: the amount that a request asks for, and what is booked if the answer
//! does not state it.
use std::borrow::Cow;

use super::admit::Admitted;
use super::vendor_call::VendorCall;
use super::{Gateway, form};
use crate::outcome::UsageSource;
use crate::protocol::hub::usage::Stated;
use crate::protocol::passthrough::Product;
use crate::protocol::sound::Spoken;

/// The usage that a request asks for, as far as it is known before the answer.
pub(super) fn requested(admitted: &Admitted) -> Stated {
    let product = admitted
        .call
        .vendor_call
        .as_deref()
        .and_then(VendorCall::product);
    let Some(product) = product else {
        return Stated::default();
    };
    let (body, members) = (&admitted.body, &admitted.members);
    let boundary = form::own_boundary(body).filter(|_| members.is_empty());
    let requested = product.requested(&|name| {
        let value = match boundary {
            Some(boundary) => {
                // A field that occurs twice is ignored, because it is unclear which of the two the vendor uses.
                let span = form::field(body, boundary, name).ok().flatten();
                body.get(span?)
            }
            None => members.value(body, name),
        };
        value.map(Cow::Borrowed)
    });
    Stated::checked(requested.usage, requested.extras)
}

/// The tokens of generated speech, if `model` charges speech by the token. `spoken` is the audio that was relayed;
/// `None` = the answer is not plain audio, so the tokens are estimated from the text in the request.
pub(super) fn speech(
    gateway: &Gateway,
    admitted: &Admitted,
    model: Option<&str>,
    spoken: Option<&Spoken>,
) -> Option<u64> {
    let product = admitted
        .call
        .vendor_call
        .as_deref()
        .and_then(VendorCall::product);
    if product != Some(Product::Speech) {
        return None;
    }
    let by_token = |model: &str| gateway.prices.speaks_by_token(model);
    let known = model.and_then(by_token);
    if !known.or_else(|| by_token(&admitted.model))? {
        return None;
    }
    let format = admitted.members.string(&admitted.body, "response_format");
    let millis = match spoken {
        Some(spoken) if spoken.is_empty() => Some(0),
        Some(spoken) => spoken.length(format.as_deref() == Some("pcm")),
        None => None,
    };
    Some(millis.map_or_else(
        || read_aloud(requested(admitted).usage.units.characters),
        |millis| millis.div_ceil(MILLIS_OF_TOKEN),
    ))
}

/// The estimated tokens of speech for so many characters of text, for use while its duration is unknown.
pub(super) fn read_aloud(characters: u64) -> u64 {
    characters.saturating_mul(60_000) / (CHARACTERS_A_MINUTE * MILLIS_OF_TOKEN)
}

/// What is booked for an answer that states `stated`. `speech` is the number of speech tokens, if speech is charged by
/// the token; `input` estimates the tokens of the request. `None` = nothing is known.
pub(super) fn booked(
    admitted: &Admitted,
    stated: Option<(Stated, UsageSource)>,
    speech: Option<u64>,
    input: impl FnOnce() -> u64,
) -> Option<(Stated, UsageSource)> {
    let product = admitted
        .call
        .vendor_call
        .as_deref()
        .and_then(VendorCall::product);
    let Some(product) = product else {
        return stated;
    };
    let mut requested = requested(admitted);
    let Some((mut stated, source)) = stated.filter(|(stated, _)| !stated.is_nothing()) else {
        if product.takes_text() {
            requested.usage.input = input();
        } else if let Some(tokens) = speech {
            requested.usage.input = input();
            requested.usage.output = tokens;
            requested.extras.media.audio_output = tokens;
        }
        let refused = stated.is_some_and(|(stated, _)| stated.extras.refused);
        requested.extras.refused |= refused;
        return requested
            .usage
            .is_something()
            .then_some((requested, UsageSource::Estimated));
    };
    // An answer that is charged by tokens or searches is not also charged by the requested amount.
    let usage = &mut stated.usage;
    if usage.total() == 0 || !product.takes_text() {
        usage.units = usage.units.or(&requested.usage.units);
    }
    stated.extras.picture = stated.extras.picture.or(requested.extras.picture);
    Some((stated, source))
}

/// Milliseconds of speech per token: 1,250 tokens are a minute.
/// Source: OpenAI's pricing page for `gpt-4o-mini-tts`, 12 USD for a million tokens and about 0.015 USD for a minute.
const MILLIS_OF_TOKEN: u64 = 48;

/// Characters that are spoken per minute: 150 words of five letters and a space. Source: the usual pace of read
/// English.
const CHARACTERS_A_MINUTE: u64 = 900;
