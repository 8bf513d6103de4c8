//! Errors in the form of this dialect.
use bytes::BytesMut;

use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::sse;

/// Ends a running stream with an error: SDKs raise one for a truthy `error` in any chunk. No `[DONE]` follows, because
/// clients that ignore the error would then take the answer for complete.
pub fn event(error: &WireError, out: &mut BytesMut) {
    sse::write(out, None, &error::encode(Dialect::OpenaiChat, error));
}
