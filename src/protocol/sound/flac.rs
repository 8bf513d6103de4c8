//! FLAC: the number of samples in the stream header, or else the position of the last frame, because an encoder that
//! writes to a pipe does not know the number when it writes the header.
//! Source: RFC 9639.
use super::{big, ratio};

/// The duration of a whole file, in milliseconds.
pub(super) fn length(file: &[u8]) -> Option<u64> {
    let head = Head::of(file)?;
    let samples = Some(head.samples).filter(|samples| *samples > 0);
    // However long the file is, the last frame is searched for only near its end.
    let tail = file.get(file.len().saturating_sub(LONGEST_FRAME)..)?;
    ratio(samples.or_else(|| head.last(tail))?, head.hertz)
}

/// The duration of a stream, in milliseconds, from its beginning and its end. The last frame takes precedence over the
/// header, because the stream may be incomplete.
pub(super) fn spoken(head: &[u8], tail: &[u8]) -> Option<u64> {
    let head = Head::of(head)?;
    let samples = Some(head.samples).filter(|samples| *samples > 0);
    ratio(head.last(tail).or(samples)?, head.hertz)
}

/// The fields of the `STREAMINFO` block that are needed here.
#[derive(Debug)]
struct Head {
    /// Samples per frame, if all frames have the same number.
    block: u64,
    hertz: u64,
    /// 0 = unknown.
    samples: u64,
}

impl Head {
    fn of(file: &[u8]) -> Option<Self> {
        Some(Self {
            block: big(file, 8, 2)?,
            hertz: big(file, 18, 3)? >> 4,
            samples: big(file, 21, 5)? & 0xf_ffff_ffff,
        })
    }

    /// The number of samples up to the end of the last frame.
    fn last(&self, tail: &[u8]) -> Option<u64> {
        let mut starts = memchr::memrchr_iter(0xff, tail);
        starts.find_map(|at| self.end(tail.get(at..)?))
    }

    /// The number of samples up to the end of the frame at the beginning of `frame`; `None` = there is no frame.
    fn end(&self, frame: &[u8]) -> Option<u64> {
        let is_variable = match frame.get(1)? {
            0xf8 => false,
            0xf9 => true,
            _ => return None,
        };
        let third = frame.get(2)?;
        let (place, width) = place(frame.get(4..)?)?;
        let at = 4 + width;
        let (block, more) = match third >> 4 {
            0 => return None,
            1 => (192, 0),
            code @ 2..=5 => (576 << (code - 2), 0),
            6 => (big(frame, at, 1)? + 1, 1),
            7 => (big(frame, at, 2)? + 1, 2),
            code => (256 << (code - 8), 0),
        };
        let rate = match third & 15 {
            12 => 1,
            13 | 14 => 2,
            15 => return None,
            _ => 0,
        };
        let end = at + more + rate;
        if crc(frame.get(..end)?) != *frame.get(end)? {
            return None;
        }
        let begin = if is_variable {
            place
        } else {
            place.checked_mul(self.block)?
        };
        begin.checked_add(block)
    }
}

/// Decodes a number in FLAC's extension of UTF-8. Returns the number and its width in bytes.
fn place(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let width = match first.leading_ones() {
        0 => return Some((first.into(), 1)),
        ones @ 2..=7 => ones as usize,
        _ => return None,
    };
    let own = u64::from(first) & ((1 << (7 - width)) - 1);
    let rest = bytes.get(1..width)?.iter();
    let value = rest.fold(own, |value, byte| value << 6 | u64::from(byte & 0x3f));
    Some((value, width))
}

/// The CRC-8 of a frame header, which distinguishes it from other bytes that look like one.
fn crc(head: &[u8]) -> u8 {
    head.iter().fold(0, |sum: u8, byte| {
        (0..8).fold(sum ^ byte, |sum, _| {
            let shifted = sum << 1;
            if sum & 0x80 > 0 {
                shifted ^ 0x07
            } else {
                shifted
            }
        })
    })
}

/// The last frame is searched for in this many bytes: a frame of 4,096 samples, two channels of 24 bits, has 24 KiB.
const LONGEST_FRAME: usize = 64 << 10;
