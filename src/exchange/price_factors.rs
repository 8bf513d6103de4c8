//! The parts of a request that affect its price: the length and number of answers, the service tier, the region, and
//! tools that the vendor runs.
use std::borrow::Cow;

use serde::Deserialize;

use super::admit::Admitted;
use super::operation::Endpoint;
use crate::protocol::Dialect;
use crate::protocol::hub::usage::Tools;
use crate::protocol::json;

/// The longest answer that the client allows, in tokens.
pub(super) fn output(admitted: &Admitted) -> Option<u64> {
    match admitted.call.dialect {
        Dialect::Anthropic => integer(admitted, &["max_tokens"]),
        Dialect::OpenaiChat => integer(admitted, &["max_completion_tokens", "max_tokens"]),
        Dialect::OpenaiResponses => integer(admitted, &["max_output_tokens"]),
        Dialect::Gemini => configured(admitted, &["maxOutputTokens", "max_output_tokens"]),
    }
}

/// The number of answers that are generated and charged, at least 1.
pub(super) fn answers(admitted: &Admitted) -> u64 {
    let answers = match admitted.call.dialect {
        Dialect::Anthropic | Dialect::OpenaiResponses => None,
        Dialect::Gemini => configured(admitted, &["candidateCount", "candidate_count"]),
        Dialect::OpenaiChat if admitted.call.endpoint == Endpoint::LegacyCompletions => {
            // The vendor generates `best_of` completions and charges for all of them.
            let each = integer(admitted, &["n"]).max(integer(admitted, &["best_of"]));
            Some(each.unwrap_or(1).saturating_mul(prompts(admitted)))
        }
        Dialect::OpenaiChat => integer(admitted, &["n"]),
    };
    answers.unwrap_or(1).clamp(1, MOST_ANSWERS)
}

/// The number of prompts of a legacy completion. A list contains either several prompts or the tokens of one.
fn prompts(admitted: &Admitted) -> u64 {
    let (body, members) = (&admitted.body, &admitted.members);
    let list = members.value(body, "prompt");
    let list = list.and_then(|value| value.strip_prefix(b"["));
    let first = list.and_then(|list| list.trim_ascii_start().first().copied());
    let count = members.elements(body, "prompt");
    let count = count.filter(|_| matches!(first, Some(b'"' | b'[')));
    count.map_or(1, u64::from)
}

/// The service tier or speed, as the vendor names it, in lower case.
pub(super) fn tier(admitted: &Admitted) -> Option<String> {
    let names: &[&str] = match admitted.call.dialect {
        Dialect::Anthropic => &["speed"],
        Dialect::OpenaiChat | Dialect::OpenaiResponses => &["service_tier"],
        Dialect::Gemini => &["serviceTier", "service_tier"],
    };
    let tier = names.iter().find_map(|name| text(admitted, name))?;
    Some(tier.to_ascii_lowercase())
}

/// The region of inference that the request names.
pub(super) fn region(admitted: &Admitted) -> Option<Cow<'_, str>> {
    text(admitted, "inference_geo")
}

/// The web searches that the vendor may run: as many as the request allows, or one if it states no maximum.
pub(super) fn tools(admitted: &Admitted) -> Tools {
    let tools = admitted.members.value(&admitted.body, "tools");
    let searches = tools.filter(|tools| memchr::memmem::find(tools, b"\"web_search").is_some());
    let tools: Vec<Tool<'_>> = searches
        .and_then(|tools| serde_json::from_slice(tools).ok())
        .unwrap_or_default();
    let searches = tools.iter().filter(|tool| tool.searches());
    Tools {
        web_searches: searches
            .map(|tool| u64::from(tool.max_uses.unwrap_or(1)))
            .sum(),
        ..Tools::default()
    }
}

/// The members of a declared tool that tell whether, and how often, the vendor may run it.
#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    max_uses: Option<u32>,
}

impl Tool<'_> {
    fn searches(&self) -> bool {
        let kind = self.kind.as_deref();
        kind.is_some_and(|kind| kind.starts_with("web_search"))
    }
}

fn integer(admitted: &Admitted, names: &[&str]) -> Option<u64> {
    let (body, members) = (&admitted.body, &admitted.members);
    names.iter().find_map(|name| members.integer(body, name))
}

fn text<'a>(admitted: &'a Admitted, name: &str) -> Option<Cow<'a, str>> {
    admitted.members.string(&admitted.body, name)
}

/// An integer in the generation config of a Gemini request.
fn configured(admitted: &Admitted, names: &[&str]) -> Option<u64> {
    let (body, members) = (&admitted.body, &admitted.members);
    let config = ["generationConfig", "generation_config"]
        .iter()
        .find_map(|name| members.value(body, name))?;
    let members = json::scan(config).ok()?;
    names.iter().find_map(|name| members.integer(config, name))
}

/// An upper bound for the number of answers; no vendor gives more.
const MOST_ANSWERS: u64 = 2_048;
