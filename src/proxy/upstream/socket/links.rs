//! The upstream WebSockets that belong to one client's WebSocket: the idle ones, and the receivers of steering
//! messages.
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pingora::protocols::Digest;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::link::Link;
use super::open::Opening;
use crate::exchange::socket::said::Lane;
use crate::exchange::socket::upstream::Continuing;

/// A turn of a client's socket, as its request carries it to the upstream side.
pub(crate) struct SocketTurn {
    /// Its `stream_id` on the client's socket.
    pub lane: Lane,
    /// The sockets to upstreams that belong to the client's.
    pub links: Arc<Links>,
    /// The earlier response that the turn continues on this client's socket.
    pub continuing: Option<Continuing>,
    /// The names of the client's certificate.
    pub certificate: Arc<[String]>,
    /// Whether this is the response that the upstream begins by itself because of steering.
    pub is_successor: bool,
}

/// What an upstream sends on a lane without a running turn.
pub(crate) enum Between {
    /// An event for the client, unchanged.
    Event(String),
    /// The upstream has begun a response because of steering.
    Successor(Lane),
}

/// The upstream sockets of one client's socket; they are closed when it is dropped.
pub(crate) struct Links {
    between: mpsc::Sender<Between>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    idle: Vec<Idle>,
    successors: Vec<(Lane, Box<Link>, String)>,
    steering: HashMap<Lane, mpsc::Sender<String>>,
    /// Places whose upstream does not support WebSockets.
    refused: HashSet<String>,
}

/// A socket between two turns. A task answers its pings.
struct Idle {
    path: String,
    headers: http::HeaderMap,
    last: Option<String>,
    wanted: oneshot::Sender<()>,
    keeper: JoinHandle<Option<Box<Link>>>,
}

impl SocketTurn {
    /// The turn that an in-memory connection stands for.
    pub(crate) fn of(digest: Option<&Digest>) -> Option<Arc<Self>> {
        let proxy = digest?.proxy_digest.as_ref()?;
        let turn = proxy.user_data.as_ref()?.downcast_ref::<Arc<Self>>()?;
        Some(Arc::clone(turn))
    }

    pub(super) fn previous(&self) -> Option<&str> {
        self.continuing
            .as_ref()
            .map(|continuing| continuing.previous.as_str())
    }
}

impl Links {
    /// An empty set. Events between turns are sent to `between`.
    pub(crate) fn new(between: mpsc::Sender<Between>) -> Arc<Self> {
        Arc::new(Self {
            between,
            inner: Mutex::default(),
        })
    }

    /// Passes a steering message to the running turn of this lane; `false` when that turn is not on a socket.
    pub(crate) fn steer(&self, lane: &Lane, text: String) -> bool {
        let inner = self.lock();
        inner
            .steering
            .get(lane)
            .is_some_and(|running| running.try_send(text).is_ok())
    }

    /// The channel for steering messages of this lane from now on.
    pub(super) fn listen(&self, lane: &Lane) -> mpsc::Receiver<String> {
        let (send, receive) = mpsc::channel(MOST_STEERED);
        self.lock().steering.insert(lane.clone(), send);
        receive
    }

    /// No turn runs on this lane any more.
    pub(super) fn deaf(&self, lane: &Lane) {
        self.lock().steering.remove(lane);
    }

    /// Sends something to the client, unless it is gone.
    pub(super) async fn tell(&self, between: Between) {
        let _ = self.between.send(between).await;
    }

    /// Keeps a socket until the next turn.
    pub(super) fn put(&self, mut link: Box<Link>) {
        let (path, headers) = link.opened_for();
        let (path, headers) = (path.to_owned(), headers.clone());
        let last = link.last().map(str::to_owned);
        let (wanted, mut want) = oneshot::channel();
        let keeper = tokio::spawn(async move {
            let mut pings = tokio::time::interval(PING_EVERY);
            pings.reset();
            loop {
                link.flush().await.ok()?;
                tokio::select! {
                    asked = &mut want => {
                        if asked.is_ok() {
                            return Some(link);
                        }
                        link.close().await;
                        return None;
                    }
                    // An event between turns that is not about steering has no meaning, so it is dropped.
                    step = link.step() => drop(step.ok()?),
                    _ = pings.tick() => link.ask(),
                }
            }
        });
        let mut inner = self.lock();
        inner.idle.retain(|idle| !idle.keeper.is_finished());
        if inner.idle.len() >= MOST_IDLE {
            inner.idle.remove(0);
        }
        inner.idle.push(Idle {
            path,
            headers,
            last,
            wanted,
            keeper,
        });
    }

    /// An idle socket for this request, preferably the one that made `previous`.
    pub(super) async fn take(
        &self,
        opening: &Opening,
        previous: Option<&str>,
    ) -> Option<Box<Link>> {
        loop {
            let idle = {
                let mut inner = self.lock();
                let fits = |idle: &Idle| opening.is_same(&idle.path, &idle.headers);
                let made = |idle: &Idle| previous.is_some() && idle.last.as_deref() == previous;
                let position = inner.idle.iter().position(|idle| fits(idle) && made(idle));
                let position = position.or_else(|| inner.idle.iter().position(fits))?;
                inner.idle.remove(position)
            };
            // A socket that was closed meanwhile is skipped.
            if idle.wanted.send(()).is_ok()
                && let Ok(Some(link)) = idle.keeper.await
            {
                return Some(link);
            }
        }
    }

    /// Keeps a socket on which the answer to steering has begun, with its first event.
    pub(super) fn put_successor(&self, lane: Lane, link: Box<Link>, first: String) {
        let mut inner = self.lock();
        inner.successors.retain(|(other, ..)| *other != lane);
        inner.successors.push((lane, link, first));
    }

    /// The socket with the answer to steering, if it belongs to this turn and still fits its request.
    pub(super) fn successor(
        &self,
        turn: &SocketTurn,
        opening: &Opening,
    ) -> Option<(Box<Link>, String)> {
        if !turn.is_successor {
            return None;
        }
        let mut inner = self.lock();
        let position = inner
            .successors
            .iter()
            .position(|(lane, ..)| *lane == turn.lane)?;
        let (_, link, first) = inner.successors.remove(position);
        let (path, headers) = link.opened_for();
        opening.is_same(path, headers).then_some((link, first))
    }

    /// Records that the upstream at this place does not support WebSockets.
    pub(super) fn refuse(&self, opening: &Opening) {
        self.lock().refused.insert(opening.place());
    }

    /// Whether the upstream at this place does not support WebSockets.
    pub(super) fn are_refused(&self, opening: &Opening) -> bool {
        self.lock().refused.contains(&opening.place())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most sockets that wait for a turn: one for each lane of the client.
const MOST_IDLE: usize = 32;

/// The most messages that wait to be passed on.
const MOST_STEERED: usize = 16;

/// The interval of pings on an idle socket.
const PING_EVERY: Duration = Duration::from_secs(30);
