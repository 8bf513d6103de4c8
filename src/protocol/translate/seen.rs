//! Records what the relay needs to know about an answer while its events pass.
use crate::protocol::error::{ErrorKind, WireError};
use crate::protocol::hub::block::Block;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::response::{Response, Spent};
use crate::protocol::written::Written;
use crate::protocol::{Dialect, anthropic, gemini};

/// What is known of the answer.
#[derive(Debug, Default)]
pub struct Seen {
    pub committed: bool,
    /// What the model wrote.
    pub written: Written,
    pub stopped: bool,
    pub model: Option<String>,
    pub spent: Option<Spent>,
    pub terminal: Option<Terminal>,
    /// Whether usage was stated only at the beginning of the answer.
    at_start: bool,
}

/// How a stream ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Terminal {
    /// The client has a complete answer.
    Complete,
    /// The upstream sent an error, or something that cannot be translated; the client has an error event.
    Failed(WireError),
    /// The upstream paused: call [`resume`](super::Translator::resume) or [`give_up`](super::Translator::give_up).
    Paused,
    /// The upstream's bytes ended before its answer did; the client has an error event.
    Truncated,
}

impl Seen {
    /// Records an event, and converts errors for the client.
    pub fn note<'e>(&mut self, event: Event<'e>, client: Dialect) -> Event<'e> {
        self.committed |= event.commits();
        self.read(&event);
        self.stopped |= matches!(event, Event::Stop(_));
        match event {
            Event::Start(start) => {
                self.model = start.model.as_deref().map(str::to_owned);
                self.at_start = start.spent.is_some();
                self.spent = start.spent().or(self.spent);
                Event::Start(start)
            }
            Event::Usage(spent) => {
                self.at_start = false;
                self.spent = Some(*spent);
                Event::Usage(spent)
            }
            Event::End => {
                self.terminal = Some(Terminal::Complete);
                Event::End
            }
            Event::Error(said) => {
                let said = for_client(client, said);
                self.terminal = Some(Terminal::Failed(said.clone()));
                Event::Error(said)
            }
            event => event,
        }
    }

    /// Whether the usage is that of the whole answer, once the answer is complete.
    pub const fn is_settled(&self) -> bool {
        !self.at_start
    }

    fn read(&mut self, event: &Event<'_>) {
        match event {
            Event::TextDelta(text)
            | Event::RefusalDelta(text)
            | Event::ToolStart { name: text, .. }
            | Event::ToolArgs { fragment: text, .. } => self.written.say(text),
            Event::ReasoningDelta { text, .. } => self.written.think(text),
            _ => {}
        }
    }

    /// Records a whole answer.
    pub fn note_whole(&mut self, response: &Response) {
        for block in &response.blocks {
            match block {
                Block::Text(text) => self.written.say(&text.text),
                Block::Refusal(text) => self.written.say(text),
                Block::Reasoning(reasoning) => {
                    for segment in &reasoning.visible {
                        self.written.think(&segment.text);
                    }
                }
                Block::ToolCall(call) => {
                    self.written.say(&call.name);
                    self.written.say(&call.args.raw);
                }
                Block::Image(_) => self.written.show(),
                _ => {}
            }
        }
    }
}

/// The error in the wording to which the client's programs react, without details about Weir's credential at the
/// upstream.
pub fn for_client(client: Dialect, mut said: WireError) -> WireError {
    if matches!(
        said.kind,
        ErrorKind::Authentication | ErrorKind::Billing | ErrorKind::Permission
    ) {
        // The client's own credential is valid.
        return WireError::new(
            ErrorKind::BadGateway,
            "the upstream refused the credential of this gateway",
        );
    }
    if said.message.is_empty() {
        "the upstream failed without saying why".clone_into(&mut said.message);
    }
    match client {
        Dialect::Anthropic => anthropic::error::wording(said),
        Dialect::Gemini => gemini::error::wording(said),
        // OpenAI's clients rely on the code.
        Dialect::OpenaiChat | Dialect::OpenaiResponses => said,
    }
}
