//! Endpoints other than generation: what they are billed for, and how much of it a request asks for or an answer
//! states.
use std::borrow::Cow;

use memchr::memmem;

use super::plain;
use super::video::{self, Video};
use crate::protocol::hub::units::{Picture, Units, Word};
use crate::protocol::hub::usage::{Extras, Stated, Usage};
use crate::protocol::{json, sound};

/// What an endpoint other than generation sells, and is billed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Product {
    /// Images, in the form of OpenAI.
    Pictures,
    /// Images, in the form of Google's Imagen (`:predict`).
    Predictions,
    /// Reranking of documents.
    Rerank,
    /// Text to speech.
    Speech,
    /// Transcription of audio.
    Transcript,
    /// Embeddings of text.
    Vectors,
    /// Videos that are made later.
    Videos,
}

/// Reads the fields of a request, which is JSON or a form.
pub type Fields<'a> = dyn Fn(&str) -> Option<Cow<'a, [u8]>> + 'a;

impl Product {
    /// What a request asks for, as far as that is known before the answer. `field` returns the value of a field: JSON,
    /// or the plain text of a form's field.
    pub fn requested(self, field: &Fields<'_>) -> Stated {
        let word = |name: &str| {
            field(name).map_or_else(Word::default, |value| Word::of(&plain::text(&value)))
        };
        let mut units = Units::NONE;
        let mut picture = Picture::default();
        match self {
            Self::Pictures => {
                units.images = field("n")
                    .and_then(|value| plain::whole(&value))
                    .unwrap_or(1)
                    .clamp(1, MOST_IMAGES);
                picture = Picture {
                    quality: word("quality"),
                    size: word("size").or(word("resolution")),
                };
            }
            Self::Predictions => {
                let parameters = field("parameters").unwrap_or_default();
                let members = json::object(&parameters);
                let member = |name| members.as_ref()?.value(&parameters, name);
                let count = member("sampleCount").and_then(plain::whole);
                units.images = count.unwrap_or(PREDICTED).clamp(1, MOST_IMAGES);
                picture.size = member("sampleImageSize")
                    .map_or_else(Word::default, |size| Word::of(&plain::text(size)));
            }
            Self::Rerank => {
                let documents = field("documents")
                    .and_then(|list| json::elements(&list).map(|list| list.len()));
                units.searches = (documents.unwrap_or(1) as u64).div_ceil(SEARCHED).max(1);
            }
            Self::Speech => {
                units.characters =
                    field("input").map_or(0, |text| plain::text(&text).chars().count() as u64);
            }
            Self::Transcript => {
                units.audio_ms = field("file")
                    .and_then(|file| sound::length(&file))
                    .unwrap_or(0);
            }
            Self::Vectors => {}
            Self::Videos => {
                let millis = field("seconds").and_then(|value| video::millis(&value));
                return video::stated(millis.unwrap_or(video::USUAL), word("size"));
            }
        }
        Stated {
            usage: Usage {
                units,
                ..Usage::default()
            },
            extras: Extras {
                picture,
                ..Extras::default()
            },
        }
    }

    /// What the body of an answer states besides its `usage`.
    pub fn stated(self, body: &[u8]) -> Stated {
        let mut stated = Stated::default();
        let Ok(members) = json::look(body) else {
            return stated;
        };
        let value = |name| members.value(body, name);
        let units = &mut stated.usage.units;
        match self {
            Self::Pictures => {
                units.images = value("data").map_or(0, elements);
                stated.extras.picture = Picture {
                    quality: value("quality")
                        .map_or_else(Word::default, |text| Word::of(&plain::text(text))),
                    size: value("size")
                        .map_or_else(Word::default, |text| Word::of(&plain::text(text))),
                };
            }
            Self::Predictions => {
                let made =
                    |list: &[u8]| memmem::find_iter(list, b"\"bytesBase64Encoded\"").count() as u64;
                units.images = value("predictions").map_or(0, made);
            }
            Self::Rerank | Self::Vectors => return billed(value("meta").unwrap_or_default()),
            // Whisper also writes it as a string.
            Self::Transcript => {
                units.audio_ms = value("duration").and_then(plain::millis).unwrap_or(0);
            }
            Self::Videos => {
                let made = Video::read(body).and_then(|video| video.used());
                return made.unwrap_or_default();
            }
            Self::Speech => {}
        }
        Stated::checked(stated.usage, stated.extras)
    }

