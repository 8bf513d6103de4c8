//! The tokens of a request, block by block. Every kind of block counts: agents' prompts consist mostly of tools and
//! results.
use super::calibration::scaled;
use super::image::{self, Size};
use super::pdf;
use crate::catalog::{self, Counting, Pictures};
use crate::protocol::hub::block::{Block, Document, DocumentSource, Hosted, Image, Source};
use crate::protocol::hub::request::{Format, Request, Tool, ToolChoice, Turn};

/// The tokens of the prompt for `model`. `text` counts a text in `o200k_base`.
pub(super) fn prompt(request: &Request, model: &str, text: &mut dyn FnMut(&str) -> u64) -> u64 {
    let mut scale = Scale {
        counting: catalog::counting(model),
        text,
    };
    let system: u64 = request
        .system
        .iter()
        .map(|block| scale.counting.message + scale.text(&block.text))
        .sum();
    let tools = scale.tools(request);
    let turns: u64 = request.turns.iter().map(|turn| scale.turn(turn)).sum();
    let format = match &request.output.format {
        Format::JsonSchema { schema, .. } => scale.json(schema.get()),
        Format::JsonObject | Format::Text => 0,
    };
    (scale.counting.request + system + tools + turns + format).max(1)
}

struct Scale<'a> {
    counting: Counting,
    text: &'a mut dyn FnMut(&str) -> u64,
}

impl Scale<'_> {
    fn text(&mut self, text: &str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        let factor = match script(text) {
            Script::Cjk => self.counting.cjk,
            Script::Code => self.counting.code,
            Script::Prose => self.counting.prose,
        };
        scaled((self.text)(text), factor)
    }

    /// JSON that the model reads unchanged.
    fn json(&mut self, text: &str) -> u64 {
        scaled((self.text)(text), self.counting.code)
    }

    fn tools(&mut self, request: &Request) -> u64 {
        if request.tools.is_empty() {
            return 0;
        }
        let must_call = match &request.tool_choice {
            Some(ToolChoice::Any | ToolChoice::Named(_)) => true,
            Some(ToolChoice::Allowed { required, .. }) => *required,
            Some(ToolChoice::Auto | ToolChoice::None) | None => false,
        };
        let (free, forced) = self.counting.tools;
        let tools: u64 = request.tools.iter().map(|tool| self.tool(tool)).sum();
        tools + if must_call { forced } else { free }
    }

    fn tool(&mut self, tool: &Tool) -> u64 {
        let (description, schema) = match tool {
            // A deferred tool is not part of the prompt until it is found.
            Tool::Function(tool) if tool.deferred => return 0,
            Tool::Function(tool) => (&tool.description, &tool.schema),
            Tool::Freeform(tool) => (&tool.description, &tool.format),
            Tool::Hosted(tool) => {
                return match tool.kind {
                    Hosted::Bash => 325,
                    Hosted::TextEditor => 700,
                    Hosted::Computer => 4_500,
                    _ => self.json(tool.raw.get()) + self.counting.tool,
                };
            }
        };
        let description = description.as_deref().map_or(0, |text| self.text(text));
        let schema = schema
            .as_deref()
            .map_or(0, |schema| self.json(schema.get()));
        let written = (self.text)(tool.name()) + description + schema;
        scaled(written, self.counting.schema) + self.counting.tool
    }

    fn turn(&mut self, turn: &Turn) -> u64 {
        let name = turn.name.as_deref().map_or(0, |name| 1 + (self.text)(name));
        self.counting.message + name + self.blocks(&turn.blocks)
    }

    fn blocks(&mut self, blocks: &[Block]) -> u64 {
        blocks.iter().map(|block| self.block(block)).sum()
    }

    fn block(&mut self, block: &Block) -> u64 {
        match block {
            Block::Text(text) => self.text(&text.text),
            Block::Refusal(text) => self.text(text),
            Block::Image(image) => self.image(image),
            Block::Document(document) => self.document(document),
            Block::Audio(audio) => seconds(&audio.source, AUDIO_BYTES) * AUDIO,
            Block::Video(video) => seconds(&video.source, VIDEO_BYTES) * VIDEO,
            Block::Reasoning(reasoning) => {
                let text = |scale: &mut Self, text: &str| scale.text(text);
                let visible = reasoning.visible.iter();
                let visible: u64 = visible.map(|segment| text(self, &segment.text)).sum();
                scaled(visible, self.counting.reasoning)
            }
            Block::SearchResult(result) => {
                self.text(&result.title) + self.text(&result.source) + self.blocks(&result.blocks)
            }
            Block::ToolCall(call) => {
                self.counting.tool + (self.text)(&call.name) + self.json(&call.args.raw)
            }
            Block::ToolResult(result) => self.counting.tool + self.blocks(&result.blocks),
            Block::ServerToolResult(result) => self.json(result.raw.raw.get()),
            Block::Foreign(foreign) => self.json(foreign.raw.get()),
            Block::ToolReference(name) => (self.text)(name),
        }
    }

    fn document(&mut self, document: &Document) -> u64 {
        let about: u64 = [&document.title, &document.context]
            .into_iter()
            .flatten()
            .map(|text| self.text(text))
            .sum();
        let content = match &document.source {
            DocumentSource::Blocks(blocks) => self.blocks(blocks),
            DocumentSource::Text(text) => self.text(text),
            DocumentSource::Media(Source::Base64 { data, .. }) => {
                pdf::pages(data) * self.counting.page
            }
            DocumentSource::Media(_) => UNSEEN_PAGES * self.counting.page,
        };
        about + content
    }

    fn image(&self, image: &Image) -> u64 {
        let low = image.detail.as_deref() == Some("low");
        let size = match &image.source {
            Source::Base64 { data, .. } => image::size(data).unwrap_or(UNSEEN),
            Source::File { .. } | Source::Url { .. } => UNSEEN,
        };
        picture(self.counting.pictures, size, low)
    }
}

