//! What is left to be told of an item that has come whole.
use super::slots::Item;
use super::told::text_of;
use crate::protocol::hub::block::Block;
use crate::protocol::hub::opaque::Opaque;

/// What is left.
#[derive(Debug)]
pub enum Rest {
    All,
    /// The end of reasoning, all of which was told, and its state.
    End(Option<Opaque>),
    Nothing,
    /// The end of a text.
    Text(String),
}

/// What is left of `item`, which `blocks` are, and takes note that it is told. Calls are not followed here.
pub fn rest(item: &mut Item, blocks: &[Block]) -> Rest {
    match item {
        Item::Message(told) => {
            told.end();
            let text = text_of(blocks);
            if told.is_silent() {
                told.tell(&text);
                return Rest::All;
            }
            let rest = told.rest_of_all(&text).to_owned();
            told.tell(&rest);
            if rest.is_empty() {
                Rest::Nothing
            } else {
                Rest::Text(rest)
            }
        }
        Item::Reasoning(told) => match (told.end(), told.is_silent()) {
            (false, _) => Rest::Nothing,
            (true, true) => Rest::All,
            (true, false) => Rest::End(blocks.iter().find_map(|block| match block {
                Block::Reasoning(reasoning) => reasoning.opaque.clone(),
                _ => None,
            })),
        },
        Item::Other { done } => {
            if std::mem::replace(done, true) {
                Rest::Nothing
            } else {
                Rest::All
            }
        }
        Item::Call(_) => Rest::Nothing,
    }
}
