//! Parses YAML text into a tree with positions.
//!
//! One parser (YAML 1.2) is used, and its events are kept with line and column. Aliases share their node, merge keys
//! (`<<`) are resolved here, duplicate keys are faults. Values have no types yet: `decode` adds them. Size, depth and
//! number of nodes are bounded, so that no file can do harm.
use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use crate::config::diagnostic::quote;

/// A position in a file; line and column from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The number of the file: 0 = the configuration itself, then its fragments.
    pub file: usize,
    pub line: usize,
    pub column: usize,
}

/// A value with its position.
#[derive(Debug)]
pub struct Node {
    pub place: Place,
    pub kind: Kind,
}

/// What a [`Node`] is.
#[derive(Debug)]
pub enum Kind {
    List(Vec<Rc<Node>>),
    /// In the order of the file; keys are unique.
    Mapping(Vec<(Key, Rc<Node>)>),
    Scalar {
        text: String,
        /// Whether it is quoted or block text, which is never a number, a boolean or null.
        quoted: bool,
    },
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    pub place: Place,
    pub text: Rc<str>,
}

/// A fault of the text, with its position.
#[derive(Debug)]
pub struct Fault {
    pub place: Place,
    pub message: String,
    pub hint: Option<&'static str>,
}

impl Node {
    /// The node for an absent value.
    pub fn nothing(place: Place) -> Self {
        Self {
            place,
            kind: Kind::Scalar {
                text: String::new(),
                quoted: false,
            },
        }
    }

    /// Whether this is YAML's null: empty, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, quoted: false } if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Parses one document. `Err` has the fault after which nothing more can be read; faults that leave the rest readable
/// (such as a duplicate key) are in the list beside the tree. `file` is the file number of every place.
pub fn read(text: &str, file: usize) -> Result<(Rc<Node>, Vec<Fault>), Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault {
            place: start(file),
            message: format!(
                "found {} bytes, expected at most {MAX_BYTES} (8 MiB)",
                text.len()
            ),
            hint: None,
        });
    }
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|err| not_yaml(&err, text, file))?;
        builder.on(event, place(span.start, file))?;
    }
    let root = builder
        .root
        .unwrap_or_else(|| Rc::new(Node::nothing(start(file))));
    Ok((root, builder.faults))
}

/// The tree while it is built.
#[derive(Default)]
struct Builder {
    /// Collections that are still open, outermost first.
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: usize,
    nodes: usize,
    faults: Vec<Fault>,
}

struct Open {
    place: Place,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Rc<Node>>),
    Mapping {
        entries: Vec<(Key, Rc<Node>)>,
        /// Key → line of its first occurrence.
        seen: HashMap<Rc<str>, usize>,
        /// The key whose value comes next; `Skipped` = that key was a fault.
        key: PendingKey,
        /// Values of `<<`. They are applied when the mapping is complete, because its own keys take precedence over
        /// merged ones.
        merges: Vec<Rc<Node>>,
    },
}

enum PendingKey {
    None,
    Skipped,
    Merge,
    Ready(Key),
}

