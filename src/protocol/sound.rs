//! How long a recording is, by what its container says: enough to know what its transcript will cost.
//!
//! WAV, FLAC, Ogg (Opus, Vorbis), MP3 and MP4 (M4A) are read; a recording that is streamed into WebM does not say its length.
use memchr::memmem;

/// Milliseconds. `None` = its container is another one, or does not say.
pub fn length(file: &[u8]) -> Option<u64> {
    let length = match file {
        [b'R', b'I', b'F', b'F', ..] => wav(file),
        [b'f', b'L', b'a', b'C', ..] => flac(file),
        [b'O', b'g', b'g', b'S', ..] => ogg(file),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => mp4(file),
        _ => mp3(file),
    };
    length.filter(|millis| *millis <= LONGEST)
}

/// The bytes of data by the bytes of a second.
fn wav(file: &[u8]) -> Option<u64> {
    let mut at = 12;
    let mut rate = None;
    loop {
        let name = file.get(at..at + 4)?;
        let size = little(file, at + 4, 4)?;
        if name == b"fmt " {
            rate = little(file, at + 16, 4);
        } else if name == b"data" {
            // Who streams writes no size, or the largest.
            let there = file.len().saturating_sub(at + 8) as u64;
            return ratio(size.min(there), rate?);
        }
        // A chunk begins at an even place.
        let next = usize::try_from(size + (size & 1)).ok()?;
        at = at.checked_add(8)?.checked_add(next)?;
    }
}

/// Samples by their rate, of the first block.
fn flac(file: &[u8]) -> Option<u64> {
    let rate = big(file, 18, 3)? >> 4;
    let samples = big(file, 21, 5)? & 0xf_ffff_ffff;
    ratio(samples, rate).filter(|_| samples > 0)
}

/// The last place of its only stream, by the rate of its codec.
fn ogg(file: &[u8]) -> Option<u64> {
    let head = file.get(..file.len().min(256))?;
    let (rate, skipped) = if let Some(at) = memmem::find(head, b"OpusHead") {
        (48_000, little(file, at + 10, 2)?)
    } else {
        let at = memmem::find(head, b"\x01vorbis")?;
        (little(file, at + 12, 4)?, 0)
    };
    let last = memmem::rfind(file, b"OggS")?;
    let samples = little(file, last + 6, 8)?;
    ratio(samples.saturating_sub(skipped), rate).filter(|_| samples < u64::MAX)
}

/// As the header of the film says.
fn mp4(file: &[u8]) -> Option<u64> {
    let at = memmem::find(file, b"mvhd")? + 4;
    let (scale, duration) = match file.get(at)? {
        1 => (big(file, at + 20, 4)?, big(file, at + 24, 8)?),
        _ => (big(file, at + 12, 4)?, big(file, at + 16, 4)?),
    };
    ratio(duration, scale).filter(|_| duration > 0)
}

/// By its number of frames where that is said, else by the rate of its first frame.
fn mp3(file: &[u8]) -> Option<u64> {
    let begin = match file {
        // A tag stands before the sound; its size has seven bits a byte.
        [b'I', b'D', b'3', ..] => {
            let size = file.get(6..10)?.iter();
            10 + size.fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f))
        }
        _ => 0,
    };
    let sound = file.get(begin..)?;
    // Some zeros may stand between.
    let gap = sound.iter().take(4096).position(|byte| *byte == 0xff)?;
    let sound = sound.get(gap..)?;
    let [0xff, second, third, ..] = sound else {
        return None;
    };
    // Layer III, of the versions 1, 2 and 2.5.
    let is_first = second >> 3 & 3 == 3;
    if second >> 5 != 7 || second >> 1 & 3 != 1 || second >> 3 & 3 == 1 {
        return None;
    }
    let rates = if is_first { BITS_1 } else { BITS_2 };
    let kilobits = *rates.get(usize::from(third >> 4))?;
    let halved = match second >> 3 & 3 {
        3 => 0,
        2 => 1,
        _ => 2,
    };
    let hertz = SAMPLES.get(usize::from(third >> 2 & 3))? >> halved;
    let head = sound.get(..sound.len().min(256))?;
    let counted = memmem::find(head, b"Xing").or_else(|| memmem::find(head, b"Info"));
    if let Some(at) = counted
        && big(sound, at + 4, 4)? & 1 == 1
    {
        let samples = if is_first { 1152 } else { 576 };
        return ratio(big(sound, at + 8, 4)?.checked_mul(samples)?, hertz);
    }
    // Bits by thousands of bits a second are milliseconds.
    let bits = (sound.len() as u64).checked_mul(8)?;
    (kilobits > 0).then(|| bits / kilobits)
}

/// Milliseconds of so many at so many a second.
fn ratio(count: u64, a_second: u64) -> Option<u64> {
    count.checked_mul(1_000)?.checked_div(a_second)
}

