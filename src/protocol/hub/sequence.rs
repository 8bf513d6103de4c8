//! Puts overlapping content into a sequence, for dialects in which one block ends before the next begins.
//!
//! Upstreams may interleave the fragments of parallel tool calls, and may send text while a call is still open. The
//! oldest unfinished call is passed on live; content that belongs behind it waits until that call has ended.
//!
//! ```text
//!            content, ToolStart(s)             ToolStart, ToolArgs, content of others: wait
//! Free ───────────────────────────► Live(s) ◄─────────────────────────┐
//!   ▲                                  │ ToolEnd(s)                   │
//!   │ nothing waits                    ▼                              │ an unfinished call is next
//!   └──────────────────────────── release what waits ─────────────────┘
//! ```
use std::borrow::Cow;
use std::collections::VecDeque;

use super::block::CallKind;
use super::error::Violation;
use super::event::Event;

/// Puts the content of one stream into a sequence.
#[derive(Debug, Default)]
pub struct Sequencer {
    /// The call that is passed on live.
    live: Option<usize>,
    waiting: VecDeque<Waiting>,
    /// Bytes of text in `waiting`; `<= MOST_WAITING`.
    held: usize,
}

#[derive(Debug)]
enum Waiting {
    Call {
        slot: usize,
        id: String,
        namespace: Option<String>,
        name: String,
        kind: CallKind,
        args: String,
        ended: bool,
    },
    Other(Event<'static>),
}

impl Sequencer {
    /// Takes one event, and passes on everything whose turn has come.
    pub fn on(
        &mut self,
        event: Event<'_>,
        mut next: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let Some(live) = self.live else {
            if let Event::ToolStart { slot, .. } = event {
                self.live = Some(slot);
            }
            return next(event);
        };
        match event {
            Event::ToolArgs { slot, .. } if slot == live => next(event),
            Event::ToolEnd { slot } if slot == live => {
                next(event)?;
                self.live = None;
                self.release(next)
            }
            // These are not content: either their place does not matter, or they end the sequence.
            Event::Start(_) | Event::Ping | Event::Usage(_) | Event::Error(_) => next(event),
            Event::Stop(_) | Event::End => {
                self.live = None;
                self.release(&mut next)?;
                next(event)
            }
            event => self.hold(event),
        }
    }

    fn release(
        &mut self,
        mut next: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting {
                Waiting::Other(event) => {
                    self.held -= weight(&event);
                    next(event)?;
                }
                Waiting::Call {
                    slot,
                    id,
                    namespace,
                    name,
                    kind,
                    args,
                    ended,
                } => {
                    self.held -= args.len();
                    next(Event::ToolStart {
                        slot,
                        id: Cow::Owned(id),
                        namespace,
                        name: Cow::Owned(name),
                        kind,
                    })?;
                    if !args.is_empty() {
                        let fragment = Cow::Owned(args);
                        next(Event::ToolArgs { slot, fragment })?;
                    }
                    if !ended {
                        self.live = Some(slot);
                        return Ok(());
                    }
                    next(Event::ToolEnd { slot })?;
                }
            }
        }
        Ok(())
    }

    fn hold(&mut self, event: Event<'_>) -> Result<(), Violation> {
        self.held += weight(&event);
        if self.held > MOST_WAITING {
            return Err(Violation::new(
                "interleaved_too_long",
                "the upstream interleaves more content than can be put in order",
            ));
        }
        match event {
            Event::ToolStart {
                slot,
                id,
                namespace,
                name,
                kind,
            } => self.waiting.push_back(Waiting::Call {
                slot,
                id: id.into_owned(),
                namespace,
                name: name.into_owned(),
                kind,
                args: String::new(),
                ended: false,
            }),
            Event::ToolArgs { slot, fragment } => {
                if let Some((args, _)) = self.call(slot) {
                    args.push_str(&fragment);
                }
            }
            Event::ToolEnd { slot } => {
                if let Some((_, ended)) = self.call(slot) {
                    *ended = true;
                }
            }
            event => self.waiting.push_back(Waiting::Other(event.into_owned())),
        }
        Ok(())
    }

