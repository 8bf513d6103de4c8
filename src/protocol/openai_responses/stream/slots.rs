//! Tracks what an upstream has sent of each item so far, and which item an event refers to.
//!
//! By the specification an event identifies its item twice: by the item's id and by its position. Servers repeat or
//! shift positions, count deltas instead of parts, and omit or change ids. So an event belongs to the first of these
//! that exists: the item of its kind with its id, the open item of its kind at its position, the open item of its kind
//! that began last. Only the first, and a new item by its position, are according to the specification; the others are
//! repairs.
use super::super::wire::{ItemIn, Name};
use super::emitted_text::EmittedText;
use crate::protocol::hub::args::Scanner;
use crate::protocol::hub::error::Violation;

/// The items in the order in which they began.
#[derive(Debug, Default)]
pub struct Items {
    known: Vec<Known>,
    /// Whether an event was assigned to an item that it did not name.
    repaired: bool,
}

/// One item, and how events identify it.
#[derive(Debug)]
struct Known {
    id: Option<String>,
    index: Option<usize>,
    /// Whether an event announced the item; otherwise a delta revealed it.
    announced: bool,
    item: Item,
}

/// The state of one item.
#[derive(Debug)]
pub enum Item {
    Call(Call),
    Message(EmittedText),
    /// A kind that is not tracked: emitted as a whole or not at all.
    Other {
        done: bool,
    },
    Reasoning(EmittedText),
}

/// The state of one call.
#[derive(Debug)]
pub enum Call {
    /// The name or the id is missing: everything waits for the complete item.
    Announced,
    Done {
        call_id: String,
    },
    /// The call has begun. JSON arguments are checked, free text is not.
    Started {
        call_id: String,
        scanner: Option<Scanner>,
        /// Its input is free text that belongs in an object, which the model may omit.
        wrapped: bool,
        /// Whether any arguments were emitted.
        told: bool,
    },
}

/// The kind of item that an event refers to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Call,
    Message,
    Other,
    Reasoning,
}

impl Kind {
    /// The kind of an item with this type.
    pub fn of(name: Option<&str>) -> Self {
        match name {
            None | Some("message") => Self::Message,
            Some("function_call" | "custom_tool_call") => Self::Call,
            Some("reasoning") => Self::Reasoning,
            Some(_) => Self::Other,
        }
    }

    fn new_item(self) -> Item {
        match self {
            Self::Call => Item::Call(Call::Announced),
            Self::Message => Item::Message(EmittedText::default()),
            Self::Other => Item::Other { done: false },
            Self::Reasoning => Item::Reasoning(EmittedText::default()),
        }
    }
}

impl Item {
    const fn kind(&self) -> Kind {
        match self {
            Self::Call(_) => Kind::Call,
            Self::Message(_) => Kind::Message,
            Self::Other { .. } => Kind::Other,
            Self::Reasoning(_) => Kind::Reasoning,
        }
    }

    /// Whether the item has ended.
    pub const fn is_done(&self) -> bool {
        match self {
            Self::Call(call) => matches!(call, Call::Done { .. }),
            Self::Message(emitted) | Self::Reasoning(emitted) => emitted.is_done(),
            Self::Other { done } => *done,
        }
    }
}

impl Call {
    /// Records a piece of arguments that is emitted now. It is a violation if the arguments cannot become an object any
    /// more.
    pub fn tell(&mut self, fragment: &str) -> Result<(), Violation> {
        if let Self::Started {
            scanner,
            wrapped,
            told,
            ..
        } = self
        {
            *told = true;
            let followed = scanner
                .as_mut()
                .map_or(Ok(()), |scanner| scanner.push(fragment));
            if followed.is_err() && !*wrapped {
                return Err(Violation::bad_arguments());
            }
            if followed.is_err() {
                *scanner = None;
            }
        }
        Ok(())
    }