fn little(file: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(bytes)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

fn big(file: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(bytes)?)?;
    Some(
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

/// Thousands of bits a second of a frame, by its index. Source: ISO/IEC 11172-3 and 13818-3, Layer III.
const BITS_1: [u64; 15] = [
    0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
];
const BITS_2: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Samples a second of version 1, by their index.
const SAMPLES: [u64; 3] = [44_100, 48_000, 32_000];

/// A week: what says more is wrong.
const LONGEST: u64 = 7 * 24 * 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn wav_of(bytes: u32, a_second: u32, said: u32) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
        file.extend_from_slice(b"LIST\x03\0\0\0abc\0");
        file.extend_from_slice(b"fmt \x10\0\0\0\x01\0\x01\0");
        file.extend_from_slice(&16_000_u32.to_le_bytes());
        file.extend_from_slice(&a_second.to_le_bytes());
        file.extend_from_slice(b"\x02\0\x10\0data");
        file.extend_from_slice(&said.to_le_bytes());
        file.resize(file.len() + bytes as usize, 0);
        file
    }

    #[test]
    fn each_container_says_its_length() {
        let wav = wav_of(48_000, 32_000, 48_000);
        assert_eq!(length(&wav), Some(1_500));
        assert_eq!(
            length(&wav_of(48_000, 32_000, u32::MAX)),
            Some(1_500),
            "streamed"
        );
        assert_eq!(length(&wav_of(48_000, 0, 48_000)), None);

        let mut flac = b"fLaC\0\0\0\x22".to_vec();
        flac.resize(18, 0);
        // 16 kHz, one channel, 16 bits; 40,000 samples.
        flac.extend_from_slice(&[0x03, 0xe8, 0x00, 0xf0, 0, 0, 0x9c, 0x40]);
        assert_eq!(length(&flac), Some(2_500));

        let page = |place: u64, data: &[u8]| {
            let mut page = b"OggS\0\x02".to_vec();
            page.extend_from_slice(&place.to_le_bytes());
            page.extend_from_slice(&[0; 13]);
            page.extend_from_slice(data);
            page
        };
        let opus = page(0, b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0");
        let opus = [opus, page(48_000 * 3 + 312, b"sound")].concat();
        assert_eq!(length(&opus), Some(3_000));
        let vorbis = page(0, b"\x01vorbis\0\0\0\0\x02\x44\xac\0\0");
        let vorbis = [vorbis, page(44_100 * 4, b"sound")].concat();
        assert_eq!(length(&vorbis), Some(4_000));

        let mut mp4 = b"\0\0\0\x18ftypM4A \0\0\0\0\0\0\0\x6cmoov\0\0\0\x6cmvhd".to_vec();
        mp4.extend_from_slice(&[0; 12]);
        mp4.extend_from_slice(&1_000_u32.to_be_bytes());
        mp4.extend_from_slice(&61_500_u32.to_be_bytes());
        assert_eq!(length(&mp4), Some(61_500));

        // 128 kilobits a second, behind a tag of 20 bytes.
        let mut mp3 = b"ID3\x04\0\0\0\0\0\x14".to_vec();
        mp3.resize(30, 0);
        mp3.extend_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
        mp3.resize(30 + 32_000, 0);
        assert_eq!(length(&mp3), Some(2_000));
        // A thousand frames of 1,152 samples at 44.1 kHz.
        let at = 30 + 36;
        mp3[at..at + 12].copy_from_slice(b"Xing\0\0\0\x01\0\0\x03\xe8");
        assert_eq!(length(&mp3), Some(26_122));
    }

    #[test]
    fn what_says_nothing_has_no_length() {
        for file in [
            &b""[..],
            b"RIFF",
            b"fLaC",
            b"OggS",
            b"\0\0\0\x18ftyp",
            b"ID3",
            b"\xff\xfb",
            b"hello",
            b"\x1a\x45\xdf\xa3webm",
        ] {
            assert_eq!(length(file), None, "{file:?}");
        }
        // Ten thousand hours.
        let mut mp4 = b"\0\0\0\x18ftypmvhd\0".to_vec();
        mp4.extend_from_slice(&[0; 11]);
        mp4.extend_from_slice(&1_u32.to_be_bytes());
        mp4.extend_from_slice(&36_000_000_u32.to_be_bytes());
        assert_eq!(length(&mp4), None);
    }

    proptest::proptest! {
        #[test]
        fn no_file_is_too_much(start in 0..6usize, rest in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let starts: [&[u8]; 6] = [b"RIFF", b"fLaC", b"OggSOpusHead", b"\0\0\0\0ftypmvhd", b"ID3", b"\xff\xfb"];
            let file = [starts[start], &rest].concat();
            proptest::prop_assert!(length(&file).is_none_or(|millis| millis <= LONGEST));
        }
    }
}