impl Builder {
    fn on(&mut self, event: Event<'_>, place: Place) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(fault(
                        place,
                        "found a second document (`---`), expected one",
                    ));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let text_tag = self.tag(tag.as_deref(), place);
                let quoted = !matches!(style, ScalarStyle::Plain) || text_tag;
                let kind = Kind::Scalar {
                    text: text.into_owned(),
                    quoted,
                };
                self.complete(Node { place, kind }, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), place);
                self.open(place, anchor, OpenKind::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), place);
                let kind = OpenKind::Mapping {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    key: PendingKey::None,
                    merges: Vec::new(),
                };
                self.open(place, anchor, kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let node = Node {
                        place: open.place,
                        kind: self.close(open.kind)?,
                    };
                    self.complete(node, open.anchor)?;
                }
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.attach(node, place)?,
                None => {
                    return Err(fault(
                        place,
                        "found an alias to a value that contains it, expected a value",
                    ));
                }
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Whether the tag makes a scalar text. Any tag outside the core schema is a fault.
    fn tag(&mut self, tag: Option<&Tag>, place: Place) -> bool {
        let Some(tag) = tag else { return false };
        if !tag.is_yaml_core_schema() {
            self.faults.push(fault(
                place,
                "found a YAML tag (`!…`), expected a plain value",
            ));
        }
        tag.is_yaml_core_schema() && tag.suffix == "str"
    }

    fn open(&mut self, place: Place, anchor: usize, kind: OpenKind) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(place));
        }
        self.open.push(Open {
            place,
            anchor,
            kind,
        });
        Ok(())
    }

    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        let place = node.place;
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node, place)
    }

    /// Adds a value or a key to the innermost open collection. `place` is where it is used; for an alias, this is not
    /// where it is defined.
    fn attach(&mut self, node: Rc<Node>, place: Place) -> Result<(), Fault> {
        self.count(1, place)?;
        let faults = &mut self.faults;
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::List(items)) => items.push(node),
            Some(OpenKind::Mapping {
                entries,
                seen,
                key,
                merges,
            }) => match std::mem::replace(key, PendingKey::None) {
                PendingKey::None => *key = read_key(&node, place, seen, faults),
                PendingKey::Skipped => {}
                PendingKey::Merge => merges.push(node),
                PendingKey::Ready(ready) => entries.push((ready, node)),
            },
        }
        Ok(())
    }

    fn close(&mut self, kind: OpenKind) -> Result<Kind, Fault> {
        let (mut entries, mut seen, merges) = match kind {
            OpenKind::List(items) => return Ok(Kind::List(items)),
            OpenKind::Mapping {
                entries,
                seen,
                merges,
                ..
            } => (entries, seen, merges),
        };
        for merge in merges {
            let sources = match &merge.kind {
                Kind::List(items) => items.clone(),
                _ => vec![Rc::clone(&merge)],
            };
            for source in sources {
                self.count(1, source.place)?;
                let Kind::Mapping(inherited) = &source.kind else {
                    let message = "found a merge (`<<`) of something else, expected a mapping or a list of mappings";
                    self.faults.push(fault(source.place, message));
                    continue;
                };
                self.count(inherited.len(), source.place)?;
                for (key, value) in inherited {
                    if seen.insert(Rc::clone(&key.text), key.place.line).is_none() {
                        entries.push((key.clone(), Rc::clone(value)));
                    }
                }
            }
        }
        Ok(Kind::Mapping(entries))
    }

    fn count(&mut self, nodes: usize, place: Place) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("found more than {MAX_NODES} values, expected a configuration");
            return Err(fault(place, &message));
        }
        Ok(())
    }
}

fn read_key(
    node: &Node,
    place: Place,
    seen: &mut HashMap<Rc<str>, usize>,
    faults: &mut Vec<Fault>,
) -> PendingKey {
    let Kind::Scalar { text, quoted } = &node.kind else {
        faults.push(fault(
            place,
            "found a list or a mapping as a key, expected text",
        ));
        return PendingKey::Skipped;
    };
    if text == "<<" && !quoted {
        return PendingKey::Merge;
    }
    let text: Rc<str> = text.as_str().into();
    if let Some(line) = seen.get(&text) {
        let shown = quote(&text);
        let message =
            format!("found the key {shown} a second time (first in line {line}), expected it once");
        faults.push(fault(place, &message));
        return PendingKey::Skipped;
    }
    seen.insert(Rc::clone(&text), place.line);
    PendingKey::Ready(Key { place, text })
}