    /// What an answer states in total: its `usage`, and the other values where the usage lacks them.
    pub fn completed(self, stated: Option<Stated>, body: &[u8]) -> Option<Stated> {
        let beside = self.stated(body);
        let Some(mut stated) = stated else {
            return (!beside.is_nothing()).then_some(beside);
        };
        let units = stated.usage.units.or(&beside.usage.units);
        if stated.usage.total() == 0 {
            stated.usage = beside.usage;
        }
        stated.usage.units = units;
        stated.extras.picture = stated.extras.picture.or(beside.extras.picture);
        stated.extras.refused |= beside.extras.refused;
        Some(stated)
    }

    /// Whether the input is text, whose tokens can be estimated if nobody states them.
    pub const fn takes_text(self) -> bool {
        matches!(self, Self::Rerank | Self::Vectors)
    }
}

/// Cohere's `meta.billed_units`.
fn billed(meta: &[u8]) -> Stated {
    let members = json::object(meta);
    let billed = members.and_then(|members| members.value(meta, "billed_units"));
    let billed = billed.unwrap_or_default();
    let Some(members) = json::object(billed) else {
        return Stated::default();
    };
    let count = |name| members.value(billed, name).and_then(plain::whole);
    let usage = Usage {
        input: count("input_tokens")
            .or_else(|| count("total_tokens"))
            .unwrap_or(0),
        output: count("output_tokens").unwrap_or(0),
        units: Units {
            searches: count("search_units").unwrap_or(0),
            ..Units::NONE
        },
        ..Usage::default()
    };
    Stated::checked(usage, Extras::default())
}

fn elements(list: &[u8]) -> u64 {
    json::elements(list).map_or(0, |list| list.len() as u64)
}

/// Most images of one request; vendors permit ten at most.
const MOST_IMAGES: u64 = 1_000;

/// The number of images that Imagen generates if the request states none.
/// Source: ai.google.dev/gemini-api/docs/imagen, `numberOfImages`: 4 by default.
const PREDICTED: u64 = 4;

