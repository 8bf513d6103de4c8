//! How service tiers, regions and tools affect a price: the terms in the catalogue, overridden by those of an entry of
//! the configuration.
use super::tiers::{Tier, TierRates};
use crate::catalog::{Fees, Terms};
use crate::config::PriceTerms;

/// The terms of one price. Terms that the configuration does not state are those of the table.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    table: &'static Terms,
    own: Option<&'a PriceTerms>,
    tiers: &'a [Tier],
}

impl<'a> Conditions<'a> {
    pub(super) const fn of_table(table: &'static Terms) -> Self {
        Self {
            table,
            own: None,
            tiers: &[],
        }
    }

    pub(super) const fn of_entry(
        table: &'static Terms,
        own: &'a PriceTerms,
        tiers: &'a [Tier],
    ) -> Self {
        Self {
            table,
            own: Some(own),
            tiers,
        }
    }

    /// The factor of a service tier; 1 if it has none. For a tier with prices of its own, the factor of its input
    /// price.
    pub fn tier(&self, name: Option<&str>) -> f64 {
        Tier::named(self.tiers, name).map_or_else(|| self.table.tier(name), Tier::factor)
    }

    /// The prices of a tier with prices of its own.
    pub(super) fn tier_rates(&self, name: Option<&str>) -> Option<&'a TierRates> {
        Tier::named(self.tiers, name)?.rates()
    }

    /// The factor of a region; 1 if it has none.
    pub fn region(&self, name: Option<&str>) -> f64 {
        let own = self.own.and_then(|own| named(&own.regions, name));
        own.unwrap_or_else(|| self.table.region(name))
    }

    /// The part of the ordinary price of cache reads that is charged on this tier in addition to the tier's factor.
    pub(super) fn cache_beyond(&self, name: Option<&str>) -> f64 {
        if self.table.dear_cache {
            (1.0 - self.tier(name)).max(0.0)
        } else {
            0.0
        }
    }

    /// The fees for the tools that the vendor runs.
    pub(super) fn fees(&self) -> Fees {
        let table = self.table.tools;
        let Some(own) = self.own.map(|own| &own.tools) else {
            return table;
        };
        let per_call = |own: Option<f64>, table: f64| own.map_or(table, |usd| usd / 1e3);
        Fees {
            web_search: per_call(own.web_search, table.web_search),
            web_search_preview: per_call(own.web_search_preview, table.web_search_preview),
            file_search: per_call(own.file_search, table.file_search),
            code_session: per_call(own.code_session, table.code_session),
            maps: per_call(own.maps, table.maps),
            ..table
        }
    }
}

fn named(factors: &[(String, f64)], name: Option<&str>) -> Option<f64> {
    let name = name?;
    let mut factors = factors.iter();
    let found = factors.find(|(known, _)| name.eq_ignore_ascii_case(known))?;
    Some(found.1)
}
