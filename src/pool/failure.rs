//! A failure: its class, what it puts out and for how long, and what it means if the tell-tale words came from the
//! client.
use std::time::Duration;

use super::evidence::Evidence;
use crate::outcome::{Cause, FailureClass, Next};

/// What a failure means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failure {
    pub class: FailureClass,
    /// What the failure puts out.
    pub scope: Scope,
    /// How long until it will serve again, as the upstream stated. `None` = the upstream stated nothing that concerns
    /// this class.
    pub retry_after: Option<Duration>,
    /// Whether the failure benches at once, where others need three in a row: a refused connection.
    pub at_once: bool,
    /// The cause, where more is known than the class.
    pub cause: Option<Cause>,
    /// Whether more than the status supports the class: a code or words.
    pub is_named: bool,
    /// What the failure is if the client wrote the phrase by which it was recognised.
    pub doubt: Option<Doubt>,
    /// Whether the client wrote that phrase.
    pub is_echo: bool,
    /// What the failure is if the client wrote the words that state the wait.
    pub worded: Option<Worded>,
}

/// What a failure means without a wait that is stated only in words, in case these words came from the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Worded {
    words: Words,
    class: FailureClass,
    scope: Scope,
    retry_after: Option<Duration>,
    doubt: Option<Doubt>,
}

/// The beginning of a text, up to `LONGEST_WORDS` bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Words {
    text: [u8; LONGEST_WORDS],
    length: usize,
}

impl Worded {
    /// `words` state the wait; `unworded` is what the failure would be without them.
    pub(super) fn new(words: &str, unworded: &Failure) -> Self {
        Self {
            words: Words::of(words),
            class: unworded.class,
            scope: unworded.scope,
            retry_after: unworded.retry_after,
            doubt: unworded.doubt,
        }
    }
}

impl Words {
    fn of(text: &str) -> Self {
        let mut words = Self {
            text: [0; LONGEST_WORDS],
            length: text.floor_char_boundary(LONGEST_WORDS),
        };
        let kept = text.as_bytes().iter().take(words.length);
        for (place, byte) in words.text.iter_mut().zip(kept) {
            *place = *byte;
        }
        words
    }

    fn as_str(&self) -> &str {
        let text = self.text.get(..self.length).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

/// What a failure means if the phrase by which it was recognised came from the client: vendors repeat what they were
/// sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Doubt {
    /// In lower case.
    phrase: &'static str,
    class: FailureClass,
    scope: Scope,
    retry_after: Option<Duration>,
}

/// What a failure puts out.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    /// The account, for every model.
    Account,
    /// The account, for models of the class of the one asked for.
    AccountModel,
    /// The account, for every model, because no credential for it could be obtained.
    Credential,
    /// The endpoint, for every account behind it.
    Endpoint,
    /// Nothing: the request is at fault, or the client left.
    Nothing,
}

impl Failure {
    /// Where the request may go next.
    pub const fn next(&self) -> Next {
        match self.class {
            // Only the answer of another account shows whether the upstream merely repeated the client's words.
            FailureClass::ClientFault if self.is_echo => Next::ElsewhereOnce,
            _ if self.is_the_models() => Next::InPlaceOnce,
            class => class.next(),
        }
    }

    /// Whether the model failed by chance while the server is well.
    pub(super) const fn is_the_models(&self) -> bool {
        matches!(self.class, FailureClass::ServerError) && matches!(self.scope, Scope::Nothing)
    }

    /// Whether only this request costs more than what is left.
    pub(super) const fn is_too_dear(&self) -> bool {
        matches!(self.class, FailureClass::Quota) && matches!(self.scope, Scope::Nothing)
    }

    /// Whether the failure is only soft evidence: it may be chance, and no end is stated.
    pub(super) fn is_soft(&self) -> bool {
        let by_phrase = self.doubt.is_some_and(|doubt| doubt.class != self.class);
        self.retry_after.is_none() && (by_phrase || self.class.is_soft())
    }

    /// The failure once it is known which phrases the client wrote; `says` returns whether the client wrote a phrase.
    #[must_use]
    pub fn unless_said(self, says: impl Fn(&str) -> bool) -> Self {
        let unworded = match self.worded {
            Some(worded) if says(worded.words.as_str()) => Self {
                class: worded.class,
                scope: worded.scope,
                retry_after: worded.retry_after,
                doubt: worded.doubt,
                worded: None,
                ..self
            },
            _ => self,
        };
        unworded.unless_blamed(says)
    }

    fn unless_blamed(self, says: impl Fn(&str) -> bool) -> Self {
        match self.doubt {
            Some(doubt) if says(doubt.phrase) => Self {
                class: doubt.class,
                scope: doubt.scope,
                retry_after: doubt.retry_after,
                is_named: false,
                doubt: None,
                is_echo: true,
                ..self
            },
            _ => self,
        }
    }

    /// This failure as the alternative to another one, in case the client wrote `phrase`.
    pub(super) const fn as_doubt(&self, phrase: &'static str) -> Doubt {
        Doubt {
            phrase,
            class: self.class,
            scope: self.scope,
            retry_after: self.retry_after,
        }
    }

    /// The evidence against what the failure puts out.
    pub(super) const fn evidence(&self) -> Evidence {
        Evidence {
            class: self.class,
            cause: self.cause,
        }
    }

    /// The model produced an unusable answer (for example a tool call that cannot be parsed); the server is well.
    pub const fn of_the_model() -> Self {
        Self::new(FailureClass::ServerError, Scope::Nothing)
    }

    /// The client closed the connection first; nobody is at fault.
    pub const fn client_gone() -> Self {
        Self::new(FailureClass::ClientGone, Scope::Nothing)
    }

    /// There is no access token for the account, and none will come before `wait` is over. `refused`: the token
    /// endpoint does not accept the account's credentials.
    pub const fn no_token(refused: bool, wait: Duration) -> Self {
        let class = if refused {
            FailureClass::Auth
        } else {
            FailureClass::Transport
        };
        Self {
            retry_after: Some(wait),
            ..Self::new(class, Scope::Credential)
        }
    }

    pub(super) const fn new(class: FailureClass, scope: Scope) -> Self {
        Self {
            class,
            scope,
            retry_after: None,
            at_once: false,
            cause: None,
            is_named: false,
            doubt: None,
            is_echo: false,
            worded: None,
        }
    }
}

/// The most bytes of a stated wait that are compared; enough for `try again in 12h59m59.999s`.
const LONGEST_WORDS: usize = 48;
