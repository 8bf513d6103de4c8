//! What an upstream has told of each item so far.
use crate::protocol::hub::args::Scanner;
use crate::protocol::hub::block::{Block, SegmentKind};
use crate::protocol::hub::error::Violation;

/// The items by their positions in the answer.
#[derive(Debug, Default)]
pub struct Items(Vec<(usize, Item)>);

/// What was told of one item.
#[derive(Debug)]
pub enum Item {
    Call(Call),
    Done,
    /// The part that was told last.
    Message(Option<usize>),
    /// The part that was told last.
    Reasoning(Option<(SegmentKind, usize)>),
}

impl Item {
    /// Whether its end may be this block. A call in the place of something else was never begun, and is none.
    pub fn takes(&self, block: &Block) -> bool {
        let other = matches!(
            self,
            Self::Done | Self::Message(Some(_)) | Self::Reasoning(Some(_))
        );
        !(other && matches!(block, Block::ToolCall(_)))
    }
}

/// What was told of one call.
#[derive(Debug)]
pub enum Call {
    /// Name or id are missing: everything waits for the whole item.
    Announced,
    /// Arguments are followed, free text is not.
    Started(Option<Scanner>),
    /// Some arguments were told.
    Told(Option<Scanner>),
}

impl Item {
    /// Takes note of a piece of arguments that is told now. They cannot become an object any more: a breach.
    pub fn tell(&mut self, fragment: &str) -> Result<(), Violation> {
        let mut scanner = match std::mem::replace(self, Self::Done) {
            Self::Call(Call::Started(scanner) | Call::Told(scanner)) => scanner,
            _ => None,
        };
        if let Some(scanner) = &mut scanner {
            let followed = scanner.push(fragment);
            followed.map_err(|_| Violation::bad_arguments())?;
        }
        *self = Self::Call(Call::Told(scanner));
        Ok(())
    }
}

/// Whether arguments that were followed are an object, or nothing at all.
pub fn is_whole(scanner: Option<&Scanner>) -> bool {
    scanner.is_none_or(|scanner| scanner.is_complete() || scanner.is_blank())
}

impl Items {
    /// The item at that position; `new` if nothing is known of it.
    pub fn at(&mut self, index: usize, new: Item) -> Result<&mut Item, Violation> {
        // Nearly always it is the last one.
        let known = self.0.iter().rposition(|(at, _)| *at == index);
        if known.is_none() {
            if self.0.len() >= MOST_ITEMS {
                let message = "the upstream answers with too many items";
                return Err(Violation::new("too_many_items", message));
            }
            self.0.push((index, new));
        }
        let at = known.unwrap_or(self.0.len() - 1);
        match self.0.get_mut(at) {
            Some((_, item)) => Ok(item),
            None => Err(Violation::unreadable("an item is missing")),
        }
    }

    /// Whether nothing was told of any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Items {
    type Item = (usize, Item);
    type IntoIter = std::vec::IntoIter<(usize, Item)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Most items of one answer. Real ones have dozens.
const MOST_ITEMS: usize = 4096;
