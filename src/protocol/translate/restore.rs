//! Restores the client's tool names in an answer, and free text for tools that the client declared as freeform.
use std::borrow::Cow;

use super::freeform::{self, Freeform};
use super::ids::Ids;
use crate::protocol::hub::args::Args;
use crate::protocol::hub::block::{Block, CallKind};
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::names::Names;
use crate::protocol::hub::response::Response;

/// Restores the calls of one answer.
#[derive(Debug)]
pub struct Restore {
    names: Names,
    ids: Ids,
    /// The open freeform calls, by slot.
    freeform: Vec<(usize, Freeform)>,
}

impl Restore {
    /// For the tools of one request.
    pub const fn new(names: Names, ids: Ids) -> Self {
        Self {
            names,
            ids,
            freeform: Vec::new(),
        }
    }

    /// Passes events on.
    pub fn on(
        &mut self,
        event: Event<'_>,
        mut next: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match event {
            Event::ToolStart {
                slot,
                id,
                namespace,
                name,
                kind,
            } => {
                let id = self.ids.hand_out(id);
                let name = match self.names.meant(&name) {
                    meant if meant == name => name,
                    meant => Cow::Owned(meant.to_owned()),
                };
                let Some(original) = self.names.original(&name) else {
                    return next(Event::ToolStart {
                        slot,
                        id,
                        namespace,
                        name,
                        kind,
                    });
                };
                if original.freeform {
                    self.freeform.push((slot, Freeform::default()));
                }
                next(Event::ToolStart {
                    slot,
                    id,
                    namespace: original.namespace.clone(),
                    name: Cow::Borrowed(&original.name),
                    kind: if original.freeform {
                        CallKind::Freeform
                    } else {
                        kind
                    },
                })
            }
            Event::ToolArgs { slot, fragment } => {
                match self.freeform.iter_mut().find(|(open, _)| *open == slot) {
                    None => next(Event::ToolArgs { slot, fragment }),
                    Some((_, freeform)) => {
                        let text = freeform.push(&fragment);
                        if freeform.held() > MOST_HELD {
                            return Err(Violation::new(
                                "call_too_long",
                                "the arguments of a call are too long",
                            ));
                        }
                        args(slot, text, next)
                    }
                }
            }
            Event::ToolEnd { slot } => {
                if let Some(at) = self.freeform.iter().position(|(open, _)| *open == slot) {
                    let (_, freeform) = self.freeform.swap_remove(at);
                    args(slot, freeform.finish(), &mut next)?;
                }
                next(Event::ToolEnd { slot })
            }
            event => next(event),
        }
    }

    /// Restores a whole answer.
    pub fn restore(&mut self, response: &mut Response) {
        for block in &mut response.blocks {
            let Block::ToolCall(call) = block else {
                continue;
            };
            if !matches!(call.kind, CallKind::Server(_)) {
                let id = std::mem::take(&mut call.id);
                call.id = self.ids.hand_out(Cow::Owned(id)).into_owned();
            }
            let meant = self.names.meant(&call.name);
            if meant != call.name {
                call.name = meant.to_owned();
            }
            if let Some(original) = self.names.original(&call.name) {
                call.name.clone_from(&original.name);
                call.namespace.clone_from(&original.namespace);
                if original.freeform {
                    call.kind = CallKind::Freeform;
                    call.args = Args::new(freeform::whole(&call.args.raw));
                }
            }
        }
    }
}

fn args(
    slot: usize,
    text: String,
    mut next: impl FnMut(Event<'_>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    if text.is_empty() {
        return Ok(());
    }
    next(Event::ToolArgs {
        slot,
        fragment: Cow::Owned(text),
    })
}

/// Most bytes of arguments that do not have the requested form.
const MOST_HELD: usize = 16 << 20;
