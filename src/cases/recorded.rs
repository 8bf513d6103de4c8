//! Makes a case from a recorded exchange, with every credential masked.
//!
//! The bytes of the client and of the upstream are recorded unchanged; values that no connection shows (the outcome)
//! are computed. If something had to be masked, everything that depends on it is computed too, because lengths and
//! digests change with the texts.
use super::Cuts;
use super::masked::Mask;
use super::passed::{self, Form};
use super::translated::{self, Ended, Head, Section, pretty};
use crate::config::secret::Secret;
use crate::exchange::tape::{Tape, Torn, Translated};
use crate::outcome::End;
use crate::protocol::UpstreamDialect;
use crate::protocol::hub::target::PromptCache;

/// One finished exchange.
#[derive(Debug)]
pub struct Taken {
    pub tape: Box<Tape>,
    pub result: ClientResult,
    /// Secrets to mask, besides the credential that the upstream got.
    pub secrets: Vec<Secret>,
    pub request_id: String,
    /// When the exchange ended, in Unix seconds.
    pub at: u64,
}

/// What the client got.
#[derive(Debug)]
pub enum ClientResult {
    /// The answer, unchanged or translated.
    Answer,
    /// The part of the answer that had come when the client left.
    Part,
    /// The upstream's error, with this status and body.
    Failure { status: u16, body: Vec<u8> },
}

/// A case, and the name of its file.
#[derive(Debug)]
pub struct Recorded {
    /// The folder for such cases.
    pub folder: &'static str,
    /// The beginning of the file's name.
    pub name: String,
    pub file: Vec<u8>,
}

/// Why an exchange is not recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Skipped {
    /// No upstream answered, or the client's answer was not the upstream's.
    Refused,
    /// It is not a conversation: it is a count, or an endpoint other than generation.
    Vendor,
    /// The client left before enough of the answer had come.
    Left,
    /// The upstream was called several times for one answer.
    Rounds,
    /// It is longer than a case may be.
    TooLarge,
    /// It cannot be written or run as a case: bytes that are not text, or an answer that is not one.
    Unwritable,
    /// It contains a credential in pieces, which cannot be masked.
    Credential,
    /// The disk was too slow, or there were too many exchanges at the same time.
    Dropped,
}

impl Skipped {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::Vendor,
        Self::Left,
        Self::Rounds,
        Self::TooLarge,
        Self::Unwritable,
        Self::Credential,
        Self::Dropped,
    ];

    /// The name in `/status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Vendor => "vendor",
            Self::Left => "left",
            Self::Rounds => "rounds",
            Self::TooLarge => "too_large",
            Self::Unwritable => "unwritable",
            Self::Credential => "credential",
            Self::Dropped => "dropped",
        }
    }
}

/// The folders of cases; the goldens have the same ones.
pub const TRANSLATE: &str = "translate";
/// See [`TRANSLATE`].
pub const PASSTHROUGH: &str = "passthrough";

/// Makes the case of an exchange.
pub fn recorded(taken: &Taken) -> Result<Recorded, Skipped> {
    let tape = &*taken.tape;
    match tape.torn() {
        Some(Torn::TooLarge) => return Err(Skipped::TooLarge),
        Some(Torn::NoRoom) => return Err(Skipped::Dropped),
        None => {}
    }
    if tape.is_in_rounds() {
        return Err(Skipped::Rounds);
    }
    let is_part = matches!(taken.result, ClientResult::Part);
    if is_part && (!tape.request().stream || tape.heard().is_empty()) {
        return Err(Skipped::Left);
    }
    let mask = Mask::new(taken.secrets.iter().chain(&tape.request().secret));
    match &tape.request().translated {
        Some(translated) => translated_case(taken, translated, &mask),
        None => passed_case(tape, &mask),
    }
}

