//! Prices of what is sold by something else than tokens.

/// USD for what is not sold by the token. `None` = it is not sold so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitRates {
    /// US dollars for a picture.
    pub image: Option<f64>,
    /// US dollars for a picture of another quality, of another size, or of both: `hd`, `1024x1792`, `hd 1024x1792`.
    pub images: &'static [(&'static str, f64)],
    /// US dollars for a minute of sound that is listened to.
    pub audio_minute: Option<f64>,
    /// US dollars for a million characters that are spoken.
    pub characters: Option<f64>,
    /// US dollars for a thousand searches.
    pub searches: Option<f64>,
    /// US dollars for a second of a video.
    pub video_second: Option<f64>,
    /// US dollars for a second of a video of another size: `1024x1792`.
    pub videos: &'static [(&'static str, f64)],
}

impl UnitRates {
    /// Nothing is sold so.
    pub const NONE: Self = Self {
        image: None,
        images: &[],
        audio_minute: None,
        characters: None,
        searches: None,
        video_second: None,
        videos: &[],
    };

    /// A picture, and pictures that cost something else.
    pub const fn image(usd: f64, images: &'static [(&'static str, f64)]) -> Self {
        Self {
            image: Some(usd),
            images,
            ..Self::NONE
        }
    }

    /// A minute of sound that is listened to.
    pub(super) const fn audio_minute(usd: f64) -> Self {
        Self {
            audio_minute: Some(usd),
            ..Self::NONE
        }
    }

    /// A million characters that are spoken.
    pub(super) const fn characters(usd: f64) -> Self {
        Self {
            characters: Some(usd),
            ..Self::NONE
        }
    }

    /// A second of a video, and of videos of sizes that cost something else.
    pub const fn video_second(usd: f64, videos: &'static [(&'static str, f64)]) -> Self {
        Self {
            video_second: Some(usd),
            videos,
            ..Self::NONE
        }
    }

    /// A thousand searches.
    pub(super) const fn searches(usd: f64) -> Self {
        Self {
            searches: Some(usd),
            ..Self::NONE
        }
    }
}
