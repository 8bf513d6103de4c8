//! An exchange between a client of one dialect and an upstream of another: the client's request, the upstream's
//! request, the upstream's answer and the client's answer, separated by rulers. Sections that are not given are
//! computed.
use std::fmt::Write as _;

use bytes::BytesMut;
use memchr::memmem;
use serde_json::Value;

use super::Cuts;
pub use super::head::{Ended, Head};
use crate::exchange::refusal::Refusal;
use crate::outcome::End;
use crate::protocol::error;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::request::Request;
use crate::protocol::hub::target::{Encoded, Target};
use crate::protocol::translate::{self, Terminal, Translator};

/// One case file.
#[derive(Clone, Debug)]
pub struct Case {
    head: Head,
    sections: Vec<(Section, String)>,
}

/// The sections behind the rulers, in this order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Section {
    ClientRequest,
    Refused,
    UpstreamRequest,
    UpstreamStream,
    UpstreamAnswer,
    UpstreamError,
    ClientStream,
    ClientAnswer,
    Outcome,
}

impl Section {
    const NAMED: [(&str, Self); 9] = [
        ("client request", Self::ClientRequest),
        ("refused", Self::Refused),
        ("upstream request", Self::UpstreamRequest),
        ("upstream stream", Self::UpstreamStream),
        ("upstream answer", Self::UpstreamAnswer),
        ("upstream error", Self::UpstreamError),
        ("client stream", Self::ClientStream),
        ("client answer", Self::ClientAnswer),
        ("outcome", Self::Outcome),
    ];

    fn name(self) -> &'static str {
        let mut named = Self::NAMED.iter();
        named
            .find(|(_, section)| *section == self)
            .map_or("", |(name, _)| name)
    }

    /// The sections that are computed.
    pub const COMPUTED: [Self; 5] = [
        Self::Refused,
        Self::UpstreamRequest,
        Self::ClientStream,
        Self::ClientAnswer,
        Self::Outcome,
    ];

    /// Whether the section is given instead of computed.
    fn is_given(self) -> bool {
        !Self::COMPUTED.contains(&self)
    }
}

impl Case {
    /// A case without sections.
    pub fn new(head: Head) -> Self {
        Self {
            head,
            sections: Vec::new(),
        }
    }

