//! LiteLLM: `config.yaml`. Its format: <https://docs.litellm.ai/docs/proxy/config_settings>.
use serde_json::Value;

use super::draft::{Account, Draft, Key, Route, Secret, quoted};
use super::source::Section;
use super::upstreams::{Speaks, by_url};

pub fn convert(value: &Value, draft: &mut Draft) -> Result<(), String> {
    let root = Section::new("", value);
    let models = root.sections("model_list");
    if models.is_empty() {
        return Err("it has no `model_list`".to_owned());
    }
    // Deployments that differ only in the model become one account.
    let mut accounts: Vec<Account> = Vec::new();
    for model in &models {
        let Some((deployment, name, upstream)) = deployment(model, draft) else {
            continue;
        };
        let same = accounts.iter_mut().find(|account| {
            let bare = Account {
                models: Vec::new(),
                ..(*account).clone()
            };
            bare == deployment && account.models.iter().all(|(other, _)| *other != name)
        });
        if upstream.contains('*') && upstream != name {
            draft.note(
                &model.at("model_name"),
                &format!("({name}) is a wildcard that takes a prefix off the model, which Weir does not: the deployment is left out"),
            );
            continue;
        }
        let entry = (
            name.clone(),
            Some(upstream).filter(|upstream| *upstream != name),
        );
        match same {
            Some(account) => account.models.push(entry),
            None => accounts.push(Account {
                models: vec![entry],
                ..deployment
            }),
        }
    }
    for account in accounts {
        draft.account(account);
    }
    if let Some(settings) = root.section("router_settings") {
        router(&settings, draft);
    }
    if let Some(settings) = root.section("litellm_settings") {
        settings.pass_over(&["set_verbose", "json_logs", "telemetry", "drop_params"]);
        if let Some(retries) = settings.count("num_retries") {
            draft.max_attempts = Some(retries + 1);
        }
        settings.finish(draft);
    }
    if let Some(settings) = root.section("general_settings") {
        if let Some(key) = settings.text("master_key") {
            draft.key(Key {
                name: "master".to_owned(),
                secret: Some(reference(&key)),
                ..Key::default()
            });
        }
        if settings.get("database_url").is_some() {
            draft.note(
                "general_settings.database_url",
                "holds keys and budgets, which Weir cannot read: make keys with `weir key new`",
            );
        }
        settings.finish(draft);
    }
    root.finish(draft);
    Ok(())
}

/// The account, the client's model name, and the upstream's.
fn deployment(model: &Section<'_>, draft: &mut Draft) -> Option<(Account, String, String)> {
    let (Some(name), Some(params)) = (model.text("model_name"), model.section("litellm_params"))
    else {
        draft.note(
            model.path(),
            "has no model_name or no litellm_params: it is left out",
        );
        return None;
    };
    let full = params.text("model").unwrap_or_else(|| name.clone());
    let (prefix, upstream) = match full.split_once('/') {
        Some((prefix, rest)) => (
            params
                .text("custom_llm_provider")
                .unwrap_or_else(|| prefix.to_owned()),
            rest.to_owned(),
        ),
        None => (
            params
                .text("custom_llm_provider")
                .unwrap_or_else(|| guess(&full).to_owned()),
            full.clone(),
        ),
    };
    let base = params.text("api_base").or_else(|| params.text("base_url"));
    if let Some(variable) = base
        .as_deref()
        .and_then(|base| base.strip_prefix("os.environ/"))
    {
        draft.note(&params.at("api_base"), &format!("is in the environment ({variable}), which Weir reads for secrets only: the deployment is left out"));
        return None;
    }
    let mut account = match account(&prefix, base.as_deref(), &upstream, &params) {
        Ok(account) => account,
        Err(why) => {
            draft.note(
                &params.at("model"),
                &format!("({full}) {why}: the deployment is left out"),
            );
            return None;
        }
    };
    account.name = prefix.replace('_', "-");
    match params.text("api_key") {
        Some(key) => account.keys = vec![reference(&key)],
        None if base.is_some() || prefix.starts_with("ollama") => account.has_no_key = true,
        None => {
            account.keys = vec![Secret::Env(format!(
                "{}_API_KEY",
                prefix.to_uppercase().replace('-', "_")
            ))];
        }
    }
    account.rpm = params.count("rpm");
    account.tpm = params.count("tpm");
    account.concurrency = params.count("max_parallel_requests");
    account.weight = params
        .count("weight")
        .map(|weight| weight.min(10_000))
        .filter(|weight| *weight != 1);
    account.priority = params
        .count("order")
        .and_then(|order| i64::try_from(order).ok())
        .map(|order| order.min(1_000));
    account.first_byte = params
        .count("timeout")
        .or_else(|| params.count("stream_timeout"));
    account.headers = params.pairs("extra_headers");
    model.pass_over(&["model_info"]);
    if model
        .section("model_info")
        .is_some_and(|info| info.get("input_cost_per_token").is_some())
        || params.get("input_cost_per_token").is_some()
    {
        draft.note(
            &model.at("model_info"),
            "has prices, which are not converted: `prices` in docs/CONFIGURATION.md",
        );
    }
    params.pass_over(&[
        "input_cost_per_token",
        "output_cost_per_token",
        "stream_timeout",
        "organization",
    ]);
    params.finish(draft);
    model.finish(draft);
    Some((account, name, upstream))
}

