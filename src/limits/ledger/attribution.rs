//! To whom use is attributed, in every dimension by which reports can group it.
use std::sync::Arc;

/// Who asked, for what, and who served. `None` = there is none, or it is not known.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Attribution {
    /// The name of the key.
    pub key: Arc<str>,
    /// The group of the key, if it has one.
    pub group: Option<Arc<str>>,
    /// The project that the request was for, if it was named.
    pub project: Option<Arc<str>>,
    /// The upstream's name of the model.
    pub model: Option<Arc<str>>,
    /// The account that served the request; `None` = none did.
    pub account: Option<Arc<str>>,
}

/// A dimension by which a report groups.
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
    /// Every dimension; its name is the same on the command line and in reports.
    pub const ALL: [Self; 6] = [
        Self::Key,
        Self::Group,
        Self::Project,
        Self::Model,
        Self::Account,
        Self::Day,
    ];

    /// The name on the command line and in reports.
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

    /// The dimension of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dimension| dimension.as_str() == name)
    }
}

impl Attribution {
    /// The value in one dimension; `None` for the day, which is not part of an attribution.
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

    /// The same attribution with the model name cut to `LONGEST_MODEL`, because a client may choose that name.
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

/// The most bytes of a model name; real names stay under 64.
const LONGEST_MODEL: usize = 128;
