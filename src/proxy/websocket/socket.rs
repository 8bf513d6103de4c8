//! One client WebSocket: its messages, the events of its turns, and the order of turns.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pingora::protocols::http::ServerSession;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tungstenite::protocol::frame::coding::CloseCode;

use super::turn::{Caller, Ended, Remembered, Task, TurnMessage};
use crate::exchange::admit;
use crate::exchange::socket::chain::Chain;
use crate::exchange::socket::lanes::Lanes;
use crate::exchange::socket::message::{self, Create, Message};
use crate::exchange::socket::said::{self, Fault, Lane};
use crate::exchange::socket::upstream::Continuing;
use crate::proxy::client::buffered::BufferShare;
use crate::proxy::client::certified::Names;
use crate::proxy::state::app::App;
use crate::proxy::upstream::socket::frames::{Frames, Incoming};
use crate::proxy::upstream::socket::links::{Between, Links, SocketTurn};

/// An open socket.
pub(super) struct Socket {
    app: Arc<App>,
    caller: Arc<Caller>,
    frames: Frames,
    lanes: Lanes,
    chain: Chain,
    /// The bytes of `server.max_buffered` that it occupies.
    held: Option<BufferShare>,
    /// The tasks of its turns. They are dropped with the socket, and their requests with them.
    turns: JoinSet<()>,
    tell: mpsc::Sender<TurnMessage>,
    /// Its upstream sockets.
    links: Arc<Links>,
    /// The names of the client's certificate.
    certificate: Names,
    /// The last turn of each lane, as long as it is running or was steered.
    latest: HashMap<Lane, Latest>,
    /// Lanes on which an upstream has begun a response by itself.
    successors: Vec<Lane>,
    /// Bytes since the last complete message.
    unread: usize,
    /// Why no further turn begins: the socket closes when no turn is running.
    ending: Option<Ending>,
}

/// The last turn of a lane.
struct Latest {
    create: Box<Create>,
    /// Items of steering messages that were passed on.
    steered: Vec<Bytes>,
    /// The id of the resulting response.
    ended: Option<String>,
}

#[derive(Clone, Copy)]
enum Ending {
    Age(Duration),
    Drain,
}

/// The client is gone, or the close frame has been queued.
struct Over;

impl Socket {
    /// A socket of this caller, whose certificate has these names; messages have at most `most` bytes. Also returns the
    /// channels for the events of its turns and of its upstream sockets.
    pub(super) fn open(
        app: &Arc<App>,
        caller: Caller,
        certificate: Names,
        most: usize,
    ) -> (Self, (mpsc::Receiver<TurnMessage>, mpsc::Receiver<Between>)) {
        let (tell, messages) = mpsc::channel(EVENTS_ON_THE_WAY);
        let (between, heard) = mpsc::channel(EVENTS_ON_THE_WAY);
        let socket = Self {
            app: app.clone(),
            caller: Arc::new(caller),
            frames: Frames::new(most),
            lanes: Lanes::new(most),
            chain: Chain::new(most),
            held: None,
            turns: JoinSet::new(),
            tell,
            links: Links::new(between),
            certificate,
            latest: HashMap::new(),
            successors: Vec::new(),
            unread: 0,
            ending: None,
        };
        (socket, (messages, heard))
    }

