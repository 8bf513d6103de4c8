//! Collects the faults and warnings of one configuration.
use super::at::At;
use super::document;
use crate::config::diagnostic::Diagnostic;
use crate::config::secret::Secret;

/// The faults and warnings of one configuration.
#[derive(Debug)]
pub struct Faults {
    /// The configuration itself, then its fragments; [`Place::file`](document::Place::file) is a position in this list.
    files: Vec<String>,
    found: Vec<(usize, Diagnostic)>,
    warnings: Vec<(usize, Diagnostic)>,
    /// Secrets that are masked in every message at the end, as the last line of defence.
    secrets: Vec<Secret>,
    /// The number of faults and warnings beyond those that are kept.
    dropped: usize,
    /// The number of values decoded so far; an alias counts each time it is used.
    decoded: usize,
}

impl Faults {
    pub fn new(file: &str) -> Self {
        Self {
            files: vec![file.to_owned()],
            found: Vec::new(),
            warnings: Vec::new(),
            secrets: Vec::new(),
            dropped: 0,
            decoded: 0,
        }
    }

    /// Adds a file and returns its number.
    pub fn add_file(&mut self, name: String) -> usize {
        self.files.push(name);
        self.files.len() - 1
    }

    /// `line 3`, or `line 3 of FILE` if that is not the file of `at`.
    pub fn line(&self, place: document::Place, at: &At) -> String {
        let name = self.files.get(place.file);
        match name.filter(|_| place.file != at.place.file) {
            Some(name) => format!("line {} of {name}", place.line),
            None => format!("line {}", place.line),
        }
    }

    /// Records a fault; its hint is where the setting is documented.
    pub fn add(&mut self, at: &At, message: impl Into<String>) {
        self.add_with(at, message, None);
    }

    /// Records a fault. Without a hint of its own, its hint is where the setting is documented.
    pub fn add_with(&mut self, at: &At, message: impl Into<String>, hint: Option<String>) {
        if self.found.len() < MAX_KEPT {
            let hint = hint.unwrap_or_else(|| described(at));
            let diagnostic = self.diagnostic(at, message.into(), Some(hint));
            self.found.push((at.place.file, diagnostic));
        } else {
            self.dropped += 1;
        }
    }

    /// Records a warning: something that works but should be changed.
    pub fn warn(&mut self, at: &At, message: impl Into<String>, hint: Option<String>) {
        if self.warnings.len() < MAX_KEPT {
            let diagnostic = self.diagnostic(at, message.into(), hint);
            self.warnings.push((at.place.file, diagnostic));
        }
    }

    /// Records a fault of the text itself.
    pub fn add_document(&mut self, fault: document::Fault) {
        let at = At::text(fault.place);
        self.add_with(&at, fault.message, fault.hint.map(str::to_owned));
    }

    /// Adds a value that no message may contain.
    pub fn hide(&mut self, secret: &Secret) {
        self.secrets.push(secret.clone());
    }

    /// Whether no more faults are kept.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MAX_KEPT
    }

    /// Counts a value that is decoded; a value behind an alias counts each time. `false` = there are too many values.
    pub fn count_value(&mut self, at: &At) -> bool {
        self.decoded += 1;
        if self.decoded == MAX_DECODED + 1 {
            let message = format!(
                "found more than {MAX_DECODED} values, aliases included, expected a configuration"
            );
            self.add(at, message);
        }
        self.decoded <= MAX_DECODED
    }

    /// The warnings, or, if there is any fault, all faults in the order of the file.
    pub fn finish(self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let failed = !self.found.is_empty();
        let mut list = if failed { self.found } else { self.warnings };
        list.sort_by_key(|(file, fault)| (*file, fault.line, fault.column));
        let mut list: Vec<Diagnostic> = list.into_iter().map(|(_, fault)| fault).collect();
        list.dedup();
        if let Some(last) = list.get(MAX_SHOWN - 1).filter(|_| list.len() > MAX_SHOWN) {
            let more = Diagnostic {
                message: format!("and {} more", list.len() - MAX_SHOWN + self.dropped),
                path: String::new(),
                hint: Some("mend these first".to_owned()),
                ..last.clone()
            };
            list.truncate(MAX_SHOWN);
            list.push(more);
        }
        hide_in(&mut list, &self.secrets);
        if failed { Err(list) } else { Ok(list) }
    }

    fn diagnostic(&self, at: &At, message: String, hint: Option<String>) -> Diagnostic {
        Diagnostic {
            file: self.files.get(at.place.file).cloned().unwrap_or_default(),
            line: at.place.line,
            column: at.place.column,
            path: at.path.to_string(),
            message,
            hint,
        }
    }
}

/// The hint for where the documentation describes the setting at `at`, without indices and free keys.
fn described(at: &At) -> String {
    let mut path = String::new();
    let shown = at.path.to_string();
    let known = shown.split("[\"").next().unwrap_or_default();
    for part in known.split_inclusive(']') {
        let (name, index) = part.split_once('[').unwrap_or((part, ""));
        path.push_str(name);
        if !index.is_empty() {
            path.push_str("[]");
        }
    }
    if path.is_empty() {
        "docs/CONFIGURATION.md says what a configuration holds; `conf/minimal.yaml` is a place to begin"
            .to_owned()
    } else {
        format!("docs/CONFIGURATION.md describes `{path}`")
    }
}

/// Masks the secrets in everything that is shown. There may be as many secrets as keys, so all texts together are
/// searched for one secret at a time.
fn hide_in(list: &mut [Diagnostic], secrets: &[Secret]) {
    let whole: Vec<&str> = list.iter().flat_map(texts).collect();
    let whole = whole.join("\n");
    for secret in secrets.iter().map(Secret::expose) {
        // If one or two letters were masked wherever they occur, this would reveal the secret instead of hiding it.
        if secret.len() < SHORTEST_HIDDEN || !whole.contains(secret) {
            continue;
        }
        for diagnostic in &mut *list {
            let texts = [&mut diagnostic.message, &mut diagnostic.path];
            for text in texts.into_iter().chain(&mut diagnostic.hint) {
                *text = text.replace(secret, "***");
            }
        }
    }
}

fn texts(diagnostic: &Diagnostic) -> impl Iterator<Item = &str> {
    let texts = [&*diagnostic.message, &*diagnostic.path];
    texts.into_iter().chain(diagnostic.hint.as_deref())
}

/// Most faults and warnings that are kept for sorting.
const MAX_KEPT: usize = 1_000;
/// Most faults that are shown: nobody corrects more at once.
const MAX_SHOWN: usize = 100;
/// Shorter secrets occur in ordinary words.
const SHORTEST_HIDDEN: usize = 6;
/// The largest document without aliases has this many values.
const MAX_DECODED: usize = 500_000;
