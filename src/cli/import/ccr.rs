//! claude-code-router: `config.json`. Its format: the README of musistudio/claude-code-router.
use serde_json::Value;

use super::draft::{Draft, Key, Pool, Route, Secret, quoted};
use super::source::Section;
use super::upstreams::{Speaks, by_url, literal};

pub fn convert(value: &Value, draft: &mut Draft) -> Result<(), String> {
    let root = Section::new("", value);
    let providers = match root.sections("Providers") {
        list if list.is_empty() => root.sections("providers"),
        list => list,
    };
    if providers.is_empty() {
        return Err("it has no `Providers`".to_owned());
    }
    let egress = root.text("PROXY_URL").or_else(|| root.text("HTTPS_PROXY"));
    if egress
        .as_ref()
        .is_some_and(|url| !url.starts_with("http://") && !url.starts_with("socks5://"))
    {
        draft.note(
            "PROXY_URL",
            "is no http:// or socks5:// URL: it is left out",
        );
    }
    let timeout = root
        .count("API_TIMEOUT_MS")
        .map(|millis| millis.div_ceil(1_000));
    // The provider's name in the file, and the name of its pool.
    let mut pools: Vec<(String, String)> = Vec::new();
    for provider in &providers {
        if let Some((name, pool)) = account(provider, egress.as_deref(), timeout, draft) {
            pools.push((name, pool));
        }
    }
    if let Some(router) = root.section("Router") {
        routes(&router, &pools, draft);
    } else {
        draft.note(
            "Router",
            "is missing: everything goes to the first provider",
        );
    }
    if draft.routes.iter().all(|route| !route.when.is_empty())
        && let Some((_, pool)) = pools.first()
    {
        draft.routes.push(Route {
            pool: Some(pool.clone()),
            ..Route::default()
        });
    }
    if let Some(key) = root.text("APIKEY") {
        draft.key(Key {
            name: "client".to_owned(),
            secret: Some(reference(&key)),
            ..Key::default()
        });
    }
    let host = root.text("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    if let Some(port) = root.count("PORT") {
        draft.listen = Some(format!("{host}:{port}"))
            .filter(|addr| addr.parse::<std::net::SocketAddr>().is_ok());
    }
    root.pass_over(&["LOG", "LOG_LEVEL", "NON_INTERACTIVE_MODE", "$schema"]);
    root.finish(draft);
    Ok(())
}

/// Adds an account. Returns the provider's name, and the name of its pool.
fn account(
    provider: &Section<'_>,
    egress: Option<&str>,
    timeout: Option<u64>,
    draft: &mut Draft,
) -> Option<(String, String)> {
    let name = provider.text("name")?;
    let Some(url) = provider
        .text("api_base_url")
        .or_else(|| provider.text("baseUrl"))
    else {
        draft.note(provider.path(), "has no api_base_url: it is left out");
        return None;
    };
    let transformers = transformers(provider);
    let has = |wanted: &str| transformers.iter().any(|name| name == wanted);
    let speaks = if has("Anthropic") || has("anthropic") || url.ends_with("/messages") {
        Speaks::Anthropic
    } else if has("gemini")
        || url.contains("generativelanguage.googleapis.com") && !url.contains("/openai")
    {
        Speaks::Gemini
    } else {
        Speaks::Chat
    };
    let mut account = by_url(&url, speaks);
    account.name.clone_from(&name);
    match provider.text("api_key") {
        Some(key) => account.keys = vec![reference(&key)],
        None => account.has_no_key = true,
    }
    account.models = provider
        .texts("models")
        .into_iter()
        .map(|model| (literal(&model), None))
        .collect();
    account.egress = egress
        .filter(|url| url.starts_with("http://") || url.starts_with("socks5://"))
        .map(str::to_owned);
    account.first_byte = timeout;
    for transformer in transformers
        .iter()
        .filter(|name| !BUILT_IN.contains(&name.as_str()))
    {
        draft.note(
            &provider.at("transformer"),
            &format!("`{transformer}` is not converted; see `rewrites` in docs/CONFIGURATION.md"),
        );
    }
    provider.finish(draft);
    let account = draft.account(account);
    draft.pools.push(Pool {
        name: account.clone(),
        accounts: vec![account.clone()],
        ..Pool::default()
    });
    Some((name, account))
}

/// The names of the transformers, including those with options and those of single models.
fn transformers(provider: &Section<'_>) -> Vec<String> {
    let mut names = Vec::new();
    let uses = |value: &Value, names: &mut Vec<String>| {
        for item in value
            .get("use")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = item.as_str().or_else(|| item.get(0)?.as_str());
            names.extend(name.map(str::to_owned));
        }
    };
    if let Some(value) = provider.get("transformer") {
        uses(value, &mut names);
        for inner in value
            .as_object()
            .into_iter()
            .flat_map(|members| members.values())
        {
            uses(inner, &mut names);
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Adds the routes, in the order in which the router checks them.
fn routes(router: &Section<'_>, pools: &[(String, String)], draft: &mut Draft) {
    let threshold = router.count("longContextThreshold").unwrap_or(60_000);
    let conditions = [
        (
            "longContext",
            Some(("input_tokens_over", threshold.to_string())),
        ),
        ("background", Some(("model", quoted("claude-*haiku*")))),
        ("webSearch", Some(("web_search", "true".to_owned()))),
        ("image", Some(("images", "true".to_owned()))),
        ("think", Some(("thinking", "true".to_owned()))),
        ("default", None),
    ];
    for (name, condition) in conditions {
        let Some(target) = router.text(name) else {
            continue;
        };
        let (provider, model) = target.split_once(',').unwrap_or((&target, ""));
        let pool = pools.iter().find(|(other, _)| other == provider.trim());
        let Some((_, pool)) = pool else {
            draft.note(
                &router.at(name),
                "names a provider that is not there: the route is left out",
            );
            continue;
        };
        draft.routes.push(Route {
            when: condition.into_iter().collect(),
            pool: Some(pool.clone()),
            model: Some(model.trim().to_owned()).filter(|model| !model.is_empty()),
        });
    }
    router.finish(draft);
}

/// `$NAME` and `${NAME}` refer to environment variables in that file.
fn reference(text: &str) -> Secret {
    let name = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .or(text.strip_prefix('$'));
    match name {
        Some(name)
            if !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
        {
            Secret::Env(name.to_owned())
        }
        _ => Secret::Plain(text.to_owned()),
    }
}

/// Transformers whose function Weir has built in: dialects, quirks of providers and models, token limits of models.
const BUILT_IN: &[&str] = &[
    "Anthropic",
    "anthropic",
    "OpenAI",
    "openai",
    "gemini",
    "deepseek",
    "openrouter",
    "groq",
    "tooluse",
    "enhancetool",
    "reasoning",
    "cleancache",
    "streamoptions",
];
