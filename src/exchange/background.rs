//! Responses that are generated in the background, and videos: their usage becomes known when they are done, and is
//! booked then, exactly once.
//!
//! A finished response is booked by the first request that sees it: the client's own GET, or Weir's
//! ([`BackgroundResponses::due`]). Only one claim on a response exists at a time, so it cannot be booked twice; a claim
//! that is dropped without a result gives the response back. Until it is booked, its estimate is reserved in the
//! budgets of its key. With a ledger, all of this is also recorded there, so that nothing is lost on a restart. The
//! same holds for batches ([`super::batches`]).
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use ahash::HashMap;

use super::batches::{Batch, Batches};
use super::charge;
use crate::limits::BudgetHold;
use crate::limits::ledger::{Attribution, Kind, Ledger, Note, Notes};
use crate::moment::Moment;
use crate::protocol::hub::units::Word;
use crate::protocol::hub::usage::{Stated, Usage};
use crate::protocol::written::Written;
use crate::tokens::Tokens;

/// The outstanding responses. Survives reloads.
#[derive(Debug, Default)]
pub struct BackgroundResponses {
    waiting: Mutex<HashMap<String, State>>,
    batches: Batches,
    /// The ledger in which they are recorded, if there is one.
    ledger: OnceLock<Arc<Ledger>>,
}

#[derive(Debug)]
enum State {
    Waiting(Box<Response>),
    /// There is a claim on it.
    Claimed,
}

/// One response that is generated in the background.
#[derive(Debug)]
pub struct Response {
    pub id: String,
    /// The key and other subjects to which its usage is attributed.
    pub who: Attribution,
    /// The project whose limits apply. The key is named in `who`, because its position may change with a reload.
    pub project: Option<Arc<str>>,
    /// The model name that the client used.
    pub asked: String,
    /// The usage that is booked if the real usage never becomes known.
    pub estimate: Usage,
    /// The size of a video; `None` = not a video but a response.
    pub video: Option<Word>,
    /// The reservation, which lasts until the usage is booked.
    pub held: BudgetHold,
    pub held_nano_usd: u64,
    pub since: Instant,
    /// How often Weir itself has requested it, and when Weir requests it next.
    pub tries: u32,
    pub next: Instant,
}

/// The exclusive right to book a response.
#[derive(Debug)]
pub struct Claim {
    background: Arc<BackgroundResponses>,
    response: Option<Box<Response>>,
}

impl BackgroundResponses {
    /// Adds an outstanding response. A response that is already known stays unchanged. `false` = there are too many;
    /// then the caller books the estimate at once.
    pub(super) fn wait_for(&self, response: Response) -> bool {
        let mut waiting = self.lock();
        if waiting.contains_key(&response.id) {
            return true;
        }
        if waiting.len() >= MOST {
            return false;
        }
        let id = response.id.clone();
        self.note(|| response.note());
        waiting.insert(id, State::Waiting(Box::new(response)));
        true
    }

    /// From now on, changes are also written to this ledger.
    pub fn keep_in(&self, ledger: Arc<Ledger>) {
        let _ = self.ledger.set(ledger);
    }

    /// The batches whose results are still to be booked.
    pub(super) fn batches(&self) -> &Batches {
        &self.batches
    }

    /// Writes the known state of a batch to the ledger.
    pub(super) fn note_batch(&self, batch: &Batch) {
        self.note(|| batch.note());
    }

    /// Writes to the ledger which account holds an object of a client.
    pub(super) fn note_place(&self, id: &str, who: &Attribution) {
        self.note(|| Note::new(id, Kind::Place, who));
    }

    fn note(&self, note: impl FnOnce() -> Note) {
        if let Some(ledger) = self.ledger.get() {
            ledger.note(note());
        }
    }

    /// Takes over the notes of another process, or of this one before a restart, and drops the responses that were
    /// booked there. `hold` reserves money for a key (by name) and a project.
    pub fn recall(
        &self,
        notes: &Notes,
        moment: Moment,
        hold: impl Fn(&str, Option<&str>, u64) -> BudgetHold,
    ) {
        let mut waiting = self.lock();
        for id in notes.done.keys() {
            if let Some(State::Waiting(_)) = waiting.get(id) {
                waiting.remove(id);
            }
        }
        for note in notes.open.values() {
            match note.kind {
                Kind::Response | Kind::Video
                    if waiting.len() < MOST && !waiting.contains_key(&note.id) =>
                {
                    let held = hold(&note.key, note.limited.as_deref(), note.held_nano_usd);
                    let response = Response::of_note(note, held, moment);
                    waiting.insert(note.id.clone(), State::Waiting(Box::new(response)));
                }
                Kind::Batch => self.batches.recall(note),
                Kind::Response | Kind::Video | Kind::Place => {}
            }
        }
    }

