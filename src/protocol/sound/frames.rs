//! Audio that consists of frames with a header each: MP3, AAC in ADTS, AMR. Every header states the size and the
//! duration of its frame, so the sum over all frames is exact, and the bit rate of some frames is an estimate for the
//! others.
use memchr::memmem;

use super::{big, ratio};

/// The duration of a whole MP3 or ADTS file, in milliseconds: from the number of frames if that is stated, otherwise
/// from the frames themselves.
pub(super) fn length(file: &[u8]) -> Option<u64> {
    let sound = sound_in(file)?;
    if let Some(millis) = counted(sound) {
        return Some(millis);
    }
    Run::from(sound).length(sound.len() as u64)
}

/// The duration of a stream of `bytes` bytes, in milliseconds, estimated from its beginning and its end.
pub(super) fn spoken(head: &[u8], tail: &[u8], bytes: u64) -> Option<u64> {
    let sound = sound_in(head)?;
    let tag = (head.len() - sound.len()) as u64;
    let mut run = Run::from(sound);
    // The tail may begin in the middle of a frame, so two consecutive frame headers are searched for.
    let in_step = (0..tail.len()).find_map(|at| {
        let rest = tail.get(at..)?;
        let next = rest.get(Frame::of(rest)?.bytes..)?;
        Frame::of(next).map(|_| rest)
    });
    run.extend(in_step.unwrap_or_default());
    run.length(bytes.saturating_sub(tag))
}

/// The duration of an AMR or AMR-WB file, in milliseconds: every frame lasts 20 ms. Source: RFC 4867, section 5.
pub(super) fn amr(file: &[u8]) -> Option<u64> {
    let (sizes, mut at) = if file.starts_with(WIDE) {
        (&WIDE_SIZES, WIDE.len())
    } else if file.starts_with(NARROW) {
        (&NARROW_SIZES, NARROW.len())
    } else {
        return None;
    };
    let mut frames = 0;
    while let Some(head) = file.get(at) {
        let kind = usize::from(head >> 3 & 15);
        at = at.checked_add(*sizes.get(kind)?)?;
        frames += 1;
    }
    (frames > 0).then_some(frames * 20)
}

/// The file from its first frame on: an ID3 tag and up to 4,095 bytes of padding are skipped.
fn sound_in(file: &[u8]) -> Option<&[u8]> {
    let begin = match file {
        // An ID3v2 tag stands before the audio. Its size has seven bits per byte.
        [b'I', b'D', b'3', ..] => {
            let size = file.get(6..10)?.iter();
            10 + size.fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f))
        }
        _ => 0,
    };
    let sound = file.get(begin..)?;
    let gap = sound.iter().take(4096).position(|byte| *byte == 0xff)?;
    let sound = sound.get(gap..)?;
    Frame::of(sound).map(|_| sound)
}

/// The duration from the `Xing` or `Info` header in the first MP3 frame, which may state the number of frames. An
/// encoder that writes to a pipe leaves zeros there.
fn counted(sound: &[u8]) -> Option<u64> {
    let frame = Frame::of(sound)?;
    let head = sound.get(..sound.len().min(256))?;
    let at = memmem::find(head, b"Xing").or_else(|| memmem::find(head, b"Info"))?;
    let frames = big(sound, at + 8, 4)?;
    let is_said = big(sound, at + 4, 4)? & 1 == 1 && frames > 0;
    if !is_said {
        return None;
    }
    ratio(frames.checked_mul(frame.samples)?, frame.hertz)
}

/// The sums over consecutive frames.
#[derive(Debug, Default)]
struct Run {
    nanos: u64,
    bits: u64,
}

impl Run {
    fn from(sound: &[u8]) -> Self {
        let mut run = Self::default();
        run.extend(sound);
        run
    }

