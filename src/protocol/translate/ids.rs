//! Makes ids of calls unique within a whole conversation.
//!
//! Some upstreams give every call of an answer the same id, or restart counting in every answer (`functions.Bash:0`);
//! clients that rely on the id then mistake the second call for the first. An id that is already taken, in the client's
//! own spelling, gets a number. Nothing needs to be remembered: the history that the client sends back contains the
//! taken ids.
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::protocol::Dialect;
use crate::protocol::hub::block::{Block, CallKind};
use crate::protocol::hub::names;
use crate::protocol::hub::request::Request;
use crate::protocol::hub::target::ToolIds;

/// The ids of one conversation.
#[derive(Debug, Default)]
pub struct Ids {
    /// The form in which the client will send them back; `None` = unchanged.
    rule: Option<ToolIds>,
    taken: HashSet<String>,
    /// The last number that was given to an id of the upstream's.
    numbers: HashMap<String, usize>,
}

impl Ids {
    /// The ids in the history of `request`.
    pub fn of(request: &Request) -> Self {
        let calls = request.blocks().filter_map(|block| match block {
            Block::ToolCall(call) if !matches!(call.kind, CallKind::Server(_)) => Some(&call.id),
            _ => None,
        });
        Self {
            rule: match request.client {
                Dialect::Anthropic => Some(ToolIds::AtMost(64)),
                Dialect::OpenaiChat => Some(ToolIds::AtMost(40)),
                Dialect::Gemini | Dialect::OpenaiResponses => None,
            },
            taken: calls.cloned().collect(),
            numbers: HashMap::new(),
        }
    }

    /// The id to show to the client: `id`, unless that is taken.
    pub fn hand_out<'a>(&mut self, id: Cow<'a, str>) -> Cow<'a, str> {
        if self.take(&id) {
            return id;
        }
        let mut number = self.numbers.get(&*id).copied().unwrap_or(1);
        loop {
            number += 1;
            let next = format!("{id}_{number}");
            if self.take(&next) {
                self.numbers.insert(id.into_owned(), number);
                return Cow::Owned(next);
            }
        }
    }

    fn take(&mut self, id: &str) -> bool {
        let form = match self.rule {
            Some(rule) => names::tool_id(id, rule),
            None => Cow::Borrowed(id),
        };
        self.taken.insert(form.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_gets_a_number() {
        let mut ids = Ids::default();
        let handed: Vec<_> = ["a", "a", "b", "a", "a_2"]
            .into_iter()
            .map(|id| ids.hand_out(Cow::Borrowed(id)).into_owned())
            .collect();
        assert_eq!(handed, ["a", "a_2", "b", "a_3", "a_2_2"]);
    }

    #[test]
    fn an_id_is_taken_in_the_clients_spelling() {
        let mut ids = Ids {
            rule: Some(ToolIds::AtMost(64)),
            ..Ids::default()
        };
        ids.taken
            .insert(names::tool_id("functions.Bash:0", ToolIds::AtMost(64)).into_owned());
        assert_eq!(
            ids.hand_out(Cow::Borrowed("functions.Bash:0")),
            "functions.Bash:0_2"
        );
    }
}
