//! What an upstream states about its own answer, and what Weir observes of it.
use bytes::Bytes;
use http::HeaderMap;

use crate::outcome::UsageSource;
use crate::protocol::Dialect;
use crate::protocol::hub::usage::{self, Stated};
use crate::protocol::passthrough::{self, Answer, Tap, Video, VideoState};
use crate::protocol::written::Written;

/// What is known of one answer.
#[derive(Debug, Default)]
pub(in crate::exchange) struct Facts {
    used: Option<(Stated, UsageSource)>,
    written: Written,
    /// A whole answer; it is searched for what the model wrote only on demand.
    whole: Option<(Dialect, Bytes)>,
    /// For a whole answer that is too large to hold: the bytes so far, and how many of them were examined.
    passed: u64,
    looked_at: u64,
    service_tier: Option<String>,
    /// The tier in the head of the answer (Gemini).
    tier_of_head: Option<&'static str>,
    response_id: Option<String>,
    /// Whether the response is still being generated in the background; `None` = not stated.
    pending: Option<bool>,
    video: Option<Box<Video>>,
    /// The name of an object that lives at the account that answered.
    object: Option<String>,
    /// Names of further parts of a response that live there.
    state: Vec<String>,
    /// Batches, each with the name of a file of its results.
    files: Vec<(String, String)>,
}

impl Facts {
    /// The facts of an answer with these headers.
    pub(super) fn new(headers: &HeaderMap) -> Self {
        let stated = headers.get("x-gemini-service-tier");
        Self {
            tier_of_head: stated
                .and_then(|tier| tier.to_str().ok())
                .and_then(usage::tier),
            ..Self::default()
        }
    }

    /// Takes over what the reader of a stream knows so far.
    pub(super) fn learn(&mut self, tap: &Tap) {
        let source = if tap.usage_final() {
            UsageSource::Reported
        } else {
            UsageSource::Partial
        };
        self.used = tap.usage().map(|stated| (stated, source));
        self.written = tap.written();
        self.service_tier = tap.service_tier().map(str::to_owned);
        self.response_id = tap.response_id().map(str::to_owned);
        if self.state.is_empty() {
            self.state = tap.state().to_vec();
        }
        self.pending = tap.pending();
    }

    /// Takes over what the translator of an answer knows so far.
    pub(super) fn translate(
        &mut self,
        used: Option<(Stated, UsageSource)>,
        tier: Option<&'static str>,
        written: Written,
    ) {
        self.used = used;
        self.service_tier = tier.map(str::to_owned);
        self.written = written;
    }

    /// Takes over what a whole answer states.
    pub(super) fn read(&mut self, dialect: Dialect, body: &Bytes, answer: Answer) {
        self.used = answer.usage.map(|stated| (stated, UsageSource::Reported));
        self.service_tier = answer.service_tier;
        self.pending = answer.response_id.is_some().then_some(answer.pending);
        self.response_id = answer.response_id;
        self.state = answer.state;
        self.whole = Some((dialect, body.clone()));
    }

    /// Takes over the beginning of an answer that is too large to hold.
    pub(super) fn begin(&mut self, dialect: Dialect, beginning: &[u8]) {
        self.written = passthrough::written_in(dialect, beginning);
        let used = passthrough::usage_near_start(dialect, beginning);
        self.used = used.map(|stated| (stated, UsageSource::Reported));
        self.service_tier = passthrough::tier_near_start(beginning);
        self.looked_at = beginning.len() as u64;
        self.passed = self.looked_at;
    }

    /// Counts further bytes of it.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.passed = self.passed.saturating_add(bytes as u64);
    }

    /// Takes over what the end of it states, where that is something.
    pub(super) fn end(&mut self, dialect: Dialect, end: &[u8]) {
        let used = passthrough::usage_near_end(dialect, end);
        let used = used.map(|stated| (stated, UsageSource::Reported));
        self.used = used.or(self.used);
        let tier = passthrough::tier_near_end(end);
        self.service_tier = tier.or_else(|| self.service_tier.take());
    }

    pub(super) fn used(&self) -> Option<(Stated, UsageSource)> {
        self.used
    }

    pub(super) fn written(&self) -> Written {
        if let Some((dialect, body)) = &self.whole {
            return passthrough::written_in(*dialect, body);
        }
        self.written.extended(self.looked_at, self.passed)
    }

    pub(in crate::exchange) fn service_tier(&self) -> Option<&str> {
        self.service_tier.as_deref().or(self.tier_of_head)
    }

    pub(in crate::exchange) fn pending(&self) -> Option<bool> {
        self.pending
    }

    /// The answer is about a video.
    pub(super) fn watch(&mut self, video: Video) {
        self.pending = Some(video.state == VideoState::Pending);
        self.used = video.used().map(|stated| (stated, UsageSource::Reported));
        self.video = Some(Box::new(video));
    }

    pub(in crate::exchange) fn video(&self) -> Option<&Video> {
        self.video.as_deref()
    }

    /// The answer names an object that lives at the account.
    pub(super) fn note_object(&mut self, name: Option<String>) {
        self.object = name;
    }

    /// The answer names files of batches: each batch with one file.
    pub(super) fn note_files(&mut self, files: Vec<(String, String)>) {
        self.files = files;
    }

    pub(in crate::exchange) fn files(&self) -> &[(String, String)] {
        &self.files
    }

    pub(in crate::exchange) fn object(&self) -> Option<&str> {
        self.object.as_deref()
    }

    pub(in crate::exchange) fn state(&self) -> &[String] {
        &self.state
    }

    pub(super) fn response_id(&self) -> Option<&str> {
        self.response_id.as_deref()
    }
}
