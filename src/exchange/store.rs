//! The memory behind `store` for clients of OpenAI Responses whose answers are translated.
//!
//! An upstream of another dialect stores no answers, so Weir does: bounded in bytes and in time, separately for every
//! client key. A request that continues one of them (`previous_response_id`, `item_reference`) gets its full content
//! before it is routed, so that any account can serve it. A reference that is not found here stays as it is: an account
//! of OpenAI's own may know it.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ahash::HashMap;
use bytes::Bytes;
use serde_json::json;

use super::verdict::Answer;
use crate::config::ResponseStore;
use crate::protocol::json::{self, Draft, Members, quote};

/// Answers that later requests may continue. Live state: it passes from one configuration to the next.
#[derive(Debug, Default)]
pub struct Store {
    shelves: Mutex<Shelves>,
}

/// The part of a request that is stored with its answer.
#[derive(Clone, Debug)]
pub struct Question {
    previous: Option<String>,
    /// The items in the request itself.
    items: Vec<Bytes>,
    asked: SystemTime,
}

/// A request after the references in it were resolved.
#[derive(Debug)]
pub struct Read {
    pub question: Question,
    /// The new body; `None` = no reference was resolved.
    pub body: Option<Bytes>,
}

#[derive(Debug, Default)]
struct Shelves {
    /// By the name of the key.
    shelves: HashMap<Arc<str>, Shelf>,
    bytes: usize,
}

/// What is stored for one key.
#[derive(Debug, Default)]
struct Shelf {
    turns: HashMap<String, Turn>,
    /// Ids, oldest first. An id that is no longer in `turns` is skipped.
    order: VecDeque<String>,
    /// For each item: the id of its turn, and its position in that turn's output.
    items: HashMap<String, (String, usize)>,
    bytes: usize,
}

/// One request and its answer.
#[derive(Debug)]
struct Turn {
    question: Question,
    output: Vec<Bytes>,
    response: Bytes,
    until: SystemTime,
    bytes: usize,
}

impl Question {
    /// The response that the request continues.
    pub fn previous(&self) -> Option<&str> {
        self.previous.as_deref()
    }
}

impl Store {
    /// Reads the references of a request, and resolves those that are stored here for `key`.
    pub fn read(&self, key: &str, body: &Bytes, members: &Members, now: SystemTime) -> Read {
        let previous = members.string(body, "previous_response_id");
        let previous = previous.map(std::borrow::Cow::into_owned);
        let mut items = input(body, members);
        let shelves = self.lock();
        let shelf = shelves.shelves.get(key);
        let mut replaced = false;
        if let Some(shelf) = shelf {
            for item in &mut items {
                if let Some(kept) = reference(item).and_then(|id| shelf.item(&id, now)) {
                    *item = kept;
                    replaced = true;
                }
            }
        }
        let history = match (&previous, shelf) {
            (Some(id), Some(shelf)) => shelf.history(id, now),
            _ => None,
        };
        let body = (replaced || history.is_some()).then(|| {
            let mut draft = Draft::new(body, members);
            let known = history.is_some();
            let all = history.into_iter().flatten().chain(items.iter().cloned());
            draft.put("input", array(all));
            if known {
                draft.put("previous_response_id", Bytes::from_static(b"null"));
            }
            draft.finish()
        });
        Read {
            question: Question {
                previous,
                items,
                asked: now,
            },
            body: body.flatten(),
        }
    }

    /// Stores the answer to a question, and returns its id. `response` is the complete object that the client got.
    pub fn keep(
        &self,
        bounds: ResponseStore,
        key: &Arc<str>,
        question: Question,
        response: &Bytes,
    ) -> Option<String> {
        let asked = question.asked;
        let (id, turn) = Turn::new(question, response, asked + bounds.ttl)?;
        // A larger answer would displace nearly everything else.
        if turn.bytes > bounds.max_bytes / 2 {
            return None;
        }
        let mut shelves = self.lock();
        shelves.put(key, id.clone(), turn);
        shelves.drop_old(asked);
        while shelves.bytes > bounds.max_bytes && shelves.drop_one() {}
        Some(id)
    }

