//! Determines what remains to be emitted of an item when its complete form comes.
use super::emitted_text::text_of;
use super::slots::Item;
use crate::protocol::hub::block::Block;
use crate::protocol::hub::opaque::Opaque;

/// What remains to be emitted.
#[derive(Debug)]
pub enum Rest {
    All,
    /// The end of reasoning whose text was emitted completely, with its state.
    End(Option<Opaque>),
    Nothing,
    /// The rest of a text.
    Text(String),
}

/// What remains to be emitted of `item`, whose complete content is `blocks`; records that it is emitted. Calls are not
/// handled here.
pub fn rest(item: &mut Item, blocks: &[Block]) -> Rest {
    match item {
        Item::Message(emitted) => {
            emitted.end();
            let text = text_of(blocks);
            if emitted.is_silent() {
                emitted.tell(&text);
                return Rest::All;
            }
            let rest = emitted.rest_of_all(&text).to_owned();
            emitted.tell(&rest);
            if rest.is_empty() {
                Rest::Nothing
            } else {
                Rest::Text(rest)
            }
        }
        Item::Reasoning(emitted) => match (emitted.end(), emitted.is_silent()) {
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
