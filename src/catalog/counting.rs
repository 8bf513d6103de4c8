//! How models count tokens: factors and overheads relative to the tokens of `o200k_base`. Sources:
//! `docs/decisions/token-counts.md`.

/// How the models of one vendor count tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counting {
    /// The ratio of tokens to those of `o200k_base`, for prose.
    pub prose: f64,
    /// The same ratio for code and JSON.
    pub code: f64,
    /// The same ratio for Chinese, Japanese and Korean.
    pub cjk: f64,
    /// The factor on the tokens of a tool's name, description and schema.
    pub schema: f64,
    /// Tokens per message.
    pub message: u64,
    /// Tokens per tool.
    pub tool: u64,
    /// Tokens added once if there are tools: when the model may choose a tool, and when it must call one.
    pub tools: (u64, u64),
    /// Tokens added once per request.
    pub request: u64,
    /// Tokens per image.
    pub pictures: Pictures,
    /// Tokens per page of a PDF.
    pub page: u64,
    /// The ratio of reasoning that is kept in the prompt to its visible text.
    pub reasoning: f64,
}

/// How images are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pictures {
    /// Squares of 28 pixels, after the image is shrunk to the longest edge `edge`; at most `most` of them.
    Claude { edge: u32, most: u64 },
    /// A fixed number of tokens (Gemini 3 and later).
    Fixed(u64),
    /// 258 tokens per tile (Gemini before 3).
    GeminiTiles,
    /// Squares of 32 pixels, at most 1536 of them (256 at low detail), times `hundredths` / 100.
    Patches { hundredths: u64 },
    /// A base number of tokens, and a number of tokens per tile of 512 pixels.
    Tiles { base: u64, tile: u64 },
}

impl Counting {
    /// The counting of models that no row covers, most likely open ones.
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
