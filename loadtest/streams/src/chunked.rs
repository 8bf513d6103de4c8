//! The body of an HTTP/1.1 answer, counted as it arrives: chunked, with a length, or up to the close.

/// What has arrived of a body.
pub struct Body {
    /// Frames of the event stream: blank lines.
    pub events: u64,
    /// Bytes of the body, framing left out.
    pub bytes: u64,
    pub ended: bool,
    framing: Framing,
    last: u8,
    tail: Vec<u8>,
}

enum Framing {
    /// Inside a chunk: bytes left of it.
    Chunk(usize),
    /// After a chunk's data: the line feed that ends it is missing.
    ChunkEnd,
    /// In a chunk's size line, with what is known of the size; `None` after an extension began.
    Size(usize, bool),
    Length(usize),
    Close,
}

impl Body {
    /// `None` while the head is not complete. Anything but a 200 is a fault.
    pub fn after_head(read: &[u8]) -> Result<Option<Self>, String> {
        let Some(end) = memchr::memmem::find(read, b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .unwrap_or_default();
        if status != "200" {
            return Err(format!("status {status}"));
        }
        let mut framing = Framing::Close;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            match (name, value.trim()) {
                ("transfer-encoding", "chunked") => framing = Framing::Size(0, true),
                ("content-length", length) => {
                    framing = Framing::Length(
                        length
                            .parse()
                            .map_err(|_| format!("content-length {length}"))?,
                    );
                }
                _ => {}
            }
        }
        let ended = matches!(framing, Framing::Length(0));
        let mut body = Self {
            events: 0,
            bytes: 0,
            ended,
            framing,
            last: 0,
            tail: Vec::with_capacity(2 * TAIL),
        };
        body.push(&read[end + 4..])?;
        Ok(Some(body))
    }

    /// Takes what was read.
    pub fn push(&mut self, mut input: &[u8]) -> Result<(), String> {
        while !input.is_empty() && !self.ended {
            let eaten = match self.framing {
                Framing::Close => {
                    self.count(input);
                    input.len()
                }
                Framing::Length(left) => {
                    let eaten = left.min(input.len());
                    self.count(&input[..eaten]);
                    self.framing = Framing::Length(left - eaten);
                    self.ended = left == eaten;
                    eaten
                }
                Framing::Chunk(left) => {
                    let eaten = left.min(input.len());
                    self.count(&input[..eaten]);
                    self.framing = if left == eaten {
                        Framing::ChunkEnd
                    } else {
                        Framing::Chunk(left - eaten)
                    };
                    eaten
                }
                Framing::ChunkEnd => {
                    if input[0] == b'\n' {
                        self.framing = Framing::Size(0, true);
                    }
                    1
                }
                Framing::Size(size, open) => {
                    self.size(size, open, input[0])?;
                    1
                }
            };
            input = &input[eaten..];
        }
        Ok(())
    }

    /// The peer closed.
    pub fn close(&mut self) -> Result<(), String> {
        if !matches!(self.framing, Framing::Close) {
            return Err("closed in the middle of the body".to_owned());
        }
        self.ended = true;
        Ok(())
    }

    /// The end of what has arrived, enough to hold a terminal event.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// One byte of a chunk's size line. Trailers are not waited for: no proxy here sends any.
    fn size(&mut self, size: usize, open: bool, byte: u8) -> Result<(), String> {
        self.framing = match char::from(byte).to_digit(16) {
            _ if byte == b'\n' && size == 0 => {
                self.ended = true;
                Framing::Size(0, true)
            }
            _ if byte == b'\n' => Framing::Chunk(size),
            Some(digit) if open => Framing::Size(size << 4 | digit as usize, true),
            _ if open && byte != b';' && byte != b'\r' => {
                return Err(format!("chunk size with byte {byte}"));
            }
            _ => Framing::Size(size, false),
        };
        Ok(())
    }

    fn count(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        for at in memchr::memchr_iter(b'\n', data) {
            let before = if at == 0 { self.last } else { data[at - 1] };
            self.events += u64::from(before == b'\n');
        }
        let Some(&last) = data.last() else { return };
        self.last = last;
        if self.tail.len() > TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
        self.tail
            .extend_from_slice(&data[data.len().saturating_sub(TAIL)..]);
    }
}

/// Bytes kept of the end of a body.
const TAIL: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        9\r\ndata: a\n\n\r\nA;x=1f\r\ndata: bc\n\n\r\n1\r\n\n\r\n0\r\n\r\n";

    #[test]
    fn counts_the_same_however_the_bytes_are_cut() {
        for cut in 0..=ANSWER.len() {
            let (head, rest) = ANSWER.split_at(cut);
            let body = match Body::after_head(head).unwrap() {
                Some(mut body) => {
                    body.push(rest).unwrap();
                    body
                }
                None => Body::after_head(ANSWER).unwrap().unwrap(),
            };
            assert!(body.ended, "cut at {cut}");
            assert_eq!((body.events, body.bytes), (3, 20), "cut at {cut}");
            assert_eq!(body.tail(), b"data: a\n\ndata: bc\n\n\n");
        }
    }

    #[test]
    fn a_close_inside_a_chunk_is_a_fault() {
        let mut body = Body::after_head(&ANSWER[..60]).unwrap().unwrap();
        assert!(body.close().is_err());
    }

    #[test]
    fn a_refusal_is_a_fault() {
        assert_eq!(
            Body::after_head(b"HTTP/1.1 401 No\r\n\r\n")
                .err()
                .as_deref(),
            Some("status 401")
        );
    }
}
