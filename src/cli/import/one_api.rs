//! one-api and new-api: the JSON of `GET /api/channel/`. From some number on, the two assign different kinds:
//! `relay/channeltype/define.go` of songquanpeng/one-api, `constant/channel.go` of QuantumNous/new-api.
use serde_json::Value;

use super::draft::{Account, Draft, Secret, variable};
use super::source::Section;
use super::upstreams::{Speaks, by_url, literal};

pub fn convert(value: &Value, draft: &mut Draft) -> Result<(), String> {
    let wrapped = Section::new("", value);
    let (path, list) = match value {
        Value::Array(list) => ("", list),
        _ => match wrapped.get("data") {
            Some(Value::Array(list)) => ("data", list),
            Some(Value::Object(inner)) => match inner.get("items") {
                Some(Value::Array(list)) => ("data.items", list),
                _ => return Err("it has no list of channels".to_owned()),
            },
            _ => {
                return Err(
                    "it has no list of channels: is it the answer of `GET /api/channel/`?"
                        .to_owned(),
                );
            }
        },
    };
    let is_new = list.iter().any(|channel| {
        ["auto_ban", "channel_info", "tag", "setting"]
            .iter()
            .any(|name| channel.get(name).is_some())
    });
    let kinds = if is_new { NEW_API } else { ONE_API };
    for (index, channel) in list.iter().enumerate() {
        account(
            &Section::new(format!("{path}[{index}]"), channel),
            kinds,
            draft,
        );
    }
    Ok(())
}

fn account(channel: &Section<'_>, kinds: &[Kind], draft: &mut Draft) {
    let name = channel
        .text("name")
        .unwrap_or_else(|| channel.path().to_owned());
    if channel
        .get("status")
        .and_then(Value::as_i64)
        .is_some_and(|status| status != 1)
    {
        draft.note(
            channel.path(),
            &format!("({name}) is switched off: it is left out"),
        );
        return;
    }
    let number = channel.get("type").and_then(Value::as_u64).unwrap_or(0);
    let url = channel.text("base_url");
    let kind = kinds.iter().find(|kind| kind.number == number);
    let mut made = match (kind, &url) {
        (Some(kind), _) if kind.number == AZURE => {
            if let Some(account) = azure(channel, url.as_deref()) {
                account
            } else {
                draft.note(channel.path(), &format!("({name}) has no base_url, or no model to name the deployment: it is left out"));
                return;
            }
        }
        (Some(kind), Some(url)) => by_url(url, kind.speaks),
        (Some(kind), None) if !kind.url.is_empty() => by_url(kind.url, kind.speaks),
        (None, Some(url)) => {
            draft.note(
                &channel.at("type"),
                &format!(
                    "({name}) is {number}, which Weir does not know: taken as OpenAI-compatible"
                ),
            );
            by_url(url, Speaks::Chat)
        }
        _ => {
            draft.note(
                &channel.at("type"),
                &format!("({name}) is {number}, which Weir does not know: it is left out"),
            );
            return;
        }
    };
    let keys = channel.text("key").unwrap_or_default();
    made.keys = keys
        .lines()
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(|key| Secret::Plain(key.to_owned()))
        .collect();
    if made.keys.is_empty() && made.provider != "ollama" {
        draft.note(
            &channel.at("key"),
            &format!(
                "({name}) is not in the file, as the API leaves it out: set {}",
                variable(&name)
            ),
        );
        made.keys = vec![Secret::Env(variable(&name))];
    }
    let mapping = channel.pairs("model_mapping");
    let renamed = |model: &str| {
        mapping
            .iter()
            .find(|(from, _)| from == model)
            .map(|(_, to)| to.clone())
    };
    if made.models.is_empty() {
        made.models = channel
            .texts("models")
            .into_iter()
            .map(|model| {
                let upstream = renamed(&model);
                (literal(&model), upstream)
            })
            .collect();
    }
    made.name = name;
    // In these gateways, higher priorities are preferred.
    made.priority = channel
        .get("priority")
        .and_then(Value::as_i64)
        .map(|priority| (-priority).clamp(-1_000, 1_000))
        .filter(|priority| *priority != 0);
    made.weight = channel
        .count("weight")
        .map(|weight| weight.min(10_000))
        .filter(|weight| *weight != 1);
    if let Some(group) = channel.text("group").filter(|group| group != "default") {
        draft.note(
            &channel.at("group"),
            &format!("is `{group}`: give its keys a pool of their own (`keys[].pools`)"),
        );
    }
    channel.pass_over(&[
        "id",
        "created_time",
        "test_time",
        "response_time",
        "balance",
        "balance_updated_time",
        "used_quota",
        "auto_ban",
        "tag",
        "test_model",
        "other_info",
        "channel_info",
        "remark",
        "system_prompt",
        "config",
        "other",
    ]);
    if channel.text("system_prompt").is_some() {
        draft.note(
            &channel.at("system_prompt"),
            "is not converted; see `rewrites[].system` in docs/CONFIGURATION.md",
        );
    }
    channel.finish(draft);
    draft.account(made);
}