fn account(
    prefix: &str,
    base: Option<&str>,
    model: &str,
    params: &Section<'_>,
) -> Result<Account, &'static str> {
    if prefix == "azure" {
        let base = base.ok_or("has no api_base")?.trim_end_matches('/');
        let version = params
            .text("api_version")
            .unwrap_or_else(|| "2024-10-21".to_owned());
        return Ok(Account {
            provider: "azure-openai",
            base_url: Some(format!("{base}/openai/deployments/{model}")),
            query: vec![("api-version".to_owned(), version)],
            ..Account::default()
        });
    }
    let (_, speaks, url) = PROVIDERS
        .iter()
        .find(|(name, _, _)| *name == prefix)
        .ok_or("is of a provider that Weir does not know")?;
    let url = base.unwrap_or(url);
    if url.is_empty() {
        return Err("has no api_base");
    }
    Ok(by_url(url, *speaks))
}

fn router(settings: &Section<'_>, draft: &mut Draft) {
    match settings.text("routing_strategy").as_deref() {
        None | Some("simple-shuffle") => {}
        Some("least-busy") => {
            draft.note(
                &settings.at("routing_strategy"),
                "is least-busy: give the pool `select: least-busy`",
            );
        }
        Some(other) => {
            draft.note(
                &settings.at("routing_strategy"),
                &format!("is {other}: accounts are chosen by weight"),
            );
        }
    }
    if let Some(retries) = settings.count("num_retries") {
        draft.max_attempts = Some(retries + 1);
    }
    let aliases = settings.pairs("model_group_alias");
    if !aliases.is_empty() {
        for (alias, model) in aliases {
            draft.routes.push(Route {
                when: vec![("model", quoted(&alias))],
                pool: None,
                model: Some(model),
            });
        }
        draft.routes.push(Route {
            pool: Some("default".to_owned()),
            ..Route::default()
        });
    }
    settings.finish(draft);
}

/// `os.environ/NAME` refers to an environment variable in that file.
fn reference(text: &str) -> Secret {
    match text.strip_prefix("os.environ/") {
        Some(name) => Secret::Env(name.to_owned()),
        None => Secret::Plain(text.to_owned()),
    }
}

/// The provider of a model without a prefix.
fn guess(model: &str) -> &'static str {
    if model.starts_with("claude") {
        "anthropic"
    } else if model.starts_with("gemini") {
        "gemini"
    } else {
        "openai"
    }
}

/// Prefixes of models, with the dialect and the default base URL.
const PROVIDERS: &[(&str, Speaks, &str)] = &[
    ("anthropic", Speaks::Anthropic, "https://api.anthropic.com"),
    ("custom_openai", Speaks::Chat, ""),
    (
        "dashscope",
        Speaks::Chat,
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    ),
    ("deepseek", Speaks::Chat, "https://api.deepseek.com"),
    (
        "fireworks_ai",
        Speaks::Chat,
        "https://api.fireworks.ai/inference/v1",
    ),
    (
        "gemini",
        Speaks::Gemini,
        "https://generativelanguage.googleapis.com",
    ),
    ("groq", Speaks::Chat, "https://api.groq.com/openai/v1"),
    ("hosted_vllm", Speaks::Chat, ""),
    ("mistral", Speaks::Chat, "https://api.mistral.ai/v1"),
    ("moonshot", Speaks::Chat, "https://api.moonshot.ai/v1"),
    ("ollama", Speaks::Chat, "http://localhost:11434/v1"),
    ("ollama_chat", Speaks::Chat, "http://localhost:11434/v1"),
    ("openai", Speaks::Chat, "https://api.openai.com/v1"),
    ("openrouter", Speaks::Chat, "https://openrouter.ai/api/v1"),
    ("together_ai", Speaks::Chat, "https://api.together.xyz/v1"),
    ("xai", Speaks::Chat, "https://api.x.ai/v1"),
];