/// The number of documents that one search covers. Source: docs.cohere.com, how pricing works.
const SEARCHED: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(product: Product, body: &str) -> (Units, Picture) {
        let members = json::scan(body.as_bytes()).expect("JSON");
        let requested =
            product.requested(&|name| members.value(body.as_bytes(), name).map(Cow::Borrowed));
        (requested.usage.units, requested.extras.picture)
    }

    #[test]
    fn a_request_says_what_it_asks_for() {
        for (product, body, units) in [
            (
                Product::Speech,
                r#"{"input":"H\u00e9llo \ud83d\ude00"}"#,
                [0, 0, 7, 0, 0],
            ),
            (Product::Speech, r#"{"input":7}"#, [0, 0, 1, 0, 0]),
            (Product::Speech, "{}", [0; 5]),
            (Product::Pictures, "{}", [1, 0, 0, 0, 0]),
            (Product::Pictures, r#"{"n":null}"#, [1, 0, 0, 0, 0]),
            (Product::Pictures, r#"{"n":3}"#, [3, 0, 0, 0, 0]),
            (Product::Pictures, r#"{"n":"4"}"#, [4, 0, 0, 0, 0]),
            (Product::Pictures, r#"{"n":-1}"#, [1, 0, 0, 0, 0]),
            (Product::Pictures, r#"{"n":1e99}"#, [1_000, 0, 0, 0, 0]),
            (Product::Predictions, "{}", [4, 0, 0, 0, 0]),
            (
                Product::Predictions,
                r#"{"parameters":{"sampleCount":2}}"#,
                [2, 0, 0, 0, 0],
            ),
            (
                Product::Predictions,
                r#"{"parameters":[]}"#,
                [4, 0, 0, 0, 0],
            ),
            (Product::Rerank, r#"{"documents":[]}"#, [0, 0, 0, 1, 0]),
            (Product::Rerank, r#"{"documents":"?"}"#, [0, 0, 0, 1, 0]),
            (Product::Vectors, r#"{"input":"a"}"#, [0; 5]),
            (Product::Transcript, "{}", [0; 5]),
            (Product::Videos, "{}", [0, 0, 0, 0, 4_000]),
            (
                Product::Videos,
                r#"{"seconds":"12","size":"1280x720"}"#,
                [0, 0, 0, 0, 12_000],
            ),
            (Product::Videos, r#"{"seconds":-1}"#, [0, 0, 0, 0, 4_000]),
        ] {
            assert_eq!(
                requested(product, body).0.figures(),
                units,
                "{product:?} {body}"
            );
        }
        let many = format!(r#"{{"documents":[{}"a"]}}"#, r#""a","#.repeat(100));
        assert_eq!(requested(Product::Rerank, &many).0.searches, 2);
        let (_, picture) = requested(Product::Pictures, r#"{"size":"1024x1792","quality":"HD"}"#);
        assert_eq!(
            (picture.quality.as_str(), picture.size.as_str()),
            ("hd", "1024x1792")
        );
        let (_, picture) = requested(Product::Pictures, r#"{"resolution":"2k"}"#);
        assert_eq!(picture.size.as_str(), "2k");
    }

    #[test]
    fn an_answer_says_what_it_holds() {
        let usage = |input| {
            Some(Stated {
                usage: Usage {
                    input,
                    ..Usage::default()
                },
                ..Stated::default()
            })
        };
        for (product, usage, body, units, tokens) in [
            (
                Product::Transcript,
                None,
                r#"{"text":"a","duration":8.47}"#,
                [0, 8_470, 0, 0, 0],
                0,
            ),
            (
                Product::Transcript,
                None,
                r#"{"text":"a","duration":"8.470000267028809"}"#,
                [0, 8_470, 0, 0, 0],
                0,
            ),
            (Product::Transcript, None, r#"{"duration":"-8"}"#, [0; 5], 0),
            (Product::Transcript, None, r#"{"duration":{}}"#, [0; 5], 0),
            (
                Product::Pictures,
                None,
                r#"{"data":[{"url":"a"},{"url":"b"}]}"#,
                [2, 0, 0, 0, 0],
                0,
            ),
            (
                Product::Pictures,
                usage(9),
                r#"{"data":[{"b64_json":"a"}]}"#,
                [1, 0, 0, 0, 0],
                9,
            ),
            (
                Product::Predictions,
                None,
                r#"{"predictions":[{"bytesBase64Encoded":"a"},{"raiFilteredReason":"b"}]}"#,
                [1, 0, 0, 0, 0],
                0,
            ),
            (
                Product::Predictions,
                None,
                r#"{"predictions":[{"embeddings":{}}]}"#,
                [0; 5],
                0,
            ),
            (
                Product::Rerank,
                None,
                r#"{"meta":{"billed_units":{"search_units":2}}}"#,
                [0, 0, 0, 2, 0],
                0,
            ),
            (
                Product::Rerank,
                usage(7),
                r#"{"meta":{"billed_units":{"search_units":2,"input_tokens":9}}}"#,
                [0, 0, 0, 2, 0],
                7,
            ),
            (
                Product::Rerank,
                None,
                r#"{"meta":{"billed_units":{"search_units":-2}}}"#,
                [0; 5],
                0,
            ),
            (
                Product::Rerank,
                None,
                r#"{"meta":{"billed_units":[]}}"#,
                [0; 5],
                0,
            ),
            (
                Product::Vectors,
                None,
                r#"{"meta":{"billed_units":{"input_tokens":5}}}"#,
                [0; 5],
                5,
            ),
            (
                Product::Vectors,
                usage(3),
                r#"{"data":[{"embedding":[1]}]}"#,
                [0; 5],
                3,
            ),
            (Product::Speech, None, "no JSON", [0; 5], 0),
        ] {
            let stated = product
                .completed(usage, body.as_bytes())
                .unwrap_or_default();
            assert_eq!(stated.usage.units.figures(), units, "{product:?} {body}");
            assert_eq!(stated.usage.total(), tokens, "{product:?} {body}");
        }
        let astronomic = r#"{"duration":1e300}"#;
        let stated = Product::Transcript.completed(None, astronomic.as_bytes());
        assert!(
            stated.is_none_or(|stated| stated.usage == Usage::default() && stated.extras.refused)
        );
    }
}
