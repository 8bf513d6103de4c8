//! claude-proxy: `.config/config.json`. Its format: `backend-go/internal/config/config.go` of
//! BenedictKing/claude-proxy.
use serde_json::Value;

use super::draft::{Draft, Pool, Route, Secret};
use super::source::Section;
use super::upstreams::{Speaks, by_url, literal};

pub fn convert(value: &Value, draft: &mut Draft) -> Result<(), String> {
    let root = Section::new("", value);
    if root.get("upstream").is_none() && root.get("responsesUpstream").is_none() {
        return Err("it has neither `upstream` nor `responsesUpstream`".to_owned());
    }
    let surfaces = [
        ("upstream", "loadBalance", "currentUpstream", "anthropic"),
        (
            "responsesUpstream",
            "responsesLoadBalance",
            "currentResponsesUpstream",
            "openai-responses",
        ),
        (
            "geminiUpstream",
            "geminiLoadBalance",
            "currentGeminiUpstream",
            "gemini",
        ),
    ];
    for (list, select, current, dialect) in surfaces {
        surface(&root, [list, select, current], dialect, draft);
    }
    root.finish(draft);
    Ok(())
}

/// Adds the upstreams behind one of its three interfaces; they become a pool of their own.
fn surface(
    root: &Section<'_>,
    [list, select, current]: [&str; 3],
    dialect: &'static str,
    draft: &mut Draft,
) {
    let upstreams = root.sections(list);
    // Older versions had no status and used only the current upstream.
    let is_old = upstreams
        .iter()
        .all(|upstream| upstream.text("status").is_none());
    let current = root.get(current).and_then(Value::as_u64).unwrap_or(0);
    let mut names = Vec::new();
    let mut reserve = Vec::new();
    for (index, upstream) in upstreams.iter().enumerate() {
        let status = upstream.text("status");
        let status = match status.as_deref() {
            None if is_old && index as u64 != current => "disabled",
            None => "active",
            Some(status) => status,
        };
        if status == "suspended" {
            draft.note(upstream.path(), "is suspended: it is left out");
            continue;
        }
        if let Some(name) = account(upstream, index, draft) {
            if status == "disabled" {
                &mut reserve
            } else {
                &mut names
            }
            .push(name);
        }
    }
    let select = match root.text(select).as_deref() {
        Some("round-robin") => "round-robin",
        Some("random") => "random",
        _ => "failover",
    };
    if names.is_empty() {
        std::mem::swap(&mut names, &mut reserve);
    }
    if names.is_empty() {
        return;
    }
    let fallback = (!reserve.is_empty()).then(|| format!("{dialect}-reserve"));
    draft.pools.push(Pool {
        name: dialect.to_owned(),
        accounts: names,
        select: Some(select),
        fallback: fallback.clone(),
    });
    if let Some(name) = fallback {
        draft.pools.push(Pool {
            name,
            accounts: reserve,
            select: Some(select),
            fallback: None,
        });
    }
    draft.routes.push(Route {
        when: vec![("dialect", dialect.to_owned())],
        pool: Some(dialect.to_owned()),
        model: None,
    });
}

fn account(upstream: &Section<'_>, index: usize, draft: &mut Draft) -> Option<String> {
    let kind = upstream.text("serviceType");
    let speaks = match kind.as_deref() {
        Some("claude") => Speaks::Anthropic,
        Some("gemini") => Speaks::Gemini,
        Some("openai" | "openaiold" | "openai-chat") => Speaks::Chat,
        Some("responses") => Speaks::Responses,
        _ => {
            draft.note(
                &upstream.at("serviceType"),
                "is of no kind that Weir knows: the upstream is left out",
            );
            return None;
        }
    };
    let Some(url) = upstream
        .text("baseUrl")
        .or_else(|| upstream.texts("baseUrls").first().cloned())
    else {
        draft.note(upstream.path(), "has no baseUrl: it is left out");
        return None;
    };
    let mut account = by_url(&url, speaks);
    if kind.as_deref() == Some("openaiold") {
        account.provider = "openai-legacy";
        account
            .base_url
            .get_or_insert_with(|| "https://api.openai.com/v1".to_owned());
    }
    account.name = upstream
        .text("name")
        .unwrap_or_else(|| format!("upstream-{index}"));
    account.keys = upstream
        .texts("apiKeys")
        .into_iter()
        .map(Secret::Plain)
        .collect();
    if account.keys.is_empty() {
        draft.note(
            &upstream.at("apiKeys"),
            "are none: the upstream is left out, as it is there",
        );
        return None;
    }
    let priority = upstream.get("priority").and_then(Value::as_i64);
    account.priority =
        Some(priority.unwrap_or(0).clamp(-1_000, 1_000)).filter(|priority| *priority != 0);
    // In claude-proxy, a part of the name is enough; a model that matches nothing keeps its name.
    let mapping = upstream.pairs("modelMapping");
    if !mapping.is_empty() {
        account.models = mapping
            .into_iter()
            .map(|(from, to)| (format!("*{}*", literal(&from)), Some(to)))
            .collect();
        account.models.push(("*".to_owned(), None));
    }
    if upstream.truth("insecureSkipVerify") == Some(true) {
        draft.note(
            &upstream.at("insecureSkipVerify"),
            "is not converted: certificates are always checked",
        );
    }
    upstream.pass_over(&["description", "website"]);
    upstream.finish(draft);
    Some(draft.account(account))
}