    /// Serves the socket to its end.
    pub(super) async fn run(
        mut self,
        client: &mut ServerSession,
        (mut messages, mut heard): (mpsc::Receiver<TurnMessage>, mpsc::Receiver<Between>),
        max_age: Duration,
    ) {
        let app = self.app.clone();
        let mut pings = tokio::time::interval(PING_EVERY);
        pings.reset();
        let age = tokio::time::sleep(max_age);
        let (drain, cut) = (app.closing().wait(), app.until_well_cut());
        tokio::pin!(age, drain, cut);
        loop {
            let step = tokio::select! {
                read = client.read_request_body() => match read {
                    Ok(Some(bytes)) => self.read(&bytes),
                    _ => return,
                },
                Some(first) = messages.recv() => {
                    self.tell_client(first);
                    for _ in 1..EVENTS_ON_THE_WAY {
                        let Ok(more) = messages.try_recv() else { break };
                        self.tell_client(more);
                    }
                    Ok(())
                }
                Some(between) = heard.recv() => {
                    match between {
                        Between::Event(event) => self.frames.say(event),
                        Between::Successor(lane) => self.successors.push(lane),
                    }
                    Ok(())
                }
                Some(_) = self.turns.join_next() => Ok(()),
                _ = pings.tick() => {
                    self.frames.ping();
                    Ok(())
                }
                () = &mut age, if self.ending.is_none() => {
                    self.ending = Some(Ending::Age(max_age));
                    Ok(())
                }
                () = &mut drain, if self.ending.is_none() => {
                    self.ending = Some(Ending::Drain);
                    Ok(())
                }
                // The requests have sent their last events by now.
                () = &mut cut => {
                    self.frames.close(CloseCode::Restart, "this proxy is being restarted");
                    Err(Over)
                }
            };
            let is_over = step.and_then(|()| self.go_on()).is_err();
            let bytes = self.frames.take();
            if !bytes.is_empty() && client.write_response_body(bytes, false).await.is_err()
                || is_over
            {
                return;
            }
        }
    }

    /// Handles bytes from the client.
    fn read(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.frames.push(bytes);
        self.unread += bytes.len();
        while let Some(said) = self.frames.next() {
            self.unread = 0;
            match said {
                Incoming::Text(text) => self.heard(&text),
                Incoming::End => return Err(Over),
            }
        }
        if self.unread > SMALL && !self.hold() {
            self.frames.close(
                CloseCode::Again,
                "this proxy is holding as large requests as it may",
            );
            return Err(Over);
        }
        Ok(())
    }

    fn heard(&mut self, text: &str) {
        let offered = message::read(text).and_then(|message| match message {
            Message::Create(create) => self.lanes.offer(create),
            Message::Steer(steer) => {
                let latest = self.latest.get_mut(&steer.lane);
                let latest = latest.filter(|latest| latest.steered.len() < MOST_STEERED);
                if let Some(latest) =
                    latest.filter(|_| self.links.steer(&steer.lane, steer.message()))
                {
                    latest.steered.push(steer.items());
                } else {
                    let event = said::not_steered(&steer.lane, &steer.previous, &steer.input);
                    self.frames.say(event);
                }
                Ok(())
            }
        });
        if let Err(fault) = offered {
            self.frames.say(fault.event());
        }
    }

    fn tell_client(&mut self, message: TurnMessage) {
        match message {
            TurnMessage::Event(event) => self.frames.say(event),
            TurnMessage::End(Ended { lane, remembered }) => {
                self.lanes.ended(&lane);
                let id = remembered.as_ref().map(|remembered| remembered.id.clone());
                if let Some(latest) = self.latest.get_mut(&lane)
                    && !latest.steered.is_empty()
                {
                    latest.ended = id;
                } else {
                    self.latest.remove(&lane);
                }
                if let Some(remembered) = remembered {
                    self.remember(remembered);
                }
            }
        }
    }

    /// Begins the turns that may begin, and closes the socket when it is time.
    fn go_on(&mut self) -> Result<(), Over> {
        if let Some(ending) = self.ending {
            if !self.lanes.is_idle() {
                return Ok(());
            }
            match ending {
                Ending::Age(age) => {
                    self.frames.say(Fault::too_old(age.as_secs() / 60).event());
                    self.frames.close(
                        CloseCode::Normal,
                        "the socket has been open for as long as it may",
                    );
                }
                Ending::Drain => self
                    .frames
                    .close(CloseCode::Restart, "this proxy is being restarted"),
            }
            return Err(Over);
        }
        for lane in std::mem::take(&mut self.successors) {
            if self.lanes.claim(&lane) {
                self.succeed(&lane);
            } else {
                self.successors.push(lane);
            }
        }
        while let Some(create) = self.lanes.take_next() {
            self.begin(create, false);
        }
        Ok(())
    }

