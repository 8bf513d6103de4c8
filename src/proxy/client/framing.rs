//! The framing of one client's HTTP/1 connection, parsed a second time. It refuses what Pingora's parser accepts
//! although proxies disagree about it, so that no client can make another proxy and Weir see different requests.
//!
//! RFC 9112, sections 3 (request line) and 7.1 (chunks). What Pingora refuses itself is not checked again.
use memchr::memchr;

/// Follows the requests of a connection, one after the other.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    /// The header line that is being read, up to `LONGEST_LINE` bytes.
    line: Vec<u8>,
    length: u64,
    chunked: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Before a request.
    Start,
    /// In the request line: the number of spaces so far, and whether the last byte was one.
    Line(u8, bool),
    Header,
    /// In a body with this many bytes left.
    Length(u64),
    /// In the size of a chunk: the size so far, and the number of its digits.
    Size(u64, u8),
    /// After a size, in white space before an extension.
    Pad,
    /// In an extension of a chunk.
    Extension,
    /// The line with this size must end now.
    SizeEnd(u64),
    Data(u64),
    /// After the data of a chunk.
    Return,
    Feed,
    /// In the lines after the last chunk: whether the line is empty so far.
    Trailer(bool),
    /// In a request that is refused for another reason: nothing after it is parsed.
    Lost,
}

/// A byte that parsers may read differently; `.0` is the number of good bytes before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed(pub usize);

