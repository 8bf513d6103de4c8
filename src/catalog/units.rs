//! Prices of units other than tokens.

/// The price of each unit other than tokens. `None` = the model is not charged by this unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitRates {
    /// US dollars per image.
    pub image: Option<f64>,
    /// US dollars per image of a certain quality, size, or both: `hd`, `1024x1792`, `hd 1024x1792`.
    pub images: &'static [(&'static str, f64)],
    /// US dollars per minute of transcribed audio.
    pub audio_minute: Option<f64>,
    /// US dollars per million characters that are turned into speech.
    pub characters: Option<f64>,
    /// US dollars per thousand searches.
    pub searches: Option<f64>,
    /// US dollars per second of a video.
    pub video_second: Option<f64>,
    /// US dollars per second of a video of a certain size: `1024x1792`.
    pub videos: &'static [(&'static str, f64)],
}

impl UnitRates {
    /// Nothing is charged by these units.
    pub const NONE: Self = Self {
        image: None,
        images: &[],
        audio_minute: None,
        characters: None,
        searches: None,
        video_second: None,
        videos: &[],
    };

    /// A price per image, and the prices of images that cost something else.
    pub const fn image(usd: f64, images: &'static [(&'static str, f64)]) -> Self {
        Self {
            image: Some(usd),
            images,
            ..Self::NONE
        }
    }

    /// A price per minute of transcribed audio.
    pub(super) const fn audio_minute(usd: f64) -> Self {
        Self {
            audio_minute: Some(usd),
            ..Self::NONE
        }
    }

    /// A price per million characters that are turned into speech.
    pub(super) const fn characters(usd: f64) -> Self {
        Self {
            characters: Some(usd),
            ..Self::NONE
        }
    }

    /// A price per second of a video, and the prices of sizes that cost something else.
    pub const fn video_second(usd: f64, videos: &'static [(&'static str, f64)]) -> Self {
        Self {
            video_second: Some(usd),
            videos,
            ..Self::NONE
        }
    }

    /// A price per thousand searches.
    pub(super) const fn searches(usd: f64) -> Self {
        Self {
            searches: Some(usd),
            ..Self::NONE
        }
    }
}
