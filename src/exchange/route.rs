//! Finds the route of a request, and the pool that it leads to.
use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;

use super::Gateway;
use super::operation::ModelCall;
use super::reading::Prompt;
use super::refusal::Refusal;
use crate::config::{ClientKey, Glob, Route, When, name};
use crate::limits::Limits;
use crate::protocol::hub::block::{Block, Hosted};
use crate::protocol::hub::request::{ReasoningMode, Request, Tool};
use crate::tokens::Tokens;

/// The facts that routes are matched against.
pub(super) struct Facts<'a> {
    pub key: &'a ClientKey,
    pub call: &'a ModelCall,
    pub model: &'a str,
    pub stream: bool,
    pub headers: &'a HeaderMap,
    pub prompt: Prompt<'a>,
    pub tokens: &'a Tokens,
    pub limits: &'a Limits,
    pub wall: SystemTime,
    /// Computed from the body only when a route asks for them.
    pub needs: OnceCell<Needs>,
}

/// The first route that matches, and its pool; without a match the default pool.
pub(super) fn choose(
    gateway: &Gateway,
    facts: &Facts<'_>,
) -> Result<(Option<usize>, usize), Refusal> {
    let chosen = matching(gateway, facts);
    match (facts.call.is_bound(), &chosen) {
        (true, Ok((_, pool))) if serves(gateway, facts, *pool) => chosen,
        // Routes are about models for generation. A call that only some accounts can serve goes to a pool that has one.
        (true, Ok(_) | Err(Refusal::NoRoute)) => {
            let mut pools = 0..gateway.config.pools.len();
            let other =
                pools.find(|pool| may_use(facts.key, *pool) && serves(gateway, facts, *pool));
            other.map_or(chosen, |pool| Ok((None, pool)))
        }
        _ => chosen,
    }
}

/// The account that the route, or a client for debugging, asks for by name, and the pool that it belongs to.
pub(super) fn account(
    gateway: &Gateway,
    facts: &Facts<'_>,
    route: Option<usize>,
    pool: usize,
) -> Result<(Option<Arc<str>>, usize), Refusal> {
    let config = &gateway.config;
    let named = facts
        .header("x-weir-account")
        .filter(|name| facts.key.debug && !name.is_empty());
    let Some(named) = named else {
        let route = route.and_then(|route| config.routes.get(route));
        return Ok((route.and_then(|route| route.account.clone()), pool));
    };
    let holds = |pool: &usize| {
        let members = config.pools.get(*pool).map(|pool| pool.accounts.iter());
        let mut members = members.into_iter().flatten();
        members.find_map(|member| config.accounts.get(*member).filter(|it| *it.name == *named))
    };
    std::iter::once(pool)
        .chain((0..config.pools.len()).filter(|pool| may_use(facts.key, *pool)))
        .find_map(|pool| Some((Some(Arc::clone(&holds(&pool)?.name)), pool)))
        .ok_or_else(|| Refusal::AccountUnknown {
            account: named.chars().take(LONGEST_NAME).collect(),
        })
}

/// Whether an account of this pool speaks the dialect of the call and serves the model.
fn serves(gateway: &Gateway, facts: &Facts<'_>, pool: usize) -> bool {
    let config = &gateway.config;
    let accounts = config.pools.get(pool).map(|pool| pool.accounts.iter());
    let mut accounts = accounts
        .into_iter()
        .flatten()
        .filter_map(|index| config.accounts.get(*index));
    accounts.any(|account| {
        account.dialects.contains(&facts.call.dialect.upstream())
            && (facts.model.is_empty() || account.models.upstream_name(facts.model).is_some())
    })
}

fn may_use(key: &ClientKey, pool: usize) -> bool {
    key.pools.as_ref().is_none_or(|pools| pools.contains(&pool))
}

fn matching(gateway: &Gateway, facts: &Facts<'_>) -> Result<(Option<usize>, usize), Refusal> {
    let matching = gateway
        .config
        .routes
        .iter()
        .position(|route| matches(&route.when, facts));
    let Some((index, Route { pool, .. })) =
        matching.and_then(|index| Some((index, gateway.config.routes.get(index)?)))
    else {
        return default_pool(gateway, facts.key)
            .map(|pool| (None, pool))
            .ok_or(Refusal::NoRoute);
    };
    match &facts.key.pools {
        Some(allowed) if !allowed.contains(pool) => Err(Refusal::PoolForbidden),
        _ => Ok((Some(index), *pool)),
    }
}

