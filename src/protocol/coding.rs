//! Decodes answers that are compressed although no compression was requested, so that Weir can read them.
//!
//! The output of each chunk is bounded, so that a few bytes cannot fill the memory.
use std::fmt;
use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use zstd::stream::write::Decoder as ZstdDecoder;

/// The coding of an answer's body.
#[derive(Debug)]
pub enum Coding {
    /// The body is not coded.
    Plain,
    Known(Decoder),
    /// The body has a coding that Weir cannot decode.
    Unknown,
}

/// Decodes one body. An empty body stays empty, whatever coding its head states.
pub struct Decoder {
    /// The outermost coding, which was applied last, is first.
    stages: Vec<Stage>,
    has_failed: bool,
}

/// The body does not match the coding in its head, or its decoded size exceeds the bound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Undecodable;

enum Stage {
    Brotli(Box<DecompressorWriter<Sink>>),
    /// Before the first two bytes, which tell whether there is a zlib wrapper: some servers omit it.
    Deflate(Vec<u8>),
    Gzip(Box<MultiGzDecoder<Sink>>),
    Raw(Box<DeflateDecoder<Sink>>),
    /// An unsupported coding.
    Unknown,
    Zlib(Box<ZlibDecoder<Sink>>),
    Zstd(Box<ZstdDecoder<'static, Sink>>),
}

/// Collects the output of one chunk.
#[derive(Default)]
struct Sink(Vec<u8>);

impl Coding {
    /// The coding that the head of an answer states.
    pub fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(CONTENT_ENCODING).iter();
        let mut stages = Vec::new();
        for value in values {
            let Ok(text) = value.to_str() else {
                return Self::Unknown;
            };
            for name in text.split(',').map(str::trim) {
                let stage = match name.to_ascii_lowercase().as_str() {
                    "" | "identity" => continue,
                    "gzip" | "x-gzip" => {
                        Stage::Gzip(Box::new(MultiGzDecoder::new(Sink::default())))
                    }
                    "deflate" => Stage::Deflate(Vec::new()),
                    "br" => {
                        Stage::Brotli(Box::new(DecompressorWriter::new(Sink::default(), BUFFER)))
                    }
                    "zstd" => match ZstdDecoder::new(Sink::default()) {
                        Ok(decoder) => Stage::Zstd(Box::new(decoder)),
                        Err(_) => return Self::Unknown,
                    },
                    _ => return Self::Unknown,
                };
                stages.push(stage);
            }
        }
        stages.reverse();
        match stages.len() {
            0 => Self::Plain,
            1..=MOST_STAGES => Self::Known(Decoder::new(stages)),
            _ => Self::Unknown,
        }
    }
}

impl Decoder {
    fn new(stages: Vec<Stage>) -> Self {
        Self {
            stages,
            has_failed: false,
        }
    }

    /// A decoder for a body in an unsupported coding: it fails at the first byte.
    pub fn unknown() -> Self {
        Self::new(vec![Stage::Unknown])
    }

    /// Whether the coding of the body is unsupported.
    pub fn is_unknown(&self) -> bool {
        matches!(self.stages.as_slice(), [Stage::Unknown])
    }

    /// Whether the body did not match the coding in its head.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Decodes the next bytes of the body, as far as possible.
    pub fn push(&mut self, chunk: &Bytes) -> Result<Bytes, Undecodable> {
        let mut bytes = chunk.clone();
        for stage in &mut self.stages {
            if bytes.is_empty() {
                break;
            }
            let pushed = stage.push(&bytes);
            self.has_failed |= pushed.is_err();
            bytes = pushed.map_err(|_| Undecodable)?.into();
        }
        Ok(bytes)
    }
}

impl Stage {
    fn push(&mut self, chunk: &[u8]) -> io::Result<Vec<u8>> {
        let held;
        let mut chunk = chunk;
        if let Self::Deflate(first) = self {
            first.extend_from_slice(chunk);
            if first.len() < 2 {
                return Ok(Vec::new());
            }
            held = std::mem::take(first);
            chunk = &held;
            *self = if is_zlib(&held) {
                Self::Zlib(Box::new(ZlibDecoder::new(Sink::default())))
            } else {
                Self::Raw(Box::new(DeflateDecoder::new(Sink::default())))
            };
        }
        let sink = match self {
            Self::Brotli(decoder) => {
                fed(decoder, chunk)?;
                decoder.get_mut()
            }
            Self::Deflate(_) => return Ok(Vec::new()),
            Self::Unknown => return Err(io::ErrorKind::Unsupported.into()),
            Self::Gzip(decoder) => {
                fed(decoder, chunk)?;
                decoder.get_mut()
            }
            Self::Raw(decoder) => {
                fed(decoder, chunk)?;
                decoder.get_mut()
            }
            Self::Zlib(decoder) => {
                fed(decoder, chunk)?;
                decoder.get_mut()
            }
            Self::Zstd(decoder) => {
                fed(decoder, chunk)?;
                decoder.get_mut()
            }
        };
        Ok(std::mem::take(&mut sink.0))
    }
}

