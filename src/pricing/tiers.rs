//! How thresholds of the prompt's length and service tiers change the rates of a model.
use crate::catalog::{Long, MediaRates, Rates};
use crate::config::{LongPrice, MediaPrices, OwnPrices, TierPrice};

/// The rates of longer prompts, by ascending threshold.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds<'a> {
    list: &'a [Long],
    /// The ordinary rates to which the list refers, and the ordinary rates to which it is scaled.
    scaled: Option<(&'a Rates, &'a Rates)>,
}

impl<'a> Thresholds<'a> {
    /// Thresholds whose rates apply unchanged.
    pub(super) const fn of(list: &'a [Long]) -> Self {
        Self { list, scaled: None }
    }

    /// For a model whose ordinary rates are `new` instead of `old`.
    pub(super) const fn scaled(list: &'a [Long], old: &'a Rates, new: &'a Rates) -> Self {
        Self {
            list,
            scaled: Some((old, new)),
        }
    }

    /// The rates for a prompt of this length: those of the highest threshold that it exceeds; `None` = it exceeds none.
    pub fn at(self, prompt: u64) -> Option<Long> {
        let long = self.list.iter().rfind(|long| prompt > long.above)?;
        Some(self.applied(long))
    }

    /// All thresholds.
    pub fn all(self) -> impl Iterator<Item = Long> {
        self.list.iter().map(move |long| self.applied(long))
    }

    fn applied(self, long: &Long) -> Long {
        self.scaled
            .map_or(*long, |(old, new)| long.scaled(old, new))
    }
}

/// The length of a prompt, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    Tokens(u64),
    /// Above the first threshold; the exact length is unknown.
    Long,
}

impl Length {
    pub(super) fn of(self, thresholds: Thresholds<'_>) -> Option<Long> {
        match self {
            Self::Tokens(prompt) => thresholds.at(prompt),
            Self::Long => thresholds.all().next(),
        }
    }
}

/// A service tier of an entry of the configuration.
#[derive(Debug)]
pub struct Tier {
    name: String,
    worth: Worth,
}

#[derive(Debug)]
enum Worth {
    Factor(f64),
    Rates(Box<TierRates>),
}

/// The prices of a tier that is not a single factor on the ordinary prices.
#[derive(Debug)]
pub(super) struct TierRates {
    /// The ratio of the tier's input price to the ordinary one. It applies to the prices of units other than tokens.
    factor: f64,
    /// US dollars per million tokens.
    pub rates: Rates,
    /// US dollars per million tokens of audio and images; `None` = in the same ratio to text as the ordinary prices.
    pub media: MediaPrices,
    /// `None` = the ordinary thresholds, scaled to these rates.
    pub long: Option<Vec<Long>>,
}

impl Tier {
    /// The tier in an entry of the configuration; `ordinary` are the rates of that entry.
    pub(super) fn of_entry((name, price): &(String, TierPrice), ordinary: &Rates) -> Self {
        let worth = match price {
            TierPrice::Factor(factor) => Worth::Factor(*factor),
            TierPrice::Own(own) => Worth::Rates(Box::new(TierRates::new(own, ordinary))),
        };
        Self {
            name: name.clone(),
            worth,
        }
    }

    pub(super) fn named<'a>(tiers: &'a [Self], name: Option<&str>) -> Option<&'a Self> {
        let name = name?;
        let mut tiers = tiers.iter();
        tiers.find(|tier| name.eq_ignore_ascii_case(&tier.name))
    }

    pub(super) fn factor(&self) -> f64 {
        match &self.worth {
            Worth::Factor(factor) => *factor,
            Worth::Rates(own) => own.factor,
        }
    }

    /// The tier's own prices, if it has any.
    pub(super) fn rates(&self) -> Option<&TierRates> {
        match &self.worth {
            Worth::Factor(_) => None,
            Worth::Rates(own) => Some(own),
        }
    }
}

impl TierRates {
    fn new(price: &OwnPrices, ordinary: &Rates) -> Self {
        let input = price.input.unwrap_or(ordinary.input);
        let factor = if ordinary.input > 0.0 {
            input / ordinary.input
        } else {
            1.0
        };
        let rate = |said: Option<f64>, ordinary: f64| said.unwrap_or(ordinary * factor);
        let rates = Rates {
            input,
            cache_write_5m: rate(price.cache_write_5m, ordinary.cache_write_5m),
            cache_write_1h: rate(price.cache_write_1h, ordinary.cache_write_1h),
            cache_read: rate(price.cache_read, ordinary.cache_read),
            output: rate(price.output, ordinary.output),
        };
        let long = price.long.as_deref();
        Self {
            factor,
            rates,
            media: price.media,
            long: long.map(|long| longs(long, &rates)),
        }
    }
}

/// The thresholds in an entry; `ordinary` are the rates of that entry.
pub(super) fn longs(longs: &[LongPrice], ordinary: &Rates) -> Vec<Long> {
    longs.iter().map(|entry| long(entry, ordinary)).collect()
}

/// A threshold in an entry; prices that it does not state keep their ordinary ratio to the input price.
pub(super) fn long(entry: &LongPrice, ordinary: &Rates) -> Long {
    let factor = if ordinary.input > 0.0 {
        entry.input / ordinary.input
    } else {
        1.0
    };
    let rate = |said: Option<f64>, ordinary: f64| said.unwrap_or(ordinary * factor);
    Long {
        above: entry.above,
        rates: Rates {
            input: entry.input,
            cache_write_5m: rate(entry.cache_write_5m, ordinary.cache_write_5m),
            cache_write_1h: rate(entry.cache_write_1h, ordinary.cache_write_1h),
            cache_read: rate(entry.cache_read, ordinary.cache_read),
            output: entry.output,
        },
        media: MediaRates::from(&entry.media),
    }
}

impl From<&MediaPrices> for MediaRates {
    /// The prices in an entry of the configuration.
    fn from(said: &MediaPrices) -> Self {
        Self {
            audio_input: said.audio_input,
            image_input: said.image_input,
            audio_output: said.audio_output,
            image_output: said.image_output,
        }
    }
}

/// The prices of the tokens of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paid {
    /// US dollars per million tokens.
    pub rates: Rates,
    /// US dollars per million tokens of audio and images.
    pub media: MediaRates,
    /// The factor by which all these prices are multiplied.
    pub factor: f64,
    /// The part of the price of cache reads that is charged in addition to `factor`.
    pub cache_beyond: f64,
}

impl Paid {
    /// The rates by kind of token, with the factors applied.
    pub(super) fn rates(&self) -> Rates {
        let rates = self.rates.times(self.factor);
        Rates {
            cache_read: rates.cache_read + self.rates.cache_read * self.cache_beyond,
            ..rates
        }
    }

    /// The rates of audio and images, with the factor applied.
    pub(super) fn media(&self) -> MediaRates {
        self.media.times(self.factor)
    }
}
