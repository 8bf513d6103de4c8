//! Reads a request body: completely, within bounds, with any framing, and decodes it if it is compressed.
use std::io::Read;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use pingora::protocols::http::ServerSession;

use super::buffered::BufferShare;
use super::pace::Pace;
use crate::exchange::refusal::Refusal;

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// The client closed the connection, so nobody waits for an answer.
    Gone,
    Refused(Refusal),
}

/// Reads the body of `session`: at most `limit` bytes, before and after decoding. The bytes are counted in `held`, and
/// must arrive at `pace`.
pub(crate) async fn read(
    session: &mut ServerSession,
    limit: usize,
    pace: Pace,
    held: &mut BufferShare,
) -> Result<Bytes, BodyFault> {
    let headers = &session.req_header().headers;
    let declared = content_length(headers);
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(BodyFault::Refused(Refusal::too_large(limit)));
    }
    if declared.is_some_and(|length| !held.has_room(length)) {
        return Err(BodyFault::Refused(Refusal::MemoryFull));
    }
    let encoding = headers.get(CONTENT_ENCODING).cloned();
    let expects = headers
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects && session.as_http1().is_some() && session.write_continue_response().await.is_err() {
        return Err(BodyFault::Gone);
    }
    let raw = read_raw(session, (declared, limit), pace, held).await?;
    match encoding {
        None => Ok(raw),
        Some(name) => {
            let packed = raw.len();
            let body = decode(raw, name.to_str().unwrap_or("?"), limit).await;
            let body = body.map_err(BodyFault::Refused)?;
            if held.grow(body.len().saturating_sub(packed)) {
                Ok(body)
            } else {
                Err(BodyFault::Refused(Refusal::MemoryFull))
            }
        }
    }
}

/// Reads and drops the rest of the body, after an answer that did not wait for it.
///
/// A client that is still sending reads the answer only when it has finished. Closing with unread bytes resets the
/// connection (HTTP/1) or the stream (HTTP/2), and the answer is lost. The time is bounded, so that a refused client
/// occupies nothing for long.
pub(crate) async fn discard(session: &mut ServerSession) {
    let expects = session.req_header().headers.contains_key(EXPECT);
    // A client that was never told to continue does not send, and a malformed body cannot be read further.
    if session.is_body_done() || expects {
        return;
    }
    let rest = async {
        while let Ok(Ok(Some(_))) = tokio::time::timeout(LULL, session.read_request_body()).await {}
    };
    let whole = tokio::time::timeout(PATIENCE, rest).await.is_ok() && session.is_body_done();
    if !whole {
        session.set_keepalive(None);
    }
}

/// The next bytes of the body, which must arrive at `pace`; `None` at its end.
pub(crate) async fn chunk(
    session: &mut ServerSession,
    pace: &mut Pace,
) -> Result<Option<Bytes>, BodyFault> {
    let read = session.read_request_body();
    tokio::pin!(read);
    let read = loop {
        match tokio::time::timeout(pace.left(Instant::now()), &mut read).await {
            Ok(read) => break read,
            Err(_) if pace.keeps_up(0, Instant::now()) => {}
            Err(_) => return Err(BodyFault::Refused(Refusal::BodyTimeout)),
        }
    };
    match read {
        Ok(Some(chunk)) if !pace.keeps_up(chunk.len(), Instant::now()) => {
            Err(BodyFault::Refused(Refusal::BodyTimeout))
        }
        Ok(chunk) => Ok(chunk),
        Err(error) if is_closed(&error) && !is_malformed(&error) => Err(BodyFault::Gone),
        Err(_) => Err(BodyFault::Refused(Refusal::BodyUnreadable {
            why: "its framing is broken".into(),
        })),
    }
}

