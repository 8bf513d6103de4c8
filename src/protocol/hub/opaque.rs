//! Opaque reasoning state, and the envelope in which it travels through a client of another dialect.
//!
//! A signature or an encrypted item means something to the vendor that minted it and to nobody else. A client that knows
//! only its own dialect carries it for us in a field that it sends back verbatim; the envelope says whose it is, so that it
//! is never replayed to a stranger. See `docs/dialects`.
//!
//! ```text
//! "weir1." base64url( vendor kind  len model  len account  len item_id  payload )
//!                     1 byte 1 byte  2 bytes big-endian before each of the three
//! ```
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::digest::digest;
use super::target::Target;
pub use super::vendor::Vendor;
use crate::protocol::models::{Traits, names};

/// State that only its vendor can read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opaque {
    pub vendor: Vendor,
    pub kind: OpaqueKind,
    /// The model that minted it; empty = unknown.
    pub model: String,
    /// The account that minted it; empty = unknown.
    pub account: String,
    /// OpenAI's `rs_…`, to which the payload is tied; empty = none.
    pub item_id: String,
    /// The bytes as the vendor spelt them.
    pub payload: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpaqueKind {
    /// OpenRouter's `reasoning_details`, the list as JSON.
    Details,
    /// OpenAI's `encrypted_content`.
    Encrypted,
    /// No state: tells only where visible reasoning comes from.
    Origin,
    /// Anthropic's `redacted_thinking`: nothing to see, only this.
    Redacted,
    /// Anthropic's `signature`.
    Signature,
    /// Gemini's `thoughtSignature`.
    Thought,
}

impl Opaque {
    /// State as the vendor's own dialect shows it: nothing is known but the vendor.
    pub fn native(vendor: Vendor, kind: OpaqueKind, payload: impl Into<String>) -> Self {
        Self {
            vendor,
            kind,
            model: String::new(),
            account: String::new(),
            item_id: String::new(),
            payload: payload.into(),
        }
    }

    /// Whether `target` can read it: the same vendor, the same model where it is bound to one (everywhere but at Gemini),
    /// and the same account where it is bound to that.
    pub fn is_for(&self, target: &Target<'_>) -> bool {
        let same_model = self.model.is_empty()
            || self.vendor == Vendor::Gemini
            || names::family(&self.model) == names::family(target.model);
        let same_account = !target.capabilities.traits.has(Traits::ACCOUNT_BOUND)
            || self.account.is_empty()
            || self.account == account_mark(target.account);
        self.kind != OpaqueKind::Origin
            && self.vendor != Vendor::Other
            && self.vendor == target.quirks.vendor
            && same_model
            && same_account
    }

    /// Whether it is an intermediary's list that `target` handed out: the same model at the same account.
    pub fn is_list_of(&self, target: &Target<'_>) -> bool {
        self.kind == OpaqueKind::Details
            && names::family(&self.model) == names::family(target.model)
            && self.account == account_mark(target.account)
    }
}

/// What stands for an account in an envelope: clients see it, and it tells them nothing.
pub fn account_mark(account: &str) -> String {
    if account.is_empty() {
        String::new()
    } else {
        digest(account, 16)
    }
}

/// Puts state into an envelope.
pub fn seal(opaque: &Opaque) -> String {
    let mut bytes = vec![vendor_tag(opaque.vendor), kind_tag(opaque.kind)];
    for field in [&opaque.model, &opaque.account, &opaque.item_id] {
        let field = field.get(..usize::from(u16::MAX)).unwrap_or(field);
        let length = u16::try_from(field.len()).unwrap_or(0);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&field.as_bytes()[..usize::from(length)]);
    }
    bytes.extend_from_slice(opaque.payload.as_bytes());
    let mut text = String::with_capacity(MAGIC.len() + bytes.len().div_ceil(3) * 4);
    text.push_str(MAGIC);
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    text
}

/// Opens an envelope; `None` when it is none, or not one of ours.
pub fn unseal(text: &str) -> Option<Opaque> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(MAGIC)?).ok()?;
    let (&vendor, rest) = bytes.split_first()?;
    let (&kind, mut rest) = rest.split_first()?;
    let mut field = || {
        let (length, tail) = rest.split_first_chunk::<2>()?;
        let (field, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = tail;
        String::from_utf8(field.to_vec()).ok()
    };
    let (model, account, item_id) = (field()?, field()?, field()?);
    Some(Opaque {
        vendor: VENDORS
            .into_iter()
            .find(|known| vendor_tag(*known) == vendor)?,
        kind: KINDS.into_iter().find(|known| kind_tag(*known) == kind)?,
        model,
        account,
        item_id,
        payload: String::from_utf8(rest.to_vec()).ok()?,
    })
}

const fn vendor_tag(vendor: Vendor) -> u8 {
    match vendor {
        Vendor::Anthropic => b'a',
        Vendor::Gemini => b'g',
        Vendor::Openai => b'o',
        Vendor::Other => b'x',
    }
}

const fn kind_tag(kind: OpaqueKind) -> u8 {
    match kind {
        OpaqueKind::Details => b'd',
        OpaqueKind::Encrypted => b'e',
        OpaqueKind::Origin => b'n',
        OpaqueKind::Redacted => b'r',
        OpaqueKind::Signature => b's',
        OpaqueKind::Thought => b't',
    }
}

/// How every envelope begins; the digit is the version.
pub const MAGIC: &str = "weir1.";

const VENDORS: [Vendor; 4] = [
    Vendor::Anthropic,
    Vendor::Gemini,
    Vendor::Openai,
    Vendor::Other,
];

const KINDS: [OpaqueKind; 6] = [
    OpaqueKind::Details,
    OpaqueKind::Encrypted,
    OpaqueKind::Origin,
    OpaqueKind::Redacted,
    OpaqueKind::Signature,
    OpaqueKind::Thought,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_sealed_comes_out_again(
            vendor in 0..4_usize, kind in 0..6_usize,
            model in ".{0,40}", account in ".{0,20}", item_id in ".{0,70}", payload in ".{0,300}",
        ) {
            let opaque = Opaque { vendor: VENDORS[vendor], kind: KINDS[kind], model, account, item_id, payload };
            prop_assert_eq!(unseal(&seal(&opaque)), Some(opaque));
        }

        #[test]
        fn nothing_else_is_an_envelope(text in ".{0,80}") {
            prop_assert_eq!(unseal(&text), None);
        }

        #[test]
        fn a_broken_envelope_is_none(tail in "[A-Za-z0-9_-]{0,40}") {
            // Whatever comes out, it does not panic, and reseals to what went in.
            if let Some(opaque) = unseal(&format!("weir1.{tail}")) {
                prop_assert_eq!(seal(&opaque), format!("weir1.{tail}"));
            }
        }
    }
}
