//! The route of a report: which one matched, and the first unmet condition of each earlier one.
use super::report::{PassedOver, RoutePart};
use crate::config::{Config, Glob, When};
use crate::exchange::route::{Condition, Facts, unmet};

/// The result of the routes for a request.
pub(super) fn route(config: &Config, facts: &Facts<'_>) -> RoutePart {
    let mut passed_over = Vec::new();
    for (index, route) in config.routes.iter().enumerate() {
        let Some(condition) = unmet(&route.when, facts) else {
            return RoutePart {
                matched: Some(index),
                pool: config
                    .pools
                    .get(route.pool)
                    .map(|pool| pool.name.to_string()),
                model: route.model.as_deref().map(str::to_owned),
                passed_over,
            };
        };
        passed_over.push(passed(index, condition, &route.when, facts));
    }
    RoutePart {
        matched: None,
        pool: None,
        model: None,
        passed_over,
    }
}

fn passed(route: usize, condition: Condition, when: &When, facts: &Facts<'_>) -> PassedOver {
    let glob = |glob: &Option<Glob>| glob.as_ref().map(|glob| glob.pattern().to_owned());
    let flag = |flag: Option<bool>| flag.map(|flag| flag.to_string());
    let own = |text: Option<&str>| text.map(str::to_owned);
    let header;
    let (name, wanted, found) = match condition {
        Condition::BudgetUsed => (
            "budget_used_over",
            when.budget_used_over.map(|share| share.to_string()),
            facts.budget_used().map(|used| format!("{used:.3}")),
        ),
        Condition::Dialect => (
            "dialect",
            when.dialect.map(|dialect| dialect.to_string()),
            own(Some(facts.call.dialect.as_str())),
        ),
        Condition::Group => ("group", glob(&when.group), own(facts.key.group.as_deref())),
        Condition::Header(at) => {
            let wanted = when.header.get(at);
            header = wanted.map_or_else(String::new, |(name, _)| format!("header {name}"));
            // The value of a header may be a secret; its name is enough.
            let found = wanted.and_then(|(name, _)| facts.header(name.as_str()));
            (
                header.as_str(),
                wanted.map(|(_, glob)| glob.pattern().to_owned()),
                found.map(|_| "another value".to_owned()),
            )
        }
        Condition::Images => (
            "images",
            flag(when.images),
            flag(Some(facts.needs().images)),
        ),
        Condition::InputTokens => (
            "input_tokens_over",
            when.input_tokens_over.map(|tokens| tokens.to_string()),
            Some(facts.needs().input_tokens.to_string()),
        ),
        Condition::Key => ("key", glob(&when.key), own(Some(&facts.key.name))),
        Condition::Model => ("model", glob(&when.model), own(Some(facts.model))),
        Condition::Project => (
            "project",
            glob(&when.project),
            own(facts.project().as_deref()),
        ),
        Condition::Stream => ("stream", flag(when.stream), flag(Some(facts.stream))),
        Condition::Thinking => (
            "thinking",
            flag(when.thinking),
            flag(Some(facts.needs().thinking)),
        ),
        Condition::UserAgent => (
            "user_agent",
            glob(&when.user_agent),
            own(facts.header("user-agent").as_deref()),
        ),
        Condition::WebSearch => (
            "web_search",
            flag(when.web_search),
            flag(Some(facts.needs().web_search)),
        ),
    };
    PassedOver {
        route,
        condition: name.to_owned(),
        wanted: wanted.unwrap_or_default(),
        found,
    }
}
