//! Server-sent events of the admin plane: `?follow` of `now` and of `requests`.
//!
//! A stream does work only while it is open. Rows that a reader does not take in time are skipped, not stored; the next
//! event states how many were skipped. The number of streams is bounded, in total and per session.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use serde_json::{Value, json};

use super::now;
use super::requests::{fitting, members, ring, row_json};
use crate::proxy::state::app::App;
use crate::proxy::state::reload::Source;
use crate::telemetry::recent::filter::Filter;

/// What a stream follows.
#[derive(Debug)]
pub(super) enum Followed {
    Now(Source),
    /// The requests that match, from this number on.
    Requests(Filter, Option<u64>),
}

/// The streams that are open.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Mutex<HashMap<String, usize>>,
}

/// The permission for an open stream, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    streams: Arc<Streams>,
    of: String,
}

impl Streams {
    /// A place for one more stream of `of`, if one is free.
    pub(super) fn enter(self: &Arc<Self>, of: &str) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= IN_ALL {
            return None;
        }
        let own = open.entry(of.to_owned()).or_default();
        if *own >= OF_ONE {
            return None;
        }
        *own += 1;
        Some(Place {
            streams: Arc::clone(self),
            of: of.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .streams
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.of) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.of);
            }
        }
    }
}

/// Writes events until the client leaves or is too slow, or the plane closes.
pub(super) async fn run(
    app: &App,
    session: &mut ServerSession,
    followed: Followed,
    shutdown: &mut tokio::sync::watch::Receiver<bool>,
) {
    if begin(session).await.is_err() {
        return;
    }
    let mut events = Events::new(followed);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let text = tokio::task::block_in_place(|| events.next(app));
        if !text.is_empty()
            && session
                .write_response_body(Bytes::from(text), false)
                .await
                .is_err()
        {
            return;
        }
        let closing = tokio::select! {
            _ = session.read_body_or_idle(true) => return,
            _ = shutdown.changed() => true,
            _ = ticks.tick() => *shutdown.borrow(),
        };
        if closing {
            let bye = event("bye", None, &json!({ "reason": "shutdown" }).to_string());
            let _ = session.write_response_body(Bytes::from(bye), true).await;
            return;
        }
    }
}

/// Writes the head of an event stream.
pub(super) async fn begin(session: &mut ServerSession) -> pingora::Result<()> {
    session.set_keepalive(None);
    session.set_write_timeout(Some(TOO_SLOW));
    let head = head(session)?;
    session.write_response_header(Box::new(head)).await
}

/// Produces the events of one stream.
#[derive(Debug)]
struct Events {
    followed: Followed,
    ticks: u64,
    next_seq: u64,
    last_stats: Value,
    started: bool,
}

impl Events {
    fn new(followed: Followed) -> Self {
        Self {
            followed,
            ticks: 0,
            next_seq: 0,
            last_stats: Value::Null,
            started: false,
        }
    }

    /// The events that are due now; empty when none is.
    fn next(&mut self, app: &App) -> String {
        let whole_second = self.ticks.is_multiple_of(TICKS_PER_SECOND);
        self.ticks += 1;
        let mut out = String::new();
        match &self.followed {
            Followed::Now(source) if whole_second => {
                out = event("now", None, &now::now(app, source).to_string());
            }
            Followed::Now(_) => {}
            Followed::Requests(filter, from) => {
                if !self.started {
                    self.started = true;
                    let next = app.telemetry.recent().next_seq();
                    self.next_seq = from.map_or(next, |from| from.min(next));
                    let hello = json!({
                        "ring": ring(app),
                        "resumed": from.is_some(),
                        "server_time": super::times::precise(SystemTime::now()),
                        "version": env!("CARGO_PKG_VERSION"),
                    });
                    out += &event("hello", None, &hello.to_string());
                }
                let rows = fitting(app, filter, self.next_seq);
                if let Some(last) = rows.last() {
                    self.next_seq = last.seq() + 1;
                    let skipped = rows.len().saturating_sub(ROWS_AT_ONCE);
                    let shown: Vec<String> =
                        rows[skipped..].iter().map(|row| row_json(row)).collect();
                    let data = format!("{{\"rows\":[{}],\"skipped\":{skipped}}}", shown.join(","));
                    out += &event("rows", Some(self.next_seq), &data);
                }
                if whole_second {
                    let [held, stats] = members(app, &fitting(app, filter, 0));
                    if stats.1 != self.last_stats {
                        let data = json!({ held.0: held.1, stats.0: &stats.1, "in_flight": app.in_flight() });
                        out += &event("stats", None, &data.to_string());
                        self.last_stats = stats.1;
                    }
                }
            }
        }
        // A comment every ten seconds without events, so that a client that has left is noticed.
        if out.is_empty() && self.ticks.is_multiple_of(TICKS_PER_SECOND * 10) {
            out.push_str(":\n\n");
        }
        out
    }
}

fn head(session: &ServerSession) -> pingora::Result<ResponseHeader> {
    let mut head = ResponseHeader::build(200, Some(4))?;
    head.insert_header(CONTENT_TYPE, "text/event-stream")?;
    head.insert_header(CACHE_CONTROL, "no-store")?;
    head.insert_header(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    )?;
    if session.req_header().version == http::Version::HTTP_11 {
        head.insert_header(TRANSFER_ENCODING, "chunked")?;
    }
    Ok(head)
}

/// One event; `data` is JSON on one line.
pub(super) fn event(name: &str, id: Option<u64>, data: &str) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}

/// How often new rows are sent.
const TICK: Duration = Duration::from_millis(250);
const TICKS_PER_SECOND: u64 = 4;

/// The most rows in one event. If there are more, the newest are sent with the number of skipped ones.
const ROWS_AT_ONCE: usize = 100;

/// A stream whose reader takes nothing for this long is closed.
const TOO_SLOW: Duration = Duration::from_secs(30);

/// The most streams at once: in total, and of one session or token holder.
const IN_ALL: usize = 32;
const OF_ONE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_bounded_by_session_and_in_all() {
        let streams = Arc::new(Streams::default());
        let mut places: Vec<Place> = (0..OF_ONE).filter_map(|_| streams.enter("a")).collect();
        assert_eq!(places.len(), OF_ONE);
        assert!(streams.enter("a").is_none());
        for other in ["b", "c", "d", "e"] {
            places.extend((0..OF_ONE).filter_map(|_| streams.enter(other)));
        }
        assert_eq!(places.len(), IN_ALL);
        assert!(streams.enter("f").is_none());
        drop(places.remove(0));
        assert!(streams.enter("f").is_some() && streams.enter("a").is_some());
        drop(places);
        assert!(streams.open.lock().expect("no panic").is_empty());
    }

    #[test]
    fn an_event_is_a_name_an_id_and_a_line() {
        assert_eq!(
            event("rows", Some(7), "{}"),
            "event: rows\nid: 7\ndata: {}\n\n"
        );
    }
}
