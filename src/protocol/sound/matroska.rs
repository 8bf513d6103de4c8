//! Matroska and WebM: the duration in the header, or else the time from the first block to the last, because a recorder
//! that writes to a stream does not know the duration when it writes the header.
//!
//! Elements are read in their order in the file, without tracking which element contains which. So elements of unknown
//! size (the segment and the clusters of a recorder) need no end. Source: RFC 8794 (EBML) and RFC 9559 (Matroska).
use super::{LONGEST, big};

/// The duration in milliseconds. `None` = neither the header nor the blocks tell it.
pub(super) fn length(file: &[u8]) -> Option<u64> {
    let mut film = Film::default();
    let mut at = 0;
    for _ in 0..MOST {
        let Some(element) = Element::at(file, at) else {
            break;
        };
        if let Some(length) = film.read(file, &element) {
            return Some(length);
        }
        let next = if element.is_entered() {
            Some(element.begin)
        } else {
            // If an element that is not entered has an unknown size, the position of the next element is unknown.
            element
                .size
                .and_then(|size| element.begin.checked_add(size))
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    film.heard()
}

/// What has been read so far. A tick is `scale` nanoseconds.
#[derive(Debug, Default)]
struct Film {
    scale: Option<u64>,
    /// The duration in the header, in ticks. The scale may follow it.
    stated: Option<f64>,
    /// The time at which the current cluster begins, in ticks.
    cluster: i64,
    /// The time of the first block, and of the end of the last block (or of its beginning, if its duration is unknown),
    /// in ticks.
    first: Option<i64>,
    last: i64,
    /// The time of the most recent block, in ticks; `None` = its track does not count.
    block: Option<i64>,
    /// The track whose entry is being read.
    track: Track,
    /// The first audio track. If there is one, only its blocks count.
    sound: Option<Track>,
}

/// The properties of a track, from its entry.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    number: u64,
    is_sound: bool,
    /// The duration of each of its blocks in nanoseconds; 0 = not stated.
    lasts: u64,
}

impl Film {
    /// Processes the next element. Returns the duration in milliseconds once it is certain.
    fn read(&mut self, file: &[u8], element: &Element) -> Option<u64> {
        let number = || big(file, element.begin, element.size.filter(|size| *size <= 8)?);
        match element.id {
            SCALE => self.scale = number().filter(|scale| *scale > 0),
            DURATION => self.stated = float(file, element),
            CLUSTER => return self.stated_length(),
            TIMESTAMP => self.cluster = number().map_or(0, ticks),
            SIMPLE_BLOCK | BLOCK => self.note_block(file, element),
            BLOCK_DURATION => {
                let end = self
                    .block
                    .map(|block| block.saturating_add(number().map_or(0, ticks)));
                self.last = end.map_or(self.last, |end| end.max(self.last));
            }
            TRACK_ENTRY => self.track = Track::default(),
            TRACK_NUMBER => self.track.number = number().unwrap_or(0),
            TRACK_TYPE => self.track.is_sound = number() == Some(OF_SOUND),
            DEFAULT_DURATION => self.track.lasts = number().unwrap_or(0),
            _ => {}
        }
        // The elements of a track entry may stand in any order.
        let track = self.track;
        if track.is_sound
            && self
                .sound
                .is_none_or(|sound| sound.number == track.number || sound.number == 0)
        {
            self.sound = Some(track);
        }
        None
    }

    fn note_block(&mut self, file: &[u8], element: &Element) {
        let Some((track, width)) = vint(file, element.begin) else {
            return;
        };
        let relative = element
            .begin
            .checked_add(width)
            .and_then(|at| big(file, at, 2))
            .and_then(|bits| u16::try_from(bits).ok())
            .map(u16::cast_signed);
        let Some(relative) = relative else {
            return;
        };
        let lasts = match self.sound {
            Some(sound) if track != Some(sound.number) => {
                self.block = None;
                return;
            }
            sound => sound.map_or(0, |sound| ticks(sound.lasts / self.scale())),
        };
        let block = self.cluster.saturating_add(i64::from(relative));
        self.block = Some(block);
        self.first = Some(self.first.map_or(block, |first| first.min(block)));
        self.last = self.last.max(block.saturating_add(lasts));
    }

    fn scale(&self) -> u64 {
        self.scale.unwrap_or(USUAL_SCALE)
    }

    /// The duration in the header, if it is plausible.
    fn stated_length(&self) -> Option<u64> {
        let millis = self.stated? * (self.scale() as f64) / NANOS as f64;
        // NaN is not above zero.
        (millis > 0.0 && millis <= LONGEST as f64).then(|| whole(millis))
    }

    /// The duration in the header, or else the time from the first block to the last.
    fn heard(&self) -> Option<u64> {
        if let Some(stated) = self.stated_length() {
            return Some(stated);
        }
        let ticks = self.last.checked_sub(self.first?)?;
        let ticks = u64::try_from(ticks).ok().filter(|ticks| *ticks > 0)?;
        Some(ticks.checked_mul(self.scale())? / NANOS)
    }
}

/// The header of an element.
#[derive(Debug)]
struct Element {
    id: u64,
    /// The offset of its data.
    begin: usize,
    /// The size of its data in bytes; `None` = unknown.
    size: Option<usize>,
}

impl Element {
    fn at(file: &[u8], at: usize) -> Option<Self> {
        let width = width(file, at).filter(|width| *width <= LONGEST_ID)?;
        let id = big(file, at, width)?;
        let (size, width_of_size) = vint(file, at.checked_add(width)?)?;
        Some(Self {
            id,
            begin: at.checked_add(width)?.checked_add(width_of_size)?,
            // A size beyond the address space also ends beyond the file.
            size: size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        })
    }

    /// Whether the elements inside it are read.
    const fn is_entered(&self) -> bool {
        matches!(
            self.id,
            SEGMENT | INFO | TRACKS | TRACK_ENTRY | CLUSTER | BLOCK_GROUP
        )
    }
}

/// The width in bytes of the variable-length number at `at`: the number of its leading zero bits, plus one.
fn width(file: &[u8], at: usize) -> Option<usize> {
    let first = file.get(at).filter(|first| **first > 0)?;
    Some(first.leading_zeros() as usize + 1)
}

/// A variable-length number (EBML) and its width in bytes. All bits set = unknown.
fn vint(file: &[u8], at: usize) -> Option<(Option<u64>, usize)> {
    let width = width(file, at)?;
    let all = (1 << (7 * width)) - 1;
    let value = big(file, at, width)? & all;
    Some((Some(value).filter(|value| *value < all), width))
}

fn float(file: &[u8], element: &Element) -> Option<f64> {
    let bits = big(file, element.begin, element.size.filter(|size| *size <= 8)?)?;
    match element.size? {
        4 => Some(f32::from_bits(u32::try_from(bits).ok()?).into()),
        8 => Some(f64::from_bits(bits)),
        _ => None,
    }
}

fn ticks(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it lies between zero and a week"
)]
fn whole(millis: f64) -> u64 {
    millis.round() as u64
}

