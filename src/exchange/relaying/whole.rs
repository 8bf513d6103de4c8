//! A plain answer that succeeded. It is held while it is small, so that after an error in it another account can still
//! be tried. Of a larger answer the end is kept as it passes, because usage is stated there.
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};

use super::carried::{self, Carried};
use crate::exchange::account_objects;
use crate::exchange::verdict::{Ended, Failed, Next};
use crate::pool::{self, Hints};
use crate::protocol::Dialect;
use crate::protocol::passthrough::{self, Product, Video};

/// The held part of a plain answer.
#[derive(Debug, Default)]
pub(super) struct Whole {
    held: BytesMut,
    /// Whether the answer is too large to be held, and is passed on.
    is_passing: bool,
}

impl Whole {
    /// An answer of which nothing is held back.
    pub(super) fn passing() -> Self {
        Self {
            held: BytesMut::new(),
            is_passing: true,
        }
    }

    /// Handles the next bytes.
    pub(super) fn push(&mut self, chunk: &Bytes, carried: &mut Carried) -> Next {
        let Some(ready) = self.pass(chunk) else {
            return Next::Hold;
        };
        let Carried {
            head,
            outlet,
            facts,
        } = carried;
        if outlet.is_committed() {
            facts.pass(ready.len());
        } else {
            facts.begin(head.client, &ready);
        }
        outlet.push(ready);
        outlet.commit()
    }

    /// The upstream ended the answer properly. An error in it is a failure, as long as nothing has been sent.
    pub(super) fn end(
        &mut self,
        carried: &mut Carried,
        wall: SystemTime,
    ) -> Result<Ended, Box<Failed>> {
        let Some(body) = self.rest(carried) else {
            return Ok(Ended::well());
        };
        let head = &carried.head;
        let answer = passthrough::read_answer(head.client, &body);
        if let Some(error) = &answer.error {
            let hints = Hints::of(head.upstream, error);
            let failure = pool::classify(error.kind, &hints, &head.headers, wall);
            let answer = carried::as_answer(failure, error, head);
            return Err(Box::new(Failed { failure, answer }));
        }
        let object = account_objects::container(head.client, &body);
        carried.facts.read(head.client, &body, answer);
        carried.facts.note_object(object);
        carried.outlet.push(body);
        carried.outlet.commit();
        Ok(Ended::well())
    }

    /// The same for an endpoint other than generation, whose content is not interpreted; it may state usage.
    pub(super) fn end_vendor_call(
        &mut self,
        carried: &mut Carried,
        tells: bool,
        product: Option<Product>,
    ) -> Ended {
        let Some(body) = self.rest(carried) else {
            return Ended::well();
        };
        let dialect = carried.head.client;
        if tells {
            let mut answer = passthrough::read_answer(dialect, &body);
            if let Some(product) = product {
                answer.usage = product.completed(answer.usage, &body);
            }
            carried.facts.read(dialect, &body, answer);
            if let Some(video) = Video::read(&body).filter(|_| dialect == Dialect::OpenaiChat) {
                carried.facts.watch(video);
            }
        }
        carried
            .facts
            .note_files(account_objects::files_of_batches(dialect, &body));
        carried
            .facts
            .note_object(account_objects::made(dialect, &body));
        carried.outlet.push(body);
        carried.outlet.commit();
        Ended::well()
    }

    /// The whole body, if it was held. If it was passed on, its end is only read.
    fn rest(&mut self, carried: &mut Carried) -> Option<Bytes> {
        let body = self.held.split().freeze();
        if carried.outlet.is_committed() {
            carried.facts.end(carried.head.client, &body);
            return None;
        }
        Some(body)
    }

    /// What may be sent to the client now, if anything.
    fn pass(&mut self, chunk: &Bytes) -> Option<Bytes> {
        self.held.extend_from_slice(chunk);
        if self.is_passing {
            self.keep_end();
            return Some(chunk.clone());
        }
        if self.held.len() <= MAX_WHOLE {
            return None;
        }
        self.is_passing = true;
        let so_far = self.held.split().freeze();
        self.held
            .extend_from_slice(&so_far[so_far.len() - KEPT_END..]);
        Some(so_far)
    }

    /// The held bytes.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Whether nothing is held, or nothing is held any more.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn keep_end(&mut self) {
        if self.held.len() > 2 * KEPT_END {
            self.held = BytesMut::from(&self.held[self.held.len() - KEPT_END..]);
        }
    }
}

/// The most bytes of a plain answer that is held.
pub(super) const MAX_WHOLE: usize = 1 << 20;

/// The bytes that are kept of the end of a larger answer; usage is among its last members.
const KEPT_END: usize = 64 << 10;
