//! What the server has to play for one request: a head and a lazy list of steps.
//!
//! Steps are made one at a time, so that a stream of a million tokens costs no more memory than its text. Dropping
//! unfinished [`Steps`] means that the client went away; that is how the counters learn of it.
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::frames::Frames;
use super::knobs::{Break, Ending, Knobs};
use super::stats::{Entry, Finish};
use super::stream::Stream;

/// The answer to one request.
#[derive(Debug)]
pub struct Script {
    /// What happens before any byte of the head: waits, and at last perhaps [`Step::Reset`], [`Step::Truncate`] or
    /// [`Step::Stall`], after which there is no head.
    pub before: Vec<Step>,
    /// The HTTP status.
    pub status: u16,
    /// The headers, without `content-length` and `transfer-encoding`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `content-length` when the body is known; without it the body is chunked.
    pub length: Option<u64>,
    /// The body, and what goes wrong in it.
    pub steps: Steps,
}

/// One thing for the server to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Close the connection with a TCP reset.
    Reset,
    /// Write these bytes.
    Send(Bytes),
    /// Keep the connection open and silent until the client leaves.
    Stall,
    /// Close the connection in good order but without the end of the body.
    Truncate,
    /// Pass some time.
    Wait(Duration),
}

/// The body of one answer, as an iterator of [`Step`]s. A player asks until `None` (or until a step closes the
/// connection), even when `content-length` is already written: only then the answer counts as complete.
#[derive(Debug)]
pub struct Steps {
    body: Body,
    ready: Bytes,
    next: Next,
    pace: Pace,
    ending: Option<Break>,
    sent: u64,
    entry: Entry,
}

#[derive(Debug)]
enum Body {
    Whole(Bytes),
    Stream(Box<Stream>, Frames),
}

/// What [`Steps::next`] does once nothing is ready to be sent.
#[derive(Debug)]
enum Next {
    Begin,
    Break,
    Fill,
    Last(Step),
    Over,
    Pause,
}

#[derive(Debug)]
struct Pace {
    first: Duration,
    between: Duration,
    gather: usize,
    cut: usize,
}

impl Script {
    pub(super) fn new(status: u16, headers: Vec<(HeaderName, HeaderValue)>, steps: Steps) -> Self {
        let length = match &steps.body {
            Body::Whole(body) => Some(body.len() as u64),
            Body::Stream(..) => None,
        };
        Self {
            before: Vec::new(),
            status,
            headers,
            length,
            steps,
        }
    }
}

impl Steps {
    pub(super) fn whole(body: Bytes, knobs: &Knobs, ending: Option<Break>, entry: Entry) -> Self {
        Self::new(Body::Whole(body), knobs, ending, entry)
    }

    pub(super) fn stream(
        (stream, frames): (Stream, Frames),
        knobs: &Knobs,
        ending: Option<Break>,
        entry: Entry,
    ) -> Self {
        Self::new(Body::Stream(Box::new(stream), frames), knobs, ending, entry)
    }

    fn new(body: Body, knobs: &Knobs, ending: Option<Break>, entry: Entry) -> Self {
        Self {
            body,
            ready: Bytes::new(),
            next: Next::Begin,
            pace: Pace {
                first: knobs.first_delay,
                between: knobs.chunk_delay,
                gather: knobs.gather,
                cut: knobs.cut,
            },
            ending,
            sent: 0,
            entry,
        }
    }

    /// Makes the next bytes.
    fn fill(&mut self) {
        match &mut self.body {
            Body::Whole(bytes) => {
                let mut bytes = std::mem::take(bytes);
                self.next = Next::Over;
                if let Some(ending) = self.ending.take() {
                    // A plain answer has no events to count: it breaks at its start or in its middle.
                    bytes.truncate(if ending.after == 0 {
                        0
                    } else {
                        bytes.len() / 2
                    });
                    self.next = match ending.how {
                        // Its length was announced.
                        Ending::Eof => Next::Last(Step::Truncate),
                        _ => Next::after(&ending),
                    };
                }
                self.ready = bytes;
            }
            Body::Stream(stream, frames) => {
                let paced = !self.pace.between.is_zero();
                loop {
                    let made = self.sent + frames.count();
                    if let Some(ending) = self.ending.take_if(|ending| {
                        made >= ending.after || (ending.after == Break::LAST && stream.ending())
                    }) {
                        frames.truncate(ending.after.saturating_sub(self.sent));
                        if ending.how == Ending::Error {
                            stream.fail(frames);
                        }
                        self.next = Next::after(&ending);
                        break;
                    }
                    if !stream.beat(frames) {
                        self.next = Next::Over;
                        break;
                    }
                    if paced || frames.len() >= self.pace.gather {
                        break;
                    }
                }
                if paced && matches!(self.next, Next::Fill) && stream.pausing() {
                    self.next = Next::Pause;
                }
                self.sent += frames.count();
                self.ready = frames.take();
                self.entry.progress(stream.tokens());
            }
        }
    }
}

impl Iterator for Steps {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            if !self.ready.is_empty() {
                let end = match self.pace.cut {
                    0 => self.ready.len(),
                    cut => cut.min(self.ready.len()),
                };
                return Some(Step::Send(self.ready.split_to(end)));
            }
            match std::mem::replace(&mut self.next, Next::Fill) {
                Next::Begin if !self.pace.first.is_zero() => {
                    return Some(Step::Wait(self.pace.first));
                }
                Next::Begin | Next::Fill => self.fill(),
                Next::Pause => return Some(Step::Wait(self.pace.between)),
                Next::Last(step) => {
                    if !matches!(step, Step::Stall) {
                        self.entry.finish(Finish::Broken);
                    }
                    self.next = Next::Over;
                    return Some(step);
                }
                Next::Break => {
                    self.entry.finish(Finish::Broken);
                    self.next = Next::Over;
                }
                Next::Over => {
                    self.entry.finish(Finish::Complete);
                    self.next = Next::Over;
                    return None;
                }
            }
        }
    }
}

impl Next {
    fn after(ending: &Break) -> Self {
        match ending.how {
            Ending::Eof | Ending::Error => Self::Break,
            Ending::Reset => Self::Last(Step::Reset),
            Ending::Stall => Self::Last(Step::Stall),
            Ending::Truncate => Self::Last(Step::Truncate),
        }
    }
}
