//! The order of turns on a socket: one turn at a time on a lane, lanes in parallel.
use std::collections::VecDeque;

use super::message::Create;
use super::said::{Fault, Lane};

/// The running and the waiting turns.
#[derive(Debug)]
pub struct Lanes {
    running: Vec<Lane>,
    waiting: VecDeque<Box<Create>>,
    /// The bytes of the waiting turns.
    bytes: usize,
    /// The most bytes of the waiting turns.
    most: usize,
}

impl Lanes {
    /// Waiting turns take at most `most` bytes.
    pub fn new(most: usize) -> Self {
        Self {
            running: Vec::new(),
            waiting: VecDeque::new(),
            bytes: 0,
            most,
        }
    }

    /// Adds a turn behind the others of its lane.
    pub fn offer(&mut self, create: Box<Create>) -> Result<(), Fault> {
        let weight = create.weight();
        let is_first = self.waiting.is_empty() && self.running.is_empty();
        if self.waiting.len() >= MOST_WAITING || !is_first && self.bytes + weight > self.most {
            let message = format!(
                "too much waits on this socket: at most {MOST_WAITING} responses, on at most {MOST_RUNNING} streams at once"
            );
            let fault = Fault::coded("websocket_stream_limit_reached", message);
            return Err(fault.about("stream_id").on(create.lane().clone()));
        }
        self.bytes += weight;
        self.waiting.push_back(create);
        Ok(())
    }

    /// The next turn that may run. It counts as running until [`Lanes::ended`].
    pub fn take_next(&mut self) -> Option<Box<Create>> {
        if self.running.len() >= MOST_RUNNING {
            return None;
        }
        let free = |create: &Create| !self.running.contains(create.lane());
        let position = self.waiting.iter().position(|create| free(create))?;
        let create = self.waiting.remove(position)?;
        self.bytes = self.bytes.saturating_sub(create.weight());
        self.running.push(create.lane().clone());
        Some(create)
    }

    /// Marks a lane as running for a turn that begins by itself. `false` = a turn is running there already, or
    /// as many turns are running as may run.
    pub fn claim(&mut self, lane: &Lane) -> bool {
        let is_free = self.running.len() < MOST_RUNNING && !self.running.contains(lane);
        if is_free {
            self.running.push(lane.clone());
        }
        is_free
    }

    /// The turn of this lane has ended.
    pub fn ended(&mut self, lane: &Lane) {
        self.running.retain(|running| running != lane);
    }

    /// Whether no turn is running.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// The bytes of the waiting turns.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The most responses that are generated at once on a socket.
const MOST_RUNNING: usize = 32;

/// The most responses that wait for their lane.
const MOST_WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::message::{Message, read};
    use super::*;

    fn create(lane: &str) -> Create {
        let id = if lane.is_empty() {
            "null".to_owned()
        } else {
            format!("\"{lane}\"")
        };
        match read(&format!(
            r#"{{"type":"response.create","stream_id":{id},"input":"0123456789"}}"#
        )) {
            Ok(Message::Create(create)) => *create,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lane_is_in_order_and_lanes_are_beside_one_another() {
        let mut lanes = Lanes::new(1_000);
        for lane in ["", "a", "", "a", "b"] {
            lanes.offer(Box::new(create(lane))).expect("there is room");
        }
        let mut begun = Vec::new();
        while let Some(create) = lanes.take_next() {
            begun.push(create.lane().clone());
        }
        assert_eq!(begun, [None, Some("a".into()), Some("b".into())]);
        lanes.ended(&Some("a".into()));
        assert_eq!(
            lanes.take_next().map(|create| create.lane().clone()),
            Some(Some("a".into()))
        );
        assert!(!lanes.is_idle() && lanes.take_next().is_none());
        lanes.ended(&None);
        assert_eq!(
            lanes.take_next().map(|create| create.lane().clone()),
            Some(None)
        );
        assert_eq!(lanes.bytes(), 0);
    }

    #[test]
    fn there_is_an_end_to_what_waits() {
        let mut lanes = Lanes::new(1_000_000);
        let taken = (0..200)
            .filter(|index| lanes.offer(Box::new(create(&format!("l{index}")))).is_ok())
            .count();
        assert_eq!(taken, MOST_WAITING);
        let running = std::iter::from_fn(|| lanes.take_next()).count();
        assert_eq!(running, MOST_RUNNING);
        let mut small = Lanes::new(5);
        small
            .offer(Box::new(create("")))
            .expect("one is taken, whatever its size");
        small.take_next().expect("it runs");
        assert!(small.offer(Box::new(create(""))).is_err());
    }
}
