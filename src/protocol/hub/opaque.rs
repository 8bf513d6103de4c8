//! Opaque reasoning state, and the envelope in which a client of another dialect carries it.
//!
//! Only the vendor that made a signature or an encrypted item can read it. A client that knows only its own dialect
//! carries it for Weir in a field that it sends back unchanged. The envelope names the vendor, so that the state is
//! never sent to another one. See `docs/dialects`.
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
    /// The model that made it; empty = unknown.
    pub model: String,
    /// The account that made it, as an [`account_mark`]; empty = unknown.
    pub account: String,
    /// OpenAI's `rs_…` id, to which the payload is tied; empty = none.
    pub item_id: String,
    /// The state in the vendor's own spelling.
    pub payload: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpaqueKind {
    /// OpenRouter's `reasoning_details`, the list as JSON.
    Details,
    /// OpenAI's `encrypted_content`.
    Encrypted,
    /// No state, only the origin of visible reasoning.
    Origin,
    /// Anthropic's `redacted_thinking`, which has no visible text.
    Redacted,
    /// Anthropic's `signature`.
    Signature,
    /// Gemini's `thoughtSignature`.
    Thought,
}

impl Opaque {
    /// State from the vendor's own dialect: only the vendor is known.
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

    /// Whether `target` can read it: the vendor is the same, the model is the same (except for Gemini, whose state is
    /// not bound to a model), and the account is the same if the model's state is bound to it.
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

    /// Whether it is an intermediary's list that `target` itself sent: the same model at the same account.
    pub fn is_list_of(&self, target: &Target<'_>) -> bool {
        self.kind == OpaqueKind::Details
            && names::family(&self.model) == names::family(target.model)
            && self.account == account_mark(target.account)
    }
}

/// The identifier of an account in an envelope: clients see it, but it reveals nothing.
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

/// Opens an envelope; `None` if the text is not an envelope of Weir's.
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

/// The beginning of every envelope; the digit is the version.
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
            // No input panics, and whatever is opened reseals to the same text.
            if let Some(opaque) = unseal(&format!("weir1.{tail}")) {
                prop_assert_eq!(seal(&opaque), format!("weir1.{tail}"));
            }
        }
    }
}
