//! Records one request: the tape of the attempt whose answer the client gets.
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode};

use super::recorder::Recorder;
use crate::cases::recorded::{ClientResult, Skipped, Taken};
use crate::config::Config;
use crate::config::secret::Secret;
use crate::exchange::attempt::Attempt;
use crate::exchange::attempts::Attempts;
use crate::exchange::relaying::{Answer, Relaying};
use crate::exchange::tape::Tape;
use crate::keys;

/// The recording of one request; empty where nothing is recorded.
#[derive(Debug)]
pub(in crate::proxy) struct Recording {
    to: Option<To>,
    /// The tape of the last attempt, if that has failed.
    failed: Option<Box<Tape>>,
}

#[derive(Debug)]
struct To {
    recorder: Arc<Recorder>,
    secrets: Vec<Secret>,
    request_id: String,
}

impl Recording {
    /// A recording of a request that presents these credentials.
    pub(in crate::proxy) fn new(
        recorder: Option<&Arc<Recorder>>,
        config: &Config,
        (headers, query): (&HeaderMap, Option<&str>),
        request_id: &str,
    ) -> Self {
        let recorder = recorder.filter(|recorder| recorder.budget().is_some());
        let to = recorder.map(|recorder| {
            let presented = keys::presented(headers, query);
            let presented = presented
                .iter()
                .map(|presented| Secret::new(String::from_utf8_lossy(presented)));
            let accounts = config.accounts.iter();
            let accounts = accounts.filter_map(|account| account.key.clone());
            To {
                recorder: Arc::clone(recorder),
                secrets: presented.chain(accounts).collect(),
                request_id: request_id.to_owned(),
            }
        });
        Self { to, failed: None }
    }

    /// A tape for the answer to this attempt.
    pub(in crate::proxy) fn tape(
        &self,
        attempts: &Attempts,
        attempt: &Attempt,
        status: StatusCode,
    ) -> Option<Box<Tape>> {
        let budget = self.to.as_ref()?.recorder.budget()?;
        attempts.tape(attempt, status, budget)
    }

    /// An attempt begins, so the tape of the previous one is dropped.
    pub(in crate::proxy) fn begin(&mut self) {
        self.failed = None;
    }

    /// An attempt failed; keeps the tape of the answer, as far as it came.
    pub(in crate::proxy) fn failed(&mut self, answer: &mut Relaying) {
        self.failed = answer.take_tape();
    }

    /// The client got the answer, or the part of it that had come when it left.
    pub(in crate::proxy) fn told(&mut self, answer: &mut Relaying, whole: bool) {
        let result = if whole {
            ClientResult::Answer
        } else {
            ClientResult::Part
        };
        let tape = answer.take_tape();
        self.give(tape, result, Skipped::Vendor);
    }

    /// The client gets this error, with which the last attempt failed.
    pub(in crate::proxy) fn told_failure(&mut self, answer: &Answer) {
        let tape = self.failed.take();
        if self.to.is_some() {
            let result = ClientResult::Failure {
                status: answer.status,
                body: answer.body.to_vec(),
            };
            self.give(tape, result, Skipped::Refused);
        }
    }

    /// The client gets an answer that Weir wrote itself.
    pub(in crate::proxy) fn refused(&mut self) {
        self.give(None, ClientResult::Answer, Skipped::Refused);
    }

    /// The request is not an exchange of a conversation.
    pub(in crate::proxy) fn beside(&mut self) {
        self.give(None, ClientResult::Answer, Skipped::Vendor);
    }

    /// The client left before anything of an answer was there.
    pub(in crate::proxy) fn left(&mut self) {
        self.give(None, ClientResult::Part, Skipped::Left);
    }

    /// Passes the tape on. This happens once per request; later calls do nothing.
    fn give(&mut self, tape: Option<Box<Tape>>, result: ClientResult, otherwise: Skipped) {
        let Some(to) = self.to.take() else { return };
        let Some(tape) = tape else {
            return to.recorder.skip(otherwise);
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        to.recorder.take(Taken {
            tape,
            result,
            secrets: to.secrets,
            request_id: to.request_id,
            at: since.map_or(0, |since| since.as_secs()),
        });
    }
}
