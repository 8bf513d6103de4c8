//! The path of a call below a base URL, as users of each vendor's SDK expect it.
use crate::protocol::UpstreamDialect;

/// The purpose of a call; it determines the path after the base URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call<'a> {
    AnthropicCountTokens,
    AnthropicMessages,
    GeminiCountTokens {
        model: &'a str,
    },
    GeminiGenerate {
        model: &'a str,
    },
    GeminiStream {
        model: &'a str,
    },
    /// A verb that Weir does not interpret.
    GeminiOther {
        model: &'a str,
        verb: &'a str,
    },
    OpenaiChat,
    OpenaiCompact,
    OpenaiCompletions,
    OpenaiCountTokens,
    OpenaiResponses,
    /// An endpoint that Weir does not interpret, by the client's path: `/v1/files`.
    Vendor {
        dialect: UpstreamDialect,
        path: &'a str,
    },
}

/// The path of a call at a base URL whose own path is `base` (without a trailing slash; may be empty).
///
/// A base URL for Anthropic or Gemini has no version (except for a publisher of Vertex AI, whose base URL has one); a
/// base URL for OpenAI ends with it (`/v1`).
pub fn join(base: &str, call: Call<'_>) -> String {
    match call {
        Call::AnthropicCountTokens => format!("{base}/v1/messages/count_tokens"),
        Call::AnthropicMessages => format!("{base}/v1/messages"),
        Call::GeminiCountTokens { model } => gemini(base, model, "countTokens"),
        Call::GeminiGenerate { model } => gemini(base, model, "generateContent"),
        Call::GeminiStream { model } => gemini(base, model, "streamGenerateContent"),
        Call::GeminiOther { model, verb } => gemini(base, model, verb),
        Call::OpenaiCompact => format!("{base}/responses/compact"),
        Call::OpenaiChat => format!("{base}/chat/completions"),
        Call::OpenaiCompletions => format!("{base}/completions"),
        Call::OpenaiCountTokens => format!("{base}/responses/input_tokens"),
        Call::OpenaiResponses => format!("{base}/responses"),
        Call::Vendor { dialect, path } => match dialect {
            UpstreamDialect::OpenaiChat | UpstreamDialect::OpenaiResponses => match path
                .strip_prefix("/v1")
            {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{base}{rest}"),
                _ => format!("{base}{path}"),
            },
            UpstreamDialect::Anthropic | UpstreamDialect::Gemini => format!("{base}{path}"),
        },
    }
}

/// The query of a call, percent-encoded: the client's parameters that `extra` does not replace, then `extra`. `None` =
/// there is no query.
pub fn join_query(client: Option<&str>, extra: &[(String, String)]) -> Option<String> {
    let own = client
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !name.is_empty()
                && !extra
                    .iter()
                    .any(|(extra_name, _)| encode(extra_name, "") == name)
        });
    let extra = extra
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name, ""), encode(value, "")));
    let all: Vec<String> = own.map(str::to_owned).chain(extra).collect();
    (!all.is_empty()).then(|| all.join("&"))
}

fn gemini(base: &str, model: &str, verb: &str) -> String {
    // Tuned models have their own collection, `tunedModels/x`; SDKs also write a model as `models/x`.
    let model = model.strip_prefix("models/").unwrap_or(model);
    let collection = if model.starts_with("tunedModels/") {
        ""
    } else {
        "models/"
    };
    // Vertex AI has the models of a publisher below a project, and that path contains its version.
    let version = if base.contains("/publishers/") {
        ""
    } else {
        "/v1beta"
    };
    // A segment of dots would lead to another place of the account's API; then every slash of the model is encoded.
    let leads_elsewhere = model
        .split('/')
        .any(|segment| matches!(segment, "." | ".."));
    let keep = if leads_elsewhere { ":@" } else { "/:@" };
    let model = encode(model, keep);
    format!("{base}{version}/{collection}{model}:{verb}")
}

/// Percent-encodes everything except RFC 3986's unreserved characters and `keep`.
fn encode(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || keep.as_bytes().contains(&byte)
        {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_join_as_in_the_sdks() {
        assert_eq!(join("", Call::AnthropicMessages), "/v1/messages");
        assert_eq!(
            join("/anthropic", Call::AnthropicMessages),
            "/anthropic/v1/messages"
        );
        assert_eq!(
            join("", Call::AnthropicCountTokens),
            "/v1/messages/count_tokens"
        );
        assert_eq!(join("/v1", Call::OpenaiChat), "/v1/chat/completions");
        assert_eq!(join("/v1", Call::OpenaiResponses), "/v1/responses");
        assert_eq!(
            join("/openai/deployments/gpt-4o", Call::OpenaiChat),
            "/openai/deployments/gpt-4o/chat/completions"
        );
        assert_eq!(
            join(
                "",
                Call::GeminiGenerate {
                    model: "gemini-2.5-pro"
                }
            ),
            "/v1beta/models/gemini-2.5-pro:generateContent"
        );
        assert_eq!(
            join("/g", Call::GeminiStream { model: "models/x" }),
            "/g/v1beta/models/x:streamGenerateContent"
        );
        assert_eq!(
            join(
                "",
                Call::GeminiCountTokens {
                    model: "tunedModels/x"
                }
            ),
            "/v1beta/tunedModels/x:countTokens"
        );
        assert_eq!(
            join(
                "/v1/projects/p/locations/l/publishers/google",
                Call::GeminiStream {
                    model: "gemini-2.5-pro"
                }
            ),
            "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:streamGenerateContent"
        );
    }

    #[test]
    fn a_model_cannot_leave_its_place_in_the_path() {
        assert_eq!(
            join(
                "",
                Call::GeminiGenerate {
                    model: "x?key=1#y z"
                }
            ),
            "/v1beta/models/x%3Fkey%3D1%23y%20z:generateContent"
        );
        let model = "gemini-x/../../files/y";
        assert_eq!(
            join("", Call::GeminiGenerate { model }),
            "/v1beta/models/gemini-x%2F..%2F..%2Ffiles%2Fy:generateContent"
        );
    }

    #[test]
    fn vendor_endpoints_keep_their_path() {
        let path = |dialect, base, path| join(base, Call::Vendor { dialect, path });
        assert_eq!(
            path(UpstreamDialect::OpenaiChat, "/v1", "/v1/files"),
            "/v1/files"
        );
        assert_eq!(
            path(UpstreamDialect::OpenaiResponses, "/api/v1", "/v1"),
            "/api/v1"
        );
        assert_eq!(
            path(UpstreamDialect::OpenaiChat, "/v1", "/v1x/files"),
            "/v1/v1x/files"
        );
        assert_eq!(
            path(UpstreamDialect::Anthropic, "/a", "/v1/files"),
            "/a/v1/files"
        );
        assert_eq!(
            path(UpstreamDialect::Gemini, "", "/v1beta/files"),
            "/v1beta/files"
        );
    }

    #[test]
    fn the_query_of_the_account_wins() {
        let extra = [
            ("api-version".to_owned(), "2024-10-21".to_owned()),
            ("a b".to_owned(), "c&d".to_owned()),
        ];
        assert_eq!(join_query(None, &[]), None);
        assert_eq!(join_query(Some(""), &[]), None);
        assert_eq!(
            join_query(Some("beta=true"), &[]).as_deref(),
            Some("beta=true")
        );
        assert_eq!(
            join_query(Some("beta=true&api-version=1&x"), &extra).as_deref(),
            Some("beta=true&x&api-version=2024-10-21&a%20b=c%26d")
        );
    }
}