fn passed_case(tape: &Tape, mask: &Mask) -> Result<Recorded, Skipped> {
    let request = tape.request();
    let form = match (request.stream && is_success(tape), request.array) {
        (false, _) => Form::Answer,
        (true, true) => Form::Array,
        (true, false) => Form::Stream,
    };
    let bytes = mask.masked(tape.heard());
    if mask.shows_in(&bytes) {
        return Err(Skipped::Credential);
    }
    let case = passed::Case::new(request.client, form, bytes.into_owned());
    let facts = case.facts(Cuts::None).map_err(|_| Skipped::Unwritable)?;
    let file = case.with_facts(&facts);
    let read = passed::Case::read(&file).map_err(|_| Skipped::Unwritable)?;
    if read.expected() != facts.as_bytes() {
        return Err(Skipped::Unwritable);
    }
    Ok(Recorded {
        folder: PASSTHROUGH,
        name: format!("{}_{}", form.name(), short(request.client.upstream())),
        file,
    })
}

fn translated_case(
    taken: &Taken,
    translated: &Translated,
    mask: &Mask,
) -> Result<Recorded, Skipped> {
    let tape = &*taken.tape;
    let request = tape.request();
    let given = if !is_success(tape) {
        Section::UpstreamError
    } else if request.stream {
        Section::UpstreamStream
    } else {
        Section::UpstreamAnswer
    };
    let plain = as_it_was(taken, translated, given)?;
    let text = plain.print();
    let masked = mask.masked(text.as_bytes());
    let was_masked = *masked != *text.as_bytes();
    let masked = std::str::from_utf8(&masked).map_err(|_| Skipped::Unwritable)?;
    // The contents of the bodies must not be mistaken for parts of the file.
    let mut case = translated::Case::parse(masked).map_err(|_| Skipped::Unwritable)?;
    if !plain.head().is_writable() || !case.is_like(&plain) {
        return Err(Skipped::Unwritable);
    }
    let done = case.run(Cuts::None).map_err(|_| Skipped::Unwritable)?;
    if was_masked {
        case = done;
    } else {
        for section in Section::COMPUTED {
            if let (None, Some(computed)) = (case.section(section), done.section(section)) {
                case.put(section, computed.to_owned());
            }
        }
    }
    let file = case.print().into_bytes();
    if mask.shows_in(&file) {
        return Err(Skipped::Credential);
    }
    let kind = match given {
        Section::UpstreamStream => "stream",
        Section::UpstreamError => "error",
        _ => "answer",
    };
    Ok(Recorded {
        folder: TRANSLATE,
        name: format!(
            "{}_to_{}_{kind}",
            short(request.client.upstream()),
            short(request.upstream)
        ),
        file,
    })
}

/// The case with the recorded bytes, without computed sections. `given`: the kind of the upstream's bytes.
fn as_it_was(
    taken: &Taken,
    translated: &Translated,
    given: Section,
) -> Result<translated::Case, Skipped> {
    let tape = &*taken.tape;
    let mut case = translated::Case::new(head(taken, translated));
    case.put(Section::ClientRequest, line(text(&translated.body)?));
    let mut sent = String::new();
    for (name, value) in &translated.headers {
        sent.push_str(&format!("{name}: {value}\n"));
    }
    sent.push_str(&pretty(&translated.sent).map_err(|_| Skipped::Unwritable)?);
    case.put(Section::UpstreamRequest, sent);
    let heard = text(tape.heard())?;
    case.put(
        given,
        match given {
            Section::UpstreamError => format!("{}\n{}", tape.status(), line(heard)),
            Section::UpstreamAnswer => line(heard),
            _ => heard.to_owned(),
        },
    );
    match (&taken.result, given) {
        // If text is held back or regrouped, the client's bytes are not the translator's output.
        (ClientResult::Answer, Section::UpstreamStream) if !translated.regrouped => {
            case.put(Section::ClientStream, text(tape.said())?.to_owned());
        }
        (ClientResult::Answer, Section::UpstreamAnswer) => {
            let said = pretty(tape.said()).map_err(|_| Skipped::Unwritable)?;
            case.put(Section::ClientAnswer, said);
        }
        (
            ClientResult::Failure { status, body },
            Section::UpstreamAnswer | Section::UpstreamError,
        ) => {
            let said = pretty(body).map_err(|_| Skipped::Unwritable)?;
            case.put(Section::ClientAnswer, format!("HTTP {status}\n{said}"));
        }
        _ => {}
    }
    Ok(case)
}

