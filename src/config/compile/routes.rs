//! `routes`: conditions, and the pools for requests that meet them.
use super::names::Names;
use super::pools::implied_pool;
use super::{Compiler, items};
use crate::config::diagnostic::{did_you_mean, quote};
use crate::config::raw::Raw;
use crate::config::raw::routing as raw;
use crate::config::raw::values::Pattern;
use crate::config::yaml::decode::Field;
use crate::config::{Group, Pool, Route, When};

/// The names that conditions can match; `None` = conditions that match none get no warning.
pub(super) struct Known<'a> {
    pub keys: Option<Vec<&'a str>>,
    pub groups: Option<Vec<&'a str>>,
}

impl<'a> Known<'a> {
    /// The lists are `None` if a name could not be read, or if there are so many names that comparing them would take
    /// long.
    pub(super) fn new(raw: &Raw, keys: &'a Names, groups: &'a [Group]) -> Self {
        let complete = keys.is_complete() && !raw.groups.is_wrong();
        let conditions = items(&raw.routes).len() + items(&raw.rewrites).len();
        let few = conditions * (keys.list().len() + 1) <= MOST_COMPARISONS;
        let key_names = keys.list().iter().map(String::as_str).chain(["anonymous"]);
        let group_names = groups.iter().map(|group| &*group.name);
        Self {
            keys: (complete && few).then(|| key_names.collect()),
            groups: (complete && few).then(|| group_names.collect()),
        }
    }
}

impl Compiler<'_, '_> {
    pub(super) fn routes(
        &mut self,
        raw: &Raw,
        (pools, accounts): (&Names, &Names),
        made: &[Pool],
        known: &Known<'_>,
    ) -> Option<Vec<Route>> {
        let mut routes = Vec::new();
        let mut complete = !raw.routes.is_wrong();
        let mut catch_all = None;
        for item in items(&raw.routes) {
            let Some(raw_route) = item.get() else {
                complete = false;
                continue;
            };
            if let Some(first) = catch_all {
                let message = format!(
                    "found a route after the one in {} that matches everything, expected it before",
                    self.faults.line(first, item.at())
                );
                self.faults.warn(item.at(), message, None);
            }
            let mut route = self.route(raw_route, pools);
            if let Some(account) = accounts.find(&raw_route.account, self.faults)
                && let Some(route) = &mut route
            {
                let members = made.get(route.pool).map_or(&[][..], |pool| &pool.accounts);
                if !made.is_empty() && !members.contains(&account) {
                    let message = "found an account that is not in the pool of this route, expected one of its accounts";
                    self.faults.add(raw_route.account.at(), message);
                }
                route.account = raw_route.account.get().map(|name| name.0.as_str().into());
            }
            if route.as_ref().is_some_and(|route| route.when.is_empty()) {
                catch_all.get_or_insert(item.at().place);
            }
            complete &= route.is_some();
            routes.extend(route);
            if let Some(when) = raw_route.when.get() {
                self.warn_of_no_match(&when.key, known.keys.as_deref(), "key");
                self.warn_of_no_match(&when.group, known.groups.as_deref(), "group");
            }
        }
        complete.then_some(routes)
    }

    fn route(&mut self, raw: &raw::Route, pools: &Names) -> Option<Route> {
        let when = match raw.when.get() {
            Some(when) => self.when(when),
            None if raw.when.is_wrong() => None,
            None => Some(When::default()),
        };
        let pool = if raw.pool.is_given() {
            pools.find(&raw.pool, self.faults)
        } else {
            implied_pool(pools)
        };
        if pool.is_none() && !raw.pool.is_given() && pools.is_complete() {
            self.faults.add(
                raw.pool.at(),
                "found nothing, expected the name of a pool: there is none named `default`",
            );
        }
        if raw
            .model
            .get()
            .is_some_and(|model| model.0.is_empty() || model.0.contains('*'))
        {
            let message =
                "found a pattern or nothing, expected the one name that the upstream is asked for";
            self.faults.add(raw.model.at(), message);
        }
        Some(Route {
            when: when?,
            pool: pool?,
            model: raw.model.get().map(|model| model.0.as_str().into()),
            account: None,
        })
    }

    fn when(&mut self, raw: &raw::When) -> Option<When> {
        let glob = |field: &Field<Pattern>| field.get().map(|pattern| pattern.0.clone());
        let header = self.matched_headers(&raw.header);
        // A condition that was refused must not become one that always holds.
        let wrong = [
            raw.model.is_wrong(),
            raw.dialect.is_wrong(),
            raw.key.is_wrong(),
            raw.group.is_wrong(),
            raw.user_agent.is_wrong(),
            raw.header.is_wrong(),
            raw.stream.is_wrong(),
            raw.project.is_wrong(),
            raw.budget_used_over.is_wrong(),
            raw.thinking.is_wrong(),
            raw.input_tokens_over.is_wrong(),
            raw.images.is_wrong(),
            raw.web_search.is_wrong(),
        ];
        (!wrong.contains(&true)).then(|| When {
            model: glob(&raw.model),
            dialect: raw.dialect.get().map(|word| word.0),
            key: glob(&raw.key),
            group: glob(&raw.group),
            user_agent: raw.user_agent.get().map(|pattern| pattern.0.clone()),
            header,
            stream: raw.stream.get().map(|stream| stream.0),
            project: glob(&raw.project),
            budget_used_over: raw.budget_used_over.get().map(|share| share.0),
            thinking: raw.thinking.get().map(|thinking| thinking.0),
            input_tokens_over: raw.input_tokens_over.get().map(|tokens| tokens.0),
            images: raw.images.get().map(|images| images.0),
            web_search: raw.web_search.get().map(|search| search.0),
        })
    }

    pub(super) fn warn_of_no_match(
        &mut self,
        field: &Field<Pattern>,
        names: Option<&[&str]>,
        what: &str,
    ) {
        let (Some(Pattern(glob)), Some(names)) = (field.get(), names) else {
            return;
        };
        if !names.iter().any(|name| glob.is_match(name)) {
            let pattern = glob.pattern();
            let message = format!(
                "found {}, which matches no {what}, expected one that is configured",
                quote(pattern)
            );
            let hint = did_you_mean(pattern, names.iter().copied());
            self.faults.warn(field.at(), message, hint);
        }
    }
}

/// Most comparisons of conditions in routes and rewrites with keys, for the sake of a warning.
const MOST_COMPARISONS: usize = 1_000_000;