    /// The waiting call of this slot. Decoders send nothing for a slot that has not begun.
    fn call(&mut self, wanted: usize) -> Option<(&mut String, &mut bool)> {
        self.waiting.iter_mut().find_map(|waiting| match waiting {
            Waiting::Call {
                slot, args, ended, ..
            } if *slot == wanted => Some((args, ended)),
            _ => None,
        })
    }
}

fn weight(event: &Event<'_>) -> usize {
    match event {
        Event::TextDelta(text)
        | Event::RefusalDelta(text)
        | Event::ReasoningDelta { text, .. }
        | Event::ToolArgs { fragment: text, .. } => text.len(),
        _ => 0,
    }
}

/// Most text that waits behind one call, in bytes. Arguments may contain whole files; more than 16 MiB is a fault or an
/// attack.
const MOST_WAITING: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// `a+` starts call a, `a-` ends it, `a:text` adds arguments; anything else is text.
    fn parse(word: &str) -> Event<'_> {
        let slot = |name: &str| name.bytes().next().map_or(0, usize::from);
        if let Some(name) = word.strip_suffix('+') {
            Event::ToolStart {
                slot: slot(name),
                id: Cow::Borrowed(name),
                namespace: None,
                name: Cow::Borrowed(name),
                kind: CallKind::Function,
            }
        } else if let Some(name) = word.strip_suffix('-') {
            Event::ToolEnd { slot: slot(name) }
        } else if let Some((name, fragment)) = word.split_once(':') {
            Event::ToolArgs {
                slot: slot(name),
                fragment: Cow::Borrowed(fragment),
            }
        } else {
            Event::TextDelta(Cow::Borrowed(word))
        }
    }

    fn print(event: &Event<'_>) -> String {
        let name = |slot: usize| char::from(u8::try_from(slot).unwrap());
        match event {
            Event::ToolStart { name, .. } => format!("{name}+"),
            Event::ToolArgs { slot, fragment } => format!("{}:{fragment}", name(*slot)),
            Event::ToolEnd { slot } => format!("{}-", name(*slot)),
            Event::TextDelta(text) => text.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[track_caller]
    fn check(input: &str, expected: &str) {
        let mut sequencer = Sequencer::default();
        let mut row = Vec::new();
        for word in input.split(' ') {
            sequencer
                .on(parse(word), |event| {
                    row.push(print(&event));
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(row.join(" "), expected);
    }

    #[test]
    fn what_is_in_order_passes_at_once() {
        check("hi a+ a:1 a- b+ b:2 b- ho", "hi a+ a:1 a- b+ b:2 b- ho");
    }

    #[test]
    fn the_oldest_call_is_live_and_the_others_wait() {
        check(
            "a+ b+ a:1 b:x a:2 c+ b:y a- b:z b- c:0 c-",
            "a+ a:1 a:2 a- b+ b:xy b:z b- c+ c:0 c-",
        );
        check("a+ b+ b:x b- a:1 a-", "a+ a:1 a- b+ b:x b-");
        check("a+ b+ c+ c- b- a-", "a+ a- b+ b- c+ c-");
    }

    #[test]
    fn text_waits_for_its_turn() {
        check(
            "a+ well b+ a:1 b:2 a- b- done",
            "a+ a:1 a- well b+ b:2 b- done",
        );
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut sequencer = Sequencer::default();
        sequencer.on(parse("a+"), |_| Ok(())).unwrap();
        let text = "x".repeat(MOST_WAITING);
        sequencer.on(parse(&text), |_| Ok(())).unwrap();
        let breach = sequencer.on(parse("y"), |_| Ok(())).unwrap_err();
        assert_eq!(breach.rule, "interleaved_too_long");
    }
}