fn head(taken: &Taken, translated: &Translated) -> Head {
    let tape = &*taken.tape;
    let request = tape.request();
    let mut head = Head::new(
        request.client,
        request.upstream,
        request.provider,
        &request.model,
    );
    let at = i64::try_from(taken.at).ok();
    let at = at.and_then(|at| jiff::Timestamp::from_second(at).ok());
    let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
    head.title = format!("Recorded{at}, request {}.", taken.request_id);
    if let Some((alias, delivery)) = &translated.path {
        alias.clone_into(&mut head.alias);
        head.delivery = Some(*delivery);
    }
    (*request.account).clone_into(&mut head.account);
    // Only Anthropic upstreams use this setting.
    if request.upstream == UpstreamDialect::Anthropic
        && translated.prompt_cache != PromptCache::Refused
    {
        head.prompt_cache = translated.prompt_cache;
    }
    head.capabilities = translated.capabilities;
    head.stamp = translated.stamp;
    head.asks_usage = translated.asks_usage;
    head.pauses = translated.pauses;
    let end = match taken.result {
        ClientResult::Part => Some(End::ClientGone),
        ClientResult::Answer | ClientResult::Failure { .. } => tape.broke(),
    };
    head.ended = end.map(|end| Ended {
        end,
        request_id: taken.request_id.clone(),
    });
    head
}

fn is_success(tape: &Tape) -> bool {
    (200..300).contains(&tape.status())
}

fn text(bytes: &[u8]) -> Result<&str, Skipped> {
    std::str::from_utf8(bytes).map_err(|_| Skipped::Unwritable)
}

/// JSON gets a line end, so that the next ruler begins a line; other text is unchanged.
fn line(text: &str) -> String {
    let ended = text.ends_with('\n') || !text.trim_end().ends_with(['}', ']']);
    format!("{text}{}", if ended { "" } else { "\n" })
}

