//! Generated speech while it is relayed. Its duration follows from its beginning, its end and the number of its bytes,
//! so only these are kept.
use super::{LONGEST, flac, frames, ogg, ratio, wav};

/// The parts of relayed speech that are kept.
#[derive(Debug, Default)]
pub struct Spoken {
    head: Vec<u8>,
    tail: Vec<u8>,
    /// The number of all bytes.
    bytes: u64,
}

impl Spoken {
    /// Adds the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let missing = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head
            .extend_from_slice(bytes.get(..missing).unwrap_or_default());
        let last = bytes.get(bytes.len().saturating_sub(TAIL)..);
        let last = last.unwrap_or_default();
        let excess = (self.tail.len() + last.len()).saturating_sub(TAIL);
        self.tail.drain(..excess.min(self.tail.len()));
        self.tail.extend_from_slice(last);
    }

    /// The duration so far, in milliseconds. `None` = the bytes do not tell it. `is_raw` = the client requested samples
    /// without a header.
    pub fn length(&self, is_raw: bool) -> Option<u64> {
        let (head, tail) = (&*self.head, &*self.tail);
        let length = match head {
            [b'R', b'I', b'F', b'F', ..] => wav(head, self.bytes),
            [b'f', b'L', b'a', b'C', ..] => flac::spoken(head, tail),
            [b'O', b'g', b'g', b'S', ..] => ogg(head, tail),
            _ if is_raw => ratio(self.bytes, RAW),
            _ if self.bytes <= TAIL as u64 => frames::spoken(tail, &[], self.bytes),
            _ => frames::spoken(head, tail, self.bytes),
        };
        length.filter(|millis| *millis <= LONGEST)
    }

    /// Whether no bytes have been added yet.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

/// Bytes per second of raw samples: 24,000 samples of 16 bits, one channel.
/// Source: platform.openai.com/docs/guides/text-to-speech, supported output formats.
const RAW: u64 = 48_000;

/// The size of the beginning that is kept, in bytes: headers and some frames.
const HEAD: usize = 4 << 10;

/// The size of the end that is kept, in bytes: the longest Ogg page.
const TAIL: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &[u8]); 6] = [
        ("ogg", include_bytes!("../../../tests/sounds/pipe.ogg")),
        ("flac", include_bytes!("../../../tests/sounds/pipe.flac")),
        ("mp3", include_bytes!("../../../tests/sounds/said.mp3")),
        (
            "piped mp3",
            include_bytes!("../../../tests/sounds/pipe.mp3"),
        ),
        (
            "mp3 of a changing rate",
            include_bytes!("../../../tests/sounds/vbr.mp3"),
        ),
        ("aac", include_bytes!("../../../tests/sounds/raw.aac")),
    ];

    fn heard(file: &[u8], piece: usize) -> Spoken {
        let mut spoken = Spoken::default();
        for piece in file.chunks(piece) {
            spoken.push(piece);
        }
        spoken
    }

    #[test]
    fn what_goes_by_is_as_long_as_its_file_however_it_comes() {
        for (what, file) in FILES {
            for piece in [1, 7, 1_000, 1 << 20] {
                let millis = heard(file, piece).length(false).expect(what);
                assert!((3_480..=3_640).contains(&millis), "{what}: {millis}");
            }
            let half = heard(&file[..file.len() / 2], 100)
                .length(false)
                .expect(what);
            assert!((400..=2_200).contains(&half), "half of {what}: {half}");
        }
    }

    #[test]
    fn what_is_long_is_told_by_its_beginning_and_its_end() {
        for (what, file) in &FILES[2..] {
            // Only the first copy has an ID3 tag.
            let begin = file.iter().position(|byte| *byte == 0xff).expect("a frame");
            let many = [&file[..begin], &file[begin..].repeat(100)].concat();
            let spoken = heard(&many, 4_096);
            assert!(spoken.head.len() <= HEAD && spoken.tail.len() <= TAIL);
            let millis = spoken.length(false).expect(what);
            assert!((345_000..=365_000).contains(&millis), "{what}: {millis}");
        }
        let mut wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend_from_slice(&24_000_u32.to_le_bytes());
        wav.extend_from_slice(&48_000_u32.to_le_bytes());
        wav.extend_from_slice(b"\x02\0\x10\0data\xff\xff\xff\xff");
        wav.resize(wav.len() + 480_000, 7);
        assert_eq!(heard(&wav, 8_192).length(false), Some(10_000));
        assert_eq!(
            heard(&wav, 8_192).length(true),
            Some(10_000),
            "it has a head"
        );
        let raw = vec![0; 480_000];
        assert_eq!(heard(&raw, 8_192).length(true), Some(10_000));
        assert_eq!(heard(&raw, 8_192).length(false), None);
        assert_eq!(heard(b"", 1).length(false), None);
    }

    proptest::proptest! {
        #[test]
        fn no_speech_is_too_much(start in 0..5usize, rest in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let starts: [&[u8]; 5] = [b"RIFF", b"fLaC", b"OggSOpusHead", b"\xff\xf1\x60\x40", b"\xff\xfb"];
            let file = [starts[start], &rest].concat();
            for raw in [false, true] {
                let length = heard(&file, 50).length(raw);
                proptest::prop_assert!(length.is_none_or(|millis| millis <= LONGEST));
            }
        }
    }
}