fn place(marker: Marker, file: usize) -> Place {
    Place {
        file,
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

fn fault(place: Place, message: &str) -> Fault {
    Fault {
        place,
        message: message.to_owned(),
        hint: None,
    }
}

/// The parser's error as a fault.
fn not_yaml(err: &ScanError, text: &str, file: usize) -> Fault {
    let place = place(*err.marker(), file);
    if err.info() == "recursion limit exceeded" {
        return too_deep(place);
    }
    Fault {
        place,
        message: format!("found what is not YAML ({})", err.info()),
        hint: syntax_hint(text, place),
    }
}

fn too_deep(place: Place) -> Fault {
    let message =
        format!("found values nested more than {MAX_DEPTH} deep, expected a configuration");
    fault(place, &message)
}

/// Finds usual reasons why a text is not YAML, in the line of the fault and the line before.
fn syntax_hint(text: &str, place: Place) -> Option<&'static str> {
    let mut lines = text.lines().skip(place.line.saturating_sub(2)).take(2);
    let hint = lines.find_map(|line| {
        if line.trim_start_matches(' ').starts_with('\t') {
            Some("YAML is indented with spaces, not with tabs")
        } else if line.contains(": *") || line.contains("- *") {
            Some("a pattern that begins with `*` needs quotes: \"*-mini\"")
        } else if line.contains("${") || line.contains("{{") {
            Some("nothing is substituted in this file; for secrets write `{ env: NAME }`")
        } else {
            None
        }
    });
    hint.or(Some(
        "look at the indentation, the brackets and the quotes, here and in the line above",
    ))
}

fn start(file: usize) -> Place {
    Place {
        file,
        line: 1,
        column: 1,
    }
}

/// A configuration with ten thousand keys has less than one megabyte.
pub const MAX_BYTES: usize = 8 << 20;
/// The schema has seven levels.
pub const MAX_DEPTH: usize = 64;
/// Aliases and merges count each time they are used.
const MAX_NODES: usize = 500_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as compact text, or the fault as `line:column message`.
    fn shown(text: &str) -> String {
        fn show(node: &Node) -> String {
            match &node.kind {
                Kind::List(items) => {
                    let items: Vec<_> = items.iter().map(|item| show(item)).collect();
                    format!("[{}]", items.join(" "))
                }
                Kind::Mapping(entries) => {
                    let entries: Vec<_> = entries
                        .iter()
                        .map(|(key, value)| format!("{}={}", key.text, show(value)))
                        .collect();
                    format!("{{{}}}", entries.join(" "))
                }
                Kind::Scalar { .. } if node.is_null() => "null".to_owned(),
                Kind::Scalar {
                    text,
                    quoted: false,
                } => text.clone(),
                Kind::Scalar { text, quoted: true } => format!("'{text}'"),
            }
        }
        fn say(fault: &Fault) -> String {
            format!(
                "{}:{} {}",
                fault.place.line, fault.place.column, fault.message
            )
        }
        match read(text, 0) {
            Ok((root, faults)) => std::iter::once(show(&root))
                .chain(faults.iter().map(say))
                .collect::<Vec<_>>()
                .join("\n"),
            Err(fault) => say(&fault),
        }
    }

    #[test]
    fn scalars_lists_and_mappings() {
        assert_eq!(
            shown("a: 1\nb: [x, 'y', ~]\nc: {d: }"),
            "{a=1 b=[x 'y' null] c={d=null}}"
        );
        assert_eq!(shown(""), "null");
        assert_eq!(shown("# nothing\n"), "null");
        assert_eq!(shown("\u{feff}a: 1"), "{a=1}");
        assert_eq!(shown("a: !!str 1"), "{a='1'}");
        assert_eq!(shown("a: |\n  x\n  y\n"), "{a='x\ny\n'}");
        assert_eq!(shown("a: 1\r\nb: 2\r\n"), "{a=1 b=2}");
    }

    #[test]
    fn duplicate_keys_and_foreign_tags_are_faults_and_reading_goes_on() {
        assert_eq!(
            shown("a: 1\nb: 2\na: 3\n"),
            "{a=1 b=2}\n3:1 found the key `a` a second time (first in line 1), expected it once"
        );
        assert_eq!(
            shown("a: !vault x"),
            "{a=x}\n1:4 found a YAML tag (`!…`), expected a plain value"
        );
        assert_eq!(
            shown("? [x]\n: 1\nb: 2"),
            "{b=2}\n1:3 found a list or a mapping as a key, expected text"
        );
    }

    #[test]
    fn anchors_and_merge_keys() {
        assert_eq!(
            shown("a: &x {n: 1, m: 2}\nb: *x"),
            "{a={n=1 m=2} b={n=1 m=2}}"
        );
        assert_eq!(
            shown("a: &x {n: 1, m: 2}\nb: {<<: *x, n: 3}"),
            "{a={n=1 m=2} b={n=3 m=2}}"
        );
        assert_eq!(
            shown("a: &x {n: 1}\nb: &y {n: 2, m: 2}\nc: {<<: [*x, *y]}"),
            "{a={n=1} b={n=2 m=2} c={n=1 m=2}}"
        );
        assert!(shown("b: {<<: 3}").contains("expected a mapping or a list of mappings"));
        assert!(shown("a: &x [*x]").contains("an alias to a value that contains it"));
        assert!(shown("a: *x").contains("unknown anchor"));
    }

    #[test]
    fn a_second_document_is_a_fault() {
        assert!(shown("a: 1\n---\nb: 2\n").contains("second document"));
    }

    #[test]
    fn what_is_not_yaml_is_said_with_its_place() {
        assert!(shown("a: [1, 2\nb: 3").starts_with("2:"));
        assert_eq!(
            read("a:\n\t- b", 0).err().and_then(|fault| fault.hint),
            Some("YAML is indented with spaces, not with tabs")
        );
    }

    #[test]
    fn size_depth_and_number_are_bounded() {
        assert!(shown(&" ".repeat(MAX_BYTES + 1)).contains("8 MiB"));
        assert!(shown(&"[".repeat(100_000)).contains("nested more than"));
        assert!(
            shown(&format!("[{}]", "x,".repeat(MAX_NODES + 1))).contains("more than 500000 values")
        );
    }
}
