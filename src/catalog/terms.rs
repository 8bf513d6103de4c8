//! What a vendor bills beside tokens, and what its service tiers and regions do to a price.
use crate::protocol::hub::usage::Tools;

/// What service tiers and regions do to a price. Names are those of the vendors' responses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Service tier or speed, and its factor.
    pub tiers: &'static [(&'static str, f64)],
    /// Region of inference, and its factor.
    pub regions: &'static [(&'static str, f64)],
    /// Tools that the vendor runs.
    pub tools: Fees,
    /// Whether what is read from a cache costs the ordinary price also on tiers that are cheaper.
    pub dear_cache: bool,
}

/// USD for each call of a tool that the vendor runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fees {
    /// For a search of the web.
    pub web_search: f64,
    /// Of the older tool of this name, which costs more on models that do not reason.
    pub web_search_preview: f64,
    /// For a search of files.
    pub file_search: f64,
    /// For a container in which code runs.
    pub code_session: f64,
    /// For grounding with a map.
    pub maps: f64,
    /// Whether a search or a map is paid for once a request, however often it was asked.
    pub once: bool,
}

impl Fees {
    /// No tool costs anything.
    pub(super) const NONE: Self = Self {
        web_search: 0.0,
        web_search_preview: 0.0,
        file_search: 0.0,
        code_session: 0.0,
        maps: 0.0,
        once: false,
    };

    /// US dollars for so many calls.
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
    /// One price for everybody.
    pub const NONE: Self = Self {
        tiers: &[],
        regions: &[],
        tools: Fees::NONE,
        dear_cache: false,
    };

    /// The factor of a service tier; 1 when it has none.
    pub fn tier(&self, name: Option<&str>) -> f64 {
        factor(self.tiers, name)
    }

    /// The factor of a region; 1 when it has none.
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