    /// Claims this response for a request of this key. `None` = it is unknown, belongs to another key or is already
    /// claimed.
    pub(super) fn claim(self: &Arc<Self>, id: &str, key: &str) -> Option<Claim> {
        let mut waiting = self.lock();
        let state = waiting.get_mut(id)?;
        match state {
            State::Waiting(response) if &*response.who.key == key => Some(self.take(state)),
            State::Waiting(_) | State::Claimed => None,
        }
    }

    /// Claims the responses that Weir itself has to request now, at most `MOST_AT_ONCE`.
    pub fn due(self: &Arc<Self>, now: Instant) -> Vec<Claim> {
        let mut waiting = self.lock();
        let due = waiting
            .values_mut()
            .filter(|state| matches!(state, State::Waiting(response) if response.next <= now));
        due.take(MOST_AT_ONCE)
            .map(|state| self.take(state))
            .collect()
    }

    /// The number of outstanding responses.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no response is outstanding.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take(self: &Arc<Self>, state: &mut State) -> Claim {
        let response = match std::mem::replace(state, State::Claimed) {
            State::Waiting(response) => Some(response),
            State::Claimed => None,
        };
        Claim {
            background: Arc::clone(self),
            response,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// The claimed response.
    pub fn response(&self) -> Option<&Response> {
        self.response.as_deref()
    }

    /// The response was booked, or there is nothing to book; it is no longer outstanding.
    pub fn done(&mut self) {
        if let Some(response) = self.response.take() {
            self.background.lock().remove(&response.id);
            if let Some(ledger) = self.background.ledger.get() {
                ledger.done(&response.id);
                // The account still stores the response, so its place stays known.
                self.background.note_place(&response.id, &response.who);
            }
        }
    }

    /// Weir requested the response and it is not finished: the wait until the next request is doubled, up to a maximum.
    /// `false` = it is too late for another request.
    pub fn postpone(&mut self, now: Instant) -> bool {
        let Some(response) = &mut self.response else {
            return false;
        };
        response.tries = response.tries.saturating_add(1);
        response.next = now + FIRST * (1 << response.tries.min(LONGEST_SHIFT));
        now.saturating_duration_since(response.since) < LONGEST
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(response) = self.response.take() {
            let id = response.id.clone();
            self.background.lock().insert(id, State::Waiting(response));
        }
    }
}

impl Response {
    fn note(&self) -> Note {
        Note {
            limited: self.project.clone(),
            asked: self.asked.clone(),
            estimate: self.estimate.prompt(),
            video_ms: self.estimate.units.video_ms,
            size: self
                .video
                .map_or_else(String::new, |size| size.as_str().to_owned()),
            held_nano_usd: self.held_nano_usd,
            ..Note::new(&self.id, self.kind(), &self.who)
        }
    }

    const fn kind(&self) -> Kind {
        match self.video {
            Some(_) => Kind::Video,
            None => Kind::Response,
        }
    }

    /// What is booked if the real usage never becomes known, with the size that affects the price of a video.
    pub fn estimated(&self) -> Stated {
        let mut stated = Stated {
            usage: self.estimate,
            ..Stated::default()
        };
        stated.extras.picture.size = self.video.unwrap_or_default();
        stated
    }

    /// The estimated usage of a finished response that does not state it, from its content. `None` = it has no content:
    /// it failed and costs nothing.
    pub fn unstated(&self, tokens: &Tokens, written: &Written) -> Option<Stated> {
        if written.is_empty() {
            return None;
        }
        let model = self.who.model.as_deref().unwrap_or(&self.asked);
        Some(Stated {
            usage: Usage {
                input: self.estimate.prompt(),
                ..charge::estimate(tokens, model, written)
            },
            ..Stated::default()
        })
    }

    /// The path under which its account serves it.
    pub fn path(&self) -> String {
        let kind = if self.video.is_some() {
            "videos"
        } else {
            "responses"
        };
        format!("/v1/{kind}/{}", self.id)
    }

    fn of_note(note: &Note, held: BudgetHold, moment: Moment) -> Self {
        let ago = moment.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ago = Duration::from_secs(ago.as_secs().saturating_sub(note.since));
        Self {
            id: note.id.clone(),
            who: note.who(),
            project: note.limited.clone(),
            asked: note.asked.clone(),
            estimate: note.estimated(),
            video: (note.kind == Kind::Video).then(|| Word::of(&note.size)),
            held,
            held_nano_usd: note.held_nano_usd,
            since: moment.now.checked_sub(ago).unwrap_or(moment.now),
            tries: 0,
            next: moment.now + FIRST,
        }
    }
}

/// The most outstanding responses. They take some MiB.
const MOST: usize = 10_000;

/// The most responses that Weir requests in one round.
const MOST_AT_ONCE: usize = 32;

/// The wait before Weir's first request.
pub(super) const FIRST: Duration = Duration::from_mins(1);

/// The most times that the wait is doubled: about an hour.
const LONGEST_SHIFT: u32 = 6;

/// How long Weir waits for a response.
const LONGEST: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    fn response(id: &str, now: Instant) -> Response {
        Response {
            id: id.to_owned(),
            who: Attribution {
                key: "team".into(),
                group: None,
                project: None,
                model: None,
                account: None,
            },
            project: None,
            asked: "gpt-5".to_owned(),
            estimate: Usage::default(),
            video: None,
            held: BudgetHold::default(),
            held_nano_usd: 0,
            since: now,
            tries: 0,
            next: now + FIRST,
        }
    }

