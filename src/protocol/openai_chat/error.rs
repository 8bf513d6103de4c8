//! Errors as this dialect says them.
use bytes::BytesMut;

use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::sse;

/// Ends a running stream with an error: SDKs raise on a truthy `error` in any chunk. No `[DONE]` follows, which clients that
/// ignore the error would take for a whole answer.
pub fn event(error: &WireError, out: &mut BytesMut) {
    sse::write(out, None, &error::encode(Dialect::OpenaiChat, error));
}
