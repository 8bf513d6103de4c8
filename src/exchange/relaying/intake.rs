//! What comes in from the upstream: it is decompressed, and recorded on the tape where exchanges are recorded.
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::exchange::tape::Tape;
use crate::outcome::End;
use crate::protocol::coding::{Coding, Decoder, Undecodable};

/// How the bytes of one answer are read.
#[derive(Debug)]
pub(super) struct Intake {
    /// The decoder of a compressed answer; the following steps and the client get plain bytes.
    decoder: Option<Decoder>,
    tape: Option<Box<Tape>>,
}

impl Intake {
    /// The intake of an answer with these headers; `clean` are those for the client. `must_read`: an answer that cannot
    /// be decoded must not be passed on.
    pub(super) fn of(headers: &HeaderMap, clean: &mut HeaderMap, must_read: bool) -> Self {
        let decoder = match Coding::of(headers) {
            Coding::Known(decoder) => {
                clean.remove(CONTENT_ENCODING);
                Some(decoder)
            }
            // Weir did not ask for any compression.
            Coding::Unknown if must_read => Some(Decoder::unknown()),
            Coding::Plain | Coding::Unknown => None,
        };
        Self {
            decoder,
            tape: None,
        }
    }

    /// Records what comes and what goes on this tape.
    pub(super) fn record(&mut self, tape: Option<Box<Tape>>) {
        self.tape = tape;
    }

    /// A converted form of the answer was read instead of the original.
    pub(super) fn was_told_again(&mut self, bytes: &[u8]) {
        if let Some(tape) = &mut self.tape {
            tape.hear_instead(bytes);
        }
    }

    /// These bytes are sent to the client.
    pub(super) fn goes_out(&mut self, ready: &[Bytes]) {
        if let Some(tape) = &mut self.tape {
            for bytes in ready {
                tape.say(bytes);
            }
        }
    }

    /// The upstream broke off.
    pub(super) fn broke(&mut self, end: End) {
        if let Some(tape) = &mut self.tape {
            tape.break_off(end);
        }
    }

    /// The upstream is called more than once for this answer.
    pub(super) fn goes_in_rounds(&mut self) {
        if let Some(tape) = &mut self.tape {
            tape.go_in_rounds();
        }
    }

    /// Returns the tape.
    pub(super) fn take_tape(&mut self) -> Option<Box<Tape>> {
        self.tape.take()
    }

    pub(super) fn decoder(&self) -> Option<&Decoder> {
        self.decoder.as_ref()
    }

    /// The next bytes, decompressed; empty when too few have come.
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
