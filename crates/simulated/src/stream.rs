//! A plan played as a stream: the same walk for every dialect, each writing its own events for every beat of it.
//!
//! ```text
//! Start → ( Open → Piece* → Close )* → Finish → End
//! ```
use super::beat::Beat;
use super::frames::Frames;
use super::plan::{BYTES_PER_TOKEN, Block, Plan};
use super::{anthropic, completions, gemini, openai_chat, openai_responses};

/// A stream in progress.
#[derive(Debug)]
pub(super) struct Stream {
    plan: Plan,
    writer: Writer,
    at: At,
    /// Bytes of text per event.
    chunk: usize,
    /// Keep-alives after every so many pieces; 0 for none.
    ping_every: u64,
    pieces: u64,
    bytes: u64,
}

/// What each dialect remembers while it writes.
#[derive(Debug)]
pub(super) enum Writer {
    Anthropic,
    Completions,
    Gemini,
    OpenaiChat(openai_chat::Writer),
    OpenaiResponses(openai_responses::Writer),
}

/// The next beat.
#[derive(Clone, Copy, Debug)]
enum At {
    Start,
    Block(usize),
    Inside { block: usize, from: usize },
    Finish,
    End,
    Over,
}

impl Stream {
    pub(super) fn new(plan: Plan, writer: Writer, chunk_tokens: u64, ping_every: u64) -> Self {
        let chunk = chunk_tokens.saturating_mul(BYTES_PER_TOKEN);
        Self {
            plan,
            writer,
            at: At::Start,
            chunk: usize::try_from(chunk).unwrap_or(usize::MAX),
            ping_every,
            pieces: 0,
            bytes: 0,
        }
    }

    /// Writes the events of the next beat; false when there is none.
    pub(super) fn beat(&mut self, out: &mut Frames) -> bool {
        let plan = &self.plan;
        let block_at = |at: usize| match plan.blocks.get(at) {
            Some(_) => At::Block(at),
            None => At::Finish,
        };
        let (beat, next) = match self.at {
            At::Start => (Beat::Start, block_at(0)),
            At::Block(at) => match plan.blocks.get(at) {
                Some(block) => (Beat::Open(at, block), At::Inside { block: at, from: 0 }),
                None => (Beat::Finish, At::End),
            },
            At::Inside { block: at, from } => {
                let Some(block) = plan.blocks.get(at) else {
                    return false;
                };
                let rest = block.body().get(from..).unwrap_or_default();
                if rest.is_empty() {
                    (Beat::Close(at, block), block_at(at + 1))
                } else {
                    let piece = first_piece(rest, self.chunk);
                    let from = from + piece.len();
                    self.pieces += 1;
                    self.bytes += piece.len() as u64;
                    (
                        Beat::Piece(at, block, piece),
                        At::Inside { block: at, from },
                    )
                }
            }
            At::Finish => (Beat::Finish, At::End),
            At::End => (Beat::End, At::Over),
            At::Over => return false,
        };
        let ping = matches!(beat, Beat::Piece(..))
            && self.ping_every != 0
            && self.pieces.is_multiple_of(self.ping_every);
        self.writer.write(plan, beat, out);
        if ping {
            self.writer.ping(out);
        }
        if matches!(beat, Beat::End) {
            out.close();
        }
        self.at = next;
        true
    }

    /// Writes the dialect's error event.
    pub(super) fn fail(&mut self, out: &mut Frames) {
        let (plan, failure) = (&self.plan, &self.plan.failure);
        match &mut self.writer {
            Writer::Anthropic => anthropic::fail(plan, failure, out),
            Writer::Completions | Writer::OpenaiChat(_) => openai_chat::fail(failure, out),
            Writer::Gemini => gemini::fail(failure, out),
            Writer::OpenaiResponses(writer) => writer.fail(plan, failure, out),
        }
    }

    /// Whether a delay between chunks belongs here.
    pub(super) fn pausing(&self) -> bool {
        match self.at {
            At::Inside { block, from } => {
                let body = self.plan.blocks.get(block).map_or("", Block::body);
                from < body.len()
            }
            _ => false,
        }
    }

    /// Whether only the terminal marker is left.
    pub(super) fn ending(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// Output tokens written so far.
    pub(super) fn tokens(&self) -> u64 {
        self.bytes.div_ceil(BYTES_PER_TOKEN)
    }
}

impl Writer {
    fn write(&mut self, plan: &Plan, beat: Beat<'_>, out: &mut Frames) {
        match self {
            Self::Anthropic => anthropic::write(plan, beat, out),
            Self::Completions => completions::write(plan, beat, out),
            Self::Gemini => gemini::write(plan, beat, out),
            Self::OpenaiChat(writer) => writer.write(plan, beat, out),
            Self::OpenaiResponses(writer) => writer.write(plan, beat, out),
        }
    }

    fn ping(&mut self, out: &mut Frames) {
        match self {
            Self::Anthropic => out.filler(anthropic::PING),
            // A comment would do by the specification, but Google's SDK takes one for JSON.
            Self::Gemini => out.filler(b"\n"),
            Self::Completions | Self::OpenaiChat(_) | Self::OpenaiResponses(_) => {
                out.filler(b": keep-alive\n\n");
            }
        }
    }
}

/// At most `size` bytes of `text`, at least one character.
fn first_piece(text: &str, size: usize) -> &str {
    let end = text.floor_char_boundary(size);
    let end = if end == 0 {
        text.ceil_char_boundary(1)
    } else {
        end
    };
    text.get(..end).unwrap_or(text)
}