    fn extend(&mut self, sound: &[u8]) {
        let mut rest = sound;
        while let Some(frame) = Frame::of(rest) {
            self.nanos = self.nanos.saturating_add(frame.nanos());
            self.bits = self.bits.saturating_add(frame.bits);
            rest = rest.get(frame.bytes..).unwrap_or_default();
        }
    }

    /// The duration of `bytes` bytes at the average bit rate of these frames, in milliseconds.
    fn length(&self, bytes: u64) -> Option<u64> {
        let nanos = u128::from(self.nanos) * u128::from(bytes) * 8;
        let millis = nanos.checked_div(u128::from(self.bits))? / 1_000_000;
        u64::try_from(millis).ok().filter(|_| self.nanos > 0)
    }
}

/// One frame, as its header describes it.
#[derive(Debug)]
struct Frame {
    /// The size with the header; never 0.
    bytes: usize,
    /// The same in bits, without padding.
    bits: u64,
    samples: u64,
    /// Samples per second; never 0.
    hertz: u64,
}

impl Frame {
    fn of(sound: &[u8]) -> Option<Self> {
        match sound {
            [0xff, second, ..] if second & 0xf6 == 0xf0 => Self::adts(sound),
            [0xff, second, ..] if second & 0xe6 == 0xe2 => Self::mp3(sound),
            _ => None,
        }
    }

    /// MPEG audio layer III, versions 1, 2 and 2.5.
    fn mp3(sound: &[u8]) -> Option<Self> {
        let [_, second, third, ..] = sound else {
            return None;
        };
        let version = second >> 3 & 3;
        let halved = match version {
            3 => 0,
            2 => 1,
            0 => 2,
            _ => return None,
        };
        let (rates, samples) = match version {
            3 => (&BITS_1, 1152),
            _ => (&BITS_2, 576),
        };
        let kilobits = *rates
            .get(usize::from(third >> 4))
            .filter(|rate| **rate > 0)?;
        let hertz = SAMPLES.get(usize::from(third >> 2 & 3))? >> halved;
        let bits = samples * kilobits * 1_000 / hertz;
        let filled = u64::from(third >> 1 & 1);
        Some(Self {
            bytes: usize::try_from(bits / 8 + filled).ok()?,
            bits,
            samples,
            hertz,
        })
    }

    fn adts(sound: &[u8]) -> Option<Self> {
        let hertz = *ADTS.get(usize::from(sound.get(2)? >> 2 & 15))?;
        let bytes = big(sound, 3, 3)? >> 5 & 0x1fff;
        Some(Self {
            bytes: usize::try_from(bytes)
                .ok()
                .filter(|bytes| *bytes >= ADTS_HEAD)?,
            bits: bytes * 8,
            samples: 1024 * (u64::from(sound.get(6)? & 3) + 1),
            hertz,
        })
    }

    fn nanos(&self) -> u64 {
        self.samples * 1_000_000_000 / self.hertz
    }
}

/// Kilobits per second of an MP3 frame, by the index in its header: version 1, then versions 2 and 2.5. Frames whose
/// header states no rate (index 0) are not supported.
/// Source: ISO/IEC 11172-3 and 13818-3, Layer III.
const BITS_1: [u64; 15] = [
    0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
];
const BITS_2: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Sample rates of version 1, by the index in the header.
const SAMPLES: [u64; 3] = [44_100, 48_000, 32_000];

/// Sample rates of AAC, by the index in the header. Source: ISO/IEC 14496-3, table 1.18.
const ADTS: [u64; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// The size of the shortest ADTS header, in bytes.
const ADTS_HEAD: usize = 7;

const NARROW: &[u8] = b"#!AMR\n";
const WIDE: &[u8] = b"#!AMR-WB\n";

/// The size of a frame with its header, in bytes, by frame type. Source: 3GPP TS 26.101 and 26.201, annex A.
const NARROW_SIZES: [usize; 16] = [13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1];
const WIDE_SIZES: [usize; 16] = [18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1];
