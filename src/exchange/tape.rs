//! Records what an attempt received and sent, for the recording of exchanges. Each tape is bounded, and all of them
//! together are bounded by their budget.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::config::secret::Secret;
use crate::outcome::End;
use crate::protocol::gemini::Delivery;
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::target::PromptCache;
use crate::protocol::models::Capabilities;
use crate::protocol::{Dialect, UpstreamDialect};

/// The bytes that all tapes together may hold.
#[derive(Debug)]
pub struct Budget {
    most: usize,
    held: AtomicUsize,
}

impl Budget {
    /// A budget of `most` bytes.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            held: AtomicUsize::new(0),
        })
    }

    /// The bytes that are held now.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= self.most);
        let taken = self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok()
    }
}

/// The request of an attempt, and the other inputs of the translation.
#[derive(Debug)]
pub struct TapedRequest {
    pub client: Dialect,
    pub upstream: UpstreamDialect,
    pub provider: &'static str,
    /// The upstream's name for the model.
    pub model: Arc<str>,
    pub account: Arc<str>,
    /// The credential that the upstream got.
    pub secret: Option<Secret>,
    /// Whether a stream was requested.
    pub stream: bool,
    /// Whether the client's stream is one JSON array.
    pub array: bool,
    /// `None` = the answer passes in the client's own dialect.
    pub translated: Option<Box<Translated>>,
}

/// What the result of a translation depends on.
#[derive(Debug)]
pub struct Translated {
    /// The model in a Gemini client's path, and how the client wants its answer.
    pub path: Option<(String, Delivery)>,
    pub prompt_cache: PromptCache,
    /// The capabilities from the configuration, where they differ from what is known of the model.
    pub capabilities: Option<Capabilities>,
    pub stamp: Stamp,
    /// Whether a Chat upstream is asked for the usage of its stream.
    pub asks_usage: bool,
    /// Whether answers that the upstream pauses are continued.
    pub pauses: bool,
    /// Whether the client's text is regrouped after the translation.
    pub regrouped: bool,
    /// The client's body, after the rewrites.
    pub body: Bytes,
    /// Headers and body for the upstream.
    pub headers: Vec<(&'static str, &'static str)>,
    pub sent: Bytes,
}

/// The recording of one attempt so far.
#[derive(Debug)]
pub struct Tape {
    request: TapedRequest,
    status: u16,
    heard: Vec<u8>,
    said: Vec<u8>,
    /// How the upstream broke off.
    broke: Option<End>,
    /// Whether the upstream was called more than once for this answer, or should have been.
    in_rounds: bool,
    torn: Option<Torn>,
    budget: Arc<Budget>,
    held: usize,
}

/// Why a tape is incomplete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Torn {
    /// The tape alone would be too long.
    TooLarge,
    /// All tapes together would be too large.
    NoRoom,
}

impl Tape {
    /// The tape of an attempt whose answer has this status.
    pub(super) fn new(request: TapedRequest, status: u16, budget: &Arc<Budget>) -> Self {
        let bodies = request.translated.as_ref();
        let bodies = bodies.map_or(0, |request| request.body.len() + request.sent.len());
        let mut tape = Self {
            request,
            status,
            heard: Vec::new(),
            said: Vec::new(),
            broke: None,
            in_rounds: false,
            torn: None,
            budget: Arc::clone(budget),
            held: 0,
        };
        tape.fits(bodies);
        tape
    }

    /// The request.
    pub fn request(&self) -> &TapedRequest {
        &self.request
    }

    /// The status of the upstream's answer.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What the upstream answered, uncompressed.
    pub fn heard(&self) -> &[u8] {
        &self.heard
    }

    /// What was sent to the client of a translated answer.
    pub fn said(&self) -> &[u8] {
        &self.said
    }

    /// How the upstream broke off, if it did.
    pub fn broke(&self) -> Option<End> {
        self.broke
    }

    /// Whether the upstream was called more than once for this answer, or should have been.
    pub fn is_in_rounds(&self) -> bool {
        self.in_rounds
    }

    /// Why the tape is incomplete, if it is.
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// Adds bytes from the upstream.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        if self.fits(bytes.len()) {
            self.heard.extend_from_slice(bytes);
        }
    }

    /// The upstream's answer was converted to another shape, and that was read instead.
    pub(super) fn hear_instead(&mut self, bytes: &[u8]) {
        self.heard.clear();
        self.hear(bytes);
    }

    /// Adds bytes for the client.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        if self.request.translated.is_some() && self.fits(bytes.len()) {
            self.said.extend_from_slice(bytes);
        }
    }

    pub(super) fn break_off(&mut self, end: End) {
        self.broke = Some(end);
    }

    pub(super) fn go_in_rounds(&mut self) {
        self.in_rounds = true;
    }

    /// Whether `bytes` more can be held. If not, nothing is held any more.
    fn fits(&mut self, bytes: usize) -> bool {
        if self.torn.is_some() {
            return false;
        }
        let torn = if self.held + bytes > LONGEST {
            Torn::TooLarge
        } else if self.budget.take(bytes) {
            self.held += bytes;
            return true;
        } else {
            Torn::NoRoom
        };
        self.torn = Some(torn);
        (self.heard, self.said) = (Vec::new(), Vec::new());
        self.request.translated = None;
        self.give_back();
        false
    }

    fn give_back(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.budget.held.fetch_sub(held, Ordering::Relaxed);
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The most bytes of one tape, including the bodies of both sides.
const LONGEST: usize = 16 << 20;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tape of an answer in the client's own dialect.
    pub(crate) fn passed(budget: &Arc<Budget>, heard: &[u8]) -> Tape {
        let request = TapedRequest {
            client: Dialect::Anthropic,
            upstream: UpstreamDialect::Anthropic,
            provider: "anthropic",
            model: "m".into(),
            account: "a".into(),
            secret: None,
            stream: true,
            array: false,
            translated: None,
        };
        let mut tape = Tape::new(request, 200, budget);
        tape.hear(heard);
        tape
    }

    /// A tape of a translation.
    pub(crate) fn translated(request: TapedRequest, heard: &[u8], said: &[u8]) -> Tape {
        let mut tape = Tape::new(request, 200, &Budget::new(1 << 20));
        tape.hear(heard);
        tape.say(said);
        tape
    }

    #[test]
    fn all_tapes_together_hold_no_more_than_their_budget() {
        let budget = Budget::new(100);
        let mut first = passed(&budget, &[b'x'; 60]);
        let mut second = passed(&budget, &[b'x'; 30]);
        assert_eq!(budget.held(), 90);
        second.hear(&[b'x'; 20]);
        assert_eq!(second.torn(), Some(Torn::NoRoom));
        assert!(second.heard().is_empty());
        assert_eq!(budget.held(), 60);
        // There is room again, but not for a tape that has lost its beginning.
        second.hear(b"more");
        assert!(second.heard().is_empty());
        first.hear(b"more");
        assert_eq!((first.torn(), first.heard().len()), (None, 64));
        drop(first);
        drop(second);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn one_tape_has_an_end() {
        let budget = Budget::new(usize::MAX);
        let mut tape = passed(&budget, &vec![b'x'; LONGEST]);
        assert_eq!(tape.torn(), None);
        tape.hear(b"x");
        assert_eq!(tape.torn(), Some(Torn::TooLarge));
        assert_eq!(budget.held(), 0);
    }
}