async fn read_raw(
    session: &mut ServerSession,
    (declared, limit): (Option<u64>, usize),
    mut pace: Pace,
    held: &mut BufferShare,
) -> Result<Bytes, BodyFault> {
    let mut next = async |session: &mut ServerSession| match chunk(session, &mut pace).await? {
        Some(chunk) if !held.grow(chunk.len()) => Err(BodyFault::Refused(Refusal::MemoryFull)),
        chunk => Ok(chunk),
    };
    let Some(first) = next(session).await? else {
        return Ok(Bytes::new());
    };
    // Most requests fit into one read and are not copied.
    if declared == Some(first.len() as u64) {
        return Ok(first);
    }
    // A declared length is not trusted: memory grows with what really arrives.
    let expected = usize::try_from(declared.unwrap_or(0))
        .unwrap_or(limit)
        .min(MAX_PREALLOCATED);
    let mut body = BytesMut::with_capacity(expected.max(first.len()));
    body.extend_from_slice(&first);
    while let Some(chunk) = next(session).await? {
        if body.len() + chunk.len() > limit {
            return Err(BodyFault::Refused(Refusal::too_large(limit)));
        }
        body.extend_from_slice(&chunk);
    }
    if body.len() > limit {
        return Err(BodyFault::Refused(Refusal::too_large(limit)));
    }
    Ok(body.freeze())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn is_closed(error: &pingora::Error) -> bool {
    use pingora::ErrorType::{ConnectionClosed, H2Error, ReadError};
    matches!(error.etype(), ConnectionClosed | ReadError | H2Error)
}

/// Whether the connection's guard found the body malformed. In that case the client is still there.
fn is_malformed(error: &pingora::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::InvalidData)
}

/// Decompresses outside the event loop, because a few MiB of zstd take milliseconds.
async fn decode(raw: Bytes, encoding: &str, limit: usize) -> Result<Bytes, Refusal> {
    let coding = match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(raw),
        "gzip" | "x-gzip" => Coding::Gzip,
        "zstd" => Coding::Zstd,
        other => {
            return Err(Refusal::BodyUnreadable {
                why: format!(
                    "content-encoding `{other}` is not understood; send it plain, as gzip or as zstd"
                ),
            });
        }
    };
    let unpack = move || unpack(&raw, coding, limit);
    tokio::task::spawn_blocking(unpack)
        .await
        .unwrap_or_else(|_| {
            Err(Refusal::BodyUnreadable {
                why: "decoding failed".into(),
            })
        })
}

#[derive(Clone, Copy, Debug)]
enum Coding {
    Gzip,
    Zstd,
}

fn unpack(raw: &[u8], coding: Coding, limit: usize) -> Result<Bytes, Refusal> {
    let fault = |why: std::io::Error| Refusal::BodyUnreadable {
        why: format!("it is not valid {coding:?}: {why}"),
    };
    let mut out = Vec::new();
    let bound = limit as u64 + 1;
    match coding {
        Coding::Gzip => flate2::read::MultiGzDecoder::new(raw)
            .take(bound)
            .read_to_end(&mut out),
        Coding::Zstd => zstd::stream::read::Decoder::with_buffer(raw).and_then(|mut decoder| {
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
            decoder.take(bound).read_to_end(&mut out)
        }),
    }
    .map_err(fault)?;
    if out.len() > limit {
        return Err(Refusal::too_large(limit));
    }
    Ok(out.into())
}

/// How long a client that already has its answer may go on sending its body, and how long it may pause.
const PATIENCE: Duration = Duration::from_secs(30);
const LULL: Duration = Duration::from_secs(5);

/// The most bytes that are allocated because of a `Content-Length` alone.
const MAX_PREALLOCATED: usize = 1 << 20;

/// The largest zstd window, as a power of two: 8 MiB, which RFC 8878 recommends decoders to support.
const MAX_ZSTD_WINDOW_LOG: u32 = 23;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(plain).expect("in memory");
        encoder.finish().expect("in memory")
    }

    #[test]
    fn what_was_packed_comes_out() {
        let plain = br#"{"model":"m"}"#;
        assert_eq!(
            unpack(&gzip(plain), Coding::Gzip, 100).expect("valid"),
            plain.as_slice()
        );
        let packed = zstd::encode_all(plain.as_slice(), 1).expect("in memory");
        assert_eq!(
            unpack(&packed, Coding::Zstd, 100).expect("valid"),
            plain.as_slice()
        );
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = gzip(&vec![b'x'; 1 << 20]);
        assert_eq!(
            unpack(&bomb, Coding::Gzip, 1000),
            Err(Refusal::too_large(1000))
        );
    }

    #[test]
    fn garbage_is_said_to_be_garbage() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            assert!(matches!(
                unpack(b"garbage", coding, 100),
                Err(Refusal::BodyUnreadable { .. })
            ));
        }
    }
}
