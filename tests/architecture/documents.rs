//! Documents that have to agree with one another, and with what they describe.
use std::fs;
use std::path::Path;

/// What of a document is the same in every language.
#[derive(Debug, Default, Eq, PartialEq)]
struct Skeleton {
    /// The depth of each heading.
    headings: Vec<usize>,
    /// Each block of code, with its language.
    blocks: Vec<String>,
    /// Where each link leads, but for those between the languages.
    links: Vec<String>,
    /// What stands in the type of code.
    code: Vec<String>,
}

impl Skeleton {
    fn of(text: &str) -> Self {
        let mut skeleton = Self::default();
        for (position, part) in text.split("```").enumerate() {
            if position % 2 == 1 {
                skeleton.blocks.push(part.to_owned());
                continue;
            }
            for line in part.lines() {
                let depth = line.chars().take_while(|char| *char == '#').count();
                if depth > 0 {
                    skeleton.headings.push(depth);
                }
            }
            let mut prose = part.split('`');
            while let Some(outside) = prose.next() {
                let targets = outside.split("](").skip(1);
                let targets = targets.filter_map(|rest| rest.split(')').next());
                skeleton.links.extend(
                    targets
                        .filter(|target| !target.starts_with("README"))
                        .map(str::to_owned),
                );
                skeleton.code.extend(prose.next().map(str::to_owned));
            }
        }
        // A sentence may name them in another order.
        skeleton.code.sort();
        skeleton.links.sort();
        skeleton
    }
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_readme_says_the_same_in_both_languages() {
    let (english, chinese) = (
        Skeleton::of(&read("README.md")),
        Skeleton::of(&read("README.zh-CN.md")),
    );
    assert_eq!(english.blocks, chinese.blocks, "commands and files");
    assert_eq!(english.headings, chinese.headings, "headings");
    assert_eq!(english.links, chinese.links, "links");
    assert_eq!(english.code, chinese.code, "names");
}

#[test]
fn a_difference_between_languages_is_found() {
    let base = "# A\n\ntext `x` [l](to)\n\n```sh\nmake demo\n```\n";
    for other in [
        "## A\n\ntext `x` [l](to)\n\n```sh\nmake demo\n```\n",
        "# A\n\ntext `y` [l](to)\n\n```sh\nmake demo\n```\n",
        "# A\n\ntext `x` [l](elsewhere)\n\n```sh\nmake demo\n```\n",
        "# A\n\ntext `x` [l](to)\n\n```sh\nmake test\n```\n",
        "# A\n\ntext `x` [l](to)\n",
    ] {
        assert_ne!(Skeleton::of(base), Skeleton::of(other), "{other}");
    }
}

/// `make help` names every word that `make` takes.
#[test]
fn make_help_names_every_word() {
    let makefile = read("Makefile");
    let phony = makefile
        .lines()
        .find_map(|line| line.strip_prefix(".PHONY: "));
    let words: Vec<&str> = phony.expect("a list of words").split(' ').collect();
    let rules = makefile.lines().filter(|line| !line.starts_with('\t'));
    let rules = rules.filter_map(|line| line.split_once(':'));
    let told: Vec<&str> = rules
        .filter(|(_, rest)| rest.contains("## "))
        .map(|(word, _)| word)
        .collect();
    let missing: Vec<&&str> = words.iter().filter(|word| !told.contains(word)).collect();
    assert!(
        words.len() > 10 && missing.is_empty(),
        "no `## …` in the Makefile: {missing:?}"
    );
    let unknown: Vec<&&str> = told.iter().filter(|word| !words.contains(word)).collect();
    assert!(unknown.is_empty(), "not in .PHONY: {unknown:?}");
}

/// Every command that a document names is one.
#[test]
fn the_commands_that_documents_name_are_there() {
    let makefile = read("Makefile");
    let main = read("src/cli/mod.rs").to_lowercase();
    for name in [
        "README.md",
        "docs/OPERATIONS.md",
        "docs/MIGRATION.md",
        "docs/CONTRIBUTING.md",
        "docs/CONFIGURATION.md",
    ] {
        let text = read(name);
        for part in text.split("```sh").skip(1) {
            for line in part.split("```").next().unwrap_or_default().lines() {
                let line = line.trim();
                if let Some(word) = line
                    .strip_prefix("make ")
                    .and_then(|rest| rest.split(' ').next())
                {
                    let is_word = makefile
                        .lines()
                        .any(|rule| rule.starts_with(&format!("{word}:")));
                    assert!(is_word, "{name}: `{line}`");
                }
                let weir = line
                    .strip_prefix("weir ")
                    .or(line.strip_prefix("target/release/weir "));
                if let Some(word) = weir
                    .and_then(|rest| rest.split(' ').next())
                    .filter(|word| !word.starts_with('-'))
                {
                    assert!(main.contains(&format!("    {word}(")), "{name}: `{line}`");
                }
            }
        }
    }
}
