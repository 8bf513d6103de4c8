//! Decodes the chunks of this dialect into the hub's events.
use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::error;
use super::super::said::{self, foreign};
use super::super::wire::{CallIn, CandidateIn, ChunkIn, FeedbackIn, PartIn};
use super::grounding;
use crate::protocol::Dialect;
use crate::protocol::error::parse_event;
use crate::protocol::hub::block::{CallKind, SegmentKind};
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::{Event, Start};
use crate::protocol::hub::opaque::{Opaque, OpaqueKind, Vendor};
use crate::protocol::hub::read::{Str, json};
use crate::protocol::hub::response::{Calls, Refusal, Stop};
use crate::protocol::hub::stated::GeminiUsage;

/// Decodes the stream of an upstream.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Before,
    Ended,
    Open(Answer),
    /// The stop reason has come. Usage may still follow, and content too: some versions and gateways state a reason in
    /// every chunk.
    Stopped(Answer, Stop),
}

/// What the answer has used so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    usage: GeminiUsage,
    /// How often the provider used its own search.
    searches: u64,
    /// How often the provider used its maps.
    maps: u64,
}

impl Tally {
    /// Takes over the usage of a chunk, and emits the sum.
    fn tell(
        &mut self,
        usage: Option<Box<GeminiUsage>>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let Some(usage) = usage else { return Ok(()) };
        self.usage.merge(*usage);
        let spent = said::spent(self.usage, self.searches, self.maps);
        on(Event::Usage(Box::new(spent)))
    }
}

/// The state of an answer.
#[derive(Debug)]
struct Answer {
    stretch: Stretch,
    /// Distinguishes the calls of this answer from those of others if they have no ids.
    salt: String,
    calls: usize,
    tally: Tally,
}

/// The kind of content that came last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stretch {
    /// No visible content.
    Silent,
    Speaking,
    Thinking,
}

impl Decoder {
    /// Reads the data of one frame and emits its events.
    pub fn push(
        &mut self,
        data: &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if matches!(data.trim_ascii(), b"[DONE]" | b"null") || matches!(self.state, State::Ended) {
            return Ok(());
        }
        let chunk: ChunkIn<'_> = json(data)?;
        if chunk.error.is_some() {
            let mut tally = match std::mem::replace(&mut self.state, State::Ended) {
                State::Open(answer) | State::Stopped(answer, _) => answer.tally,
                State::Before | State::Ended => Tally::default(),
            };
            tally.tell(chunk.usage_metadata, on)?;
            return on(Event::Error(error::of_upstream(parse_event(
                Dialect::Gemini,
                data,
            ))));
        }
        self.state = match std::mem::take(&mut self.state) {
            State::Before => Answer::begin(&chunk, on)?.on(chunk, on)?,
            State::Open(answer) => answer.on(chunk, on)?,
            State::Stopped(answer, stop) => match answer.on(chunk, on)? {
                State::Open(answer) => State::Stopped(answer, stop),
                other => other,
            },
            State::Ended => State::Ended,
        };
        Ok(())
    }

    /// Whether the stop reason has come. Nothing more is missing then, unless more content comes after all.
    pub fn has_stopped(&self) -> bool {
        matches!(self.state, State::Stopped(..))
    }

    /// The upstream closed the stream, which is its only terminal marker. Whether the stop reason had come; if not, the
    /// answer is incomplete.
    pub fn finish(
        &mut self,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<bool, Violation> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => Ok(true),
            State::Stopped(mut answer, stop) => {
                answer.stop(stop, on)?;
                on(Event::End)?;
                Ok(true)
            }
            State::Before | State::Open(_) => Ok(false),
        }
    }
}