    /// Begins the turn for a response that an upstream has begun because of steering; it is an ordinary turn whose
    /// answer has begun already.
    fn succeed(&mut self, lane: &Lane) {
        let latest = self.latest.remove(lane);
        match latest.and_then(|latest| Some((latest.ended?, latest.create, latest.steered))) {
            Some((ended, create, steered)) => {
                self.begin(Box::new(create.successor(ended, &steered)), true);
            }
            None => self.lanes.ended(lane),
        }
    }

    fn begin(&mut self, create: Box<Create>, is_successor: bool) {
        let lane = create.lane().clone();
        let history = match create.previous() {
            None => None,
            Some(previous) => match self.chain.history(previous) {
                Some(history) => Some(history),
                // No upstream can know the response either, because it was not stored.
                None if !create.is_stored() => {
                    self.frames
                        .say(Fault::unknown_response(previous).on(lane.clone()).event());
                    self.lanes.ended(&lane);
                    return;
                }
                None => None,
            },
        };
        if !create.generates() {
            self.warm(&create);
            self.lanes.ended(&lane);
            return;
        }
        let (body, whole) = create.body(history);
        let (previous, input) = (create.previous().map(str::to_owned), create.items());
        let turn = SocketTurn {
            lane: lane.clone(),
            links: self.links.clone(),
            continuing: previous
                .clone()
                .zip(whole)
                .map(|(previous, whole)| Continuing {
                    previous,
                    whole,
                    new: input.clone(),
                }),
            certificate: self.certificate.clone(),
            is_successor,
        };
        let task = Task {
            lane: lane.clone(),
            body,
            previous,
            input,
            turn: Arc::new(turn),
        };
        let latest = Latest {
            create,
            steered: Vec::new(),
            ended: None,
        };
        self.latest.insert(lane, latest);
        self.turns
            .spawn(self.caller.clone().run(task, self.tell.clone()));
    }

    /// Handles a `response.create` that generates nothing: its input is stored under an id of Weir's own.
    fn warm(&mut self, create: &Create) {
        let headers = self.caller.headers();
        let known = admit::recognise(
            &self.app.gateway(),
            headers,
            self.caller.query(),
            &self.certificate,
            SystemTime::now(),
        );
        if let Err(refusal) = known {
            let answer = refusal.answer(crate::protocol::Dialect::OpenaiResponses, "");
            self.frames.say(said::failed(
                create.lane(),
                answer.status,
                &answer.body,
                &[],
            ));
            return;
        }
        let id = format!("resp_{}", self.app.request_id());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        for event in said::warmed(create.lane(), &id, create.model().as_deref(), now) {
            self.frames.say(event);
        }
        self.remember(Remembered {
            id,
            previous: create.previous().map(str::to_owned),
            input: create.items(),
            output: Bytes::new(),
        });
    }

    fn remember(&mut self, new: Remembered) {
        self.chain
            .remember(new.id, new.previous.as_deref(), new.input, new.output);
        if !self.hold() {
            // The client sends everything again when it is told that a response is not known.
            self.chain.clear();
            self.hold();
        }
    }

    /// Computes its share of `server.max_buffered` again. Returns whether there is room for it.
    fn hold(&mut self) -> bool {
        self.held = None;
        let mut held = self.app.hold();
        let running: usize = self
            .latest
            .values()
            .map(|latest| latest.create.weight())
            .sum();
        let has_room = held.grow(self.chain.bytes() + self.lanes.bytes() + running + self.unread);
        self.held = Some(held);
        has_room
    }
}

/// The interval of pings to the client.
const PING_EVERY: Duration = Duration::from_secs(30);

/// The most events of all turns that the client has not received yet.
const EVENTS_ON_THE_WAY: usize = 64;

/// The most steering messages for one response.
const MOST_STEERED: usize = 16;

/// Messages up to this many bytes are not counted while they arrive.
const SMALL: usize = 64 << 10;