    /// The answer to `GET` or `DELETE` for a path below `/v1/responses/`, if the response is stored here for `key`.
    pub fn answer(&self, key: &str, get: bool, path: &str, now: SystemTime) -> Option<Answer> {
        let rest = path.strip_prefix("/v1/responses/")?;
        let mut shelves = self.lock();
        let shelf = shelves.shelves.get_mut(key)?;
        let body = match (get, rest.split_once('/')) {
            (true, None) => shelf.turn(rest, now)?.response.clone(),
            (true, Some((id, "input_items"))) => shelf.turn(id, now)?.input_items(),
            (false, None) => {
                let turn = shelf.remove(rest)?;
                shelves.bytes -= turn.bytes;
                let said = json!({ "id": rest, "object": "response", "deleted": true });
                serde_json::to_vec(&said).unwrap_or_default().into()
            }
            _ => return None,
        };
        Some(Answer::json(200, body))
    }

    /// The bytes and the number of answers that are held.
    pub fn held(&self) -> (usize, usize) {
        let shelves = self.lock();
        let turns = shelves.shelves.values().map(|shelf| shelf.turns.len());
        (shelves.bytes, turns.sum())
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        // A panic leaves nothing half done here: at worst an answer is not found.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn put(&mut self, key: &Arc<str>, id: String, turn: Turn) {
        let shelf = self.shelves.entry(Arc::clone(key)).or_default();
        if let Some(before) = shelf.remove(&id) {
            self.bytes -= before.bytes;
        }
        self.bytes += turn.bytes;
        shelf.put(id, turn);
    }

    /// Drops what has expired, for all keys.
    fn drop_old(&mut self, now: SystemTime) {
        let mut freed = 0;
        self.shelves.retain(|_, shelf| {
            while let Some(id) = shelf.order.front()
                && shelf.turns.get(id).is_none_or(|turn| turn.until <= now)
            {
                let id = shelf.order.pop_front().unwrap_or_default();
                freed += shelf.remove(&id).map_or(0, |turn| turn.bytes);
            }
            !shelf.turns.is_empty()
        });
        self.bytes -= freed;
    }

    /// Drops the oldest answer of the key that holds the most, so that no key displaces what others store.
    fn drop_one(&mut self) -> bool {
        let Some((key, shelf)) = self.shelves.iter_mut().max_by_key(|(_, shelf)| shelf.bytes)
        else {
            return false;
        };
        if let Some(id) = shelf.order.pop_front() {
            self.bytes -= shelf.remove(&id).map_or(0, |turn| turn.bytes);
        }
        if shelf.order.is_empty() {
            let key = Arc::clone(key);
            self.shelves.remove(&key);
        }
        true
    }
}

impl Shelf {
    fn put(&mut self, id: String, turn: Turn) {
        for (at, item) in turn.output.iter().enumerate() {
            if let Some(item) = item_id(item) {
                self.items.insert(item, (id.clone(), at));
            }
        }
        self.bytes += turn.bytes;
        self.order.push_back(id.clone());
        self.turns.insert(id, turn);
    }

    fn remove(&mut self, id: &str) -> Option<Turn> {
        let turn = self.turns.remove(id)?;
        self.bytes -= turn.bytes;
        for item in turn.output.iter().filter_map(item_id) {
            if self.items.get(&item).is_some_and(|(of, _)| of == id) {
                self.items.remove(&item);
            }
        }
        Some(turn)
    }

    fn turn(&self, id: &str, now: SystemTime) -> Option<&Turn> {
        self.turns.get(id).filter(|turn| turn.until > now)
    }

    fn item(&self, id: &str, now: SystemTime) -> Option<Bytes> {
        let (turn, at) = self.items.get(id)?;
        self.turn(turn, now)?.output.get(*at).cloned()
    }

    /// All items up to and including this answer; `None` when one of its turns is gone.
    fn history(&self, id: &str, now: SystemTime) -> Option<Vec<Bytes>> {
        let mut turns = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            // A cycle of ids cannot occur, and would end here.
            if turns.len() > LONGEST_HISTORY {
                return None;
            }
            let turn = self.turn(id, now)?;
            turns.push(turn);
            next = turn.question.previous.as_deref();
        }
        let items = turns.iter().rev();
        let items = items.flat_map(|turn| turn.question.items.iter().chain(&turn.output));
        Some(items.cloned().collect())
    }
}