/// The pool `default` if the key may use it, otherwise the first pool that the key is bound to, otherwise the only
/// pool.
pub(super) fn default_pool(gateway: &Gateway, key: &ClientKey) -> Option<usize> {
    let pools = &gateway.config.pools;
    let default = pools.iter().position(|pool| &*pool.name == "default");
    match &key.pools {
        Some(allowed) => default
            .filter(|index| allowed.contains(index))
            .or_else(|| allowed.first().copied()),
        None if pools.len() == 1 => Some(0),
        None => default,
    }
}

/// A condition of `when`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Condition {
    BudgetUsed,
    Dialect,
    Group,
    /// The condition on a header, by its position.
    Header(usize),
    Images,
    InputTokens,
    Key,
    Model,
    Project,
    Stream,
    Thinking,
    UserAgent,
    WebSearch,
}

pub(super) fn matches(when: &When, facts: &Facts<'_>) -> bool {
    unmet(when, facts).is_none()
}

/// The first unmet condition, in the order in which they are checked.
pub(super) fn unmet(when: &When, facts: &Facts<'_>) -> Option<Condition> {
    let glob = |glob: &Option<Glob>, text: Option<&str>| match glob {
        Some(glob) => text.is_some_and(|text| glob.is_match(text)),
        None => true,
    };
    let stands = |condition, holds: bool| (!holds).then_some(condition);
    let group = facts.key.group.as_deref();
    stands(Condition::Model, glob(&when.model, Some(facts.model)))
        .or_else(|| {
            let dialect = facts.call.dialect;
            stands(
                Condition::Dialect,
                when.dialect.is_none_or(|it| it == dialect),
            )
        })
        .or_else(|| stands(Condition::Key, glob(&when.key, Some(&facts.key.name))))
        .or_else(|| stands(Condition::Group, glob(&when.group, group)))
        .or_else(|| {
            stands(
                Condition::Stream,
                when.stream.is_none_or(|it| it == facts.stream),
            )
        })
        .or_else(|| {
            stands(
                Condition::UserAgent,
                glob(&when.user_agent, facts.header("user-agent").as_deref()),
            )
        })
        .or_else(|| {
            stands(
                Condition::Project,
                glob(&when.project, facts.project().as_deref()),
            )
        })
        .or_else(|| {
            let unmet = when.header.iter().position(|(name, glob)| {
                !facts
                    .header(name.as_str())
                    .is_some_and(|value| glob.is_match(&value))
            });
            unmet.map(Condition::Header)
        })
        .or_else(|| {
            let over = |share: f64| facts.budget_used().is_some_and(|used| used > share);
            stands(
                Condition::BudgetUsed,
                when.budget_used_over.is_none_or(over),
            )
        })
        .or_else(|| unmet_need(when, facts))
}

/// These are checked last, because they require parsing the whole request.
fn unmet_need(when: &When, facts: &Facts<'_>) -> Option<Condition> {
    let flags = [
        (Condition::Thinking, when.thinking, |needs: &Needs| {
            needs.thinking
        }),
        (Condition::Images, when.images, |needs| needs.images),
        (Condition::WebSearch, when.web_search, |needs| {
            needs.web_search
        }),
    ] as [(_, _, fn(&Needs) -> bool); 3];
    let flag = flags
        .into_iter()
        .find(|(_, wanted, of)| wanted.is_some_and(|wanted| wanted != of(facts.needs())));
    let short = |tokens| facts.needs().input_tokens <= tokens;
    match flag {
        Some((condition, ..)) => Some(condition),
        None if when.input_tokens_over.is_some_and(short) => Some(Condition::InputTokens),
        None => None,
    }
}

/// What a request requires of a model.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Needs {
    /// The request asks for reasoning.
    pub thinking: bool,
    /// The estimated number of input tokens.
    pub input_tokens: u64,
    pub images: bool,
    /// The request offers the provider's own web search.
    pub web_search: bool,
}

