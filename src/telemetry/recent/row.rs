//! A finished request, as it is kept in the ring.
use std::time::SystemTime;

use crate::outcome::{AttemptRecord, Outcome};
use crate::telemetry::access_log::line;
use crate::telemetry::verdict::Verdict;

/// The outcome of one request, and when it ended.
#[derive(Debug)]
pub struct Row {
    seq: u64,
    at: SystemTime,
    /// Its texts are cut to [`LONGEST`].
    outcome: Outcome,
}

impl Row {
    /// The row with number `seq` for a request that ended `at` this time.
    pub(super) fn new(seq: u64, mut outcome: Outcome, at: SystemTime) -> Self {
        cut(&mut outcome.request_id);
        cut(&mut outcome.path);
        cut(&mut outcome.method);
        for text in [
            &mut outcome.model_asked,
            &mut outcome.model_served,
            &mut outcome.detail,
            &mut outcome.user_agent,
        ] {
            text.iter_mut().for_each(cut);
        }
        Self { seq, at, outcome }
    }

    /// The number of the row; numbers ascend in the order in which requests ended.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// When the request ended.
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// When the request arrived.
    pub fn started(&self) -> SystemTime {
        self.at
            .checked_sub(self.outcome.duration)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.outcome)
    }

    /// The approximate size in bytes: the size of its parts, without the overhead of the allocator.
    pub fn bytes(&self) -> usize {
        let outcome = &self.outcome;
        let texts = [
            &outcome.model_asked,
            &outcome.model_served,
            &outcome.detail,
            &outcome.user_agent,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::capacity).sum();
        size_of::<Self>()
            + texts
            + outcome.headers.as_ref().map_or(0, |text| text.len())
            + outcome.request_id.capacity()
            + outcome.path.capacity()
            + outcome.method.capacity()
            + outcome.attempts.capacity() * size_of::<AttemptRecord>()
            + (outcome.rewrites.capacity()
                + outcome.dropped.capacity()
                + outcome.violations.capacity())
                * size_of::<&str>()
    }

    /// The access log line as the members of one object, without braces and without a line end.
    pub fn members(&self) -> String {
        let mut bytes = Vec::with_capacity(1024);
        line(&self.outcome, self.at, &mut bytes);
        let text = String::from_utf8(bytes).unwrap_or_default();
        let inner = text.trim_end().strip_prefix('{');
        inner
            .and_then(|inner| inner.strip_suffix('}'))
            .unwrap_or_default()
            .to_owned()
    }
}

fn cut(text: &mut String) {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.shrink_to_fit();
    }
}

/// Longest text that is kept, in bytes, if a client or an upstream can influence it.
const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::samples;

    #[test]
    fn a_row_is_the_line_of_the_access_log() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let row = Row::new(7, samples::answered(), at);
        let object: serde_json::Value =
            serde_json::from_str(&format!("{{{}}}", row.members())).expect("an object");
        assert_eq!(object["key"], "team-a");
        assert_eq!(object["attempts"][0]["class"], "throttled");
        assert_eq!(row.started(), at - Duration::from_millis(12_500));
    }

    #[test]
    fn a_text_is_cut_between_its_characters() {
        let mut outcome = samples::answered();
        outcome.detail = Some(format!("x{}", "é".repeat(1000)));
        let row = Row::new(1, outcome, SystemTime::UNIX_EPOCH);
        let detail = row.outcome().detail.as_deref().expect("a detail");
        assert!(detail.len() <= LONGEST && detail.ends_with('é'));
        assert!(row.bytes() < 4096, "{}", row.bytes());
    }
}