fn short(dialect: UpstreamDialect) -> &'static str {
    match dialect {
        UpstreamDialect::OpenaiChat => "chat",
        UpstreamDialect::OpenaiResponses => "responses",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::cases::Case;
    use crate::exchange::tape::tests::{passed, translated as tape_of};
    use crate::exchange::tape::{Budget, TapedRequest};
    use crate::protocol::Dialect;
    use crate::protocol::hub::context::Stamp;

    const KEY: &str = "weir-client-key-0123456789";

    fn taken(tape: Tape, result: ClientResult) -> Taken {
        Taken {
            tape: Box::new(tape),
            result,
            secrets: vec![Secret::new(KEY)],
            request_id: "req-1".to_owned(),
            at: 1_790_000_123,
        }
    }

    /// An exchange of a Chat client with an Anthropic upstream that answers with `text`.
    fn translation(prompt: &str, text: &str) -> Taken {
        let body =
            format!(r#"{{"model":"alias","messages":[{{"role":"user","content":"{prompt}"}}]}}"#);
        let stamp = Stamp {
            created: 1_790_000_100,
            seed: 42,
            stored: false,
        };
        let heard = format!(
            r#"{{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":9,"output_tokens":2}}}}"#
        );
        let request = crate::protocol::translate::decode(Dialect::OpenaiChat, body.as_bytes())
            .expect("a request");
        let target = crate::protocol::hub::target::Target {
            model: "claude-sonnet-5",
            capabilities: &crate::catalog::capabilities("claude-sonnet-5"),
            quirks: &crate::protocol::hub::target::Quirks::ANTHROPIC,
            account: "main",
            prompt_cache: PromptCache::Auto,
        };
        let (mut translator, encoded) = crate::protocol::translate::Translator::new(
            &request,
            UpstreamDialect::Anthropic,
            &target,
            stamp,
        )
        .expect("it translates");
        let said = translator.response(heard.as_bytes()).expect("an answer");
        let request = TapedRequest {
            client: Dialect::OpenaiChat,
            upstream: UpstreamDialect::Anthropic,
            provider: "anthropic",
            model: "claude-sonnet-5".into(),
            account: "main".into(),
            secret: Some(Secret::new("the-upstream's-own-key")),
            stream: false,
            array: false,
            translated: Some(Box::new(Translated {
                path: None,
                prompt_cache: PromptCache::Auto,
                capabilities: None,
                stamp,
                asks_usage: true,
                pauses: false,
                regrouped: false,
                body: Bytes::from(body),
                headers: encoded.headers,
                sent: encoded.body.into(),
            })),
        };
        taken(
            tape_of(request, heard.as_bytes(), &said),
            ClientResult::Answer,
        )
    }

    #[test]
    fn what_was_recorded_comes_out_the_same_when_it_is_run() {
        let recorded = recorded(&translation("hi", "hello")).expect("a case");
        assert_eq!(
            (recorded.folder, &*recorded.name),
            (TRANSLATE, "chat_to_anthropic_answer")
        );
        let text = String::from_utf8(recorded.file.clone()).expect("text");
        assert!(text.starts_with("Recorded at 2026-09-21T"), "{text}");
        assert!(
            text.contains("\nseed: 42\n") && text.contains("\naccount: main\n"),
            "{text}"
        );
        let run = Case::read(&recorded.file)
            .expect("a case")
            .run()
            .expect("it runs");
        assert_eq!(String::from_utf8_lossy(&run), text);
        // The bytes are those of the connection, not recomputed ones.
        let other = text.replace("\"content\": \"hello\"", "\"content\": \"hullo\"");
        assert_ne!(
            Case::read(other.as_bytes())
                .expect("a case")
                .run()
                .expect("it runs"),
            other.into_bytes()
        );
    }

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        let prompt = format!(
            "my key is {KEY} and sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, is it good?"
        );
        let echo = format!("{KEY} and the-upstream's-own-key are good");
        let recorded = recorded(&translation(&prompt, &echo)).expect("a case");
        let text = String::from_utf8(recorded.file.clone()).expect("text");
        for secret in [KEY, "AAAAAAAA", "upstream's-own-key"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(
            text.contains("my key is *** and") && text.contains("*** and *** are good"),
            "{text}"
        );
        let run = Case::read(&recorded.file)
            .expect("a case")
            .run()
            .expect("it runs");
        assert_eq!(String::from_utf8_lossy(&run), text);
    }

    #[test]
    fn a_credential_that_cannot_be_masked_is_not_written() {
        // The secret comes in pieces, as a model streams it token by token.
        let mut stream = String::new();
        for piece in [&KEY[..7], &KEY[7..15], &KEY[15..]] {
            stream.push_str(&format!("event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{piece}\"}}}}\n\n"));
        }
        let tape = passed(&Budget::new(1 << 20), stream.as_bytes());
        assert_eq!(
            recorded(&taken(tape, ClientResult::Answer)).expect_err("a credential"),
            Skipped::Credential
        );
        // The secret is escaped.
        let escaped = KEY.replace('w', "\\u0077");
        let got = recorded(&translation("hi", &escaped)).map(|case| String::from_utf8(case.file));
        assert_eq!(got.expect_err("a credential"), Skipped::Credential);
    }

    #[test]
    fn what_passed_is_a_case_of_its_own_kind() {
        let stream = b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"claude\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n";
        let tape = passed(&Budget::new(1 << 20), stream);
        let case = recorded(&taken(tape, ClientResult::Part)).expect("a case");
        assert_eq!(
            (case.folder, &*case.name),
            (PASSTHROUGH, "stream_anthropic")
        );
        assert_eq!(
            Case::read(&case.file)
                .expect("a case")
                .run()
                .expect("it runs"),
            case.file
        );
    }

    #[test]
    fn what_cannot_be_a_case_is_told_apart() {
        let ruler = b"data: {}\n=== facts\n".to_vec();
        let tape = passed(&Budget::new(1 << 20), &ruler);
        assert_eq!(
            recorded(&taken(tape, ClientResult::Answer)).expect_err("a ruler"),
            Skipped::Unwritable
        );
        let tape = passed(&Budget::new(1 << 20), b"");
        assert_eq!(
            recorded(&taken(tape, ClientResult::Part)).expect_err("nothing"),
            Skipped::Left
        );
        let tape = passed(&Budget::new(4), b"more than four");
        assert_eq!(
            recorded(&taken(tape, ClientResult::Answer)).expect_err("no room"),
            Skipped::Dropped
        );
        // A request id that would add another line to the head.
        let mut odd = translation("hi", "hello");
        odd.request_id = "a\nseed: 7".to_owned();
        assert_eq!(
            recorded(&odd).map(|case| case.name).expect_err("a line"),
            Skipped::Unwritable
        );
    }
}
