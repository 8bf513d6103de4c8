//! The prices of units other than tokens: those of the catalogue, overridden by those of an entry of the configuration.
use crate::catalog::UnitRates;
use crate::config::UnitPrices;
use crate::protocol::hub::units::{Picture, Units, Word};

/// The unit prices of one model: what the configuration says, else what the table says.
#[derive(Clone, Copy, Debug)]
pub struct UnitQuote<'a> {
    table: &'static UnitRates,
    own: Option<&'a UnitPrices>,
}

impl<'a> UnitQuote<'a> {
    pub(super) const fn new(table: &'static UnitRates, own: Option<&'a UnitPrices>) -> Self {
        Self { table, own }
    }

    /// USD for these units. `None` = some of them have no known price.
    pub fn cost(&self, units: &Units, picture: &Picture) -> Option<f64> {
        let all = self.prices();
        let of = |count: u64, price: Option<f64>, each: f64| match count {
            0 => Some(0.0),
            count => Some(count as f64 * price? / each),
        };
        Some(
            of(units.images, self.image(picture), 1.0)?
                + of(units.audio_ms, all.audio_minute, 60e3)?
                + of(units.characters, all.characters, 1e6)?
                + of(units.searches, all.searches, 1e3)?
                + of(units.video_ms, self.video(picture), 1e3)?,
        )
    }

    /// All prices, in the form of an entry of the configuration.
    pub fn prices(&self) -> UnitPrices {
        let own = self.own.cloned().unwrap_or_default();
        let images = self.table.images.iter();
        let images = images.map(|(name, usd)| ((*name).to_owned(), *usd));
        let videos = self.table.videos.iter();
        let videos = videos.map(|(name, usd)| ((*name).to_owned(), *usd));
        let (sells_images, sells_videos) = (own.sells_images(), own.sells_videos());
        UnitPrices {
            image: own.image.or(self.table.image.filter(|_| !sells_images)),
            images: if sells_images {
                own.images
            } else {
                images.collect()
            },
            audio_minute: own.audio_minute.or(self.table.audio_minute),
            characters: own.characters.or(self.table.characters),
            searches: own.searches.or(self.table.searches),
            video_second: own
                .video_second
                .or(self.table.video_second.filter(|_| !sells_videos)),
            videos: if sells_videos {
                own.videos
            } else {
                videos.collect()
            },
        }
    }

    /// The known prices of the units for which `listed` has prices. Prices of videos by size are left out.
    pub(super) fn spoken_of(&self, listed: &UnitPrices) -> UnitPrices {
        let known = self.prices();
        let of = |said: Option<f64>, known: Option<f64>| said.and(known);
        let images = listed.images.iter().filter_map(|(kind, _)| {
            let (quality, size) = kind.split_once(' ').unwrap_or(("", kind));
            let picture = Picture {
                quality: Word::of(quality),
                size: Word::of(size),
            };
            Some((kind.clone(), self.image(&picture)?))
        });
        UnitPrices {
            image: of(listed.image, known.image),
            images: images.collect(),
            audio_minute: of(listed.audio_minute, known.audio_minute),
            characters: of(listed.characters, known.characters),
            searches: of(listed.searches, known.searches),
            video_second: of(listed.video_second, known.video_second),
            videos: Vec::new(),
        }
    }

    /// USD for one such image: the price of its quality and size, else of its size, else of its quality, else of any
    /// image.
    fn image(&self, picture: &Picture) -> Option<f64> {
        let (quality, size) = (picture.quality.as_str(), picture.size.as_str());
        let both = format!("{quality} {size}");
        let names = [both.as_str(), size, quality];
        let own = self.own.filter(|own| own.sells_images());
        let named = |name: &str| match own {
            Some(own) => named(own.images.iter().map(|(name, usd)| (&**name, *usd)), name),
            None => named(self.table.images.iter().copied(), name),
        };
        let found = names.into_iter().find_map(named);
        found.or_else(|| own.map_or(self.table.image, |own| own.image))
    }

    /// USD per second of such a video: the price of its size, else of any video.
    fn video(&self, picture: &Picture) -> Option<f64> {
        let size = picture.size.as_str();
        match self.own.filter(|own| own.sells_videos()) {
            Some(own) => {
                let videos = own.videos.iter().map(|(name, usd)| (&**name, *usd));
                named(videos, size).or(own.video_second)
            }
            None => named(self.table.videos.iter().copied(), size).or(self.table.video_second),
        }
    }
}

fn named<'a>(mut prices: impl Iterator<Item = (&'a str, f64)>, name: &str) -> Option<f64> {
    let (_, usd) = prices.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(usd)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: UnitRates = UnitRates {
        characters: Some(15.0),
        ..UnitRates::image(
            0.04,
            &[("hd", 0.08), ("1024x1792", 0.081), ("hd 1024x1792", 0.12)],
        )
    };

    fn picture(quality: &str, size: &str) -> Picture {
        Picture {
            quality: Word::of(quality),
            size: Word::of(size),
        }
    }

    #[test]
    fn a_picture_costs_what_its_quality_and_size_cost() {
        let quote = UnitQuote::new(&TABLE, None);
        let two = Units {
            images: 2,
            ..Units::NONE
        };
        for (quality, size, usd) in [
            ("", "", 0.08),
            ("standard", "1024x1024", 0.08),
            ("HD", "1024x1024", 0.16),
            ("standard", "1024x1792", 0.162),
            ("hd", "1024X1792", 0.24),
        ] {
            let cost = quote.cost(&two, &picture(quality, size)).expect("a price");
            assert!((cost - usd).abs() < 1e-12, "{quality} {size}: {cost}");
        }
    }

    #[test]
    fn a_second_of_a_video_costs_what_its_size_costs() {
        const TABLE: UnitRates = UnitRates::video_second(0.3, &[("1024x1792", 0.5)]);
        let two = Units {
            video_ms: 2_000,
            ..Units::NONE
        };
        let own = UnitPrices {
            videos: vec![("1280x720".to_owned(), 1.0)],
            ..UnitPrices::default()
        };
        for (own, size, usd) in [
            (None, "", Some(0.6)),
            (None, "1280x720", Some(0.6)),
            (None, "1024X1792", Some(1.0)),
            (Some(&own), "1280x720", Some(2.0)),
            (Some(&own), "1024x1792", None),
        ] {
            let cost = UnitQuote::new(&TABLE, own).cost(&two, &picture("", size));
            let is_near = cost.zip(usd).map(|(cost, usd)| (cost - usd).abs() < 1e-12);
            assert!(cost == usd || is_near == Some(true), "{size}: {cost:?}");
        }
    }

    #[test]
    fn an_entry_says_some_prices_and_the_rest_stays() {
        let own = UnitPrices {
            image: Some(1.0),
            audio_minute: Some(0.6),
            searches: Some(2.0),
            ..UnitPrices::default()
        };
        let quote = UnitQuote::new(&TABLE, Some(&own));
        let all = Units {
            images: 1,
            audio_ms: 500,
            characters: 1_000_000,
            searches: 500,
            video_ms: 0,
        };
        // The entry's price for any image also replaces the table's prices by quality.
        let cost = quote.cost(&all, &picture("hd", "")).expect("a price");
        assert!((cost - (1.0 + 0.005 + 15.0 + 1.0)).abs() < 1e-12, "{cost}");
        assert!(quote.prices().images.is_empty());
        let unpriced = UnitQuote::new(&UnitRates::NONE, None);
        assert_eq!(unpriced.cost(&all, &Picture::default()), None);
        assert_eq!(unpriced.cost(&Units::NONE, &Picture::default()), Some(0.0));
    }
}
