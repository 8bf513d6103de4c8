//! One call of a stream: from its first fragment to its end.
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};

use crate::protocol::hub::args::Scanner;
use crate::protocol::hub::block::CallKind;
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::opaque::Opaque;

/// The state of one call.
#[derive(Debug, Default)]
pub struct Slot {
    /// The upstream's index of the call.
    pub index: usize,
    pub id: String,
    pub name: String,
    pub freeform: bool,
    /// Its input is free text that belongs in an object.
    pub wrapped: bool,
    /// The model wrote the text without the object.
    bare: bool,
    phase: Phase,
    /// The upstream's state for this call, until it is emitted.
    state: Option<Opaque>,
    /// A hash of the arguments so far.
    digest: DefaultHasher,
    pub scanner: Scanner,
}

#[derive(Debug)]
enum Phase {
    Ended,
    Open,
    /// The call cannot begin yet, because its name may be incomplete; `early` are the arguments that have come already.
    Pending {
        early: String,
    },
}

impl Default for Phase {
    fn default() -> Self {
        Self::Pending {
            early: String::new(),
        }
    }
}

impl Slot {
    /// A call of which only the index and the kind are known.
    pub fn new(index: usize, freeform: bool) -> Self {
        Self {
            index,
            freeform,
            ..Self::default()
        }
    }

    /// Adds a fragment's name: the same name again (some servers repeat it), a longer one, or the next piece.
    pub fn call(&mut self, name: &str) {
        if !self.is_pending() || name.is_empty() || self.has_early() && !self.name.is_empty() {
            return;
        }
        if name.starts_with(&*self.name) {
            name.clone_into(&mut self.name);
        } else if self.name.len() + name.len() <= LONGEST_NAME {
            self.name.push_str(name);
        }
    }

    /// Whether the call has not begun yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.phase, Phase::Pending { .. })
    }

    /// Whether arguments came before the call could begin.
    pub fn has_early(&self) -> bool {
        matches!(&self.phase, Phase::Pending { early } if !early.trim().is_empty())
    }

    /// Whether the arguments are plain text, so that no object need be complete.
    pub const fn is_text(&self) -> bool {
        self.freeform || self.bare
    }

    /// Whether `args` equals all arguments so far.
    pub fn was_told(&self, args: &str) -> bool {
        let mut digest = DefaultHasher::new();
        digest.write(args.as_bytes());
        digest.finish() == self.digest.finish()
    }

    /// Sets the state that belongs to the call. State is emitted in front of the call, so it is only used before the
    /// call begins.
    pub fn sign(&mut self, state: Opaque) {
        self.state = Some(state);
    }

    /// Begins the call: emits its start, and the arguments that came early.
    pub fn start(
        &mut self,
        slot: usize,
        stamp: Stamp,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if self.name.is_empty() {
            return Err(Violation::new(
                "call_without_name",
                "the upstream makes a call without saying which",
            ));
        }
        if self.id.is_empty() {
            self.id = stamp.id("call_", slot);
        }
        if let Some(state) = self.state.take() {
            on(Event::ReasoningEnd(Some(state)))?;
        }
        on(Event::ToolStart {
            slot,
            id: Cow::Borrowed(&self.id),
            namespace: None,
            name: Cow::Borrowed(&self.name),
            kind: if self.freeform {
                CallKind::Freeform
            } else {
                CallKind::Function
            },
        })?;
        match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::Pending { early } => self.feed(slot, &early, on),
            Phase::Open | Phase::Ended => Ok(()),
        }
    }

    /// Adds a fragment of the arguments.
    pub fn feed(
        &mut self,
        slot: usize,
        fragment: &str,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if fragment.is_empty() {
            return Ok(());
        }
        match &mut self.phase {
            Phase::Pending { early } => {
                if early.len() + fragment.len() > MOST_EARLY {
                    return Err(Violation::new(
                        "call_without_name",
                        "the upstream makes a call without saying which",
                    ));
                }
                early.push_str(fragment);
                Ok(())
            }
            Phase::Ended if fragment.trim().is_empty() => Ok(()),
            Phase::Ended => Err(bad_arguments()),
            // Some servers write `null` for the arguments of a tool without parameters.
            Phase::Open
                if !self.freeform && self.scanner.is_blank() && fragment.trim() == "null" =>
            {
                Ok(())
            }
            Phase::Open => {
                self.digest.write(fragment.as_bytes());
                if !self.is_text() && self.scanner.push(fragment).is_err() {
                    if !self.wrapped {
                        return Err(bad_arguments());
                    }
                    self.bare = true;
                }
                on(Event::ToolArgs {
                    slot,
                    fragment: Cow::Borrowed(fragment),
                })
            }
        }
    }

    /// Ends the call, if it is open.
    pub fn end(
        &mut self,
        slot: usize,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Ended;
            on(Event::ToolEnd { slot })?;
        }
        Ok(())
    }
}

/// The violation for arguments that cannot be executed.
pub fn bad_arguments() -> Violation {
    Violation::new(
        "invalid_tool_json",
        "the arguments of a tool call are not a JSON object",
    )
}

/// Most bytes of a name that comes in pieces: vendors permit 64 characters, some 128.
const LONGEST_NAME: usize = 1024;
/// Most bytes of arguments that come before the name.
const MOST_EARLY: usize = 1 << 20;
