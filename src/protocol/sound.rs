//! The duration of audio, as its container tells it. It determines what a transcription will cost, or what generated
//! speech cost.
//!
//! Supported containers: WAV, FLAC, Ogg (Opus, Vorbis), MP3, AAC (ADTS), AMR, MP4 (M4A), WebM and Matroska.
use memchr::memmem;

mod flac;
mod frames;
mod matroska;
mod spoken;

pub use spoken::Spoken;

/// The duration in milliseconds. `None` = the container is not supported, or it does not tell a plausible duration.
pub fn length(file: &[u8]) -> Option<u64> {
    let length = match file {
        [b'R', b'I', b'F', b'F', ..] | [b'R', b'F', b'6', b'4', ..] => wav(file, file.len() as u64),
        [b'f', b'L', b'a', b'C', ..] => flac::length(file),
        [b'O', b'g', b'g', b'S', ..] => ogg(file, file),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => matroska::length(file),
        [b'#', b'!', b'A', b'M', b'R', ..] => frames::amr(file),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => mp4(file),
        _ => frames::length(file),
    };
    length.filter(|millis| *millis <= LONGEST)
}

/// The size of the data divided by the byte rate. The whole file has `bytes` bytes; `file` may be only its beginning.
fn wav(file: &[u8], bytes: u64) -> Option<u64> {
    let mut at = 12;
    let mut rate = None;
    loop {
        let name = file.get(at..at + 4)?;
        let size = little(file, at + 4, 4)?;
        if name == b"fmt " {
            // Some programs leave the byte rate out: samples per second, and bytes of a sample of all channels.
            let stated = little(file, at + 16, 4)?;
            let computed = little(file, at + 12, 4)?.saturating_mul(little(file, at + 20, 2)?);
            rate = Some(if stated == 0 { computed } else { stated });
        } else if name == b"data" {
            // A program that writes to a pipe does not know the size, and sets it to the maximum or to 0.
            let there = bytes.saturating_sub(at as u64 + 8);
            let size = if size == 0 { there } else { size.min(there) };
            return ratio(size, rate?);
        }
        // Chunks are aligned to even offsets.
        let next = usize::try_from(size + (size & 1)).ok()?;
        at = at.checked_add(8)?.checked_add(next)?;
    }
}

/// The last granule position of the only stream, divided by the sample rate of its codec. `head` and `tail` are the
/// beginning and the end of the file.
fn ogg(head: &[u8], tail: &[u8]) -> Option<u64> {
    let head = head.get(..head.len().min(256))?;
    let (rate, skipped) = if let Some(at) = memmem::find(head, b"OpusHead") {
        (48_000, little(head, at + 10, 2)?)
    } else {
        let at = memmem::find(head, b"\x01vorbis")?;
        (little(head, at + 12, 4)?, 0)
    };
    // A page on which no packet ends has no position (all bits are set), and a page that was cut off may lack it.
    let mut places = memmem::rfind_iter(tail, b"OggS").filter_map(|at| little(tail, at + 6, 8));
    let samples = places.find(|place| *place < u64::MAX)?;
    ratio(samples.saturating_sub(skipped), rate)
}

/// The duration in the movie header (`mvhd`).
fn mp4(file: &[u8]) -> Option<u64> {
    let at = memmem::find(file, b"mvhd")? + 4;
    let (scale, duration) = match file.get(at)? {
        1 => (big(file, at + 20, 4)?, big(file, at + 24, 8)?),
        _ => (big(file, at + 12, 4)?, big(file, at + 16, 4)?),
    };
    ratio(duration, scale).filter(|_| duration > 0)
}

/// The milliseconds of `count` units at `a_second` units per second.
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

/// A week, in milliseconds. A longer duration is taken for an error.
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
        for streamed in [u32::MAX, 0x7fff_ffff, 0] {
            assert_eq!(length(&wav_of(48_000, 32_000, streamed)), Some(1_500));
        }
        assert_eq!(length(&wav_of(0, 32_000, 0)), Some(0));
        assert_eq!(
            length(&wav_of(48_000, 0, 48_000)),
            Some(1_500),
            "no byte rate"
        );
        let long = [b"RF64", &wav_of(48_000, 32_000, u32::MAX)[4..]].concat();
        assert_eq!(length(&long), Some(1_500), "of more than 4 GiB");

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

        // 128 kbit/s, after an ID3 tag of 20 bytes.
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
            b"#!AMR\n",
            b"#!AMR-WB",
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

    /// Files of three and a half seconds, written by real programs. An encoder adds some audio at the end.
    #[test]
    fn real_files_are_as_long_as_they_are() {
        let files: [(&str, &[u8], u64); 7] = [
            ("ogg", include_bytes!("../../tests/sounds/pipe.ogg"), 3_500),
            (
                "flac",
                include_bytes!("../../tests/sounds/pipe.flac"),
                3_500,
            ),
            ("mp3", include_bytes!("../../tests/sounds/said.mp3"), 3_600),
            (
                "piped mp3",
                include_bytes!("../../tests/sounds/pipe.mp3"),
                3_600,
            ),
            (
                "mp3 of a changing rate",
                include_bytes!("../../tests/sounds/vbr.mp3"),
                3_600,
            ),
            ("aac", include_bytes!("../../tests/sounds/raw.aac"), 3_584),
            ("amr", include_bytes!("../../tests/sounds/said.amr"), 3_520),
        ];
        for (what, file, expected) in files {
            assert_eq!(length(file), Some(expected), "{what}");
            for end in 0..file.len() {
                let millis = length(&file[..end]);
                assert!(
                    millis.is_none_or(|millis| millis <= expected + 100),
                    "{what}: {millis:?}"
                );
            }
        }
        let wide = [b"#!AMR-WB\n".as_slice(), &[0x04; 18 * 5]].concat();
        assert_eq!(length(&wide), Some(100));
    }

    proptest::proptest! {
        #[test]
        fn no_file_is_too_much(start in 0..10usize, rest in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let starts: [&[u8]; 10] = [
                b"RIFF",
                b"fLaC",
                b"OggSOpusHead",
                b"\0\0\0\0ftypmvhd",
                b"ID3",
                b"\xff\xfb",
                b"\xff\xf1\x60\x40",
                b"\x1a\x45\xdf\xa3\x80",
                b"\x1a\x45\xdf\xa3\x80\x1f\x43\xb6\x75\xff\xe7\x81\0\xa3",
                b"#!AMR\n",
            ];
            let file = [starts[start], &rest].concat();
            proptest::prop_assert!(length(&file).is_none_or(|millis| millis <= LONGEST));
        }

        /// The same holds for real files with changed bytes.
        #[test]
        fn no_broken_file_is_too_much(which in 0..5usize, changes in proptest::collection::vec((0..4_000usize, proptest::num::u8::ANY), 1..20)) {
            let files: [&[u8]; 5] = [
                include_bytes!("../../tests/sounds/said.webm"),
                include_bytes!("../../tests/sounds/film.webm"),
                include_bytes!("../../tests/sounds/raw.aac"),
                include_bytes!("../../tests/sounds/pipe.ogg"),
                include_bytes!("../../tests/sounds/said.amr"),
            ];
            let mut file = files[which].to_vec();
            for (at, byte) in changes {
                let at = at % file.len();
                file[at] = byte;
            }
            proptest::prop_assert!(length(&file).is_none_or(|millis| millis <= LONGEST));
        }
    }
}
