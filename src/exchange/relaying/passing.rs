//! A body that is passed on unread: a file, a picture, a sound. Of speech, the parts are kept that state its length.
use bytes::Bytes;

use super::carried::Carried;
use crate::exchange::verdict::Next;
use crate::protocol::sound::Spoken;

/// A body that is passed on unread.
#[derive(Debug, Default)]
pub(super) struct Passing {
    spoken: Option<Box<Spoken>>,
}

impl Passing {
    /// A body that is speech.
    pub(super) fn speech() -> Self {
        Self {
            spoken: Some(Box::default()),
        }
    }

    /// Passes the next bytes on.
    pub(super) fn push(&mut self, chunk: &Bytes, carried: &mut Carried) -> Next {
        if let Some(spoken) = &mut self.spoken {
            spoken.push(chunk);
        }
        carried.outlet.push(chunk.clone());
        carried.outlet.commit()
    }

    /// What was spoken so far.
    pub(super) fn spoken(&self) -> Option<&Spoken> {
        self.spoken.as_deref()
    }
}
