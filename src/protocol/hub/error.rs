//! The losses and the faults of translation.
use std::fmt;

use crate::protocol::Dialect;
use crate::protocol::error::{ErrorKind, WireError};

/// What happens to a field that the target does not support.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is left out and reported, because the answer may differ.
    Name,
    /// It is left out silently: it is cosmetic, diagnostic or a hint.
    Omit,
    /// The request is refused, for this reason.
    Refuse(&'static str),
}

/// A field that was left out of a translated request or answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dropped {
    /// One of a fixed set of names, because it becomes a metric label.
    pub field: &'static str,
    /// Whether the client may notice; `false` for a field that is cosmetic, diagnostic or a hint.
    pub notable: bool,
}

/// The fields that were left out, each of them once.
#[derive(Clone, Debug, Default)]
pub struct Losses(Vec<Dropped>);

impl Losses {
    /// Records the loss of `field`, which the client may notice.
    pub fn name(&mut self, field: &'static str) {
        self.add(Dropped {
            field,
            notable: true,
        });
    }

    /// Records the loss of `field`, which nobody will notice.
    pub fn omit(&mut self, field: &'static str) {
        self.add(Dropped {
            field,
            notable: false,
        });
    }

    /// Adds one loss; several losses of the same field count once.
    pub fn add(&mut self, dropped: Dropped) {
        match self.0.iter_mut().find(|known| known.field == dropped.field) {
            Some(known) => known.notable |= dropped.notable,
            None => self.0.push(dropped),
        }
    }

    /// All losses, in order of discovery.
    pub fn as_slice(&self) -> &[Dropped] {
        &self.0
    }
}

/// Why a request cannot be translated: a mistake of the client, or a feature that the target does not have. Always a
/// 400.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestFault {
    /// The field, as a path: `messages.3.content.0.source`.
    pub param: String,
    /// What is wrong, and what to do about it.
    pub message: String,
    /// Whether another model might accept the request in the same dialect.
    pub of_model: bool,
}

impl RequestFault {
    /// A fault in `param`.
    pub fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            param: param.into(),
            message: message.into(),
            of_model: false,
        }
    }

    /// The same fault, marked as one that another model might not have.
    #[must_use]
    pub fn of_model(self) -> Self {
        Self {
            of_model: true,
            ..self
        }
    }

    /// The same fault, with the field name of the client's dialect: encoders use the hub's names.
    #[must_use]
    pub fn named_for(mut self, client: Dialect) -> Self {
        let name = match (client, &*self.param) {
            (Dialect::Gemini, "max_tokens") => "generationConfig.maxOutputTokens",
            (Dialect::Gemini, "n") => "generationConfig.candidateCount",
            (Dialect::Gemini, "logprobs") => "generationConfig.responseLogprobs",
            (Dialect::Gemini, "tool_choice") => "toolConfig.functionCallingConfig",
            (Dialect::OpenaiResponses, "max_tokens") => "max_output_tokens",
            _ => return self,
        };
        name.clone_into(&mut self.param);
        self
    }
}

impl fmt::Display for RequestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.param.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.param, self.message)
        }
    }
}

impl std::error::Error for RequestFault {}

impl From<RequestFault> for WireError {
    fn from(fault: RequestFault) -> Self {
        let error = Self::new(ErrorKind::InvalidRequest, fault.to_string());
        if fault.param.is_empty() {
            error
        } else {
            error.param(fault.param)
        }
    }
}

/// A rule of streams that an upstream broke. It makes the stream end in an error, never in garbage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// One of a fixed set of names, because it becomes a metric label.
    pub rule: &'static str,
    /// What happened, for the log and the client.
    pub message: String,
}

impl Violation {
    /// A violation of `rule`.
    pub fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
        }
    }

    /// The violation for arguments that cannot be executed.
    pub fn bad_arguments() -> Self {
        Self::new(
            "invalid_tool_json",
            "the arguments of a tool call are not a JSON object",
        )
    }

    /// The violation for data of the upstream that cannot be read.
    pub fn unreadable(why: impl fmt::Display) -> Self {
        Self::new(
            "unreadable",
            format!("what the upstream sent cannot be read: {why}"),
        )
    }
}
