//! What thresholds of the prompt's length and service tiers do to the rates of a model.
use crate::catalog::{Long, MediaRates, Rates};
use crate::config::{LongPrice, MediaPrices, OwnPrices, TierPrice};

/// What longer prompts cost, by rising thresholds.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds<'a> {
    list: &'a [Long],
    /// The rates beside which they stand, and those to which they are applied instead.
    scaled: Option<(&'a Rates, &'a Rates)>,
}

impl<'a> Thresholds<'a> {
    /// As they stand.
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

    /// What a prompt of this length costs, if it is a long one: by the highest threshold that it is above.
    pub fn at(self, prompt: u64) -> Option<Long> {
        let long = self.list.iter().rfind(|long| prompt > long.above)?;
        Some(self.applied(long))
    }

    /// All of them.
    pub fn all(self) -> impl Iterator<Item = Long> {
        self.list.iter().map(move |long| self.applied(long))
    }

    fn applied(self, long: &Long) -> Long {
        self.scaled
            .map_or(*long, |(old, new)| long.scaled(old, new))
    }
}

/// How long a prompt is, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    Tokens(u64),
    /// Above the first threshold, wherever that is.
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

/// Prices of a tier that are no one factor of the ordinary ones.
#[derive(Debug)]
pub(super) struct TierRates {
    /// Of the input: what is sold by the piece costs so much of its ordinary price.
    factor: f64,
    /// US dollars per million tokens.
    pub rates: Rates,
    /// US dollars per million tokens of sound and pictures; `None` = in the ratio to text that the ordinary price has.
    pub media: MediaPrices,
    /// `None` = at the ordinary thresholds, in their ratio.
    pub long: Option<Vec<Long>>,
}

impl Tier {
    /// As an entry says it, beside its ordinary rates.
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

    /// Its own prices, if it has any.
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

/// As an entry says them, beside its ordinary rates.
pub(super) fn longs(longs: &[LongPrice], ordinary: &Rates) -> Vec<Long> {
    longs.iter().map(|entry| long(entry, ordinary)).collect()
}

/// As an entry says it, beside its ordinary rates.
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
    /// As an entry of the configuration says them.
    fn from(said: &MediaPrices) -> Self {
        Self {
            audio_input: said.audio_input,
            image_input: said.image_input,
            audio_output: said.audio_output,
            image_output: said.image_output,
        }
    }
}

/// What the tokens of one request cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paid {
    /// US dollars per million tokens.
    pub rates: Rates,
    /// What is no text.
    pub media: MediaRates,
    /// All of that costs so much of it.
    pub factor: f64,
    /// What is read from a cache costs so much more of its price.
    pub cache_beyond: f64,
}

impl Paid {
    /// By kind of token.
    pub(super) fn rates(&self) -> Rates {
        let rates = self.rates.times(self.factor);
        Rates {
            cache_read: rates.cache_read + self.rates.cache_read * self.cache_beyond,
            ..rates
        }
    }

    /// By kind of token that is no text.
    pub(super) fn media(&self) -> MediaRates {
        self.media.times(self.factor)
    }
}
