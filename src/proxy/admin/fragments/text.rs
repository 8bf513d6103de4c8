//! The text of a fragment that the admin plane writes: one list with one item per line, each as JSON (which is also
//! YAML), with a note of who wrote it last.
//!
//! Only a file of this form is ever rewritten; a file that somebody has edited in another form stays as it is.
use serde_json::{Map, Value};

/// The lists that can be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::proxy::admin) enum List {
    Accounts,
    Groups,
    Keys,
    Pools,
    Projects,
}

impl List {
    pub(in crate::proxy::admin) const ALL: [Self; 5] = [
        Self::Accounts,
        Self::Groups,
        Self::Keys,
        Self::Pools,
        Self::Projects,
    ];

    pub(in crate::proxy::admin) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.as_str() == word)
    }

    /// The name of the list in the configuration and in the path.
    pub(in crate::proxy::admin) const fn as_str(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Groups => "groups",
            Self::Keys => "keys",
            Self::Pools => "pools",
            Self::Projects => "projects",
        }
    }

    /// The singular of the list's name.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Accounts => "account",
            Self::Groups => "group",
            Self::Keys => "key",
            Self::Pools => "pool",
            Self::Projects => "project",
        }
    }

    pub(super) fn file(self) -> String {
        format!("{}.yaml", self.as_str())
    }
}

/// The items of a fragment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fragment {
    items: Vec<Item>,
}

/// One item as it is in the file: secrets are references.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub settings: Map<String, Value>,
    /// When the item was written last, and by whom.
    pub note: String,
}

impl Item {
    pub(super) fn name(&self) -> &str {
        let name = self.settings.get("name").and_then(Value::as_str);
        name.unwrap_or_default()
    }
}

impl Fragment {
    /// Reads a file that [`Fragment::text`] wrote. The error is the number of the first line that it did not write.
    pub(super) fn parse(list: List, text: &str) -> Result<Self, usize> {
        let mut lines = text.lines().enumerate();
        let (head, empty) = (
            format!("{}:", list.as_str()),
            format!("{}: []", list.as_str()),
        );
        let is_mark = lines.next().is_some_and(|(_, line)| line == MARK);
        let opening = lines.next().map(|(_, line)| line);
        if !is_mark {
            return Err(1);
        }
        if opening == Some(&*empty) {
            return match lines.next() {
                None => Ok(Self::default()),
                Some((at, _)) => Err(at + 1),
            };
        }
        if opening != Some(&*head) {
            return Err(2);
        }
        let mut items = Vec::new();
        for (at, line) in lines {
            items.push(item(line).ok_or(at + 1)?);
        }
        Ok(Self { items })
    }

    /// The content of the file.
    pub(super) fn text(&self, list: List) -> String {
        let head = list.as_str();
        if self.items.is_empty() {
            return format!("{MARK}\n{head}: []\n");
        }
        let mut text = format!("{MARK}\n{head}:\n");
        for item in &self.items {
            let settings = Value::Object(item.settings.clone());
            text.push_str(&format!("  - {settings} # {}\n", item.note));
        }
        text
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(super) fn find(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name() == name)
    }

    /// Replaces the item of the same name, or adds the item at the end.
    pub(super) fn put(&mut self, item: Item) {
        match self.items.iter_mut().find(|own| own.name() == item.name()) {
            Some(own) => *own = item,
            None => self.items.push(item),
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.items.retain(|item| item.name() != name);
    }
}

fn item(line: &str) -> Option<Item> {
    let rest = line.strip_prefix("  - ")?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Map<String, Value>>();
    let settings = values.next()?.ok()?;
    let note = rest.get(values.byte_offset()..)?.strip_prefix(" # ")?;
    let item = Item {
        settings,
        note: note.to_owned(),
    };
    (!item.name().is_empty()).then_some(item)
}

/// The first line of every file that Weir writes here.
const MARK: &str = "# Written by the admin plane of Weir, an item a line: change it in the console, or by /admin/api/v1.";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(settings: Value) -> Item {
        let Value::Object(settings) = settings else {
            panic!("an object")
        };
        Item {
            settings,
            note: "2026-01-01T00:00:00Z alice".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_again_whatever_is_in_it() {
        let mut fragment = Fragment::default();
        fragment.put(made(
            json!({ "name": "a", "models": ["x # y", "\"q\"", "z\n- b: c"] }),
        ));
        fragment.put(made(
            json!({ "name": "b\u{e9}\u{2028}", "limits": { "usd_per_day": 1.5 } }),
        ));
        fragment.put(made(json!({ "name": "a", "debug": true })));
        let text = fragment.text(List::Keys);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert_eq!(Fragment::parse(List::Keys, &text), Ok(fragment.clone()));
        fragment.remove("a");
        fragment.remove("b\u{e9}\u{2028}");
        let text = fragment.text(List::Keys);
        assert_eq!(Fragment::parse(List::Keys, &text), Ok(fragment));
    }

    #[test]
    fn a_file_of_somebody_else_is_told_by_its_line() {
        let mut fragment = Fragment::default();
        fragment.put(made(json!({ "name": "a" })));
        let text = fragment.text(List::Keys);
        for (touched, line) in [
            (String::new(), 1),
            ("keys:\n  - { name: a }\n".to_owned(), 1),
            (text.replace("keys:", "accounts:"), 2),
            (format!("{text}  - {{ name: b }}\n"), 4),
            (format!("{text}groups: []\n"), 4),
            (text.replace(" # 2026", " 2026"), 3),
            (text.replace("\"name\"", "\"nome\""), 3),
            (fragment_empty() + "  - {}\n", 3),
        ] {
            assert_eq!(
                Fragment::parse(List::Keys, &touched),
                Err(line),
                "{touched}"
            );
        }
    }

    fn fragment_empty() -> String {
        Fragment::default().text(List::Keys)
    }
}