    /// Reads a file. `Err` tells what is wrong with it and what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err(format!("is empty; expected {}", super::EXPECTED));
        }
        let mut rulers = rulers(text);
        let Some((end, ..)) = rulers.first() else {
            return Err(format!(
                "has no `{RULER}client request`; expected {}",
                super::EXPECTED
            ));
        };
        let head = Head::parse(&text[..*end])?;
        let mut case = Self::new(head);
        rulers.push((text.len(), Section::Outcome, text.len()));
        for pair in rulers.windows(2) {
            let [(_, section, from), (to, ..)] = pair else {
                continue;
            };
            if case.section(*section).is_some() {
                return Err(format!("has `{RULER}{}` twice", section.name()));
            }
            case.put(*section, text[*from..*to].to_owned());
        }
        if case.section(Section::ClientRequest).is_none() {
            return Err(format!("has no `{RULER}client request`"));
        }
        Ok(case)
    }

    /// The text of the file.
    pub fn print(&self) -> String {
        let mut text = self.head.print();
        for (section, body) in &self.sections {
            // Writing to a String cannot fail.
            let _ = write!(text, "{RULER}{}\n{body}", section.name());
        }
        text
    }

    /// Whether both have the same sections.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let kinds = |case: &Self| {
            case.sections
                .iter()
                .map(|(section, _)| *section)
                .collect::<Vec<_>>()
        };
        kinds(self) == kinds(other)
    }

    /// The circumstances of the exchange.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The content of this section.
    pub fn section(&self, section: Section) -> Option<&str> {
        let found = self.sections.iter().find(|(key, _)| *key == section);
        found.map(|(_, body)| body.as_str())
    }

    /// Sets the content of a section.
    pub fn put(&mut self, section: Section, body: String) {
        self.sections.retain(|(key, _)| *key != section);
        self.sections.push((section, body));
        self.sections.sort_by_key(|(section, _)| *section);
    }

    /// The case with all computed sections. `Err` tells why it cannot be run.
    pub fn run(&self, cuts: Cuts) -> Result<Self, String> {
        let given = self
            .sections
            .iter()
            .filter(|(section, _)| section.is_given());
        let mut done = Self {
            head: self.head.clone(),
            sections: given.cloned().collect(),
        };
        done.compute(cuts)?;
        Ok(done)
    }

    fn compute(&mut self, cuts: Cuts) -> Result<(), String> {
        let head = self.head.clone();
        let asked = self.section(Section::ClientRequest).unwrap_or_default();
        let decoded = match head.delivery {
            Some(delivery) => translate::decode_gemini(asked.as_bytes(), &head.alias, delivery),
            None => translate::decode(head.client, asked.as_bytes()),
        };
        let request = match decoded {
            Ok(request) => request,
            Err(fault) => return self.refuse(fault),
        };
        let habits = head.habits()?;
        let (mut translator, encoded) = match begin(&head, &request, &habits.target(&head)) {
            Ok(begun) => begun,
            Err(fault) => return self.refuse(fault),
        };
        let again = || {
            let begun = begin(&head, &request, &habits.target(&head));
            begun.map_or_else(|fault| Err(fault.message), |(translator, _)| Ok(translator))
        };
        if let Some(stream) = self.section(Section::UpstreamStream) {
            let streamed = streamed(&head, &mut translator, (stream.as_bytes(), cuts), &again)?;
            self.put(Section::ClientStream, streamed);
        } else if let Some(answer) = self.section(Section::UpstreamAnswer) {
            let answered = match translator.response(answer.as_bytes()) {
                Ok(answer) => pretty(&answer)?,
                Err(said) => error_text(&head, &said)?,
            };
            self.put(Section::ClientAnswer, answered);
        } else if let Some(failure) = self.section(Section::UpstreamError) {
            let (status, body) = failure.split_once('\n').unwrap_or((failure, ""));
            let status = status.parse().map_err(|_| {
                format!("has `{status:.40}` behind `{RULER}upstream error`, expected the status on a line of its own, then the body")
            })?;
            let said = error::parse(head.upstream, status, body.as_bytes());
            let said = translate::error(head.client, &said);
            let answered = error_text(&head, &said)?;
            self.put(Section::ClientAnswer, answered);
        }
        self.put(Section::UpstreamRequest, asked_upstream(&head, &encoded)?);
        self.put(Section::Outcome, outcome(&translator));
        Ok(())
    }

    fn refuse(&mut self, fault: RequestFault) -> Result<(), String> {
        let said = error::encode(self.head.client, &fault.into());
        self.put(Section::Refused, pretty(&said)?);
        Ok(())
    }
}

/// The rulers: where they begin, their sections, and where the content behind them begins. Text like a ruler may occur
/// in the middle of a line, unless the line ends with the name of a section.
fn rulers(text: &str) -> Vec<(usize, Section, usize)> {
    memmem::find_iter(text.as_bytes(), RULER.as_bytes())
        .filter_map(|at| {
            let rest = text.get(at + RULER.len()..)?;
            let (line, _) = rest.split_once('\n')?;
            let (name, section) = *Section::NAMED.iter().find(|(name, _)| *name == line)?;
            Some((at, section, at + RULER.len() + name.len() + 1))
        })
        .collect()
}

fn begin(
    head: &Head,
    request: &Request,
    target: &Target<'_>,
) -> Result<(Translator, Encoded), RequestFault> {
    let (mut translator, encoded) = Translator::new(request, head.upstream, target, head.stamp)?;
    if head.pauses {
        translator.may_pause();
    }
    Ok((translator, encoded))
}

/// The client's part of a stream, which must not depend on how the stream is divided.
fn streamed(
    head: &Head,
    translator: &mut Translator,
    (stream, cuts): (&[u8], Cuts),
    again: &dyn Fn() -> Result<Translator, String>,
) -> Result<String, String> {
    let whole = replay(head, translator, [stream].into_iter())?;
    for cut in cuts.places(stream.len()) {
        let (first, rest) = stream.split_at(cut);
        if replay(head, &mut again()?, [first, rest].into_iter())? != whole {
            return Err(format!(
                "what the client gets depends on how the stream is cut: at byte {cut}"
            ));
        }
    }
    if cuts == Cuts::Many && replay(head, &mut again()?, stream.chunks(1))? != whole {
        return Err(
            "what the client gets byte by byte is something else than what it gets at once"
                .to_owned(),
        );
    }
    Ok(whole)
}

