//! OpenAI's videos: jobs that take minutes, and are charged by the second once they are done.
use crate::protocol::hub::units::{Picture, Units, Word};
use crate::protocol::hub::usage::{Extras, Stated, Usage};
use crate::protocol::json;

use super::plain;

/// What an answer states about a video.
#[derive(Clone, Debug)]
pub struct Video {
    pub id: String,
    /// The model that generates it.
    pub model: Option<String>,
    pub state: State,
    /// Its duration and its size, which determine what it costs once it is completed.
    pub stated: Stated,
}

/// The progress of a video.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    Pending,
    Made,
    /// A failed video costs nothing.
    Failed,
}

impl Video {
    /// `None` = the answer is about something else.
    pub fn read(answer: &[u8]) -> Option<Self> {
        let members = json::look(answer).ok()?;
        let text = |name: &str| Some(members.string(answer, name)?.into_owned());
        if text("object")? != "video" {
            return None;
        }
        let state = match text("status")?.as_str() {
            "completed" => State::Made,
            "failed" | "cancelled" | "canceled" | "expired" => State::Failed,
            _ => State::Pending,
        };
        let seconds = members.value(answer, "seconds");
        Some(Self {
            id: text("id")?,
            model: text("model"),
            state,
            stated: stated(
                seconds.and_then(millis).unwrap_or(USUAL),
                text("size").map_or_else(Word::default, |size| Word::of(&size)),
            ),
        })
    }

    /// The usage, if the video is completed.
    pub fn used(&self) -> Option<Stated> {
        Some(self.stated).filter(|_| self.state == State::Made)
    }
}

/// The usage of a video of this duration and size.
pub(super) fn stated(video_ms: u64, size: Word) -> Stated {
    let units = Units {
        video_ms,
        ..Units::NONE
    };
    let usage = Usage {
        units,
        ..Usage::default()
    };
    let picture = Picture {
        size,
        ..Picture::default()
    };
    let extras = Extras {
        picture,
        ..Extras::default()
    };
    Stated::checked(usage, extras)
}

/// Seconds converted to milliseconds; `None` = not a positive number.
pub(super) fn millis(seconds: &[u8]) -> Option<u64> {
    plain::millis(seconds).filter(|millis| *millis > 0)
}

/// The duration if the request states none, in milliseconds.
/// Source: platform.openai.com/docs/api-reference/videos/create, `seconds`: 4 by default.
pub(super) const USUAL: u64 = 4_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_says_how_far_it_is_and_what_it_will_cost() {
        let read = |body: &str| Video::read(body.as_bytes());
        let video = |status: &str, more: &str| {
            let body = format!(
                r#"{{"id":"video_1","object":"video","model":"sora-2","status":"{status}"{more}}}"#
            );
            read(&body).expect("a video")
        };
        let made = video("completed", r#","seconds":"8","size":"1792x1024""#);
        let used = made.used().expect("it is made");
        assert_eq!(used.usage.units.video_ms, 8_000);
        assert_eq!(used.extras.picture.size.as_str(), "1792x1024");
        for (status, state) in [
            ("queued", State::Pending),
            ("in_progress", State::Pending),
            ("something new", State::Pending),
            ("failed", State::Failed),
        ] {
            let video = video(status, "");
            assert_eq!(video.state, state, "{status}");
            assert!(video.used().is_none(), "{status}");
            assert_eq!(video.stated.usage.units.video_ms, USUAL);
        }
        for seconds in ["12", "\"12\"", "12.0"] {
            let video = video("completed", &format!(",\"seconds\":{seconds}"));
            assert_eq!(video.stated.usage.units.video_ms, 12_000, "{seconds}");
        }
        for nonsense in ["-3", "null", "\"many\"", "[]"] {
            let video = video("completed", &format!(",\"seconds\":{nonsense}"));
            assert_eq!(video.stated.usage.units.video_ms, USUAL, "{nonsense}");
        }
        let vast = video("completed", r#","seconds":1e300"#);
        assert!(vast.stated.extras.refused);
        for other in [
            "",
            "[]",
            r#"{"object":"video.deleted","id":"video_1","deleted":true}"#,
            r#"{"object":"video","status":"queued"}"#,
        ] {
            assert!(read(other).is_none(), "{other}");
        }
    }
}
