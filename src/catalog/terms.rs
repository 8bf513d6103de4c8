//! What a vendor charges besides tokens, and how its service tiers and regions affect a price.
use crate::protocol::hub::usage::Tools;

/// How service tiers and regions affect a price. The names are those in the vendors' responses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Service tiers or speeds, with their factors.
    pub tiers: &'static [(&'static str, f64)],
    /// Regions of inference, with their factors.
    pub regions: &'static [(&'static str, f64)],
    /// The fees for tools that the vendor runs.
    pub tools: Fees,
    /// Whether cache reads cost the ordinary price even on cheaper tiers.
    pub dear_cache: bool,
}

/// USD per call of each tool that the vendor runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fees {
    /// A web search.
    pub web_search: f64,
    /// A search with the older tool of this name, which costs more on models that do not reason.
    pub web_search_preview: f64,
    /// A file search.
    pub file_search: f64,
    /// A container that runs code.
    pub code_session: f64,
    /// Grounding with a map.
    pub maps: f64,
    /// Whether web searches and maps are charged at most once per request, regardless of the number of queries.
    pub once: bool,
}

impl Fees {
    /// All tools are free.
    pub(super) const NONE: Self = Self {
        web_search: 0.0,
        web_search_preview: 0.0,
        file_search: 0.0,
        code_session: 0.0,
        maps: 0.0,
        once: false,
    };

    /// The price of these calls in US dollars.
    pub fn cost(&self, tools: &Tools) -> f64 {
        let asked = |count: u64| if self.once { count.min(1) } else { count } as f64;
        asked(tools.web_searches) * self.web_search
            + tools.web_search_previews as f64 * self.web_search_preview
            + tools.file_searches as f64 * self.file_search
            + tools.code_sessions as f64 * self.code_session
            + asked(tools.maps) * self.maps
    }
}

impl Terms {
    /// The same price for all tiers and regions, and free tools.
    pub const NONE: Self = Self {
        tiers: &[],
        regions: &[],
        tools: Fees::NONE,
        dear_cache: false,
    };

    /// The factor of a service tier; 1 if it has none.
    pub fn tier(&self, name: Option<&str>) -> f64 {
        factor(self.tiers, name)
    }

    /// The factor of a region; 1 if it has none.
    pub fn region(&self, name: Option<&str>) -> f64 {
        factor(self.regions, name)
    }
}

fn factor(factors: &[(&str, f64)], name: Option<&str>) -> f64 {
    let named =
        |(known, _): &&(&str, f64)| name.is_some_and(|name| name.eq_ignore_ascii_case(known));
    factors
        .iter()
        .find(named)
        .map_or(1.0, |(_, factor)| *factor)
}
