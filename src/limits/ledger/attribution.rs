//! Whose use it is, in every respect by which reports group it.
use std::sync::Arc;

/// Who asked, for what, and who served. `None` where there is none or it is not known.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Attribution {
    /// The name of the key.
    pub key: Arc<str>,
    /// The group of the key, if it has one.
    pub group: Option<Arc<str>>,
    /// What the request was for, if that is said.
    pub project: Option<Arc<str>>,
    /// The upstream's name.
    pub model: Option<Arc<str>>,
    /// The account that served it; `None` = nobody did.
    pub account: Option<Arc<str>>,
}

/// By what a report groups.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dimension {
    Key,
    Group,
    Project,
    Model,
    Account,
    Day,
}

impl Dimension {
    /// Each with its name on the command line and in reports.
    pub const ALL: [Self; 6] = [
        Self::Key,
        Self::Group,
        Self::Project,
        Self::Model,
        Self::Account,
        Self::Day,
    ];

    /// The name for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Group => "group",
            Self::Project => "project",
            Self::Model => "model",
            Self::Account => "account",
            Self::Day => "day",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dimension| dimension.as_str() == name)
    }
}

impl Attribution {
    /// Its value in one respect; the day is not its own.
    pub fn value(&self, dimension: Dimension) -> Option<&str> {
        match dimension {
            Dimension::Key => Some(&*self.key),
            Dimension::Group => self.group.as_deref(),
            Dimension::Project => self.project.as_deref(),
            Dimension::Model => self.model.as_deref(),
            Dimension::Account => self.account.as_deref(),
            Dimension::Day => None,
        }
    }

    /// The same, with a model that no attacker can make long.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        if let Some(model) = &self.model
            && model.len() > LONGEST_MODEL
        {
            self.model = Some(Arc::from(
                &model[..model.floor_char_boundary(LONGEST_MODEL)],
            ));
        }
        self
    }
}

/// Bytes; real names stay under 64.
const LONGEST_MODEL: usize = 128;
