//! What comes in: read plain, whatever it is compressed with, and kept on the tape where exchanges are recorded.
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::exchange::tape::Tape;
use crate::outcome::End;
use crate::protocol::coding::{Coding, Decoder, Undecodable};

/// How the bytes of one answer are taken in.
#[derive(Debug)]
pub(super) struct Intake {
    /// Where it came compressed: what follows reads it plain, and so does the client.
    decoder: Option<Decoder>,
    tape: Option<Box<Tape>>,
}

impl Intake {
    /// Of an answer with this head, of which `clean` is what the client sees. `must_read`: nothing is passed on that could not
    /// be looked into.
    pub(super) fn of(headers: &HeaderMap, clean: &mut HeaderMap, must_read: bool) -> Self {
        let decoder = match Coding::of(headers) {
            Coding::Known(decoder) => {
                clean.remove(CONTENT_ENCODING);
                Some(decoder)
            }
            // Weir asked for none.
            Coding::Unknown if must_read => Some(Decoder::unknown()),
            Coding::Plain | Coding::Unknown => None,
        };
        Self {
            decoder,
            tape: None,
        }
    }

    /// Keeps what comes, and what goes, on this tape.
    pub(super) fn record(&mut self, tape: Option<Box<Tape>>) {
        self.tape = tape;
    }

    /// Another shape of what came was read in its place.
    pub(super) fn was_told_again(&mut self, bytes: &[u8]) {
        if let Some(tape) = &mut self.tape {
            tape.hear_instead(bytes);
        }
    }

    /// This goes out to the client.
    pub(super) fn goes_out(&mut self, ready: &[Bytes]) {
        if let Some(tape) = &mut self.tape {
            ready.iter().for_each(|bytes| tape.say(bytes));
        }
    }

    /// The upstream broke off.
    pub(super) fn broke(&mut self, end: End) {
        if let Some(tape) = &mut self.tape {
            tape.break_off(end);
        }
    }

    /// The upstream is asked more than once for this answer.
    pub(super) fn goes_in_rounds(&mut self) {
        if let Some(tape) = &mut self.tape {
            tape.go_in_rounds();
        }
    }

    /// Hands the tape out.
    pub(super) fn take_tape(&mut self) -> Option<Box<Tape>> {
        self.tape.take()
    }

    pub(super) fn decoder(&self) -> Option<&Decoder> {
        self.decoder.as_ref()
    }

    /// The next bytes, plain. Nothing, when there are too few of them to tell.
    pub(super) fn read(&mut self, chunk: &Bytes) -> Result<Bytes, Undecodable> {
        let plain = match &mut self.decoder {
            None => chunk.clone(),
            Some(decoder) => decoder.push(chunk)?,
        };
        if let Some(tape) = &mut self.tape {
            tape.hear(&plain);
        }
        Ok(plain)
    }
}