fn replay<'a>(
    head: &Head,
    translator: &mut Translator,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> Result<String, String> {
    let mut out = BytesMut::new();
    for chunk in chunks {
        translator.push(chunk, &mut out);
    }
    match &head.ended {
        None => translator.finish(&mut out),
        Some(Ended {
            end: End::ClientGone,
            ..
        }) => {}
        Some(Ended { end, request_id }) => {
            if translator.stopped() {
                translator.finish(&mut out);
            }
            let last_words = Refusal::last_words(*end, head.client, request_id);
            translator.terminal_error(&last_words, &mut out);
        }
    }
    String::from_utf8(out.to_vec()).map_err(|_| "becomes something that is not text".to_owned())
}

fn asked_upstream(head: &Head, encoded: &Encoded) -> Result<String, String> {
    let mut text = String::new();
    for (name, value) in &encoded.headers {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    }
    let mut body = json(&encoded.body)?;
    if !head.asks_usage
        && let Some(members) = body.as_object_mut()
    {
        members.shift_remove("stream_options");
    }
    text.push_str(&printed(&body)?);
    Ok(text)
}

fn error_text(head: &Head, said: &error::WireError) -> Result<String, String> {
    let body = pretty(&error::encode(head.client, said))?;
    Ok(format!(
        "HTTP {}\n{body}",
        error::status(head.client, said.kind)
    ))
}

fn outcome(translator: &Translator) -> String {
    let mut text = match translator.terminal() {
        None => String::new(),
        Some(Terminal::Paused) => "paused\n".to_owned(),
        Some(Terminal::Complete) => "complete\n".to_owned(),
        Some(Terminal::Truncated) => "truncated\n".to_owned(),
        Some(Terminal::Failed(said)) => format!("failed: {}\n", said.message),
    };
    for dropped in translator.dropped() {
        let how = if dropped.notable {
            "dropped"
        } else {
            "omitted"
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{how}: {}", dropped.field);
    }
    for violation in translator.violations() {
        let _ = writeln!(text, "violation: {}", violation.rule);
    }
    text
}

/// JSON in the format of cases.
pub fn pretty(bytes: &[u8]) -> Result<String, String> {
    // The answer has paused, so there is no text yet.
    if bytes.is_empty() {
        return Ok(String::new());
    }
    printed(&json(bytes)?)
}

fn json(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes)
        .map_err(|error| format!("becomes something that is not JSON: {error}"))
}

fn printed(value: &Value) -> Result<String, String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

const RULER: &str = "----- ";

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "A.\nclient: anthropic\nupstream: gemini\nprovider: gemini\nmodel: m\n";

    #[test]
    fn a_ruler_is_one_only_with_a_name_that_is_known() {
        let text = format!(
            "{HEAD}----- client request\n{{\"a\":\"----- client request\"}}\n----- upstream stream\ndata: ----- x\n----- outcome\n"
        );
        let case = Case::parse(&text).expect("a case");
        assert_eq!(
            case.section(Section::UpstreamStream),
            Some("data: ----- x\n")
        );
        assert_eq!(case.section(Section::Outcome), Some(""));
        assert_eq!(case.print(), text);
        let twice = format!("{HEAD}----- client request\n{{}}\n----- client request\n{{}}\n");
        assert!(Case::parse(&twice).expect_err("twice").contains("twice"));
    }

    #[test]
    fn a_stream_that_ends_early_ends_as_it_is_said_to() {
        let text = format!(
            "{HEAD}ended: idle\nrequest_id: req-7\n----- client request\n{{\"model\":\"m\",\"max_tokens\":9,\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}\n----- upstream stream\ndata: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"Hel\"}}]}}}}]}}\n\n"
        );
        let case = Case::parse(&text)
            .expect("a case")
            .run(Cuts::Many)
            .expect("it runs");
        let streamed = case.section(Section::ClientStream).expect("a stream");
        assert!(
            streamed.contains("Hel") && streamed.contains("event: error"),
            "{streamed}"
        );
        assert!(streamed.contains("req-7"), "{streamed}");
        let left = text.replace("ended: idle", "ended: client_gone");
        let case = Case::parse(&left)
            .expect("a case")
            .run(Cuts::Many)
            .expect("it runs");
        let streamed = case.section(Section::ClientStream).expect("a stream");
        assert!(
            streamed.contains("Hel") && !streamed.contains("event: error"),
            "{streamed}"
        );
        assert_eq!(case.section(Section::Outcome), Some(""));
    }
}