impl Facts<'_> {
    /// The value of a header. Weir's own headers contain names, which are decoded.
    pub(super) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.headers.get(name)?;
        if name.starts_with("x-weir-") {
            return Some(name::from_header(value.as_bytes()));
        }
        value.to_str().ok().map(Cow::Borrowed)
    }

    pub(super) fn project(&self) -> Option<Cow<'_, str>> {
        self.header("x-weir-project")
            .or(self.key.project.as_deref().map(Cow::Borrowed))
    }

    /// The used share of the fullest budget that the request is under.
    pub(super) fn budget_used(&self) -> Option<f64> {
        let principal = self
            .limits
            .principal(self.key.index, self.project().as_deref());
        self.limits.fullest_budget(principal, self.wall)
    }

    pub(super) fn needs(&self) -> &Needs {
        self.needs.get_or_init(|| {
            if self.call.vendor_call.is_some() {
                return Needs::default();
            }
            // A request that cannot be parsed has no known needs; the account that serves it reports the fault.
            let request = self.prompt.request();
            request
                .map(|request| Needs::of(request, self.tokens.quick(request, self.model)))
                .unwrap_or_default()
        })
    }
}

impl Needs {
    fn of(request: &Request, input_tokens: u64) -> Self {
        let reasoning = &request.reasoning;
        let blocks = || request.turns.iter().flat_map(|turn| &turn.blocks);
        let searches =
            |tool: &Tool| matches!(tool, Tool::Hosted(tool) if tool.kind == Hosted::WebSearch);
        Self {
            thinking: match reasoning.mode {
                ReasoningMode::Adaptive | ReasoningMode::BetweenTools => true,
                ReasoningMode::Budget(tokens) => tokens > 0,
                ReasoningMode::Default => reasoning.effort.is_some(),
                ReasoningMode::Off => false,
            },
            input_tokens,
            images: blocks().any(holds_image),
            web_search: request.tools.iter().any(searches),
        }
    }
}

fn holds_image(block: &Block) -> bool {
    match block {
        Block::Image(_) => true,
        Block::ToolResult(result) => result.blocks.iter().any(holds_image),
        _ => false,
    }
}

/// The most characters of a name that a refusal repeats.
const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Dialect, translate};

    fn needs(dialect: Dialect, body: &str) -> Needs {
        let request = translate::decode(dialect, body.as_bytes()).expect("a request");
        Needs::of(&request, Tokens::default().quick(&request, "m"))
    }

    #[test]
    fn thinking_is_told_in_every_dialects_way() {
        let anthropic = |thinking: &str| {
            let body = format!(
                r#"{{"model":"m","max_tokens":9,"thinking":{thinking},"messages":[{{"role":"user","content":"a"}}]}}"#
            );
            needs(Dialect::Anthropic, &body).thinking
        };
        assert!(anthropic(r#"{"type":"adaptive"}"#));
        assert!(anthropic(r#"{"type":"enabled","budget_tokens":2000}"#));
        assert!(!anthropic(r#"{"type":"disabled"}"#));
        let chat =
            r#"{"model":"m","messages":[{"role":"user","content":"a"}],"reasoning_effort":"high"}"#;
        assert!(needs(Dialect::OpenaiChat, chat).thinking);
        let responses = r#"{"model":"m","input":"a","reasoning":{"effort":"none"}}"#;
        assert!(!needs(Dialect::OpenaiResponses, responses).thinking);
    }

    #[test]
    fn images_count_also_in_tool_results() {
        let body = r#"{"model":"m","max_tokens":9,"messages":[
            {"role":"user","content":"a"},
            {"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[
                {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]}]}]}"#;
        let needs = needs(Dialect::Anthropic, body);
        assert!(needs.images);
        assert!(needs.input_tokens > 1000, "{needs:?}");
    }

    #[test]
    fn the_word_image_in_a_text_is_no_image() {
        let body = r#"{"model":"m","input":"\"type\":\"input_image\""}"#;
        assert!(!needs(Dialect::OpenaiResponses, body).images);
    }

    #[test]
    fn the_providers_own_search_is_not_a_tool_of_that_name() {
        let hosted = r#"{"model":"m","input":"a","tools":[{"type":"web_search"}]}"#;
        assert!(needs(Dialect::OpenaiResponses, hosted).web_search);
        let own = r#"{"model":"m","input":"a","tools":[{"type":"function","name":"web_search","parameters":{}}]}"#;
        assert!(!needs(Dialect::OpenaiResponses, own).web_search);
    }
}