    #[test]
    fn one_at_a_time_may_book_a_response_and_only_its_key() {
        let (background, now) = (Arc::new(BackgroundResponses::default()), Instant::now());
        background.wait_for(response("r", now));
        background.wait_for(response("r", now));
        assert!(background.claim("r", "another").is_none());
        let claim = background.claim("r", "team").expect("it waits");
        assert!(background.claim("r", "team").is_none());
        drop(claim);
        let mut claim = background.claim("r", "team").expect("it was given back");
        claim.done();
        drop(claim);
        assert!(background.claim("r", "team").is_none() && background.is_empty());
    }

    #[test]
    fn weir_asks_after_a_minute_then_ever_less_often_for_a_day() {
        let (background, begin) = (Arc::new(BackgroundResponses::default()), Instant::now());
        background.wait_for(response("r", begin));
        let (mut now, mut waits) = (begin, Vec::new());
        loop {
            assert!(background.due(now).is_empty());
            let mut due = Vec::new();
            while due.is_empty() {
                now += Duration::from_mins(1);
                waits.push(now);
                due = background.due(now);
            }
            assert!(background.due(now).is_empty(), "claimed");
            if !due[0].postpone(now) {
                due[0].done();
                break;
            }
        }
        assert!(background.is_empty());
        let hours = now.duration_since(begin).as_secs() / 3600;
        assert!((24..26).contains(&hours), "{hours}");
    }

    #[test]
    fn what_another_process_wrote_down_is_waited_for_and_what_it_booked_is_not() {
        use std::collections::HashMap;
        use std::time::SystemTime;
        let (background, now) = (Arc::new(BackgroundResponses::default()), Instant::now());
        background.wait_for(response("mine", now));
        background.wait_for(response("theirs", now));
        let mut note = response("old", now).note();
        let wall = SystemTime::now();
        let seconds = wall.duration_since(UNIX_EPOCH).expect("after 1970");
        note.since = seconds.as_secs() - 3600;
        let notes = Notes {
            open: HashMap::from([("old".to_owned(), note)]),
            done: HashMap::from([("theirs".to_owned(), 1)]),
        };
        let moment = Moment { now, wall };
        for _ in 0..2 {
            background.recall(&notes, moment, |_, _, _| BudgetHold::default());
        }
        assert_eq!(background.len(), 2);
        assert!(background.claim("theirs", "team").is_none());
        assert!(background.claim("old", "another").is_none());
        let claim = background.claim("old", "team").expect("it is waited for");
        let since = claim.response().expect("a response").since;
        let ago = now.saturating_duration_since(since).as_secs();
        // A machine that was just started has no earlier instant.
        assert!(ago == 0 || ago == 3600, "{ago}");
    }

    #[test]
    fn a_video_outlives_a_restart_with_its_length_and_its_size() {
        let (now, wall) = (Instant::now(), std::time::SystemTime::now());
        let mut video = response("video_1", now);
        video.estimate.units.video_ms = 8_000;
        video.video = Some(Word::of("1792x1024"));
        assert_eq!(video.path(), "/v1/videos/video_1");
        let text = serde_json::to_string(&video.note()).expect("JSON");
        let note: Note = serde_json::from_str(&text).expect("a note");
        let again = Response::of_note(&note, BudgetHold::default(), Moment { now, wall });
        assert_eq!(again.path(), video.path());
        assert_eq!(again.estimated(), video.estimated());
        let plain = response("resp_1", now);
        let text = serde_json::to_string(&plain.note()).expect("JSON");
        assert!(!text.contains("video"), "{text}");
        let note: Note = serde_json::from_str(&text).expect("a note");
        let again = Response::of_note(&note, BudgetHold::default(), Moment { now, wall });
        assert_eq!(again.path(), "/v1/responses/resp_1");
    }

    #[test]
    fn they_are_bounded() {
        let (background, now) = (Arc::new(BackgroundResponses::default()), Instant::now());
        for number in 0..MOST {
            assert!(background.wait_for(response(&number.to_string(), now)));
        }
        assert!(!background.wait_for(response("one more", now)));
        assert!(background.wait_for(response("7", now)), "it is waited for");
        assert_eq!(background.len(), MOST);
        assert_eq!(background.due(now + FIRST).len(), MOST_AT_ONCE);
        assert_eq!(background.len(), MOST);
    }
}
