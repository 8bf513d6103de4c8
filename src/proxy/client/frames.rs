//! Reads the HTTP/2 that is written to a client, to count refused streams. The HTTP/2 library reports a stream that was
//! refused because of too many streams only to the client, so its frames are the only trace.

/// Follows frames (RFC 9113, section 4.1), however the bytes are cut.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The head of the current frame.
    head: [u8; HEAD],
    /// The number of its bytes so far.
    seen: usize,
    /// Bytes of the payload that have not come yet.
    left: usize,
    /// For a `RST_STREAM` frame: the error code so far.
    code: Option<u32>,
}

impl Frames {
    /// Reads further bytes. Returns the number of streams that were refused in them.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> u32 {
        let mut refused = 0;
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.seen < HEAD {
                self.head[self.seen] = byte;
                self.seen += 1;
                bytes = rest;
                if self.seen == HEAD {
                    let [a, b, c, kind, ..] = self.head;
                    self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                    self.code = (kind == RST_STREAM).then_some(0);
                    self.rest_if_over();
                }
                continue;
            }
            if let Some(code) = &mut self.code {
                *code = *code << 8 | u32::from(byte);
                bytes = rest;
                self.left -= 1;
                refused += u32::from(self.left == 0 && *code == REFUSED_STREAM);
            } else {
                let here = self.left.min(bytes.len());
                bytes = bytes.get(here..).unwrap_or_default();
                self.left -= here;
            }
            self.rest_if_over();
        }
        refused
    }

    /// When a payload is complete, the next head follows.
    fn rest_if_over(&mut self) {
        if self.left == 0 {
            self.seen = 0;
        }
    }
}

/// The bytes of a frame head.
const HEAD: usize = 9;
/// The type of frame that ends a stream.
const RST_STREAM: u8 = 3;
/// The error code of a stream that was refused before it was processed.
const REFUSED_STREAM: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_streams_are_counted_however_the_frames_are_cut() {
        let mut bytes = Vec::new();
        // Settings without a payload, data, one cancelled and two refused streams.
        bytes.extend([0, 0, 0, 4, 1, 0, 0, 0, 0]);
        bytes.extend([0, 0, 13, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0, 0, 4, 3, 0, 0, 0, 0, 5, 0, 0, 0, 7]);
        bytes.extend([0, 0, 4, 3, 0, 0, 0, 0, 5, 0, 0, 0, 8]);
        for stream in [7, 9] {
            bytes.extend([0, 0, 4, 3, 0, 0, 0, 0, stream, 0, 0, 0, 7]);
        }
        for size in 1..=bytes.len() {
            let mut frames = Frames::default();
            let refused: u32 = bytes.chunks(size).map(|piece| frames.take(piece)).sum();
            assert_eq!(refused, 2, "{size}");
        }
    }
}