    /// Whether the emitted arguments are an object or blank.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Started { scanner, .. } => scanner
                .as_ref()
                .is_none_or(|scanner| scanner.is_complete() || scanner.is_blank()),
            Self::Announced | Self::Done { .. } => true,
        }
    }

    fn is_answered_by(&self, id: &str) -> bool {
        match self {
            Self::Started { call_id, .. } | Self::Done { call_id } => call_id == id,
            Self::Announced => false,
        }
    }
}

impl Items {
    /// The number of the item that a delta or the end of a part refers to; a new item if there is none.
    pub fn find(&mut self, kind: Kind, name: Name<'_>) -> Result<usize, Violation> {
        match self.locate(kind, name, false) {
            Some(at) => Ok(at),
            None => self.add(kind, name, false),
        }
    }

    /// The number of the item that begins; `None` = it has already begun.
    pub fn begin(&mut self, kind: Kind, name: Name<'_>) -> Result<Option<usize>, Violation> {
        if let Some(at) = self.by_id(kind, name) {
            // A delta revealed the item before.
            let known = self.known.get_mut(at);
            let was = known.is_some_and(|known| std::mem::replace(&mut known.announced, true));
            return Ok((!was).then_some(at));
        }
        let guessed = self.known.iter().rposition(|known| {
            !known.announced
                && known.item.kind() == kind
                && !known.item.is_done()
                && known.index == name.index
        });
        if let Some(at) = guessed {
            if let Some(known) = self.known.get_mut(at) {
                known.announced = true;
                known.id = name.id.map(str::to_owned).or(known.id.take());
            }
            return Ok(Some(at));
        }
        if name.index.is_some() && self.known.iter().any(|known| known.index == name.index) {
            self.repaired = true;
        }
        self.add(kind, name, true).map(Some)
    }

    /// The number of the item that has ended; a new item if there is none.
    pub fn end(
        &mut self,
        kind: Kind,
        name: Name<'_>,
        call_id: Option<&str>,
    ) -> Result<usize, Violation> {
        // An item that has ended and has another id, but the same call id, is another call.
        let may_be =
            |_, known: &Known| !known.item.is_done() || name.id.is_none() || known.id.is_none();
        if let Some(at) = self.by_call(call_id, name.id, may_be) {
            return Ok(at);
        }
        match self.locate(kind, name, true) {
            // A call with another id at the same position is another call.
            Some(at) if kind == Kind::Call && !self.is_announced_call(at) => {
                self.add(kind, name, true)
            }
            Some(at) => Ok(at),
            None => self.add(kind, name, true),
        }
    }

    /// The item with this number.
    pub fn at(&mut self, at: usize) -> Result<&mut Item, Violation> {
        let known = self.known.get_mut(at);
        known
            .map(|known| &mut known.item)
            .ok_or_else(|| Violation::unreadable("an item is missing"))
    }

    /// The number of an item in the final answer: by the id of its call, else by its own id, else by its place among
    /// the items of its kind. `answered` are the items in front of it there. If no event mentioned the item, it is a
    /// new one.
    pub fn in_answer(
        &mut self,
        whole: &ItemIn<'_>,
        answered: &mut Vec<(Kind, usize)>,
    ) -> Result<usize, Violation> {
        let kind = Kind::of(whole.kind.as_deref());
        let place = answered.iter().filter(|(known, _)| *known == kind).count();
        let name = Name {
            id: whole.id.as_deref(),
            index: None,
        };
        let is_free = |at| answered.iter().all(|(_, taken)| *taken != at);
        let by_call = self.by_call(whole.call_id.as_deref(), name.id, |at, _| is_free(at));
        let by_place = || {
            let of_kind = self.known.iter().enumerate();
            let at = of_kind
                .filter(|(_, known)| known.item.kind() == kind)
                .nth(place)
                .map(|(at, _)| at);
            // A call is identified by the id that its result will name.
            at.filter(|at| kind != Kind::Call || self.is_announced_call(*at))
        };
        let at = match by_call.or_else(|| self.by_id(kind, name)).or_else(by_place) {
            Some(at) => at,
            None => self.add(
                kind,
                Name {
                    index: None,
                    ..name
                },
                true,
            )?,
        };
        answered.push((kind, at));
        Ok(at)
    }

