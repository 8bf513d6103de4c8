//! Decides which kind of error an upstream's answer is, in one place for the client and for the pool.
use super::words_table::{NUMBERS, PHRASES, WORDS};
use super::{ErrorKind, WireError};
use crate::protocol::UpstreamDialect;

/// How an upstream indicated an error for which an account or a provider is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Indication {
    /// By its status, or by a type that adds nothing to it. Also for errors for which no account or provider is to
    /// blame.
    Status,
    /// By a code or type of its own.
    Code,
    /// By its status together with this phrase of its message, in lower case.
    Words(&'static str),
    /// By this phrase of its message alone, in lower case. Without the phrase, it would be an error of the given kind.
    Phrase(&'static str, ErrorKind),
}

/// What is known of an error; unknown texts are empty.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub dialect: UpstreamDialect,
    pub status: u16,
    pub type_: &'a str,
    pub code: &'a str,
    pub message: &'a str,
    /// Whether a daily quota is among the exhausted ones.
    pub per_day: bool,
}

impl Facts<'_> {
    /// Codes and types refine what the status indicates, and phrases refine what those leave open. Without an error
    /// status, codes, types and phrases decide.
    pub(super) fn kind(&self) -> ErrorKind {
        let named = self.named();
        let general = by_status(self.status);
        match self.status {
            400 | 422 => match named {
                Some(kind) if kind != ErrorKind::InvalidRequest => kind,
                _ => self.worded(&BAD_REQUEST).unwrap_or(general),
            },
            413 => match named {
                Some(ErrorKind::ContextLength) => ErrorKind::ContextLength,
                _ => self.worded(&[ErrorKind::ContextLength]).unwrap_or(general),
            },
            401 => match named {
                Some(kind @ (ErrorKind::ModelNotFound | ErrorKind::Permission)) => kind,
                _ => self.worded(&DENIED).unwrap_or(general),
            },
            // A smaller request may well be served.
            402 => self
                .worded(&[ErrorKind::TooDear, ErrorKind::Permission])
                .unwrap_or(general),
            403 => match named {
                Some(
                    kind @ (ErrorKind::Quota
                    | ErrorKind::Billing
                    | ErrorKind::Authentication
                    | ErrorKind::ModelNotFound),
                ) => kind,
                _ => self.worded(&FORBIDDEN).unwrap_or(general),
            },
            404 if named == Some(ErrorKind::ModelNotFound) || self.is_about_model() => {
                ErrorKind::ModelNotFound
            }
            429 => self.throttled(named),
            500..=599 => match named {
                Some(
                    kind @ (ErrorKind::ContextLength
                    | ErrorKind::Overloaded
                    | ErrorKind::Quota
                    | ErrorKind::Timeout),
                ) => kind,
                // `slow_down` is a rate limit of the whole endpoint.
                Some(ErrorKind::RateLimit) if self.code == "slow_down" => ErrorKind::Overloaded,
                _ => self.worded(&FAILED).unwrap_or(general),
            },
            400..=499 => general,
            _ => match named {
                None | Some(ErrorKind::InvalidRequest) => {
                    self.worded(&ANY).or(named).unwrap_or(ErrorKind::Api)
                }
                Some(kind @ (ErrorKind::Api | ErrorKind::Unavailable)) => {
                    self.worded(&FAILED).unwrap_or(kind)
                }
                Some(kind) => kind,
            },
        }
    }

    /// How the error shows that an account or a provider is to blame.
    pub(super) fn indication(&self) -> Indication {
        let kind = self.kind();
        if !is_blame(kind) {
            return Indication::Status;
        }
        let silent = Facts {
            message: "",
            ..*self
        };
        let silent = silent.kind();
        let phrase = phrase_of(kind, self.message);
        let says = |told| is_same(kind, told);
        let is_coded = by_word(self.code)
            .or_else(|| self.by_number())
            .is_some_and(says);
        match phrase {
            Some(phrase) if silent != kind => Indication::Phrase(phrase, silent),
            _ if is_coded => Indication::Code,
            Some(phrase) => Indication::Words(phrase),
            None => Indication::Status,
        }
    }

    fn throttled(&self, named: Option<ErrorKind>) -> ErrorKind {
        match named {
            Some(kind @ (ErrorKind::Quota | ErrorKind::Billing | ErrorKind::Overloaded)) => kind,
            _ if self.per_day => ErrorKind::Quota,
            // Gemini words a limit per minute like a spent quota.
            _ if self.dialect == UpstreamDialect::Gemini => self
                .worded(&[ErrorKind::Overloaded])
                .unwrap_or(ErrorKind::RateLimit),
            _ => match self.worded(&[ErrorKind::Billing, ErrorKind::Overloaded]) {
                Some(ErrorKind::Billing) => ErrorKind::Quota,
                Some(kind) => kind,
                None => ErrorKind::RateLimit,
            },
        }
    }

    /// The kind that code and type indicate. The code is more precise and comes first, unless it only repeats the
    /// status.
    fn named(&self) -> Option<ErrorKind> {
        by_word(self.code)
            .filter(|kind| *kind != ErrorKind::InvalidRequest)
            .or_else(|| self.by_number())
            .or_else(|| by_word(self.type_))
            .or_else(|| by_word(self.code))
    }

    fn by_number(&self) -> Option<ErrorKind> {
        let own = |vendor: &str| {
            NUMBERS
                .iter()
                .find(|(type_, number, _)| *type_ == vendor && *number == self.code)
                .map(|(_, _, kind)| *kind)
        };
        if self.type_ == "base_resp" {
            return own("base_resp").or(Some(ErrorKind::Api));
        }
        own("")
    }

    /// The kind among these that the message indicates, by the first phrase that counts.
    ///
    /// Vendors repeat the client's text in their messages. So a phrase that takes an account or an endpoint out counts
    /// only where nothing shows that the request is at fault, and phrases within quotations never count.
    fn worded(&self, kinds: &[ErrorKind]) -> Option<ErrorKind> {
        let head = unquoted(head_of(self.message)).to_ascii_lowercase();
        let blames = !self.is_request_told();
        PHRASES
            .iter()
            .filter(|(_, kind)| kinds.contains(kind) && (blames || !is_blame(*kind)))
            .find(|(phrase, _)| head.contains(phrase))
            .map(|(_, kind)| *kind)
    }

    /// Whether the status or the code shows that the request is at fault.
    fn is_request_told(&self) -> bool {
        let is_number = self.code.parse::<u64>().is_ok();
        let is_unknown = !self.code.is_empty() && !is_number && by_word(self.code).is_none();
        let of_request = |word: &str| {
            matches!(
                by_word(word),
                Some(ErrorKind::ModelNotFound | ErrorKind::NotFound | ErrorKind::TooLarge)
            ) || matches!(word, "invalid_prompt" | "content_policy_violation")
        };
        matches!(self.status, 400 | 422) && is_unknown
            || of_request(self.code)
            || of_request(self.type_)
    }

    fn is_about_model(&self) -> bool {
        let lower = self.message.to_ascii_lowercase();
        match self.dialect {
            UpstreamDialect::Anthropic => lower.starts_with("model:"),
            UpstreamDialect::Gemini => lower.starts_with("models/"),
            // OpenAI's words, which all other vendors repeat.
            _ => lower.contains("model") && lower.contains("not exist"),
        }
    }
}