impl Answer {
    fn begin(
        chunk: &ChunkIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<Self, Violation> {
        let borrow =
            |text: &Option<Str<'_>>| text.as_deref().map(|text| Cow::Owned(text.to_owned()));
        on(Event::Start(Start {
            id: borrow(&chunk.response_id),
            model: borrow(&chunk.model_version),
            spent: None,
        }))?;
        Ok(Self {
            stretch: Stretch::Silent,
            salt: chunk.response_id.as_deref().unwrap_or_default().to_owned(),
            calls: 0,
            tally: Tally::default(),
        })
    }

    fn on(
        mut self,
        chunk: ChunkIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<State, Violation> {
        // Only the first answer counts: clients cannot request several.
        let Some(candidate) = chunk
            .candidates
            .into_iter()
            .find(|candidate| candidate.index == 0)
        else {
            self.tally.tell(chunk.usage_metadata, on)?;
            return match chunk.prompt_feedback.as_deref().and_then(blocked) {
                Some(refusal) => Ok(State::Stopped(self, Stop::Refusal(refusal))),
                None => Ok(State::Open(self)),
            };
        };
        self.candidate(candidate, chunk.usage_metadata, on)
    }

    fn candidate(
        mut self,
        candidate: CandidateIn<'_>,
        usage: Option<Box<GeminiUsage>>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<State, Violation> {
        for part in candidate.content.unwrap_or_default().parts {
            self.part(part, on)?;
        }
        if let Some(grounding) = &candidate.grounding_metadata {
            grounding::cite(grounding, on)?;
            self.tally.maps = self.tally.maps.max(grounding.maps());
            // Later chunks repeat the queries of earlier ones, and add to them.
            let known = self.tally.searches;
            if !grounding.is_of_a_map() {
                let queries = grounding.web_search_queries.len() as u64;
                self.tally.searches = known.max(queries);
            }
            if known == 0 && self.tally.searches > 0 {
                self.end_thought(on)?;
                grounding::searched(grounding, &self.salt, on)?;
            }
        }
        self.tally.tell(usage, on)?;
        let Some(reason) = candidate.finish_reason else {
            return Ok(State::Open(self));
        };
        let Some(end) = said::stop(&reason, candidate.finish_message.as_deref()) else {
            return Ok(State::Open(self));
        };
        match end {
            Ok(stop) => Ok(State::Stopped(self, stop)),
            Err(error) => {
                on(Event::Error(error))?;
                Ok(State::Ended)
            }
        }
    }

    fn stop(
        &mut self,
        stop: Stop,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.end_thought(on)?;
        let calls = if self.calls > 0 {
            Calls::Whole
        } else {
            Calls::None
        };
        on(Event::Stop(stop.given(calls)))
    }

    fn part(
        &mut self,
        part: PartIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let signature = part
            .thought_signature
            .as_ref()
            .filter(|signature| !signature.is_empty());
        let state = signature
            .map(|signature| Opaque::native(Vendor::Gemini, OpaqueKind::Thought, &**signature));
        if let Some(call) = part.function_call {
            if state.is_some() {
                self.stretch = Stretch::Silent;
                on(Event::ReasoningEnd(state))?;
            }
            self.end_thought(on)?;
            return self.call(&call, on);
        }
        if let Some(text) = part.text {
            if part.thought == Some(true) {
                return self.thought(text, state, on);
            }
            return self.text(text, state, on);
        }
        if part.inline_data.is_some() || part.file_data.is_some() || part.says_nothing_known() {
            self.end_thought(on)?;
            return on(Event::Foreign(foreign("part", RawValue::NULL)));
        }
        for (kind, raw) in [
            ("executableCode", part.executable_code),
            ("codeExecutionResult", part.code_execution_result),
        ] {
            if let Some(raw) = raw {
                self.end_thought(on)?;
                on(Event::Foreign(foreign(kind, raw)))?;
            }
        }
        Ok(())
    }

    fn thought(
        &mut self,
        text: Str<'_>,
        state: Option<Opaque>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if !text.is_empty() {
            if self.stretch == Stretch::Speaking {
                on(Event::TextEnd)?;
            }
            self.stretch = Stretch::Thinking;
            on(Event::ReasoningDelta {
                kind: SegmentKind::Summary,
                text: text.0,
            })?;
        }
        if state.is_some() {
            self.stretch = Stretch::Silent;
            on(Event::ReasoningEnd(state))?;
        }
        Ok(())
    }

    /// State on text may be sent back but need not be. Behind text, clients would take a part with state for the end of
    /// the answer, so state is kept only if it is in front of the text.
    fn text(
        &mut self,
        text: Str<'_>,
        state: Option<Opaque>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if state.is_some() && self.stretch != Stretch::Speaking {
            self.stretch = Stretch::Silent;
            on(Event::ReasoningEnd(state))?;
        }
        if text.is_empty() {
            return Ok(());
        }
        self.end_thought(on)?;
        self.stretch = Stretch::Speaking;
        on(Event::TextDelta(text.0))
    }

    fn call(
        &mut self,
        call: &CallIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let slot = self.calls;
        self.calls += 1;
        self.stretch = Stretch::Silent;
        let args = match call.args.map_or("{}", RawValue::get) {
            "null" => Cow::Borrowed("{}"),
            // A gateway that converts from Chat left the arguments as a string.
            text if text.starts_with('"') => {
                Cow::Owned(serde_json::from_str(text).map_err(|_| Violation::bad_arguments())?)
            }
            args => Cow::Borrowed(args),
        };
        let args = &*args;
        if !args.trim_start().starts_with('{') {
            return Err(Violation::bad_arguments());
        }
        let id = match &call.id {
            Some(id) if !id.is_empty() => Cow::Borrowed(&**id),
            _ => Cow::Owned(said::made_id(
                &format!("{}:{slot}", self.salt),
                &call.name,
                args,
            )),
        };
        on(Event::ToolStart {
            slot,
            id,
            namespace: None,
            name: Cow::Borrowed(&call.name),
            kind: CallKind::Function,
        })?;
        let fragment = Cow::Borrowed(args);
        on(Event::ToolArgs { slot, fragment })?;
        on(Event::ToolEnd { slot })
    }

    fn end_thought(
        &mut self,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if self.stretch == Stretch::Thinking {
            self.stretch = Stretch::Silent;
            on(Event::ReasoningEnd(None))?;
        }
        Ok(())
    }
}

fn blocked(feedback: &FeedbackIn<'_>) -> Option<Refusal> {
    let reason = feedback.block_reason.as_ref()?;
    Some(Refusal {
        category: Some(reason.to_ascii_lowercase()),
        explanation: feedback
            .block_reason_message
            .as_ref()
            .map(crate::protocol::hub::read::Str::to_owned),
    })
}
