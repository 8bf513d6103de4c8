//! claude-relay-service: the JSON of `scripts/data-transfer-enhanced.js export`, decrypted.
use serde_json::Value;

use super::draft::{Account, Draft, Key, Secret, variable};
use super::source::Section;
use super::upstreams::{Speaks, by_url, literal};

pub fn convert(value: &Value, draft: &mut Draft) -> Result<(), String> {
    let root = Section::new("", value);
    let (Some(metadata), Some(data)) = (root.section("metadata"), root.section("data")) else {
        return Err("it has no `metadata` and `data`: is it an export?".to_owned());
    };
    if metadata.truth("sanitized") == Some(true) {
        return Err(
            "it is a sanitised export, without its secrets; export it without `--sanitize`"
                .to_owned(),
        );
    }
    if metadata.truth("decrypted") == Some(false) {
        return Err("it is an encrypted export; export it without `--decrypt=false`".to_owned());
    }
    for (list, speaks) in API_ACCOUNTS {
        for account in data.sections(list) {
            api_account(&account, *speaks, draft);
        }
    }
    for account in data.sections("azureOpenaiAccounts") {
        azure(&account, draft);
    }
    for (list, what) in OTHERS {
        for account in data.sections(list) {
            let name = account.text("name").unwrap_or_default();
            draft.note(account.path(), &format!("({name}) is {what}"));
        }
    }
    for key in data.sections("apiKeys") {
        client_key(&key, draft);
    }
    data.pass_over(&["admins", "globalModelStats"]);
    data.finish(draft);
    Ok(())
}

/// Adds an account with an API key and a URL.
fn api_account(account: &Section<'_>, speaks: Speaks, draft: &mut Draft) {
    let url = ["apiUrl", "baseApi", "baseUrl"]
        .iter()
        .find_map(|name| account.text(name));
    let url = url.or_else(|| {
        (speaks == Speaks::Gemini).then(|| "https://generativelanguage.googleapis.com".to_owned())
    });
    let Some(url) = url else {
        draft.note(account.path(), "has no URL: it is left out");
        return;
    };
    let mut made = by_url(&url, speaks);
    made.models = models(account);
    add(made, account, draft);
}

fn azure(account: &Section<'_>, draft: &mut Draft) {
    let (Some(endpoint), Some(deployment)) = (
        account.text("azureEndpoint"),
        account.text("deploymentName"),
    ) else {
        draft.note(
            account.path(),
            "has no azureEndpoint or no deploymentName: it is left out",
        );
        return;
    };
    let endpoint = endpoint.trim_end_matches('/');
    let version = account
        .text("apiVersion")
        .unwrap_or_else(|| "2024-10-21".to_owned());
    let made = Account {
        provider: "azure-openai",
        base_url: Some(format!("{endpoint}/openai/deployments/{deployment}")),
        query: vec![("api-version".to_owned(), version)],
        models: models(account),
        ..Account::default()
    };
    add(made, account, draft);
}

/// Adds the settings that all kinds of accounts have.
fn add(mut made: Account, account: &Section<'_>, draft: &mut Draft) {
    let is_off =
        account.truth("isActive") == Some(false) || account.truth("schedulable") == Some(false);
    made.name = account.text("name").unwrap_or_default();
    match account.text("apiKey") {
        Some(key) if is_encrypted(&key) => {
            draft.note(
                &account.at("apiKey"),
                &format!(
                    "is encrypted, also in a decrypted export: set {}",
                    variable(&made.name)
                ),
            );
            made.keys = vec![Secret::Env(variable(&made.name))];
        }
        Some(key) => made.keys = vec![Secret::Plain(key)],
        None => {
            draft.note(
                &account.at("apiKey"),
                &format!("is missing: set {}", variable(&made.name)),
            );
            made.keys = vec![Secret::Env(variable(&made.name))];
        }
    }
    if is_off {
        draft.note(
            account.path(),
            "is switched off: it has weight 0 and is not chosen",
        );
        made.weight = Some(0);
    }
    // From 1 to 100, lower numbers first, default 50.
    made.priority = account
        .count("priority")
        .and_then(|priority| i64::try_from(priority).ok())
        .filter(|priority| *priority != 50);
    made.concurrency = account.count("maxConcurrentTasks");
    made.egress = proxy(account);
    account.pass_over(&PASSED_OVER);
    account.finish(draft);
    draft.account(made);
}

/// A list of names, or a mapping from the client's names to the upstream's; either may be encoded as text.
fn models(account: &Section<'_>) -> Vec<(String, Option<String>)> {
    let pairs = account.pairs("supportedModels");
    if !pairs.is_empty() {
        return pairs
            .into_iter()
            .map(|(from, to)| (literal(&from), Some(to)))
            .collect();
    }
    let listed = account
        .text("supportedModels")
        .and_then(|text| serde_json::from_str::<Vec<String>>(&text).ok());
    let listed = listed.unwrap_or_else(|| account.texts("supportedModels"));
    listed
        .into_iter()
        .filter(|model| !model.starts_with(['{', '[']))
        .map(|model| (literal(&model), None))
        .collect()
}

