//! The inside of the rooms: where a type's methods stand, which files know each other, which sub-room stands above which.
//!
//! All rules read a `Tree`, so that each is tried on a small made-up one at the end of this file.
use std::collections::{BTreeMap, BTreeSet};

use super::tokens::tokens;

type Module = Vec<String>;

/// The code of a crate: the tokens of each module's file, without its tests.
pub struct Tree {
    files: BTreeMap<Module, Vec<String>>,
    /// What a module hands out of another under its own name: `pub use answer::Answer;` in `exchange/mod.rs`.
    handed_out: BTreeMap<Module, BTreeMap<String, Module>>,
}

impl Tree {
    /// From module paths within the crate and their texts.
    pub fn new<'a>(files: impl IntoIterator<Item = (Module, &'a str)>) -> Self {
        let files: BTreeMap<Module, Vec<String>> = files
            .into_iter()
            .map(|(module, text)| (module, tokens(text)))
            .collect();
        let mut tree = Self {
            files,
            handed_out: BTreeMap::new(),
        };
        for (module, tokens) in &tree.files {
            let mut names = BTreeMap::new();
            for path in tree.paths(module, &public_uses(tokens)) {
                if let (Some(name), Some((home, _))) = (path.last(), tree.longest(&path)) {
                    names.insert(name.clone(), home);
                }
            }
            tree.handed_out.insert(module.clone(), names);
        }
        tree
    }

    /// Inherent `impl`s of types that another file defines. `excepted` are names of types.
    pub fn scattered(&self, excepted: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        for (module, tokens) in &self.files {
            let own: BTreeSet<&str> = defined(tokens).collect();
            for name in inherent_impls(tokens) {
                if !own.contains(name) && !excepted.contains(&name) {
                    faults.push(format!(
                        "{}: methods of `{name}`, which another file defines",
                        module.join("::")
                    ));
                }
            }
        }
        faults.dedup();
        faults
    }

    /// Files of one room that need each other in a circle. What a `mod.rs` and the files below it need of each other
    /// does not count: a room is told through its door.
    pub fn circles(&self) -> Vec<String> {
        let edges = self.edges();
        let mut faults = Vec::new();
        let mut told: BTreeSet<&Module> = BTreeSet::new();
        for module in self.files.keys() {
            if told.contains(module) {
                continue;
            }
            let there = reachable(&edges, module);
            let circle: Vec<&Module> = self
                .files
                .keys()
                .filter(|other| there.contains(*other) && reachable(&edges, other).contains(module))
                .collect();
            if circle.len() > 1 {
                let names: Vec<String> = circle.iter().map(|file| file.join("::")).collect();
                faults.push(format!("a circle: {}", names.join(", ")));
            }
            told.extend(circle);
        }
        faults
    }

    /// Imports of a sub-room from one that does not stand below it in `order`, highest first.
    pub fn climbs(&self, room: &str, order: &[&str]) -> Vec<String> {
        let rank = |module: &Module| {
            let sub = module.get(1)?;
            (module[0] == room).then_some(())?;
            order.iter().position(|name| name == sub)
        };
        let mut faults = Vec::new();
        for (from, to) in self.all_edges() {
            if let (Some(own), Some(other)) = (rank(&from), rank(&to))
                && other < own
            {
                faults.push(format!(
                    "{}: imports `{}`, which stands above it",
                    from.join("::"),
                    to.join("::")
                ));
            }
        }
        faults.dedup();
        faults
    }

    fn edges(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (from, to) in self.all_edges() {
            let kin = from.starts_with(&to) || to.starts_with(&from);
            if from.first() == to.first() && !kin {
                edges.entry(from).or_default().insert(to);
            }
        }
        edges
    }

    fn all_edges(&self) -> Vec<(Module, Module)> {
        let mut found = Vec::new();
        for (module, tokens) in &self.files {
            for path in self.paths(module, tokens) {
                if let Some(to) = self.home(&path) {
                    found.push((module.clone(), to));
                }
            }
        }
        found
    }

    /// The file in which a path ends: through what a `mod.rs` hands out, as far as that leads.
    fn home(&self, path: &[String]) -> Option<Module> {
        let (mut module, mut rest) = self.longest(path)?;
        for _ in 0..8 {
            let next = rest
                .first()
                .and_then(|name| self.handed_out.get(&module)?.get(name));
            match next {
                Some(home) if *home != module => module.clone_from(home),
                _ => break,
            }
            rest = &path[path.len() - 1..];
        }
        Some(module)
    }

    /// The longest beginning of `path` that is a module with a file, and what follows.
    fn longest<'a>(&self, path: &'a [String]) -> Option<(Module, &'a [String])> {
        (1..=path.len())
            .rev()
            .find(|end| self.files.contains_key(&path[..*end]))
            .map(|end| (path[..end].to_vec(), &path[end..]))
    }

    /// Every path in `tokens`, from the root of the crate.
    fn paths(&self, module: &Module, tokens: &[String]) -> Vec<Module> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let begins = tokens.get(at + 1).is_some_and(|next| next == "::")
                && (at == 0 || tokens[at - 1] != "::");
            let base = match tokens[at].as_str() {
                "crate" | "weir" if begins => Some(Vec::new()),
                "self" if begins => Some(module.clone()),
                "super" if begins => Some(module[..module.len().saturating_sub(1)].to_vec()),
                name if begins => {
                    let mut child = module.clone();
                    child.push(name.to_owned());
                    self.files.contains_key(&child).then_some(child)
                }
                _ => None,
            };
            at += 1;
            if let Some(base) = base {
                at += expand(base, &tokens[at + 1..], &mut found);
            }
        }
        found
    }
}

