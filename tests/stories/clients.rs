//! `weir client`: what it prints, writes into the settings of clients, and takes back.
use std::fs;
use std::path::Path;

use crate::rig::process::{Ended, command, run, run_with};

/// `weir client` in a home of its own.
fn client(home: &Path, arguments: &[&str]) -> std::process::Command {
    let mut all = vec!["client"];
    all.extend_from_slice(arguments);
    let mut command = command(&all);
    command.env("HOME", home);
    command
}

fn done(home: &Path, arguments: &[&str]) -> Ended {
    let ended = run(&mut client(home, arguments));
    assert_eq!(ended.code, Some(0), "{arguments:?} {ended:?}");
    ended
}

/// The files of a directory and what they hold, in order.
fn contents(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let text = fs::read_to_string(&path).expect("text");
            found.push((path.display().to_string(), text));
        }
    }
    found.sort();
    found
}

/// Files as people have them: comments, an order of their own, no line end at the end.
const FILES: &[(&str, &str)] = &[
    (
        ".claude/settings.json",
        "{\n  \"model\": \"opus\",\n  \"env\": { \"FOO\": \"1\", \"ANTHROPIC_BASE_URL\": \"https://old\" },\n  \"permissions\": {\"allow\": [\"Bash(ls:*)\"]}\n}",
    ),
    (
        ".claude.json",
        "{\"numStartups\":3,\"projects\":{\"/a\":{}}}",
    ),
    (
        ".codex/config.toml",
        "# mine\nmodel = \"gpt-5.5\"   # the big one\nmodel_provider = \"openai\"\n\n[mcp_servers.docs]\ncommand = \"npx\"\nargs = [\n  \"-y\", # yes\n]\n",
    ),
    (
        ".config/opencode/opencode.jsonc",
        "{\n  // the theme\n  \"theme\": \"dark\",\n  \"provider\": {\n    \"openai\": { \"options\": { \"timeout\": 5, }, },\n  },\n}\n",
    ),
    (
        ".gemini/settings.json",
        "{\n\t\"ui\": {\n\t\t\"theme\": \"x\"\n\t}\n}\n",
    ),
    (".gemini/.env", "GEMINI_API_KEY=old # mine\nOTHER=1"),
    (".qwen/settings.json", "{}"),
    (".qwen/.env", ""),
    (
        ".cline/data/settings/providers.json",
        "{\"version\":1,\"lastUsedProvider\":\"cline\",\"providers\":{\"cline\":{\"settings\":{\"provider\":\"cline\"}}}}",
    ),
    (
        ".continue/config.yaml",
        "name: Mine\nversion: 0.0.1\nschema: v1\nmodels:\n  # the first\n  - name: Other\n    provider: openai # mine\nrules: []",
    ),
    (
        ".aider.conf.yml",
        "# aider\nmodel: gpt-5\r\nopenai-api-key: old\r\n",
    ),
];

/// A client, and its files with the texts that stand in them.
type Written = (
    &'static str,
    &'static [(&'static str, &'static [&'static str])],
);

/// What each client's own settings say afterwards.
const WRITTEN: &[Written] = &[
    (
        "aider",
        &[(
            ".aider.conf.yml",
            &[
                "openai-api-base: http://w:1/v1",
                "openai-api-key: weir_k",
                "model: gpt-5",
            ],
        )],
    ),
    (
        "claude-code",
        &[
            (
                ".claude/settings.json",
                &[
                    "\"ANTHROPIC_BASE_URL\": \"http://w:1\"",
                    "\"ANTHROPIC_AUTH_TOKEN\": \"weir_k\"",
                    "Bash(ls:*)",
                ],
            ),
            (
                ".claude.json",
                &["\"hasCompletedOnboarding\":", "\"numStartups\":3"],
            ),
        ],
    ),
    (
        "cline",
        &[(
            ".cline/data/settings/providers.json",
            &[
                "\"baseUrl\": \"http://w:1/v1\"",
                "\"apiKey\": \"weir_k\"",
                "\"lastUsedProvider\":\"openai-compatible\"",
            ],
        )],
    ),
    (
        "continue",
        &[(
            ".continue/config.yaml",
            &[
                "  - name: Weir\n    provider: openai\n",
                "    apiBase: http://w:1/v1\n    apiKey: weir_k\n",
                "  # the first\n  - name: Other\n    provider: openai # mine\n",
            ],
        )],
    ),
    (
        "codex",
        &[(
            ".codex/config.toml",
            &[
                "model_provider = \"weir\"",
                "[model_providers.weir]",
                "base_url = \"http://w:1/v1\"",
                "experimental_bearer_token = \"weir_k\"",
                "# the big one",
                "\"-y\", # yes",
            ],
        )],
    ),
    (
        "gemini-cli",
        &[
            (
                ".gemini/settings.json",
                &["\"selectedType\": \"gemini-api-key\"", "\"theme\": \"x\""],
            ),
            (
                ".gemini/.env",
                &[
                    "GOOGLE_GEMINI_BASE_URL=http://w:1\n",
                    "GEMINI_API_KEY=weir_k\n",
                    "OTHER=1\n",
                ],
            ),
        ],
    ),
    (
        "opencode",
        &[(
            ".config/opencode/opencode.jsonc",
            &[
                "\"baseURL\": \"http://w:1/v1beta\"",
                "\"timeout\": 5",
                "// the theme",
            ],
        )],
    ),
    (
        "qwen-code",
        &[
            (".qwen/settings.json", &["\"selectedType\": \"openai\""]),
            (
                ".qwen/.env",
                &["OPENAI_BASE_URL=http://w:1/v1\n", "OPENAI_API_KEY=weir_k\n"],
            ),
        ],
    ),
];

