//! How models count: factors and overheads over the tokens of `o200k_base`. Sources: `docs/decisions/token-counts.md`.

/// How the models of one vendor count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counting {
    /// Tokens of prose over those of `o200k_base`.
    pub prose: f64,
    /// Tokens of code and JSON over those of `o200k_base`.
    pub code: f64,
    /// Tokens of Chinese, Japanese and Korean over those of `o200k_base`.
    pub cjk: f64,
    /// A tool's description and schema over their JSON.
    pub schema: f64,
    /// Tokens per message.
    pub message: u64,
    /// Tokens per tool.
    pub tool: u64,
    /// Tokens once, as soon as there is a tool: when the model may choose, and when it must call one.
    pub tools: (u64, u64),
    /// Tokens once per request.
    pub request: u64,
    /// Tokens of a picture.
    pub pictures: Pictures,
    /// Tokens per page of a PDF.
    pub page: u64,
    /// Kept reasoning over its visible text.
    pub reasoning: f64,
}

/// How pictures count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pictures {
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

impl Counting {
    /// A model that no row knows, an open one most likely.
    pub const UNKNOWN: Self = Self {
        prose: 1.10,
        code: 1.15,
        cjk: 1.05,
        schema: 1.0,
        message: 3,
        tool: 7,
        tools: (12, 12),
        request: 3,
        pictures: Pictures::Claude {
            edge: 1568,
            most: 1568,
        },
        page: 1_500,
        reasoning: 1.0,
    };
}