/// The paths of what follows a `::`, each after `base`; the number of tokens that were read.
fn expand(mut base: Module, tokens: &[String], found: &mut Vec<Module>) -> usize {
    let mut at = 0;
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("super") => {
                base.pop();
            }
            Some("self") => {}
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    if tokens[at] == "," {
                        at += 1;
                    } else {
                        at += expand(base.clone(), &tokens[at..], found).max(1);
                        // A rename.
                        while tokens
                            .get(at)
                            .is_some_and(|token| token != "," && token != "}")
                        {
                            at += 1;
                        }
                    }
                }
                return at + 1;
            }
            Some(name) if name.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                base.push(name.to_owned());
            }
            _ => break,
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    found.push(base);
    at
}

/// The `use` declarations that have a visibility.
fn public_uses(tokens: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let public = at > 0 && (tokens[at - 1] == "pub" || tokens[at - 1] == ")");
        if token == "use" && public {
            found.extend(
                tokens[at..]
                    .iter()
                    .take_while(|token| *token != ";")
                    .cloned(),
            );
            found.push(";".to_owned());
        }
    }
    found
}

/// Names of the types that a file defines.
fn defined(tokens: &[String]) -> impl Iterator<Item = &str> {
    tokens
        .windows(2)
        .filter(|pair| ["struct", "enum", "union", "trait"].contains(&pair[0].as_str()))
        .map(|pair| pair[1].as_str())
}

/// Names of the types whose own methods a file holds: `impl<T> a::Name<T> {`, but not `impl Trait for Name`.
fn inherent_impls(tokens: &[String]) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        // An `impl` in a type (`-> impl Trait`, `x: impl Trait`) follows something else.
        let item =
            token == "impl" && (at == 0 || [";", "}", "{", "]"].contains(&tokens[at - 1].as_str()));
        if !item {
            continue;
        }
        let mut depth = 0_i32;
        let mut name = None;
        let mut inherent = true;
        for (offset, token) in tokens[at + 1..].iter().enumerate() {
            match token.as_str() {
                "<" | "(" | "[" => depth += 1,
                ">" if tokens[at + offset] == "-" => {}
                ">" | ")" | "]" => depth -= 1,
                "{" | "where" if depth == 0 => break,
                "for" if depth == 0 => inherent = false,
                word if depth == 0 && word.starts_with(char::is_alphabetic) => name = Some(word),
                _ => {}
            }
        }
        if inherent {
            found.extend(name);
        }
    }
    found
}

fn reachable(edges: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for next in edges.get(module).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    seen
}

#[cfg(test)]
mod rules_can_fail {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let split = |path: &str| path.split("::").map(str::to_owned).collect();
        Tree::new(files.iter().map(|(path, text)| (split(path), *text)))
    }

    #[test]
    fn methods_away_from_their_type_are_faults() {
        let there = |text| {
            tree(&[
                ("pool", "pub struct Pool<T>(T); struct Other;"),
                ("pool::select", text),
            ])
        };
        for text in [
            "impl Pool { fn f() {} }",
            "use super::Pool; impl<'a, T: Into<Vec<u8>>> super::Pool<T> where T: Copy {}",
            "#[cfg(x)] impl Pool {}",
        ] {
            assert_eq!(there(text).scattered(&[]).len(), 1, "{text}");
            assert!(there(text).scattered(&["Pool"]).is_empty());
        }
        for text in [
            "impl Clone for Pool {}",
            "struct Mine; impl Mine { fn g(&self) -> impl Iterator<Item = Pool> {} }",
            "enum E<F: Fn() -> u8> { A(F) } impl<F: Fn() -> u8> E<F> {}",
            "fn f(x: impl Fn(Pool)) {}",
        ] {
            assert!(there(text).scattered(&[]).is_empty(), "{text}");
        }
    }

    #[test]
    fn files_that_need_each_other_are_faults() {
        for (a, b) in [
            ("use super::b::B;", "use crate::room::a::A;"),
            ("use super::{c, b::{self, B}};", "fn f() { super::a::g() }"),
            // Through the door, which only hands out.
            ("use super::B;", "use super::A;"),
            (
                "use super::b as other;",
                "use crate::{low, room::{a as x}};",
            ),
        ] {
            let tree = tree(&[
                (
                    "room",
                    "mod a; mod b; pub use a::A; pub(crate) use self::b::B;",
                ),
                ("room::a", a),
                ("room::b", b),
                ("room::c", ""),
            ]);
            assert_eq!(tree.circles(), ["a circle: room::a, room::b"], "{a} {b}");
        }
    }

    #[test]
    fn longer_circles_are_found_once() {
        let tree = tree(&[
            ("room", ""),
            ("room::a", "use super::b;"),
            ("room::b", "use super::c;"),
            ("room::c", "use super::a;"),
        ]);
        assert_eq!(tree.circles().len(), 1);
    }

    #[test]
    fn what_a_door_and_its_room_need_of_each_other_is_no_circle() {
        let tree = tree(&[
            ("room", "mod a; use a::A; pub use b::B;"),
            ("room::a", "use super::Door; use super::B;"),
            ("room::b", "use super::Door;"),
            ("room::b::inner", "use super::B; use crate::room::b::x;"),
        ]);
        assert!(tree.circles().is_empty(), "{:?}", tree.circles());
    }

    #[test]
    fn sub_rooms_that_import_upwards_are_faults() {
        let tree = tree(&[
            ("room", ""),
            ("room::high", "use super::low::Low;"),
            ("room::low", ""),
            ("room::low::inner", "use crate::room::high::High;"),
            ("room::none", "use super::high;"),
        ]);
        assert_eq!(tree.climbs("room", &["high", "low"]).len(), 1);
        assert!(tree.climbs("room", &["low", "high"]).len() == 1);
        assert!(tree.climbs("other", &["high", "low"]).is_empty());
    }
}
