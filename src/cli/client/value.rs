//! What settings get: the URL and the key of a Weir, or a fixed text.

/// Where a Weir is, and as whom it is called.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Without a slash at the end.
    pub url: &'a str,
    pub key: &'a str,
}

/// What a setting gets.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// The URL of the Weir, and this after it.
    Url(&'static str),
    Key,
    Text(&'static str),
    /// A number where there is none: a version that the client insists on.
    Unless(u32),
    True,
}

impl Value {
    /// The text that it stands for; `None` = the truth value.
    pub fn text(self, target: &Target<'_>) -> Option<String> {
        match self {
            Self::Url(path) => Some(format!("{}{path}", target.url)),
            Self::Key => Some(target.key.to_owned()),
            Self::Text(text) => Some(text.to_owned()),
            Self::Unless(number) => Some(number.to_string()),
            Self::True => None,
        }
    }
}