const SEGMENT: u64 = 0x1853_8067;
const INFO: u64 = 0x1549_a966;
const SCALE: u64 = 0x2a_d7b1;
const DURATION: u64 = 0x4489;
const TRACKS: u64 = 0x1654_ae6b;
const TRACK_ENTRY: u64 = 0xae;
const TRACK_NUMBER: u64 = 0xd7;
const TRACK_TYPE: u64 = 0x83;
/// The track type of audio.
const OF_SOUND: u64 = 2;
const DEFAULT_DURATION: u64 = 0x23_e383;
const CLUSTER: u64 = 0x1f43_b675;
const TIMESTAMP: u64 = 0xe7;
const SIMPLE_BLOCK: u64 = 0xa3;
const BLOCK_GROUP: u64 = 0xa0;
const BLOCK: u64 = 0xa1;
const BLOCK_DURATION: u64 = 0x9b;

/// The length of the longest element ID, in bytes.
const LONGEST_ID: usize = 4;

/// Nanoseconds per tick, if the header does not state it.
const USUAL_SCALE: u64 = 1_000_000;

/// Nanoseconds per millisecond.
const NANOS: u64 = 1_000_000;

/// The most elements that are read from one file. A day of blocks of 0.1 s fits.
const MOST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::length;

    const SAID: &[u8] = include_bytes!("../../../tests/sounds/said.webm");
    const LIVE: &[u8] = include_bytes!("../../../tests/sounds/live.webm");
    const FILM: &[u8] = include_bytes!("../../../tests/sounds/film.webm");
    const PIPE: &[u8] = include_bytes!("../../../tests/sounds/pipe.mka");

    fn is_near(file: &[u8], what: &str) {
        let millis = length(file).expect(what);
        assert!((3_400..=3_520).contains(&millis), "{what}: {millis}");
    }

    #[test]
    fn the_head_says_the_length_or_the_blocks_do() {
        assert_eq!(length(SAID), Some(3_508));
        is_near(LIVE, "live");
        is_near(FILM, "film");
        is_near(PIPE, "pipe");
    }

    /// Browsers do not know the size of a segment and its clusters, and set all bits of the size instead.
    #[test]
    fn a_segment_and_clusters_of_no_known_size_are_read() {
        let mut file = LIVE.to_vec();
        let clusters: Vec<usize> = memchr::memmem::find_iter(LIVE, b"\x1f\x43\xb6\x75").collect();
        for at in &clusters {
            let size = &mut file[at + 4..];
            let width = size[0].leading_zeros() as usize + 1;
            size[0] = 0xff >> (width - 1);
            size[1..width].fill(0xff);
        }
        assert!(!clusters.is_empty());
        assert_eq!(length(&file), length(LIVE));
    }

    #[test]
    fn a_recording_that_was_cut_off_is_as_long_as_what_there_is() {
        let whole = length(LIVE).expect("a length");
        let half = length(&LIVE[..LIVE.len() / 2]).expect("a length");
        assert!((whole / 4..whole * 3 / 4).contains(&half), "{half}");
        // The head alone has no blocks.
        assert_eq!(length(&LIVE[..0x100]), None);
        for file in [SAID, LIVE, FILM, PIPE] {
            for end in 0..file.len() {
                let millis = length(&file[..end]);
                assert!(millis.is_none_or(|millis| millis <= 3_520), "{millis:?}");
            }
        }
    }

    fn element(id: &[u8], data: &[u8]) -> Vec<u8> {
        let size = 0x4000 | u16::try_from(data.len()).expect("short");
        [id, &size.to_be_bytes(), data].concat()
    }

    fn film(info: &[u8], blocks: &[u8]) -> Vec<u8> {
        let tracks = element(b"\xae", &element(b"\xd7", b"\x01"));
        let head = element(b"\x1a\x45\xdf\xa3", b"");
        let segment = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff".to_vec();
        [
            head,
            segment,
            element(b"\x15\x49\xa9\x66", info),
            element(b"\x16\x54\xae\x6b", &tracks),
            element(b"\x1f\x43\xb6\x75", blocks),
        ]
        .concat()
    }

    #[test]
    fn ticks_are_as_long_as_the_head_says_and_nonsense_is_not_believed() {
        let scale = element(b"\x2a\xd7\xb1", &10_000_000_u32.to_be_bytes());
        let lasts = |seconds: f64| element(b"\x44\x89", &(seconds * 100.0).to_be_bytes());
        let group = element(
            b"\xa0",
            &[
                element(b"\xa1", b"\x81\0\x64\0x"),
                element(b"\x9b", b"\x32"),
            ]
            .concat(),
        );
        let blocks = [
            element(b"\xe7", b"\x01\0"),
            element(b"\xa3", b"\x81\0\0\0x"),
            group,
        ]
        .concat();
        let both = [scale.clone(), lasts(9.5)].concat();
        assert_eq!(length(&film(&both, &blocks)), Some(9_500));
        // The scale may follow the duration.
        let both = [lasts(9.5), scale.clone()].concat();
        assert_eq!(length(&film(&both, &blocks)), Some(9_500));
        // From the first block to the end of the last: a second and a half.
        for nonsense in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e30] {
            let info = [scale.clone(), lasts(nonsense)].concat();
            assert_eq!(length(&film(&info, &blocks)), Some(1_500), "{nonsense}");
        }
        let zero = element(b"\x2a\xd7\xb1", b"\0");
        assert_eq!(length(&film(&zero, &blocks)), Some(150), "the usual scale");
        let vast = element(b"\x2a\xd7\xb1", &u64::MAX.to_be_bytes());
        assert_eq!(length(&film(&vast, &blocks)), None);
    }
}