fn fed(decoder: &mut impl Write, chunk: &[u8]) -> io::Result<()> {
    decoder.write_all(chunk)?;
    decoder.flush()
}

/// RFC 1950: method 8, and a check of both bytes.
fn is_zlib(bytes: &[u8]) -> bool {
    match bytes {
        [first, second, ..] => {
            first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
        }
        _ => false,
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_OF_A_PIECE {
            return Err(io::Error::other("grows beyond all bounds"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder of {} stages", self.stages.len())
    }
}

/// Most decoded bytes of one chunk, per stage. Text usually shrinks to a tenth, rarely to a hundredth.
const MOST_OF_A_PIECE: usize = 16 << 20;

/// Most codings that one body may have.
const MOST_STAGES: usize = 3;

const BUFFER: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"data: {\"choices\":[]}\n\ndata: [DONE]\n\n";

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(plain).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        zstd::encode_all(plain, 1).expect("memory")
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(plain).expect("memory");
        encoder.finish().expect("memory")
    }

    fn raw(plain: &[u8]) -> Vec<u8> {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(plain).expect("memory");
        encoder.finish().expect("memory")
    }

    /// `TEXT` as the reference encoder writes it: an uncompressed meta-block (RFC 7932, 9.2) of its 36 bytes, and the
    /// empty last one.
    fn brotli() -> Vec<u8> {
        let length = u32::try_from(TEXT.len() - 1).expect("short");
        // WBITS 16 (one bit 0), ISLAST 0, MNIBBLES 4 (00), MLEN - 1 in 16 bits, ISUNCOMPRESSED 1, then bytes.
        let bits = (length << 4) | (1 << 20);
        let mut bytes = bits.to_le_bytes()[..3].to_vec();
        bytes.extend_from_slice(TEXT);
        bytes.push(3);
        bytes
    }

    fn decoder(codings: &[&str]) -> Decoder {
        let mut headers = HeaderMap::new();
        for coding in codings {
            headers.append(CONTENT_ENCODING, coding.parse().expect("a header"));
        }
        match Coding::of(&headers) {
            Coding::Known(decoder) => decoder,
            other => panic!("{codings:?}: {other:?}"),
        }
    }

    fn decoded(codings: &[&str], coded: &[u8], size: usize) -> Result<Vec<u8>, Undecodable> {
        let mut decoder = decoder(codings);
        let mut plain = Vec::new();
        for chunk in coded.chunks(size) {
            plain.extend_from_slice(&decoder.push(&Bytes::copy_from_slice(chunk))?);
        }
        Ok(plain)
    }

    #[test]
    fn every_coding_in_pieces_of_any_size() {
        let stacked = gzip(&zstd(TEXT));
        for (codings, coded) in [
            (vec!["gzip"], gzip(TEXT)),
            (vec!["X-GZIP"], gzip(TEXT)),
            (vec!["deflate"], zlib(TEXT)),
            (vec!["deflate"], raw(TEXT)),
            (vec!["br"], brotli()),
            (vec!["zstd"], zstd(TEXT)),
            (vec!["zstd, gzip"], stacked.clone()),
            (vec!["zstd", "identity, gzip"], stacked.clone()),
        ] {
            for size in [1, 2, 7, 4096] {
                assert_eq!(
                    decoded(&codings, &coded, size).as_deref(),
                    Ok(TEXT),
                    "{codings:?} {size}"
                );
            }
            assert_eq!(
                decoded(&codings, b"", 1).as_deref(),
                Ok(&b""[..]),
                "{codings:?}"
            );
        }
    }

    #[test]
    fn what_is_no_such_coding_is_said() {
        for coding in ["gzip", "zstd"] {
            assert_eq!(
                decoded(&[coding], b"{\"error\":\"plain\"}", 64),
                Err(Undecodable),
                "{coding}"
            );
        }
        for coding in ["compress", "dcb", "gzip, x", "gzip, gzip, gzip, gzip"] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, coding.parse().expect("a header"));
            assert!(matches!(Coding::of(&headers), Coding::Unknown), "{coding}");
        }
        let mut headers = HeaderMap::new();
        assert!(matches!(Coding::of(&headers), Coding::Plain));
        headers.insert(CONTENT_ENCODING, "identity".parse().expect("a header"));
        assert!(matches!(Coding::of(&headers), Coding::Plain));
    }

    #[test]
    fn a_bomb_is_stopped() {
        let zeros = vec![0; 20 << 20];
        for (coding, coded) in [
            ("gzip", gzip(&zeros)),
            ("zstd", zstd(&zeros)),
            ("deflate", zlib(&zeros)),
        ] {
            assert_eq!(
                decoded(&[coding], &coded, coded.len()),
                Err(Undecodable),
                "{coding}"
            );
        }
    }
}