/// The tokens of an image of this size.
fn picture(pictures: Pictures, size: Size, low: bool) -> u64 {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let longest = width.max(height);
    match pictures {
        Pictures::Claude { edge, most } => {
            let shrink = (f64::from(edge) / longest).min(1.0);
            squares(width * shrink, height * shrink, 28.0).min(most)
        }
        Pictures::Fixed(tokens) => tokens,
        Pictures::GeminiTiles if longest <= 384.0 => 258,
        Pictures::GeminiTiles => {
            let unit = (width.min(height) / 1.5).clamp(256.0, 768.0);
            squares(width, height, unit).min(MOST_TILES) * 258
        }
        Pictures::Patches { hundredths } => {
            let most = if low { 256 } else { 1536 };
            squares(width, height, 32.0).min(most) * hundredths / 100
        }
        Pictures::Tiles { base, .. } if low => base,
        Pictures::Tiles { base, tile } => {
            let shrink = (2048.0 / longest).min(1.0);
            let shrink = shrink.min(768.0 / width.min(height));
            base + tile * squares(width * shrink, height * shrink, 512.0).min(MOST_TILES)
        }
    }
}

/// The number of squares that cover the area.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float saturates, and none here is negative"
)]
fn squares(width: f64, height: f64, edge: f64) -> u64 {
    ((width / edge).ceil() as u64).saturating_mul((height / edge).ceil() as u64)
}

/// The length of a recording in seconds, at this number of bytes per second.
fn seconds(source: &Source, bytes: u64) -> u64 {
    match source {
        Source::Base64 { data, .. } => (data.len() as u64 / 4 * 3).div_ceil(bytes),
        Source::File { .. } | Source::Url { .. } => UNSEEN_SECONDS,
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Script {
    Cjk,
    Code,
    Prose,
}

/// The kind of text, by its beginning.
fn script(text: &str) -> Script {
    let head = text.get(..text.floor_char_boundary(LOOKED_AT));
    let head = head.unwrap_or_default();
    let (mut wide, mut signs, mut all) = (0usize, 0usize, 0usize);
    for char in head.chars() {
        all += 1;
        wide += usize::from(('\u{2e80}'..='\u{ffef}').contains(&char));
        signs += usize::from(matches!(
            char,
            '{' | '}'
                | '['
                | ']'
                | '('
                | ')'
                | '<'
                | '>'
                | ';'
                | '='
                | '"'
                | '/'
                | '\\'
                | '_'
                | '|'
                | '\t'
        ));
    }
    if wide * 3 > all {
        Script::Cjk
    } else if signs * 20 > all {
        Script::Code
    } else {
        Script::Prose
    }
}

/// Bytes at the beginning of a text that determine its kind.
const LOOKED_AT: usize = 2 << 10;
/// The assumed size of an image that only the provider can see: a screenshot.
const UNSEEN: Size = Size {
    width: 1280,
    height: 960,
};
/// The assumed pages of a document that only the provider can see.
const UNSEEN_PAGES: u64 = 10;
/// The assumed length of a recording that only the provider can hear.
const UNSEEN_SECONDS: u64 = 60;
/// Tokens and bytes per second of audio (128 kbit/s), and of video with sound (1 Mbit/s).
const AUDIO: u64 = 32;
const AUDIO_BYTES: u64 = 16_000;
const VIDEO: u64 = 290;
const VIDEO_BYTES: u64 = 125_000;
/// Most tiles of one image, whatever its header states.
const MOST_TILES: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pictures: Pictures, (width, height): (u32, u32), expected: u64) {
        let found = picture(pictures, Size { width, height }, false);
        assert_eq!(found, expected, "{pictures:?} {width}x{height}");
    }

    #[test]
    fn pictures_as_the_vendors_documents_count_them() {
        let claude = catalog::counting("claude-opus-4-5").pictures;
        check(claude, (200, 200), 64);
        check(claude, (1000, 1000), 1296);
        check(claude, (4000, 3000), 1568);
        check(
            catalog::counting("claude-opus-4-8").pictures,
            (1920, 1080),
            2691,
        );
        // OpenAI's own examples for 4o: 1024 x 1024 and 2048 x 4096.
        check(catalog::counting("gpt-4o").pictures, (1024, 1024), 765);
        check(catalog::counting("gpt-4o").pictures, (2048, 4096), 1105);
        // A cheap model whose images cost as much as those of 4o, but count as more tokens.
        check(
            catalog::counting("gpt-4o-mini").pictures,
            (1024, 1024),
            25_501,
        );
        check(
            catalog::counting("gpt-4.1-mini").pictures,
            (1024, 1024),
            1658,
        );
        check(
            catalog::counting("gemini-2.5-flash").pictures,
            (300, 384),
            258,
        );
        check(
            catalog::counting("gemini-2.5-flash").pictures,
            (960, 540),
            6 * 258,
        );
        check(
            catalog::counting("gemini-3-pro").pictures,
            (9999, 9999),
            1120,
        );
        let low = picture(catalog::counting("gpt-4o").pictures, UNSEEN, true);
        assert_eq!(low, 85);
        check(claude, (u32::MAX, 1), 56);
        check(
            catalog::counting("gpt-4o").pictures,
            (u32::MAX, u32::MAX),
            765,
        );
    }

    #[test]
    fn texts_are_told_apart() {
        let code = "fn main() { println!(\"{}\", list[0].name()); }";
        assert_eq!(script(code), Script::Code);
        assert_eq!(script("It was a dark and stormy night."), Script::Prose);
        assert_eq!(script("東京に住んでいました。 ok"), Script::Cjk);
    }
}
