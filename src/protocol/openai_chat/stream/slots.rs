//! The calls of one answer, in the order of their appearance. A slot begins when its name is known and its arguments
//! begin, or when something else begins: some servers send the id and the name separately, or the name in pieces. It
//! ends when its arguments are complete and something else begins, or with the answer.
use std::borrow::Cow;

use super::super::response::{arguments, signature};
use super::super::wire::ToolCallIn;
use super::slot::{Slot, bad_arguments};
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::opaque::Opaque;
use crate::protocol::hub::response::Calls;

/// All calls of an answer.
#[derive(Debug)]
pub struct Slots {
    slots: Vec<Slot>,
    stamp: Stamp,
    /// The tools whose arguments may be plain text instead of an object.
    wrapped: Vec<String>,
}

/// One chunk's fragment of a call.
#[derive(Debug)]
pub struct Fragment<'a> {
    index: Option<usize>,
    id: &'a str,
    name: &'a str,
    args: Cow<'a, str>,
    freeform: bool,
    state: Option<Opaque>,
}

impl<'a> Fragment<'a> {
    /// Reads the fragment of a call.
    pub fn of(call: &'a ToolCallIn<'_>) -> Self {
        let (name, args, freeform) = match (&call.function, &call.custom) {
            (Some(function), _) => (&function.name, arguments(function), false),
            (None, Some(custom)) => {
                let input = custom.input.as_deref().unwrap_or_default();
                (&custom.name, Cow::Borrowed(input), true)
            }
            (None, None) => (&None, Cow::Borrowed(""), false),
        };
        Self {
            index: call.index,
            id: call.id.as_deref().unwrap_or_default(),
            name: name.as_deref().unwrap_or_default(),
            args,
            freeform,
            state: call.extra_content.and_then(signature),
        }
    }

    /// Whether the fragment has a name and arguments, as the beginning of a call or a whole call has.
    fn is_head(&self) -> bool {
        !self.name.is_empty() && !self.args.trim().is_empty()
    }
}

impl Slots {
    /// `stamp` makes ids for calls that have none.
    pub const fn new(stamp: Stamp, wrapped: Vec<String>) -> Self {
        Self {
            slots: Vec::new(),
            stamp,
            wrapped,
        }
    }

    /// Whether there was no call.
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether a call begins with this fragment.
    pub fn begins(&self, fragment: &Fragment<'_>) -> bool {
        !self.is_told(fragment) && self.place(fragment).is_none()
    }

    /// Adds one fragment.
    pub fn take(
        &mut self,
        fragment: &Fragment<'_>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if self.is_told(fragment) {
            return Ok(());
        }
        let at = if let Some(at) = self.place(fragment) {
            at
        } else {
            self.start_named(on)?;
            self.begin(fragment)?
        };
        let is_last = at + 1 == self.slots.len();
        let Some(slot) = self.slots.get_mut(at) else {
            return Ok(());
        };
        // The first id counts: some servers repeat id and name in every fragment.
        if slot.id.is_empty() {
            fragment.id.clone_into(&mut slot.id);
        }
        slot.call(fragment.name);
        slot.wrapped = self.wrapped.contains(&slot.name);
        if let Some(state) = &fragment.state {
            slot.sign(state.clone());
        }
        slot.feed(at, &fragment.args, on)?;
        // More of its name may come until its arguments begin.
        if slot.is_pending() && !slot.name.is_empty() && slot.has_early() {
            slot.start(at, self.stamp, on)?;
        }
        if !is_last && slot.scanner.is_complete() {
            slot.end(at, on)?;
        }
        Ok(())
    }

    /// Something else begins: calls with complete arguments end.
    pub fn end_whole(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.start_named(on)?;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.scanner.is_complete() || slot.is_text() {
                slot.end(at, on)?;
            }
        }
        Ok(())
    }

    /// Begins the calls whose name and id are known; no more of them will come.
    fn start_named(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.is_pending() && !slot.name.is_empty() && !slot.id.is_empty() {
                slot.start(at, self.stamp, on)?;
            }
        }
        Ok(())
    }

    /// The answer has ended. Only an answer that reached a limit may be cut off within a call.
    pub fn finish(
        &mut self,
        may_be_cut: bool,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<Calls, Violation> {
        let mut calls = Calls::None;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.is_pending() && (!slot.name.is_empty() || slot.has_early()) {
                slot.start(at, self.stamp, on)?;
            }
            if slot.is_pending() {
                continue;
            }
            let whole = slot.is_text() || slot.scanner.is_complete() || slot.scanner.is_blank();
            calls = if whole { Calls::Whole } else { Calls::Cut };
            if !whole && !may_be_cut {
                return Err(bad_arguments());
            }
            slot.end(at, on)?;
        }
        Ok(calls)
    }

    /// Whether the fragment repeats a whole earlier call: some servers repeat everything in the last chunk.
    fn is_told(&self, fragment: &Fragment<'_>) -> bool {
        let same = |slot: &&Slot| {
            !fragment.id.is_empty()
                && slot.id == fragment.id
                && fragment.index.is_none_or(|index| index == slot.index)
        };
        let slot = self.slots.iter().rfind(same).filter(|_| fragment.is_head());
        slot.is_some_and(|slot| slot.scanner.is_complete() && slot.was_told(&fragment.args))
    }

    /// The slot that a fragment belongs to; `None` = it begins a new one.
    fn place(&self, fragment: &Fragment<'_>) -> Option<usize> {
        let found = self.find(fragment.index, fragment.id, fragment.name);
        found.filter(|at| {
            // Some servers use one id or one index for all calls: after a complete object, another call begins.
            let slot = self.slots.get(*at);
            let whole = slot.is_some_and(|slot| slot.scanner.is_complete());
            !(fragment.is_head() && whole)
        })
    }

    /// The slot that the fragment seems to belong to. The index decides, but some servers give every call the same
    /// index, or none.
    fn find(&self, index: Option<usize>, id: &str, name: &str) -> Option<usize> {
        let known = match index {
            Some(index) => self.slots.iter().rposition(|slot| slot.index == index),
            None if id.is_empty() => self.slots.len().checked_sub(1),
            None => self.slots.iter().rposition(|slot| slot.id == id),
        };
        known.filter(|at| {
            self.slots.get(*at).is_some_and(|slot| {
                let other_id = !id.is_empty() && !slot.id.is_empty() && slot.id != id;
                let whole = slot.scanner.is_complete() || slot.scanner.is_blank();
                let begins = !name.is_empty() && (other_id || (index.is_none() && id.is_empty()));
                !(begins && whole)
            })
        })
    }

    fn begin(&mut self, fragment: &Fragment<'_>) -> Result<usize, Violation> {
        if self.slots.len() >= MOST_CALLS {
            return Err(Violation::new(
                "too_many_calls",
                "the upstream makes more calls than are followed",
            ));
        }
        let index = fragment.index.unwrap_or(self.slots.len());
        self.slots.push(Slot::new(index, fragment.freeform));
        Ok(self.slots.len() - 1)
    }
}

/// Most calls in one answer.
const MOST_CALLS: usize = 1_024;