impl Turn {
    /// A turn with the id of the response. `None` when the response has no id.
    fn new(question: Question, response: &Bytes, until: SystemTime) -> Option<(String, Self)> {
        let members = json::object(response)?;
        let id = members.string(response, "id")?.into_owned();
        let output = members.span(response, "output")?;
        let output = elements(&response.slice(output));
        let mut draft = Draft::new(response, &members);
        if let Some(previous) = &question.previous {
            draft.put("previous_response_id", quote(previous));
        }
        let response = draft.finish().unwrap_or_else(|| response.clone());
        // Each part is copied, so that none keeps the buffer of a whole connection alive.
        let own = |items: Vec<Bytes>| -> Vec<Bytes> {
            items
                .iter()
                .map(|item| Bytes::copy_from_slice(item))
                .collect()
        };
        let question = Question {
            items: own(question.items),
            ..question
        };
        let output = own(output);
        let parts = question.items.iter().chain(&output).map(Bytes::len);
        let bytes = parts.sum::<usize>() + response.len() + OVERHEAD;
        let turn = Self {
            question,
            output,
            response: Bytes::copy_from_slice(&response),
            until,
            bytes,
        };
        Some((id, turn))
    }

    fn input_items(&self) -> Bytes {
        let items = &self.question.items;
        let mut body = b"{\"object\":\"list\",\"data\":".to_vec();
        body.extend_from_slice(&array(items.iter().rev().cloned()));
        body.extend_from_slice(b",\"has_more\":false}");
        body.into()
    }
}

/// The complete response at the end of an answer to a client of OpenAI Responses, once it is in `out`.
pub(super) fn response_in(out: &Bytes, stream: bool) -> Option<Bytes> {
    if !stream {
        return json::object(out).map(|_| out.clone());
    }
    let mut lines = out.split_inclusive(|byte| *byte == b'\n');
    let mut at = 0;
    let data = lines.find_map(|line| {
        let start = at;
        at += line.len();
        let data = line.strip_prefix(b"data: ")?;
        let last = ENDS.iter().any(|end| data.starts_with(end));
        last.then(|| out.slice(start + 6..start + line.trim_ascii_end().len()))
    })?;
    let members = json::object(&data)?;
    Some(data.slice(members.span(&data, "response")?))
}

/// The items of a request's `input`; a plain text is a message of the user.
fn input(body: &Bytes, members: &Members) -> Vec<Bytes> {
    let Some(span) = members.span(body, "input") else {
        return Vec::new();
    };
    let input = body.slice(span);
    match input.first() {
        Some(b'"') => {
            let mut item = br#"{"type":"message","role":"user","content":"#.to_vec();
            item.extend_from_slice(&input);
            item.push(b'}');
            vec![item.into()]
        }
        _ => elements(&input),
    }
}

fn elements(list: &Bytes) -> Vec<Bytes> {
    let spans = json::elements(list).unwrap_or_default();
    spans.into_iter().map(|span| list.slice(span)).collect()
}

fn array(items: impl Iterator<Item = Bytes>) -> Bytes {
    let mut out = vec![b'['];
    for item in items {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(&item);
    }
    out.push(b']');
    out.into()
}

/// The id that an item refers to, if the item is only a reference. The type may be missing.
fn reference(item: &Bytes) -> Option<String> {
    if item.len() > LONGEST_REFERENCE {
        return None;
    }
    let members = json::object(item)?;
    let is_reference = match members.string(item, "type") {
        Some(kind) => kind == "item_reference",
        None => members.iter().count() == 1,
    };
    is_reference.then(|| item_id(item)).flatten()
}

fn item_id(item: &Bytes) -> Option<String> {
    let members = json::object(item)?;
    members.string(item, "id").map(std::borrow::Cow::into_owned)
}