impl Framing {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            line: Vec::new(),
            length: 0,
            chunked: false,
        }
    }

    /// Reads to the end of a request. Returns the number of bytes that belong to it, or `None` when all do and it
    /// continues. A fault in the request line is replaced by a byte that Pingora's parser refuses, so that the client
    /// gets its 400.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> Result<Option<usize>, Malformed> {
        let mut taken = 0;
        while taken < bytes.len() {
            let (before, rest) = (self.state, &mut bytes[taken..]);
            taken += match self.state {
                State::Lost => return Ok(None),
                State::Header => self.header(rest),
                State::Length(left) => self.skip(left, rest, State::Length, State::Start),
                State::Data(left) => self.skip(left, rest, State::Data, State::Return),
                _ => {
                    self.state = self.step(&mut rest[0]).ok_or(Malformed(taken))?;
                    1
                }
            };
            if self.state == State::Start && before != State::Start {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// Handles one byte outside of headers and data; `None` when it is malformed.
    fn step(&mut self, byte: &mut u8) -> Option<State> {
        let digit = char::from(*byte).to_digit(16);
        Some(match (self.state, *byte) {
            (State::Start, b'\r' | b'\n') => State::Start,
            (State::Start, _) => {
                (self.length, self.chunked) = (0, false);
                State::Line(0, false)
            }
            (State::Line(2, false), b'\n') => State::Header,
            (State::Line(spaces, false), b' ') if spaces < 2 => State::Line(spaces + 1, true),
            (State::Line(2, false), b'\r') => State::Line(2, false),
            (State::Line(..), b'\n') => State::Lost,
            (State::Line(..), b' ' | b'\t' | b'\r' | 0x0b | 0x0c) => {
                *byte = 0;
                State::Lost
            }
            (State::Line(spaces, _), _) => State::Line(spaces, false),
            (State::Size(size, digits), _) if digit.is_some() && digits < MOST_DIGITS => {
                State::Size((size << 4) | u64::from(digit.unwrap_or(0)), digits + 1)
            }
            (State::Size(size, 1..), byte) => {
                self.length = size;
                match byte {
                    b'\r' => State::SizeEnd(size),
                    b';' => State::Extension,
                    b' ' | b'\t' => State::Pad,
                    _ => return None,
                }
            }
            (State::Pad, b' ' | b'\t') => State::Pad,
            (State::Pad, b';') => State::Extension,
            (State::Extension, b'\r') => State::SizeEnd(self.length),
            (State::Extension, byte) if byte == b'\t' || !byte.is_ascii_control() => {
                State::Extension
            }
            (State::SizeEnd(0), b'\n') => State::Trailer(true),
            (State::SizeEnd(size), b'\n') => State::Data(size),
            (State::Return, b'\r') => State::Feed,
            (State::Feed, b'\n') => State::Size(0, 0),
            (State::Trailer(true), b'\n') => State::Start,
            (State::Trailer(_), b'\n') => State::Trailer(true),
            (State::Trailer(empty), b'\r') => State::Trailer(empty),
            (State::Trailer(_), _) => State::Trailer(false),
            _ => return None,
        })
    }

    /// In a body or the data of a chunk: returns how much of `bytes` belongs to it.
    fn skip(&mut self, left: u64, bytes: &[u8], on: fn(u64) -> State, after: State) -> usize {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - here as u64;
        self.state = if left == 0 { after } else { on(left) };
        here
    }

    /// In the header lines: returns the number of bytes that were read.
    fn header(&mut self, bytes: &[u8]) -> usize {
        let end = memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let room = LONGEST_LINE.saturating_sub(self.line.len());
        let part = &part[..part.len().min(room)];
        if end.is_none() || !self.line.is_empty() {
            self.line.extend_from_slice(part);
        }
        let Some(end) = end else {
            return bytes.len();
        };
        let before = std::mem::take(&mut self.line);
        // Nearly always the whole line arrives at once.
        let line = if before.is_empty() { part } else { &before };
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        self.state = match (text.is_empty(), self.framed_by(text)) {
            (true, _) if self.chunked => State::Size(0, 0),
            (true, _) if self.length > 0 => State::Length(self.length),
            (true, _) => State::Start,
            (false, true) => State::Header,
            (false, false) => State::Lost,
        };
        end + 1
    }

    /// Reads a header that decides where the body ends. `false` = its value is refused.
    fn framed_by(&mut self, line: &[u8]) -> bool {
        let Some(colon) = memchr(b':', line) else {
            return true;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = value.eq_ignore_ascii_case(b"chunked");
            return self.chunked;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = std::str::from_utf8(value).unwrap_or_default();
            let length = digits.parse::<u64>();
            self.length = length.clone().unwrap_or(0);
            return length.is_ok();
        }
        true
    }
}

/// The most bytes of a header line that are kept: more than a header that matters can have.
const LONGEST_LINE: usize = 256;

/// The most hexadecimal digits of a chunk's size.
const MOST_DIGITS: u8 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the bytes; the result is the same however they are cut.
    fn read(bytes: &[u8]) -> (Option<State>, Vec<u8>) {
        let mut whole = bytes.to_vec();
        let mut framing = Framing::new();
        let mut rest = &mut whole[..];
        let verdict = loop {
            match framing.take(rest) {
                Ok(Some(taken)) => rest = &mut rest[taken..],
                Ok(None) => break Some(framing.state),
                Err(_) => break None,
            }
        };
        let mut pieces = bytes.to_vec();
        let mut framing = Framing::new();
        let verdicts = pieces
            .chunks_mut(1)
            .try_for_each(|piece| framing.take(piece).map(|_| ()));
        assert_eq!(verdicts.ok().map(|()| framing.state), verdict);
        assert_eq!(pieces, whole);
        (verdict, whole)
    }

    const POST: &str =
        "POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn requests_follow_one_another() {
        let get = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let sized = "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n\r\n\r\n0";
        let chunked = format!(
            "{POST}2\r\n{{}}\r\n1a;a=\"b\"\r\n{}\r\n0\r\nt: x\r\n\r\n",
            "x".repeat(26)
        );
        let old = "GET / HTTP/1.0\n\n";
        let all = [get, sized, &chunked, "\r\n", old, get].concat();
        let (verdict, bytes) = read(all.as_bytes());
        assert_eq!(verdict, Some(State::Start));
        assert_eq!(bytes, all.as_bytes());
    }

    #[test]
    fn the_end_of_a_request_is_told() {
        let (get, post) = (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\nPOST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{",
        );
        let mut bytes = [&get[..], &post[..]].concat();
        let mut framing = Framing::new();
        assert_eq!(framing.take(&mut bytes), Ok(Some(get.len())));
        assert_eq!(framing.take(&mut bytes[get.len()..]), Ok(None));
        assert_eq!(framing.take(&mut b"}GET".to_owned()), Ok(Some(1)));
    }

    #[test]
    fn chunks_that_can_be_read_in_two_ways_are_refused() {
        for chunks in [
            "\r\n2\r\n{}\r\n0\r\n\r\n",
            "2\r\n{}\r\n\r\n0\r\n\r\n",
            "2;a\nb\r\n{}\r\n0\r\n\r\n",
            "2;a\r\r\n{}\r\n",
            "2\n{}\r\n",
            "2 \r\n{}\r\n",
            "0x2\r\n{}\r\n",
            "+2\r\n{}\r\n",
            "2\r\n{}0\r\n\r\n",
            "2\r\n{}\n0\r\n\r\n",
            "00000000000000002\r\n{}\r\n",
        ] {
            let (verdict, _) = read(format!("{POST}{chunks}").as_bytes());
            assert_eq!(verdict, None, "{chunks:?}");
        }
    }

    #[test]
    fn a_fault_behind_a_good_request_is_found() {
        let second = format!("GET / HTTP/1.1\r\nhost: x\r\n\r\n{POST}\r\n2\r\n{{}}");
        assert_eq!(read(second.as_bytes()).0, None);
        let mut bytes = format!("{POST}2 \r\n").into_bytes();
        let good = POST.len() + 2;
        assert_eq!(Framing::new().take(&mut bytes), Err(Malformed(good)));
    }

    #[test]
    fn a_first_line_with_more_than_two_spaces_cannot_be_read() {
        for line in [
            "GET /a b HTTP/1.1",
            "GET  / HTTP/1.1",
            "GET /\ta HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET /\rx HTTP/1.1",
        ] {
            let (verdict, bytes) = read(format!("{line}\r\nhost: x\r\n\r\n").as_bytes());
            assert_eq!(verdict, Some(State::Lost), "{line:?}");
            assert!(bytes.contains(&0), "{line:?}");
        }
    }
}