#[test]
fn what_is_written_is_taken_back_to_the_byte() {
    for has_files in [true, false] {
        for (name, files) in WRITTEN {
            let home = tempfile::tempdir().expect("a directory");
            for (path, text) in FILES.iter().filter(|_| has_files) {
                let path = home.path().join(path);
                fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
                fs::write(path, text).expect("a file");
            }
            let before = contents(home.path());
            let write = ["--url", "http://w:1/", "--key", "weir_k", "--write"];
            // A second time, as with a new address: the first backup is the one that counts.
            let other = ["--url", "http://w:2", "--key", "weir_other", "--write"];
            for arguments in [other, write] {
                done(home.path(), &[&[*name][..], &arguments].concat());
            }
            for (path, expected) in *files {
                let mut path = home.path().join(path);
                if !path.exists() {
                    path.set_extension("json"); // opencode.jsonc is only taken when it is there
                }
                let text = fs::read_to_string(&path)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let expected = expected.iter().take(if has_files { 9 } else { 1 });
                for expected in expected {
                    assert!(text.contains(expected), "{name}: {expected}\n{text}");
                }
            }
            done(home.path(), &[name, "--undo"]);
            assert_eq!(contents(home.path()), before, "{name}");
            let again = run(&mut client(home.path(), &[name, "--undo"]));
            assert_eq!(again.code, Some(1), "{again:?}");
        }
    }
}

#[test]
fn what_the_client_changed_meanwhile_survives_the_undo() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join(".claude.json");
    fs::write(&path, "{\"numStartups\": 3}").expect("a file");
    done(home.path(), &["claude-code", "--key", "weir_k", "--write"]);
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, text.replace('3', "4")).expect("a file");
    done(home.path(), &["claude-code", "--undo"]);
    let text = fs::read_to_string(&path).expect("a file");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value, serde_json::json!({"numStartups": 4}));
}

#[test]
fn a_file_that_cannot_be_changed_is_left_with_all_the_others() {
    let home = tempfile::tempdir().expect("a directory");
    fs::write(home.path().join(".claude.json"), "{ broken").expect("a file");
    let before = contents(home.path());
    let ended = run(&mut client(
        home.path(),
        &["claude-code", "--key", "weir_k", "--write"],
    ));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains(".claude.json is left as it is"),
        "{ended:?}"
    );
    assert_eq!(contents(home.path()), before);
}

#[test]
fn a_link_of_a_dotfile_manager_stays_one() {
    let home = tempfile::tempdir().expect("a directory");
    let kept = home.path().join("dotfiles");
    fs::create_dir_all(&kept).expect("a directory");
    fs::create_dir_all(home.path().join(".codex")).expect("a directory");
    fs::write(kept.join("codex.toml"), "model = \"m\"\n").expect("a file");
    let link = home.path().join(".codex/config.toml");
    std::os::unix::fs::symlink(kept.join("codex.toml"), &link).expect("a link");
    done(home.path(), &["codex", "--key", "weir_k", "--write"]);
    assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    assert!(
        fs::read_to_string(kept.join("codex.toml"))
            .expect("a file")
            .contains("weir_k")
    );
    done(home.path(), &["codex", "--undo"]);
    assert_eq!(
        fs::read_to_string(&link).expect("a file"),
        "model = \"m\"\n"
    );
}

#[test]
fn a_new_file_with_a_key_is_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().expect("a directory");
    done(home.path(), &["codex", "--key", "weir_k", "--write"]);
    let meta = fs::metadata(home.path().join(".codex/config.toml")).expect("a file");
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_key_comes_from_the_option_standard_input_or_the_environment() {
    let home = tempfile::tempdir().expect("a directory");
    let printed = done(home.path(), &["openai-sdk", "--key", "weir_a"]).stdout;
    assert!(
        printed.contains("export OPENAI_API_KEY=weir_a\n"),
        "{printed}"
    );
    let printed = run_with(
        &mut client(home.path(), &["openai-sdk", "--key", "-"]),
        "weir_b\n",
    )
    .stdout;
    assert!(
        printed.contains("export OPENAI_API_KEY=weir_b\n"),
        "{printed}"
    );
    let printed = run(client(home.path(), &["openai-sdk"]).env("WEIR_KEY", "weir_c")).stdout;
    assert!(
        printed.contains("export OPENAI_API_KEY=weir_c\n"),
        "{printed}"
    );
    let printed = done(home.path(), &["cursor"]).stdout;
    assert!(
        printed.contains("http://127.0.0.1:8080/v1") && printed.contains("KEY"),
        "{printed}"
    );
    for arguments in [
        &["codex", "--write"][..],
        &["cursor", "--write", "--key", "k"],
        &["nobody"],
        &["codex", "--url", "weir:8080"],
        &["codex", "--write", "--undo"],
        &["codex", "--key", "a\nb"],
    ] {
        let ended = run(&mut client(home.path(), arguments));
        assert_eq!(ended.code, Some(2), "{arguments:?} {ended:?}");
    }
    assert!(contents(home.path()).is_empty());
}
