//! What sets the counting of a model apart: factors and overheads, by the beginning of its name. Data, with its sources
//! in `docs/decisions/token-counts.md`.
use crate::protocol::models;

/// How the models of one vendor count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Family {
    /// Tokens over those of `o200k_base`.
    pub prose: f64,
    pub code: f64,
    pub cjk: f64,
    /// A tool's description and schema over their JSON.
    pub schema: f64,
    /// Per message.
    pub message: u64,
    /// Per tool.
    pub tool: u64,
    /// Once, as soon as there is a tool: when the model may choose, and when it must call one.
    pub tools: (u64, u64),
    /// Once per request.
    pub request: u64,
    pub pictures: Pictures,
    /// Per page of a PDF.
    pub page: u64,
    /// Kept reasoning over its visible text.
    pub reasoning: f64,
}

/// How pictures count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pictures {
    /// Squares of 28 pixels, after shrinking to the longest edge and to so many of them.
    Claude { edge: u32, most: u64 },
    /// A fixed number (Gemini from 3 on).
    Fixed(u64),
    /// 258 a tile (Gemini before 3).
    GeminiTiles,
    /// Squares of 32 pixels, at most 1536 of them, times so many hundredths.
    Patches { hundredths: u64 },
    /// So many, and so many more per tile of 512 pixels.
    Tiles { base: u64, tile: u64 },
}

/// How `model` counts; the upstream's name.
pub(super) fn family(model: &str) -> Family {
    let name = models::family(model);
    let row = ROWS
        .iter()
        .filter(|(prefix, _)| name.starts_with(prefix))
        .max_by_key(|(prefix, _)| prefix.len());
    row.map_or(OTHER, |(_, family)| *family)
}

const CLAUDE: Family = Family {
    prose: 1.20 * SAFETY,
    code: 1.35 * SAFETY,
    cjk: 1.15 * SAFETY,
    schema: 1.0,
    message: 5,
    tool: 8,
    tools: (496, 588),
    request: 0,
    pictures: Pictures::Claude {
        edge: 1568,
        most: 1568,
    },
    page: 2_250,
    reasoning: 2.5,
};

/// From 4.7 on: another vocabulary, and pictures twice as sharp.
const CLAUDE_4_7: Family = Family {
    prose: 1.30 * CLAUDE.prose,
    code: 1.30 * CLAUDE.code,
    cjk: 1.30 * CLAUDE.cjk,
    tools: (354, 474),
    pictures: Pictures::Claude {
        edge: 2576,
        most: 4784,
    },
    page: 3_000,
    ..CLAUDE
};

const OPENAI: Family = Family {
    prose: 1.0,
    code: 1.0,
    cjk: 1.0,
    schema: 0.8,
    message: 3,
    tool: 7,
    tools: (12, 12),
    request: 3,
    pictures: Pictures::Patches { hundredths: 100 },
    page: 1_500,
    reasoning: 1.0,
};

const TILED: Family = Family {
    pictures: Pictures::Tiles {
        base: 85,
        tile: 170,
    },
    ..OPENAI
};

const fn patches(hundredths: u64) -> Family {
    Family {
        pictures: Pictures::Patches { hundredths },
        ..OPENAI
    }
}

const GEMINI: Family = Family {
    prose: 1.05,
    code: 1.10,
    cjk: 1.0,
    pictures: Pictures::Fixed(1_120),
    page: 560,
    ..OPENAI
};

const GEMINI_2: Family = Family {
    pictures: Pictures::GeminiTiles,
    page: 258,
    ..GEMINI
};

/// A model that no row knows, an open one most likely.
const OTHER: Family = Family {
    prose: 1.10,
    code: 1.15,
    cjk: 1.05,
    schema: 1.0,
    pictures: Pictures::Claude {
        edge: 1568,
        most: 1568,
    },
    ..OPENAI
};

/// By the beginning of the name; the longest wins.
const ROWS: &[(&str, Family)] = &[
    ("claude-", CLAUDE_4_7),
    ("claude-2", CLAUDE),
    ("claude-3", CLAUDE),
    ("claude-opus-4", CLAUDE),
    ("claude-sonnet-4", CLAUDE),
    ("claude-haiku-4", CLAUDE),
    (
        "claude-opus-4-7",
        Family {
            tools: (675, 804),
            ..CLAUDE_4_7
        },
    ),
    (
        "claude-opus-4-8",
        Family {
            tools: (290, 410),
            ..CLAUDE_4_7
        },
    ),
    (
        "claude-opus-5",
        Family {
            tools: (286, 406),
            ..CLAUDE_4_7
        },
    ),
    ("gpt-", OPENAI),
    ("gpt-4", TILED),
    (
        "gpt-4o-mini",
        Family {
            pictures: Pictures::Tiles {
                base: 2_833,
                tile: 5_667,
            },
            ..OPENAI
        },
    ),
    ("gpt-4.1-mini", patches(162)),
    ("gpt-4.1-nano", patches(246)),
    ("gpt-5-mini", patches(162)),
    ("gpt-5-nano", patches(246)),
    ("o1", TILED),
    ("o3", TILED),
    ("o4", patches(172)),
    ("gemini-", GEMINI),
    ("gemini-1", GEMINI_2),
    ("gemini-2", GEMINI_2),
];

/// An estimate that is too low lets a session run into its window; one that is too high compacts a little early.
const SAFETY: f64 = 1.03;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_told_apart() {
        for (model, expected) in [
            ("claude-sonnet-4-5-20250929", CLAUDE),
            ("anthropic/claude-opus-4.6", CLAUDE),
            ("claude-sonnet-5", CLAUDE_4_7),
            ("claude-of-tomorrow-9", CLAUDE_4_7),
            ("gpt-4o", TILED),
            ("gpt-6", OPENAI),
            ("models/gemini-2.5-pro", GEMINI_2),
            ("gemini-3-pro", GEMINI),
            ("qwen3-coder", OTHER),
        ] {
            assert_eq!(family(model), expected, "{model}");
        }
        assert_eq!(family("claude-opus-5").tools, (286, 406));
    }
}