    /// Whether no item is known.
    pub const fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The items that have not ended, with their numbers.
    pub fn open(&mut self) -> impl Iterator<Item = (usize, &mut Item)> {
        let items = self.known.iter_mut().map(|known| &mut known.item);
        items.enumerate().filter(|(_, item)| !item.is_done())
    }

    /// The violation that was repaired since the last call of this function.
    pub fn repair(&mut self) -> Option<Violation> {
        std::mem::take(&mut self.repaired).then(|| {
            Violation::new(
                "item_out_of_place",
                "the upstream names its items by wrong positions or ids",
            )
        })
    }

    /// The item of this kind with this id.
    fn by_id(&self, kind: Kind, name: Name<'_>) -> Option<usize> {
        let id = name.id.filter(|id| !id.is_empty())?;
        self.known
            .iter()
            .rposition(|known| known.item.kind() == kind && known.id.as_deref() == Some(id))
    }

    /// The call whose result will name `call_id`: the one with the item id `id`, else the first that satisfies
    /// `may_be`. Some upstreams give several calls the same call id.
    fn by_call(
        &self,
        call_id: Option<&str>,
        id: Option<&str>,
        may_be: impl Fn(usize, &Known) -> bool,
    ) -> Option<usize> {
        let call_id = call_id.filter(|call_id| !call_id.is_empty())?;
        let mut found = None;
        for (at, known) in self.known.iter().enumerate() {
            if !matches!(&known.item, Item::Call(call) if call.is_answered_by(call_id)) {
                continue;
            }
            if id.is_some() && known.id.as_deref() == id {
                return Some(at);
            }
            found = found.or(may_be(at, known).then_some(at));
        }
        found
    }

    fn locate(&mut self, kind: Kind, name: Name<'_>, ends: bool) -> Option<usize> {
        if let Some(at) = self.by_id(kind, name) {
            return Some(at);
        }
        let fits = |known: &Known| known.item.kind() == kind && !known.item.is_done();
        let here = self
            .known
            .iter()
            .rposition(|known| fits(known) && known.index == name.index);
        if let Some(at) = here {
            if let (Some(known), Some(id)) = (self.known.get_mut(at), name.id) {
                self.repaired |= known.id.as_deref().is_some_and(|known| known != id);
                known.id.get_or_insert_with(|| id.to_owned());
            }
            return Some(at);
        }
        // An ended item is repeated. If it has no id, its position identifies it.
        let again = |known: &Known| {
            known.item.kind() == kind && known.index == name.index && known.id.as_deref() == name.id
        };
        if ends && let Some(at) = self.known.iter().rposition(again) {
            return Some(at);
        }
        let last = self.known.iter().rposition(fits).filter(|at| {
            // If items are not announced, only deltas identify them: a delta that differs in id and position belongs to
            // another item.
            let guessed = self.known.get(*at).filter(|known| !known.announced);
            !guessed.is_some_and(|known| {
                differs(known.id.as_deref(), name.id) && differs(known.index, name.index)
            })
        });
        self.repaired |= last.is_some() || self.known.iter().any(|known| known.index == name.index);
        last
    }

    fn is_announced_call(&self, at: usize) -> bool {
        let known = self.known.get(at);
        known.is_some_and(|known| matches!(known.item, Item::Call(Call::Announced)))
    }

    fn add(&mut self, kind: Kind, name: Name<'_>, announced: bool) -> Result<usize, Violation> {
        if self.known.len() >= MOST_ITEMS {
            let message = "the upstream answers with too many items";
            return Err(Violation::new("too_many_items", message));
        }
        self.known.push(Known {
            id: name.id.filter(|id| !id.is_empty()).map(str::to_owned),
            index: name.index,
            announced,
            item: kind.new_item(),
        });
        Ok(self.known.len() - 1)
    }
}

/// Whether both exist and differ.
fn differs<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.is_some() && other.is_some() && one != other
}

/// Most items of one answer. Real answers have dozens.
const MOST_ITEMS: usize = 4096;