/// How the data of a stream's last event begins.
const ENDS: [&[u8]; 2] = [
    b"{\"type\":\"response.completed\"",
    b"{\"type\":\"response.incomplete\"",
];
/// The most turns of a conversation that are resolved.
const LONGEST_HISTORY: usize = 10_000;
/// The most bytes of a reference, which is an id and a type.
const LONGEST_REFERENCE: usize = 1024;
/// The bytes that a turn takes in addition to its texts.
const OVERHEAD: usize = 512;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const BOUNDS: ResponseStore = ResponseStore {
        max_bytes: 20_000,
        ttl: Duration::from_mins(1),
    };

    fn read(store: &Store, key: &str, body: &str, now: SystemTime) -> Read {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let members = json::scan(&body).expect("JSON");
        store.read(key, &body, &members, now)
    }

    fn keep(store: &Store, key: &str, id: &str, asked: &str, now: SystemTime) {
        let question = read(store, key, asked, now).question;
        let response = format!(
            r#"{{"id":"{id}","object":"response","output":[{{"type":"message","id":"msg_{id}","role":"assistant","content":[{{"type":"output_text","text":"{id}"}}]}}],"previous_response_id":null}}"#
        );
        store
            .keep(BOUNDS, &key.into(), question, &Bytes::from(response))
            .expect("kept");
    }

    fn written(read: &Read) -> String {
        let body = read.body.as_ref().expect("written out");
        String::from_utf8(body.to_vec()).expect("text")
    }

    #[test]
    fn a_chain_is_written_out_from_its_beginning() {
        let (store, now) = (Store::default(), UNIX_EPOCH);
        keep(&store, "k", "a", r#"{"input":"one"}"#, now);
        keep(
            &store,
            "k",
            "b",
            r#"{"previous_response_id":"a","input":[{"role":"user","content":"two"}]}"#,
            now,
        );
        let read = read(
            &store,
            "k",
            r#"{"model":"m","previous_response_id":"b","input":"three"}"#,
            now,
        );
        let body = written(&read);
        let at = |text: &str| body.find(text).unwrap_or_else(|| panic!("{text}: {body}"));
        let order = [
            r#""content":"one""#,
            "msg_a",
            r#""content":"two""#,
            "msg_b",
            r#""content":"three""#,
        ];
        assert!(
            order.windows(2).all(|pair| at(pair[0]) < at(pair[1])),
            "{body}"
        );
        assert!(body.contains(r#""previous_response_id":null"#), "{body}");
    }

    #[test]
    fn references_are_replaced_by_their_items_and_nobody_elses_are_found() {
        let (store, now) = (Store::default(), UNIX_EPOCH);
        keep(&store, "k", "a", r#"{"input":"one"}"#, now);
        let ask = r#"{"input":[{"role":"user","content":"x"},{"type":"item_reference","id":"msg_a"},{"id":"msg_a"}]}"#;
        let body = written(&read(&store, "k", ask, now));
        assert_eq!(body.matches("output_text").count(), 2, "{body}");
        assert!(read(&store, "other", ask, now).body.is_none());
        let unknown = r#"{"input":"x","previous_response_id":"of-openai"}"#;
        assert!(read(&store, "k", unknown, now).body.is_none());
    }

    #[test]
    fn what_is_too_old_or_too_much_is_let_go_of_the_largest_first() {
        let (store, now) = (Store::default(), UNIX_EPOCH);
        keep(&store, "small", "s", r#"{"input":"one"}"#, now);
        for turn in 0..100 {
            keep(
                &store,
                "large",
                &format!("l{turn}"),
                &format!(r#"{{"input":"{}"}}"#, "x".repeat(500)),
                now,
            );
        }
        assert!(store.held().0 <= BOUNDS.max_bytes, "{:?}", store.held());
        assert!(
            store
                .answer("small", true, "/v1/responses/s", now)
                .is_some()
        );
        assert!(
            store
                .answer("large", true, "/v1/responses/l0", now)
                .is_none()
        );
        assert!(
            store
                .answer("large", true, "/v1/responses/l99", now)
                .is_some()
        );
        let later = now + BOUNDS.ttl;
        assert!(
            store
                .answer("small", true, "/v1/responses/s", later)
                .is_none()
        );
        keep(&store, "new", "n", r#"{"input":"one"}"#, later);
        assert_eq!(store.held().1, 1);
    }

    #[test]
    fn what_is_deleted_is_gone() {
        let (store, now) = (Store::default(), UNIX_EPOCH);
        keep(&store, "k", "a", r#"{"input":"one"}"#, now);
        assert!(
            store
                .answer("other", false, "/v1/responses/a", now)
                .is_none()
        );
        let items = store.answer("k", true, "/v1/responses/a/input_items", now);
        let items = items.expect("kept").body;
        assert!(items.starts_with(b"{\"object\":\"list\",\"data\":[{\"type\":\"message\""));
        let deleted = store
            .answer("k", false, "/v1/responses/a", now)
            .expect("kept");
        let deleted: serde_json::Value = serde_json::from_slice(&deleted.body).expect("JSON");
        assert_eq!(
            deleted,
            json!({"id": "a", "object": "response", "deleted": true})
        );
        assert!(store.answer("k", true, "/v1/responses/a", now).is_none());
        assert_eq!(store.held(), (0, 0));
    }

    #[test]
    fn the_response_is_found_at_the_end_of_a_stream() {
        let out = Bytes::from_static(b"event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":3,\"response\":{\"id\":\"a\"}}\n\n");
        assert_eq!(
            response_in(&out, true).as_deref(),
            Some(&b"{\"id\":\"a\"}"[..])
        );
        let other = Bytes::from_static(
            b"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{}}\n\n",
        );
        assert_eq!(response_in(&other, true), None);
    }
}
