//! What an ending process tells the process that follows it: what was used, at first completely, then what is added.
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Limits, Scope, Totals};
use crate::moment::Moment;
use crate::outcome::Unit;
use crate::protocol::hub::units::Units;

/// The use of one key, group, project or everyone. The first message contains all of today and of this month; a later
/// one contains what came since the message before.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Handed {
    /// The name of the [`Scope`](crate::outcome::Scope).
    pub scope: String,
    /// The name of the key, group or project; empty for everyone.
    pub name: Arc<str>,
    /// The use of today, as [`Totals::figures`].
    pub day: [u64; 8],
    /// The use of this month, as [`Totals::figures`].
    pub month: [u64; 8],
    /// As [`Units::figures`], of today.
    /// A process of another version may know fewer or more kinds.
    #[serde(deserialize_with = "by_kind")]
    pub day_units: [u64; Units::KINDS.len()],
    /// The units of this month.
    #[serde(deserialize_with = "by_kind")]
    pub month_units: [u64; Units::KINDS.len()],
    /// Requests and tokens of the last minute; only in the first message.
    pub minute: (u64, u64),
    /// The number of requests that the ending process still serves.
    pub in_flight: u32,
    /// What those requests have reserved, by [`Unit`]. A process of another version may have fewer or more units.
    #[serde(deserialize_with = "by_unit")]
    pub reserved: [u64; Unit::ALL.len()],
}

fn by_kind<'de, D: Deserializer<'de>>(from: D) -> Result<[u64; Units::KINDS.len()], D::Error> {
    let mut told = Vec::<u64>::deserialize(from)?.into_iter();
    Ok(std::array::from_fn(|_| told.next().unwrap_or_default()))
}

fn by_unit<'de, D: Deserializer<'de>>(from: D) -> Result<[u64; Unit::ALL.len()], D::Error> {
    let told = Vec::<u64>::deserialize(from)?;
    Ok(Unit::ALL.map(|unit| told.get(unit as usize).copied().unwrap_or_default()))
}

impl Handed {
    pub(super) fn scope(&self) -> Option<Scope> {
        let mut all = Scope::ALL.into_iter();
        all.find(|scope| scope.as_str() == self.scope)
    }

    /// Whether the message has no figures.
    pub(super) fn is_empty(&self) -> bool {
        let rest = Self {
            scope: String::new(),
            name: Arc::default(),
            ..self.clone()
        };
        rest == Self::default()
    }
}

/// What has been sent already, so that nothing is sent twice.
#[derive(Debug, Default)]
pub struct HandoverLog {
    /// The use of each subject since the process began, as of the last message.
    told: HashMap<(&'static str, Arc<str>), Totals>,
    /// Whether the last message mentioned requests in flight.
    busy: bool,
}

impl HandoverLog {
    /// The first message, and the state from which later ones continue.
    pub fn begin(limits: &Limits, at: Moment) -> (Self, Vec<Handed>) {
        let mut handover_log = Self::default();
        let first = limits.memos(at).map(|(scope, handed, ever)| {
            handover_log
                .told
                .insert((scope.as_str(), Arc::clone(&handed.name)), ever);
            handed
        });
        let first = first.filter(|handed| !handed.is_empty()).collect();
        handover_log.busy = true;
        (handover_log, first)
    }

    /// What came since the last message, and what is still in flight; empty when there is nothing new.
    pub fn go_on(&mut self, limits: &Limits, at: Moment) -> Vec<Handed> {
        let mut news = Vec::new();
        let mut in_flight = false;
        for (scope, handed, ever) in limits.memos(at) {
            let told = self.told.entry((scope.as_str(), Arc::clone(&handed.name)));
            let told = told.or_default();
            let new = ever.without(told);
            let (since, units) = (new.figures(), new.usage.units.figures());
            *told = ever;
            in_flight |= handed.in_flight > 0;
            news.push(Handed {
                day: since,
                month: since,
                day_units: units,
                month_units: units,
                minute: (0, 0),
                ..handed
            });
        }
        let was_busy = std::mem::replace(&mut self.busy, in_flight);
        // If the last message mentioned requests in flight, every subject is sent once more, so that the receiver sets
        // its requests in flight to the present number, also to none.
        news.retain(|handed| was_busy || !handed.is_empty());
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_another_version_may_count_in_other_units() {
        let read = |told: &[u64]| {
            let text = serde_json::json!({ "reserved": told }).to_string();
            serde_json::from_str::<Handed>(&text).expect("plain data")
        };
        let fewer = read(&[1]).reserved;
        assert_eq!((fewer[0], fewer.iter().sum::<u64>()), (1, 1));
        let all: Vec<u64> = (1..100).collect();
        let more = read(&all).reserved;
        assert_eq!(more, all[..more.len()]);
        let text = r#"{"day_units":[1,2,3,4],"month_units":[1,2,3,4,5,6]}"#;
        let handed: Handed = serde_json::from_str(text).expect("plain data");
        assert_eq!(handed.day_units, [1, 2, 3, 4, 0]);
        assert_eq!(handed.month_units, [1, 2, 3, 4, 5]);
    }
}
