//! The texts that one configuration is made of: the file itself, and the fragments that it includes.
//!
//! All texts are read before any is interpreted, and read again until two readings agree: so a deployment that changes
//! a symbolic link meanwhile is never seen half done.
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Glob;
use super::yaml::at::At;
use super::yaml::document::{self, Kind, Node, Place};
use super::yaml::faults::Faults;

/// The texts of a configuration.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Sources {
    /// The file itself.
    pub text: String,
    /// In the order of `include`; files of the same pattern are sorted by name.
    pub fragments: Vec<Fragment>,
    /// The file that `prices.file` names.
    pub prices: Option<Fragment>,
    /// Every file and directory whose change requires a reload, except for the file itself.
    pub watched: Vec<PathBuf>,
    /// The directory of the fragments that the admin plane writes.
    pub kept: Option<PathBuf>,
    faults: Vec<Fault>,
}

/// A fault of a file that is referred to.
#[derive(Debug, Eq, PartialEq)]
struct Fault {
    place: Place,
    /// The path of the setting that refers to it.
    path: &'static [&'static str],
    /// What was found, and what was expected.
    message: String,
    /// What to do about it.
    hint: &'static str,
}

/// A file with parts of the lists.
#[derive(Debug, Eq, PartialEq)]
pub struct Fragment {
    pub path: PathBuf,
    pub text: String,
}

impl Sources {
    /// Reads a file and the files that it includes; the error has the line (0 = none) and what is wrong.
    pub fn read(
        path: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, (usize, String)> {
        let directory = path.parent().unwrap_or(Path::new(""));
        let read = || text_of(path).map(|text| Self::of(text, directory, env));
        let mut sources = read()?;
        for _ in 0..MOST_READINGS {
            if sources.fragments.is_empty() && sources.watched.is_empty() {
                return Ok(sources);
            }
            let again = read()?;
            if again == sources {
                return Ok(sources);
            }
            sources = again;
        }
        Err((0, "changes faster than it can be read".to_owned()))
    }

    /// Reads the files that `text` includes; relative paths begin at `directory`.
    pub fn of(text: String, directory: &Path, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut sources = Self {
            text,
            ..Self::default()
        };
        let state = env("STATE_DIRECTORY").filter(|_| sources.text.contains("admin"));
        // Most configurations include nothing; they are not parsed twice for it.
        let words = ["include", "fragments", "file"];
        if (state.is_some() || words.iter().any(|word| sources.text.contains(word)))
            && let Ok((root, _)) = document::read(plain(&sources.text), 0)
        {
            if let Some((_, list)) = member(&root, "include")
                && let Kind::List(patterns) = &list.kind
            {
                for pattern in patterns {
                    sources.include(pattern, directory);
                }
            }
            if let Some((place, admin)) = member(&root, "admin") {
                sources.keep(place, admin, directory, state.as_deref());
            }
            if let Some((_, prices)) = member(&root, "prices")
                && let Some((_, file)) = member(prices, "file")
            {
                sources.take_prices(file, directory);
            }
        }
        sources
    }

    /// Reads the fragments that the admin plane has written: in `admin.fragments`, else in `conf.d` of the state
    /// directory.
    fn keep(&mut self, place: Place, admin: &Node, directory: &Path, state: Option<&str>) {
        let (place, kept) = match member(admin, "fragments") {
            Some((_, node)) => match &node.kind {
                Kind::Scalar { text, .. } if !node.is_null() => (node.place, directory.join(text)),
                _ => return, // The decoder reports it.
            },
            // systemd separates several directories with colons.
            None => match state.and_then(|all| all.split(':').next()).map(Path::new) {
                Some(state) if state.is_absolute() => (place, state.join("conf.d")),
                _ => return,
            },
        };
        let kept = std::path::absolute(&kept).unwrap_or(kept);
        self.watched.push(kept.clone());
        match matching(&kept, "*.yaml") {
            Ok(paths) => {
                for path in paths {
                    self.add(place, path);
                }
            }
            // The directory is created when a fragment is written.
            Err(_) if !kept.exists() => {}
            Err(why) => {
                let found = format!(
                    "found a directory that cannot be read ({why}), expected fragments in it"
                );
                let hint = "whoever runs weir must be able to read `admin.fragments`";
                self.fault(place, found, hint);
            }
        }
        self.kept = Some(kept);
    }

    fn take_prices(&mut self, node: &Node, directory: &Path) {
        let Kind::Scalar { text, .. } = &node.kind else {
            return; // The decoder reports it.
        };
        if node.is_null() || text.is_empty() {
            return; // The decoder reports it.
        }
        let path = directory.join(&**text);
        self.watched.push(path.clone());
        match text_of(&path) {
            Ok(text) => self.prices = Some(Fragment { path, text }),
            Err((_, why)) => self.faults.push(Fault {
                place: node.place,
                path: &["prices", "file"],
                message: format!("{}: {why}", path.display()),
                hint: "a path begins at the directory of this file",
            }),
        }
    }

    /// Every text besides that of the file itself.
    pub fn others(&self) -> impl Iterator<Item = &Fragment> {
        self.fragments.iter().chain(&self.prices)
    }

    /// The same texts, as if `path`, in the directory of the admin plane's fragments, contained `text`.
    pub fn with(mut self, path: &Path, text: &str) -> Self {
        let text = text.to_owned();
        match self.fragments.iter_mut().find(|own| own.path == path) {
            Some(own) => own.text = text,
            None => self.fragments.push(Fragment {
                path: path.to_owned(),
                text,
            }),
        }
        self
    }

    /// SHA-256 of the file; if there are fragments or a price file, over all of them.
    pub fn digest(&self) -> [u8; 32] {
        let own = Sha256::digest(self.text.as_bytes());
        if self.others().next().is_none() {
            return own.into();
        }
        let mut digest = Sha256::new();
        digest.update(own);
        for fragment in self.others() {
            let name = fragment.path.to_string_lossy();
            for part in [&*name, &fragment.text] {
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part.as_bytes());
            }
        }
        digest.finalize().into()
    }

