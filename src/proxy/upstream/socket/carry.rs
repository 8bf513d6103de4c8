//! Carries one turn: sends a request of the relay on a WebSocket, and turns the socket's events into the relay's
//! answer.
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::ResponseHeader;
use pingora::protocols::Stream;
use pingora::protocols::http::v1::server::HttpSession as RelaySession;
use tokio::sync::mpsc::Receiver;

use super::link::Link;
use super::links::{Between, SocketTurn};
use super::open::{Answer, Opened, Opening};
use crate::exchange::socket::said;
use crate::exchange::socket::upstream::{CreateMessage, Heard, Refused, as_sse, heard};

/// How a turn begins.
pub(super) enum Began {
    New(Box<Link>),
    /// A socket that has carried other turns.
    Again(Box<Link>),
    /// A socket on which the answer has begun already, with its first event.
    Successor(Box<Link>, String),
    /// The socket could not be opened; this is the upstream's answer.
    Other(Answer),
}

/// The socket has begun the answer with this event.
struct Begun {
    link: Box<Link>,
    first: String,
}

/// The relay is gone, or there is nothing to answer: the in-memory connection ends without an answer.
struct Silent;

/// Serves one request of the relay.
pub(super) async fn carry(stream: Stream, turn: Arc<SocketTurn>, opening: Opening, began: Began) {
    let mut session = RelaySession::new(stream);
    let Some(create_message) = read(&mut session).await else {
        return;
    };
    let begun = match began {
        Began::Other(answer) => {
            let _ = write(&mut session, answer).await;
            return;
        }
        Began::Successor(link, first) => Ok(Begun { link, first }),
        Began::New(link) => ask(&mut session, &create_message, &turn, (link, None)).await,
        Began::Again(link) => {
            ask(&mut session, &create_message, &turn, (link, Some(&opening))).await
        }
    };
    let Ok(Begun { mut link, first }) = begun else {
        return;
    };
    if let Heard::Error(refused) = heard(&first) {
        link.made(None);
        turn.links.put(link);
        let _ = write(&mut session, Answer::from(refused)).await;
        return;
    }
    let mut steering = turn.links.listen(&turn.lane);
    let relayed = relay(&mut session, &mut link, first, &mut steering).await;
    turn.links.deaf(&turn.lane);
    steering.close();
    while let Some(message) = steering.recv().await {
        not_steered(&turn, &message).await;
    }
    if let Some(owed) = relayed {
        let _ = session.finish_body().await;
        drop(session);
        settle(&turn, link, owed).await;
    }
}

/// Reads the request.
async fn read(session: &mut RelaySession) -> Option<CreateMessage> {
    session.read_request().await.ok()??;
    let mut body = Vec::new();
    while let Some(chunk) = session.read_body_bytes().await.ok()? {
        body.extend_from_slice(&chunk);
    }
    CreateMessage::of(&body)
}

/// Sends the request and waits for the first event. `opening` is present if the socket was idle: if it turns out to be
/// dead, another one is opened.
async fn ask(
    session: &mut RelaySession,
    create_message: &CreateMessage,
    turn: &SocketTurn,
    (mut link, mut opening): (Box<Link>, Option<&Opening>),
) -> Result<Begun, Silent> {
    let mut continuing = turn.continuing.as_ref();
    loop {
        let known = continuing.filter(|continuing| link.last() == Some(&continuing.previous));
        let new_only = known.and_then(|continuing| create_message.new_only(continuing));
        let is_short = new_only.is_some();
        let message = new_only.unwrap_or_else(|| create_message.whole());
        let first = match link.say(message).await {
            Ok(()) => next(session, &mut link).await?,
            Err(_) => None,
        };
        let code = first.as_deref().map(heard).and_then(|heard| match heard {
            Heard::Error(refused) => refused.code,
            _ => None,
        });
        match (code.as_deref(), first) {
            // The upstream has forgotten a response that Weir remembers, so the whole conversation is sent.
            (Some("previous_response_not_found"), Some(_)) if is_short => continuing = None,
            // The socket has reached its age limit, or was closed before anything came: open another one and send
            // everything.
            (Some("websocket_connection_limit_reached"), _) | (None, None) if opening.is_some() => {
                let opened = match opening.take() {
                    Some(opening) => opening.open().await,
                    None => return Err(Silent),
                };
                match opened {
                    Ok(Opened::Link(new)) => link = new,
                    _ => return Err(Silent),
                }
            }
            (_, Some(first)) => return Ok(Begun { link, first }),
            (_, None) => return Err(Silent),
        }
    }
}