fn proxy(account: &Section<'_>) -> Option<String> {
    let text;
    let value = match account.get("proxy")? {
        Value::String(json) => {
            text = serde_json::from_str::<Value>(json).ok()?;
            &text
        }
        value => value,
    };
    let proxy = Section::new("proxy", value);
    let kind = proxy
        .text("type")
        .filter(|kind| kind == "socks5" || kind == "http")?;
    let (host, port) = (proxy.text("host")?, proxy.text("port")?);
    let encode = |text: String| {
        percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let login = proxy.text("username").map(|user| {
        let password = proxy.text("password").map(encode).unwrap_or_default();
        format!("{}:{password}@", encode(user))
    });
    Some(format!(
        "{kind}://{}{host}:{port}",
        login.unwrap_or_default()
    ))
}

fn client_key(key: &Section<'_>, draft: &mut Draft) {
    let name = key.text("name").unwrap_or_default();
    if key.truth("isActive") == Some(false) || key.truth("isDeleted") == Some(true) {
        draft.note(
            key.path(),
            &format!("({name}) is switched off: it is left out"),
        );
        return;
    }
    // The file contains a digest of the key together with a secret of that service.
    let plain = key.text("apiKey").filter(|text| !is_digest(text));
    if plain.is_none() {
        draft.note(
            &key.at("apiKey"),
            &format!("({name}) is a digest that only that service can check: make a new one (`weir key new`) and set {}", variable(&name)),
        );
    }
    if key.truth("enableModelRestriction") == Some(true) {
        draft.note(
            &key.at("restrictedModels"),
            &format!(
                "({name}) are models that it may not use: list those that it may (`keys[].models`)"
            ),
        );
    }
    // The limit is a number of requests in a number of minutes.
    let rpm = key.count("rateLimitRequests").map(|requests| {
        let minutes = key.count("rateLimitWindow").unwrap_or(1).max(1);
        requests.div_ceil(minutes)
    });
    let expires = key
        .text("expiresAt")
        .filter(|text| text.parse::<jiff::Timestamp>().is_ok());
    key.pass_over(&[
        "id",
        "description",
        "createdAt",
        "lastUsedAt",
        "createdBy",
        "usageStats",
        "isActive",
        "permissions",
        "tags",
        "userId",
        "userUsername",
        "expirationMode",
        "isActivated",
        "activatedAt",
        "activationDays",
        "activationUnit",
        "restrictedModels",
        "icon",
        "updatedAt",
        "isDeleted",
    ]);
    key.finish(draft);
    draft.key(Key {
        name,
        secret: plain.map(Secret::Plain),
        models: Vec::new(),
        expires,
        rpm,
        concurrency: key.count("concurrencyLimit"),
        usd_per_day: key.positive("dailyCostLimit"),
        usd_per_month: None,
    });
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether the text is `IV:CIPHERTEXT`, both in hex.
fn is_encrypted(text: &str) -> bool {
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split_once(':')
        .is_some_and(|(iv, rest)| iv.len() == 32 && hex(iv) && hex(rest))
}

const API_ACCOUNTS: &[(&str, Speaks)] = &[
    ("claudeConsoleAccounts", Speaks::Anthropic),
    ("ccrAccounts", Speaks::Anthropic),
    ("openaiResponsesAccounts", Speaks::Responses),
    ("geminiApiAccounts", Speaks::Gemini),
];
const OTHERS: &[(&str, &str)] = &[
    (
        "claudeAccounts",
        "a subscription of a person (OAuth), which Weir does not use",
    ),
    (
        "geminiAccounts",
        "a subscription of a person (OAuth), which Weir does not use",
    ),
    (
        "openaiAccounts",
        "a subscription of a person (OAuth), which Weir does not use",
    ),
    (
        "droidAccounts",
        "an account of Factory, which Weir does not know",
    ),
    (
        "bedrockAccounts",
        "an account of AWS Bedrock, which Weir does not know",
    ),
];
/// Members for state and reports, and members for the scheduling of that service.
const PASSED_OVER: [&str; 22] = [
    "id",
    "description",
    "platform",
    "createdAt",
    "updatedAt",
    "lastUsedAt",
    "status",
    "errorMessage",
    "accountType",
    "isActive",
    "schedulable",
    "rateLimitStatus",
    "rateLimitedAt",
    "quotaResetTime",
    "dailyUsage",
    "lastResetDate",
    "userAgent",
    "rateLimitDuration",
    "quotaStoppedAt",
    "unauthorizedAt",
    "unauthorizedCount",
    "provider",
];