/// The phrase of a message that indicates this kind of error, if errors of this kind take an account or an endpoint
/// out.
pub(super) fn phrase_of(kind: ErrorKind, message: &str) -> Option<&'static str> {
    if !is_blame(kind) {
        return None;
    }
    let head = unquoted(head_of(message)).to_ascii_lowercase();
    PHRASES
        .iter()
        .find(|(phrase, told)| is_same(kind, *told) && head.contains(phrase))
        .map(|(phrase, _)| *phrase)
}

/// Whether a word or phrase of kind `told` indicates `kind`: a spending limit counts as a spent quota.
fn is_same(kind: ErrorKind, told: ErrorKind) -> bool {
    told == kind || (told == ErrorKind::Billing && kind == ErrorKind::Quota)
}

impl Indication {
    /// How an error within a translated answer, which has no status, was indicated.
    pub fn of_event(said: &WireError) -> Self {
        if let Some(indication) = said.indication {
            return indication;
        }
        match phrase_of(said.kind, &said.message) {
            Some(phrase) if said.code.is_none() => Self::Phrase(phrase, ErrorKind::Api),
            _ => Self::Code,
        }
    }
}

/// The kind for a type or code; upper and lower case are the same.
fn by_word(word: &str) -> Option<ErrorKind> {
    WORDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word))
        .map(|(_, kind)| *kind)
}