/// The next event; `None` when the socket is gone.
async fn next(session: &mut RelaySession, link: &mut Link) -> Result<Option<String>, Silent> {
    loop {
        if link.flush().await.is_err() {
            return Ok(None);
        }
        tokio::select! {
            biased;
            step = link.step() => match step {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(_) => return Ok(None),
            },
            _ = session.idle() => return Err(Silent),
        }
    }
}

/// Passes events on, up to the last one of the response. Returns how many of the client's steering messages have no
/// answer yet; `None` when the socket or the relay went away before.
async fn relay(
    session: &mut RelaySession,
    link: &mut Link,
    first: String,
    steering: &mut Receiver<String>,
) -> Option<usize> {
    let mut head = ResponseHeader::build(200, Some(3)).ok()?;
    head.insert_header(CONTENT_TYPE, "text/event-stream").ok()?;
    head.insert_header(TRANSFER_ENCODING, "chunked").ok()?;
    // This in-memory connection must not be used again.
    head.insert_header(CONNECTION, "close").ok()?;
    session.write_response_header(Box::new(head)).await.ok()?;
    let (mut event, mut owed) = (first, 0_usize);
    loop {
        session.write_body(as_sse(&event).as_bytes()).await.ok()?;
        match heard(&event) {
            Heard::Ended(response) => {
                link.made(response);
                return Some(owed);
            }
            Heard::Error(_) => {
                link.made(None);
                return Some(0);
            }
            Heard::SteerAccepted => owed += 1,
            Heard::SteerSettled => owed = owed.saturating_sub(1),
            Heard::Created | Heard::Other => {}
        }
        event = loop {
            link.flush().await.ok()?;
            let message = tokio::select! {
                biased;
                step = link.step() => match step.ok()? {
                    Some(event) => break event,
                    None => continue,
                },
                Some(message) = steering.recv() => message,
                _ = session.idle() => return None,
            };
            link.say(message).await.ok()?;
        };
    }
}

/// After the turn: passes on what the upstream still says about steering, or keeps the response that it begins because
/// of it.
async fn settle(turn: &Arc<SocketTurn>, mut link: Box<Link>, mut owed: usize) {
    while owed > 0 {
        let Ok(Ok(event)) = tokio::time::timeout(SUCCESSOR_WITHIN, link.event()).await else {
            return;
        };
        match heard(&event) {
            Heard::Created => {
                let lane = turn.lane.clone();
                turn.links.put_successor(lane.clone(), link, event);
                turn.links.tell(Between::Successor(lane)).await;
                return;
            }
            Heard::SteerSettled => owed -= 1,
            _ => {}
        }
        let event = said::routed(&turn.lane, &event);
        turn.links.tell(Between::Event(event)).await;
    }
    turn.links.put(link);
}

/// Tells the client that its steering came too late.
async fn not_steered(turn: &SocketTurn, message: &str) {
    let event = said::too_late(&turn.lane, message);
    turn.links.tell(Between::Event(event)).await;
}

/// Writes an answer that is not a stream.
async fn write(session: &mut RelaySession, answer: Answer) -> Option<()> {
    let mut head = ResponseHeader::build(answer.status, Some(answer.headers.len() + 2)).ok()?;
    for (name, value) in &answer.headers {
        if !FRAMING.contains(name) {
            head.append_header(name.clone(), value.clone()).ok()?;
        }
    }
    head.insert_header(CONTENT_LENGTH, answer.body.len()).ok()?;
    head.insert_header(CONNECTION, "close").ok()?;
    session.write_response_header(Box::new(head)).await.ok()?;
    session.write_body(&answer.body).await.ok()?;
    session.finish_body().await.ok().map(drop)
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in &refused.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self {
            status: refused.status,
            headers,
            body: refused.body.into_bytes(),
        }
    }
}

/// Headers that describe how the upstream framed its answer.
const FRAMING: [HeaderName; 4] = [
    CONNECTION,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    http::header::UPGRADE,
];

/// How long after a response the upstream may begin another one because of steering.
const SUCCESSOR_WITHIN: Duration = Duration::from_secs(30);
