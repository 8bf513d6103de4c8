//! The size of an image, from the first bytes of its base64; only these are decoded.
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Size {
    pub width: u32,
    pub height: u32,
}

/// The size of a PNG, JPEG, GIF or WebP. `None` = it has none of these formats, or its first 192 KiB do not contain the
/// size.
pub(super) fn size(base64: &str) -> Option<Size> {
    let bytes = first_bytes(base64, SMALL)?;
    match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => sized(be32(&bytes, 16)?, be32(&bytes, 20)?),
        [b'G', b'I', b'F', b'8', ..] => sized(le16(&bytes, 6)?, le16(&bytes, 8)?),
        [b'R', b'I', b'F', b'F', ..] if bytes.get(8..12) == Some(b"WEBP") => webp(&bytes),
        // The frame header may be behind a preview image and a colour profile.
        [0xff, 0xd8, ..] => jpeg(&bytes).or_else(|| jpeg(&first_bytes(base64, LARGE)?)),
        _ => None,
    }
}

/// The first `most` decoded bytes.
pub(super) fn first_bytes(base64: &str, most: usize) -> Option<Vec<u8>> {
    let end = base64.len().min(most.div_ceil(3) * 4);
    // Only whole groups of four characters, so that no byte is cut.
    let head = base64.as_bytes().get(..end - end % 4)?;
    LENIENT.decode(head).ok()
}

fn jpeg(bytes: &[u8]) -> Option<Size> {
    let mut at = 2;
    loop {
        while *bytes.get(at)? != 0xff {
            at += 1;
        }
        while *bytes.get(at)? == 0xff {
            at += 1;
        }
        let marker = *bytes.get(at)?;
        at += 1;
        match marker {
            // Start of frame, except for the tables C4, C8 and CC in the same range.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return sized(be16(bytes, at + 5)?, be16(bytes, at + 3)?);
            }
            0x01 | 0xd0..=0xd8 => {}
            0xd9 | 0xda => return None,
            _ => at = at.checked_add(usize::try_from(be16(bytes, at)?).ok()?.max(2))?,
        }
    }
}

fn webp(bytes: &[u8]) -> Option<Size> {
    match bytes.get(12..16)? {
        b"VP8 " => sized(le16(bytes, 26)? & 0x3fff, le16(bytes, 28)? & 0x3fff),
        b"VP8L" => {
            let bits = u32::from_le_bytes(bytes.get(21..25)?.try_into().ok()?);
            sized((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1)
        }
        b"VP8X" => {
            let three = |at: usize| Some(le16(bytes, at)? | u32::from(*bytes.get(at + 2)?) << 16);
            sized(three(24)? + 1, three(27)? + 1)
        }
        _ => None,
    }
}

fn sized(width: u32, height: u32) -> Option<Size> {
    (width > 0 && height > 0).then_some(Size { width, height })
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn be16(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into())
}

fn le16(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into())
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// In bytes; enough for every header except a JPEG's.
const SMALL: usize = 1 << 10;
/// The part of a JPEG in which the frame header is searched, in bytes.
const LARGE: usize = 192 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD as BASE64;

    fn of(bytes: &[u8]) -> Option<(u32, u32)> {
        size(&BASE64.encode(bytes)).map(|size| (size.width, size.height))
    }

    #[test]
    fn each_format_says_its_size_in_its_header() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x07\x80\0\0\x04\x38\x08\x02\0\0\0";
        assert_eq!(of(png), Some((1920, 1080)));
        assert_eq!(of(b"GIF89a\x40\x01\xf0\0\xf7\0\0"), Some((320, 240)));
        let lossy = b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0\x30\x01\0\x9d\x01\x2a\x20\x03\x58\x02";
        assert_eq!(of(lossy), Some((800, 600)));
        let lossless = b"RIFF\x24\0\0\0WEBPVP8L\x18\0\0\0\x2f\x1f\xc3\x95\0\0";
        assert_eq!(of(lossless), Some((800, 600)));
        let extended = b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x1f\x03\0\x57\x02\0";
        assert_eq!(of(extended), Some((800, 600)));
    }

    #[test]
    fn a_jpeg_may_carry_much_before_its_frame() {
        let frame = b"\xff\xc2\0\x11\x08\x02\x58\x03\x20\x03\x01\x22\0\x02\x11\x01\x03\x11\x01";
        for profile in [0, 100, 40_000, 60_000] {
            let mut jpeg = b"\xff\xd8\xff\xe1".to_vec();
            jpeg.extend_from_slice(&u16::try_from(profile + 2).expect("small").to_be_bytes());
            jpeg.extend(std::iter::repeat_n(7, profile));
            jpeg.extend_from_slice(b"\xff\xff\xdb\0\x03\x01");
            jpeg.extend_from_slice(frame);
            assert_eq!(of(&jpeg), Some((800, 600)), "{profile}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(
            magic in proptest::sample::select(vec![
                &b"\x89PNG"[..], b"GIF8", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 ",
                b"RIFF\0\0\0\0WEBPVP8L", b"RIFF\0\0\0\0WEBPVP8X", b"",
            ]),
            rest in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
        ) {
            let bytes = [magic, &rest].concat();
            if let Some((width, height)) = of(&bytes) {
                assert!(width > 0 && height > 0);
            }
        }
    }

    #[test]
    fn what_is_no_picture_has_no_size() {
        for bytes in [
            &b""[..],
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8",
            b"\xff\xd8\xff\xe1\0\0",
            b"\xff\xd8\xff\xda\0\x02",
            b"RIFF\0\0\0\0WEBP",
            b"GIF89a\0\0\0\0",
            b"%PDF-1.7",
        ] {
            assert_eq!(of(bytes), None, "{bytes:?}");
        }
        assert_eq!(size("no base64 at all!"), None);
        assert_eq!(size("AA="), None);
    }
}