pub(super) const fn by_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Authentication,
        402 => ErrorKind::Billing,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        405 => ErrorKind::MethodNotAllowed,
        408 => ErrorKind::RequestTimeout,
        // The way to the upstream is wrong, which the client cannot change: a proxy in between, another protocol,
        // another host.
        407 | 421 | 426 => ErrorKind::BadGateway,
        409 => ErrorKind::Conflict,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::RateLimit,
        499 => ErrorKind::ClientClosed,
        400..=498 => ErrorKind::InvalidRequest,
        502 | 520..=523 => ErrorKind::BadGateway,
        503 => ErrorKind::Unavailable,
        504 | 524 => ErrorKind::Timeout,
        529 => ErrorKind::Overloaded,
        _ => ErrorKind::Api,
    }
}

/// Whether an error of this kind takes an account or an endpoint out.
const fn is_blame(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Authentication | ErrorKind::Billing | ErrorKind::Quota | ErrorKind::Overloaded
    )
}

/// The part of a message that is searched: its beginning, which has what matters.
fn head_of(message: &str) -> &str {
    let mut end = message.len().min(LONGEST_SEARCHED);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).unwrap_or_default()
}

/// The message without its quotations, which contain the client's text. After an unclosed quotation mark, the rest
/// counts as quoted. Short quotations of one word are names that the vendor itself quotes; they are kept.
fn unquoted(message: &str) -> String {
    let mut said = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find(['`', '"', '\u{201c}']) {
        let (before, quoted) = rest.split_at(at);
        said.push_str(before);
        let mut letters = quoted.chars();
        let mark = letters.next();
        let inner = letters.as_str();
        let close = match mark {
            Some('\u{201c}') => '\u{201d}',
            Some(mark) => mark,
            None => break,
        };
        let Some(end) = inner.find(close) else {
            return said;
        };
        let text = inner.get(..end).unwrap_or_default();
        let is_name = text.len() <= LONGEST_NAME
            && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            && PHRASES.iter().all(|(phrase, _)| !text.contains(phrase));
        if is_name {
            said.extend([close]);
            said.push_str(text);
            said.extend([close]);
        } else {
            said.push(' ');
        }
        rest = inner.get(end + close.len_utf8()..).unwrap_or_default();
    }
    said.push_str(rest);
    said
}

/// Kinds that only the message can tell, in an error with a status of a bad request.
const BAD_REQUEST: [ErrorKind; 4] = [
    ErrorKind::ContextLength,
    ErrorKind::Billing,
    ErrorKind::Authentication,
    ErrorKind::Permission,
];
/// For a 401: these distinguish a dead credential from a restricted one.
const DENIED: [ErrorKind; 3] = [
    ErrorKind::ModelNotFound,
    ErrorKind::Authentication,
    ErrorKind::Permission,
];
/// For a 403, which may concern the credential, the plan, the model or the request.
const FORBIDDEN: [ErrorKind; 4] = [
    ErrorKind::Billing,
    ErrorKind::ModelNotFound,
    ErrorKind::Permission,
    ErrorKind::Authentication,
];
/// For a failure of the server.
const FAILED: [ErrorKind; 2] = [ErrorKind::ContextLength, ErrorKind::Overloaded];
/// For an error without a status.
const ANY: [ErrorKind; 6] = [
    ErrorKind::ContextLength,
    ErrorKind::Billing,
    ErrorKind::Authentication,
    ErrorKind::Permission,
    ErrorKind::TooDear,
    ErrorKind::Overloaded,
];

/// Most bytes of a message that are searched.
const LONGEST_SEARCHED: usize = 1024;
/// Most bytes of a quoted word that counts as the vendor's own name, such as `max_new_tokens`.
const LONGEST_NAME: usize = 24;
