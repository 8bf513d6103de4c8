//! The properties of `fuzz/`, held for the goldens and for a bounded number of mutations of them: the same every time,
//! on any toolchain. The real search is `fuzz/run`.
use std::path::{Path, PathBuf};

#[path = "../fuzz/properties.rs"]
mod properties;

#[test]
fn json_scan_holds() {
    hold(properties::json_scan, true);
}

#[test]
fn sse_frames_holds() {
    hold(properties::sse_frames, true);
}

#[test]
fn tap_holds() {
    hold(properties::tap, false);
}

#[test]
fn error_parse_holds() {
    hold(properties::error_parse, true);
}

#[test]
fn sound_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sounds");
    let files = std::fs::read_dir(folder).expect("the sounds");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| [&[9], &*std::fs::read(path).expect("a sound")].concat())
        .collect();
    hold_for(properties::sound, &seeds, MUTATIONS);
}

#[test]
fn translate_request_holds() {
    hold_for(
        properties::translate_request,
        &translations("request"),
        MUTATIONS,
    );
}

#[test]
fn translated_streams_hold() {
    for (upstream, property) in [
        ("anthropic", properties::stream_anthropic as fn(&[u8])),
        ("gemini", properties::stream_gemini),
        ("chat", properties::stream_openai_chat),
        ("responses", properties::stream_openai_responses),
    ] {
        hold_for(property, &translations(&format!("to_{upstream}_stream")), 4);
    }
}

/// Runs a property over every seed and its mutations. `bare`: over what stands between the rulers of a golden.
fn hold(property: fn(&[u8]), bare: bool) {
    hold_for(property, &seeds(bare), MUTATIONS);
}

fn hold_for(property: fn(&[u8]), seeds: &[Vec<u8>], mutations: usize) {
    assert!(!seeds.is_empty());
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for seed in seeds {
        property(seed);
        for _ in 0..mutations {
            let mut mutant = seed.clone();
            for _ in 0..=random.below(3) {
                mutate(&mut mutant, &mut random);
            }
            property(&mutant);
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len());
    let token = TOKENS[random.below(TOKENS.len())];
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => drop(bytes.splice(at..at, token.bytes())),
        2 => drop(bytes.splice(at..(at + token.len()).min(bytes.len()), token.bytes())),
        3 => {
            let end = (at + random.below(40)).min(bytes.len());
            bytes.drain(at..end);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.below(256).to_le_bytes()[0];
            }
        }
    }
}

fn seeds(bare: bool) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/passthrough");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the goldens")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    let mut seeds = vec![Vec::new()];
    for path in paths {
        let file = std::fs::read(path).expect("a golden");
        let ruler = b"\n=== stream\n";
        let start = memchr::memmem::find(&file, ruler).expect("a ruler");
        let end = memchr::memmem::find(&file, b"\n=== facts\n").expect("a ruler");
        let from = if bare { start + ruler.len() } else { 0 };
        seeds.push(file[from..end].to_vec());
        if bare {
            // The objects of a stream are bodies, too.
            let lines = file[from..end].split(|&byte| byte == b'\n');
            seeds.extend(lines.filter_map(|line| Some(line.strip_prefix(b"data: ")?.to_vec())));
        }
    }
    seeds
}

/// The goldens of translation with this in their name, whole.
fn translations(part: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/translate");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the goldens")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.to_string_lossy().contains(part))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| std::fs::read(path).expect("a golden");
    paths.iter().map(read).collect()
}

/// xorshift: a draw that is the same on every machine.
struct Random(u64);

impl Random {
    /// A number below `bound`; 0 if that is 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }
}

const TOKENS: [&str; 16] = [
    "\n",
    "\r",
    "\r\n\r\n",
    "data: ",
    "event: error\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "null",
    "\"error\":",
    "\"model\":1,",
    "[DONE]",
    "\u{2028}",
];

/// Mutants of each seed. All targets together take a few seconds.
const MUTATIONS: usize = 20;
