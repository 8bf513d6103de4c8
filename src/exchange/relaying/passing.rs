//! A body that passes as it came: a file, a picture, a sound. Of speech is kept what tells how long it is.
use bytes::Bytes;

use super::carried::Carried;
use crate::exchange::verdict::Next;
use crate::protocol::sound::Spoken;

/// What is kept of it.
#[derive(Debug, Default)]
pub(super) struct Passing {
    spoken: Option<Box<Spoken>>,
}

impl Passing {
    /// Of speech.
    pub(super) fn speech() -> Self {
        Self {
            spoken: Some(Box::default()),
        }
    }

    /// The next bytes.
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