    /// Records the faults of the files that are referred to.
    pub fn report(&self, faults: &mut Faults) {
        for fault in &self.faults {
            let path = fault.path.iter();
            let at = path.fold(At::text(fault.place), |at, name| at.member(name));
            faults.add_with(&at, fault.message.clone(), Some(fault.hint.to_owned()));
        }
    }

    fn fault(&mut self, place: Place, message: String, hint: &'static str) {
        self.faults.push(Fault {
            place,
            path: &["include"],
            message,
            hint,
        });
    }

    fn include(&mut self, node: &Node, directory: &Path) {
        let Kind::Scalar { text, .. } = &node.kind else {
            return; // The decoder reports it.
        };
        let pattern = Path::new(text);
        let (parent, name) = (pattern.parent(), pattern.file_name());
        let parent = directory.join(parent.unwrap_or(Path::new("")));
        let name = name.map(|name| name.to_string_lossy()).unwrap_or_default();
        let is_pattern = |text: &str| text.contains(['*', '?', '[', '{']);
        if pattern
            .parent()
            .is_some_and(|parent| is_pattern(&parent.to_string_lossy()))
        {
            let found = "found a pattern for a directory, expected one for the name of a file only";
            let hint = "name each directory: include: [a/*.yaml, b/*.yaml]";
            self.fault(node.place, found.to_owned(), hint);
            return;
        }
        let paths = if is_pattern(&name) {
            self.watched.push(parent.clone());
            matching(&parent, &name)
        } else {
            Ok(vec![parent.join(&*name)])
        };
        let paths = match paths {
            Ok(paths) => paths,
            Err(why) => {
                let found = format!(
                    "found a directory that cannot be read ({why}), expected fragments in it"
                );
                self.fault(
                    node.place,
                    found,
                    "make the directory, or leave the entry out",
                );
                return;
            }
        };
        for path in paths {
            self.add(node.place, path);
        }
    }

    fn add(&mut self, place: Place, path: PathBuf) {
        if self.fragments.iter().any(|other| other.path == path) {
            return;
        }
        self.watched.push(path.clone());
        let length: usize = self
            .fragments
            .iter()
            .map(|fragment| fragment.text.len())
            .sum();
        if self.fragments.len() >= MOST_FRAGMENTS || length > document::MAX_BYTES {
            let found = format!(
                "found more than {MOST_FRAGMENTS} fragments or {} bytes of them, expected fewer",
                document::MAX_BYTES
            );
            self.fault(place, found, "put more into one fragment");
            return;
        }
        match text_of(&path) {
            Ok(text) => self.fragments.push(Fragment { path, text }),
            Err((_, why)) => {
                let found = format!("{}: {why}", path.display());
                let hint =
                    "a path begins at the directory of this file; `*` in it may match nothing";
                self.fault(place, found, hint);
            }
        }
    }
}

/// A member of a mapping, with the place of its key.
fn member<'a>(node: &'a Node, name: &str) -> Option<(Place, &'a Node)> {
    let Kind::Mapping(entries) = &node.kind else {
        return None;
    };
    let (key, value) = entries.iter().find(|(key, _)| &*key.text == name)?;
    Some((key.place, value))
}

/// The text without the byte order mark, with which some editors begin UTF-8 files.
pub fn plain(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The files of a directory whose names match, sorted by name. Hidden files only match if the pattern begins with a
/// dot.
fn matching(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let glob = Glob::new(pattern).map_err(|err| err.to_string())?;
    let entries = std::fs::read_dir(directory).map_err(|err| err.to_string())?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|err| err.to_string())?.path();
        let name = path.file_name().map(|name| name.to_string_lossy());
        let name = name.unwrap_or_default();
        let hidden = name.starts_with('.') && !pattern.starts_with('.');
        if !hidden && glob.is_match(&name) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The text of a file, with a limited length; the error has the line (0 = none) and what is wrong.
fn text_of(path: &Path) -> Result<String, (usize, String)> {
    let file = std::fs::File::open(path).map_err(|err| (0, format!("cannot be read: {err}")))?;
    let mut bytes = Vec::new();
    // One byte more than is permitted, so that the document reports that it is too long.
    let limit = document::MAX_BYTES as u64 + 1;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|err| (0, format!("cannot be read: {err}")))?;
    String::from_utf8(bytes).map_err(|err| {
        let before = err
            .as_bytes()
            .get(..err.utf8_error().valid_up_to())
            .unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        (
            line,
            "found bytes that are not UTF-8, expected text".to_owned(),
        )
    })
}

/// Most fragments of a directory; more are a mistake.
const MOST_FRAGMENTS: usize = 1_000;
/// How often files are read until two readings agree.
const MOST_READINGS: usize = 5;