/// The account for an Azure channel. The base URL names the deployment of a single model; with several models, the
/// body names it.
fn azure(channel: &Section<'_>, url: Option<&str>) -> Option<Account> {
    let base = url?.trim_end_matches('/');
    let models = channel.texts("models");
    let mapping = channel.pairs("model_mapping");
    let version = channel
        .text("other")
        .unwrap_or_else(|| "2024-10-21".to_owned());
    let first = models.first()?;
    let deployment = mapping
        .iter()
        .find(|(from, _)| from == first)
        .map_or(first, |(_, to)| to);
    Some(Account {
        provider: "azure-openai",
        // The newer API of Azure takes the deployment's name as the model in the body.
        base_url: Some(if models.len() > 1 {
            format!("{base}/openai/v1")
        } else {
            format!("{base}/openai/deployments/{deployment}")
        }),
        query: if models.len() > 1 {
            Vec::new()
        } else {
            vec![("api-version".to_owned(), version)]
        },
        ..Account::default()
    })
}

/// A kind of channel.
struct Kind {
    number: u64,
    speaks: Speaks,
    /// The default base URL; empty = the channel must state it.
    url: &'static str,
}

const fn kind(number: u64, speaks: Speaks, url: &'static str) -> Kind {
    Kind {
        number,
        speaks,
        url,
    }
}

const AZURE: u64 = 3;

const ONE_API: &[Kind] = &[
    kind(1, Speaks::Chat, "https://api.openai.com/v1"),
    kind(AZURE, Speaks::Chat, ""),
    kind(8, Speaks::Chat, ""),
    kind(14, Speaks::Anthropic, "https://api.anthropic.com"),
    kind(16, Speaks::Chat, "https://open.bigmodel.cn/api/paas/v4"),
    kind(
        17,
        Speaks::Chat,
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
    ),
    kind(20, Speaks::Chat, "https://openrouter.ai/api/v1"),
    kind(
        24,
        Speaks::Gemini,
        "https://generativelanguage.googleapis.com",
    ),
    kind(25, Speaks::Chat, "https://api.moonshot.cn/v1"),
    kind(26, Speaks::Chat, "https://api.baichuan-ai.com/v1"),
    kind(27, Speaks::Chat, "https://api.minimax.chat/v1"),
    kind(28, Speaks::Chat, "https://api.mistral.ai/v1"),
    kind(29, Speaks::Chat, "https://api.groq.com/openai/v1"),
    kind(30, Speaks::Chat, "http://localhost:11434/v1"),
    kind(31, Speaks::Chat, "https://api.lingyiwanwu.com/v1"),
    kind(32, Speaks::Chat, "https://api.stepfun.com/v1"),
    kind(36, Speaks::Chat, "https://api.deepseek.com"),
    kind(39, Speaks::Chat, "https://api.together.xyz/v1"),
    kind(40, Speaks::Chat, "https://ark.cn-beijing.volces.com/api/v3"),
    kind(41, Speaks::Chat, "https://api.novita.ai/v3/openai"),
];

const NEW_API: &[Kind] = &[
    kind(1, Speaks::Chat, "https://api.openai.com/v1"),
    kind(AZURE, Speaks::Chat, ""),
    kind(4, Speaks::Chat, "http://localhost:11434/v1"),
    kind(8, Speaks::Chat, ""),
    kind(14, Speaks::Anthropic, "https://api.anthropic.com"),
    kind(
        17,
        Speaks::Chat,
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
    ),
    kind(20, Speaks::Chat, "https://openrouter.ai/api/v1"),
    kind(
        24,
        Speaks::Gemini,
        "https://generativelanguage.googleapis.com",
    ),
    kind(25, Speaks::Chat, "https://api.moonshot.cn/v1"),
    kind(26, Speaks::Chat, "https://open.bigmodel.cn/api/paas/v4"),
    kind(27, Speaks::Chat, "https://api.perplexity.ai"),
    kind(31, Speaks::Chat, "https://api.lingyiwanwu.com/v1"),
    kind(35, Speaks::Chat, "https://api.minimax.chat/v1"),
    kind(40, Speaks::Chat, "https://api.siliconflow.cn/v1"),
    kind(42, Speaks::Chat, "https://api.mistral.ai/v1"),
    kind(43, Speaks::Chat, "https://api.deepseek.com"),
    kind(45, Speaks::Chat, "https://ark.cn-beijing.volces.com/api/v3"),
    kind(46, Speaks::Chat, "https://qianfan.baidubce.com/v2"),
    kind(47, Speaks::Chat, ""),
    kind(48, Speaks::Chat, "https://api.x.ai/v1"),
];
