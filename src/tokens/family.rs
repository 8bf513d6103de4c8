//! How the models of a vendor count tokens: factors and overheads, by the beginning of the model's name. The sources of
//! the data are in `docs/decisions/token-counts.md`.
use crate::protocol::models;

/// How the models of one family count tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Family {
    /// Tokens divided by those of `o200k_base`; likewise the next two.
    pub prose: f64,
    pub code: f64,
    pub cjk: f64,
    /// Tokens of a tool's description and schema divided by those of their JSON.
    pub schema: f64,
    /// Tokens per message.
    pub message: u64,
    /// Tokens per tool.
    pub tool: u64,
    /// Tokens once per request with tools: if the model may choose a tool, and if it must call one.
    pub tools: (u64, u64),
    /// Tokens per request.
    pub request: u64,
    pub pictures: Pictures,
    /// Tokens per page of a PDF.
    pub page: u64,
    /// Tokens of earlier reasoning divided by those of its visible text.
    pub reasoning: f64,
}

/// How images count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pictures {
    /// One token per square of 28 pixels, after shrinking to the longest `edge` in pixels and to at most `most`
    /// squares.
    Claude { edge: u32, most: u64 },
    /// A fixed number of tokens (Gemini from version 3 on).
    Fixed(u64),
    /// 258 tokens per tile (Gemini before version 3).
    GeminiTiles,
    /// Squares of 32 pixels, at most 1536 of them, times `hundredths` / 100.
    Patches { hundredths: u64 },
    /// `base` tokens, and `tile` more per tile of 512 pixels.
    Tiles { base: u64, tile: u64 },
}

/// How `model` counts; the name is the upstream's.
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

/// Claude from 4.7 on has another vocabulary and twice the image resolution.
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

/// A model without an entry, most likely an open one.
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

/// By the beginning of the name; the longest match counts.
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

/// A factor for safety: an estimate that is too low lets a session exceed its window; one that is too high compacts
/// slightly early.
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
