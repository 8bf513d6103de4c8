//! Sound that is a row of frames, each with a head of its own: MP3, AAC as ADTS, AMR. Every frame says how long it is and how long it
//! lasts, so their sum is exact, and some of them tell the rate of the others.
use memchr::memmem;

use super::{big, ratio};

/// Milliseconds of a whole file of MP3 or ADTS: by its number of frames where that is said, else by the frames themselves.
pub(super) fn length(file: &[u8]) -> Option<u64> {
    let sound = sound_in(file)?;
    if let Some(millis) = counted(sound) {
        return Some(millis);
    }
    Run::from(sound).length(sound.len() as u64)
}

/// Milliseconds of so many bytes of which these are the first and the last.
pub(super) fn spoken(head: &[u8], tail: &[u8], bytes: u64) -> Option<u64> {
    let sound = sound_in(head)?;
    let tag = (head.len() - sound.len()) as u64;
    let mut run = Run::from(sound);
    // Where the tail begins is within a frame.
    let in_step = (0..tail.len()).find_map(|at| {
        let rest = tail.get(at..)?;
        let next = rest.get(Frame::of(rest)?.bytes..)?;
        Frame::of(next).map(|_| rest)
    });
    run.extend(in_step.unwrap_or_default());
    run.length(bytes.saturating_sub(tag))
}

/// Milliseconds of a file of AMR or AMR-WB: every frame lasts twenty. Source: RFC 4867, section 5.
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

/// What follows a tag and some zeros.
fn sound_in(file: &[u8]) -> Option<&[u8]> {
    let begin = match file {
        // A tag stands before the sound; its size has seven bits a byte.
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

/// By the first frame of MP3, which may count the others. Who writes to a pipe leaves zeros there.
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

/// Frames that follow one another.
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

    /// Milliseconds of so many bytes that are like these.
    fn length(&self, bytes: u64) -> Option<u64> {
        let nanos = u128::from(self.nanos) * u128::from(bytes) * 8;
        let millis = nanos.checked_div(u128::from(self.bits))? / 1_000_000;
        u64::try_from(millis).ok().filter(|_| self.nanos > 0)
    }
}

/// One frame.
#[derive(Debug)]
struct Frame {
    /// With its head; never 0.
    bytes: usize,
    /// The same in bits, without what it is filled up by.
    bits: u64,
    samples: u64,
    /// Samples a second; never 0.
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

    /// Layer III, of the versions 1, 2 and 2.5.
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

/// Thousands of bits a second of a frame of MP3, by its index; one whose rate is not said is not read.
/// Source: ISO/IEC 11172-3 and 13818-3, Layer III.
const BITS_1: [u64; 15] = [
    0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
];
const BITS_2: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Samples a second of version 1, by their index.
const SAMPLES: [u64; 3] = [44_100, 48_000, 32_000];

/// Samples a second of AAC, by their index. Source: ISO/IEC 14496-3, table 1.18.
const ADTS: [u64; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// Bytes of the shortest head of a frame of ADTS.
const ADTS_HEAD: usize = 7;

const NARROW: &[u8] = b"#!AMR\n";
const WIDE: &[u8] = b"#!AMR-WB\n";

/// Bytes of a frame with its head, by its kind. Source: 3GPP TS 26.101 and 26.201, annex A.
const NARROW_SIZES: [usize; 16] = [13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1];
const WIDE_SIZES: [usize; 16] = [18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1];
