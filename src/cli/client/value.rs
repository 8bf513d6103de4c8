//! The values of settings: the URL and the key of a Weir, or a fixed text.

/// The address of a Weir, and the key for it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The base URL, without a slash at the end.
    pub url: &'a str,
    pub key: &'a str,
}

/// The value of a setting.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// The URL of the Weir, followed by this text.
    Url(&'static str),
    Key,
    Text(&'static str),
    /// This number, if there is no number yet: a version that the client requires.
    Unless(u32),
    True,
}

impl Value {
    /// The text of the value; `None` = it is a boolean.
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
