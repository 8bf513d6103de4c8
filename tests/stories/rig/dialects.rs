//! One small exchange per dialect.
use weir::protocol::Dialect;

pub const ALL: [Dialect; 4] = [
    Dialect::Anthropic,
    Dialect::OpenaiChat,
    Dialect::OpenaiResponses,
    Dialect::Gemini,
];

/// What a client asks and an upstream answers in one dialect.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    pub dialect: Dialect,
    /// Where a client calls.
    pub path: &'static str,
    pub stream_path: &'static str,
    pub ask: &'static str,
    pub ask_stream: &'static str,
    /// A plain answer.
    pub answer: &'static str,
    /// A stream up to its first content, and the rest.
    pub opening: &'static [&'static str],
    pub closing: &'static [&'static str],
    /// The last events of a stream that is whole: what no broken one may show.
    pub marks: &'static [&'static str],
}

pub fn sample(dialect: Dialect) -> Lines {
    match dialect {
        Dialect::Anthropic => ANTHROPIC,
        Dialect::OpenaiChat => CHAT,
        Dialect::OpenaiResponses => RESPONSES,
        Dialect::Gemini => GEMINI,
    }
}

impl Lines {
    /// The whole stream.
    pub fn events(&self) -> Vec<&'static str> {
        [self.opening, self.closing].concat()
    }

    /// `type` and `code` (or what stands for it) of an error body, and its message.
    pub fn error(&self, body: &serde_json::Value) -> (String, String) {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let error = &body["error"];
        let kind = match self.dialect {
            Dialect::Gemini => &error["status"],
            _ => &error["type"],
        };
        if self.dialect == Dialect::Anthropic {
            assert_eq!(body["type"], "error", "{body}");
        }
        (text(kind), text(&error["message"]))
    }
}

const ANTHROPIC: Lines = Lines {
    dialect: Dialect::Anthropic,
    path: "/v1/messages",
    stream_path: "/v1/messages",
    ask: r#"{"model":"claude-sonnet-4-5","max_tokens":16,"messages":[{"role":"user","content":"Hi"}]}"#,
    ask_stream: r#"{"model":"claude-sonnet-4-5","max_tokens":16,"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#,
    answer: r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":5,"cache_read_input_tokens":3}}"#,
    opening: &[
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":10,\"output_tokens\":1,\"cache_read_input_tokens\":3}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n",
    ],
    closing: &[
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":5}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ],
    marks: &["message_stop", "message_delta"],
};

const CHAT: Lines = Lines {
    dialect: Dialect::OpenaiChat,
    path: "/v1/chat/completions",
    stream_path: "/v1/chat/completions",
    ask: r#"{"model":"gpt-5","messages":[{"role":"user","content":"Hi"}]}"#,
    ask_stream: r#"{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Hi"}]}"#,
    answer: r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-5","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":13,"completion_tokens":5,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":3}}}"#,
    opening: &[
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n",
    ],
    closing: &[
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\",\"choices\":[],\"usage\":{\"prompt_tokens\":13,\"completion_tokens\":5,\"total_tokens\":18,\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n",
        "data: [DONE]\n\n",
    ],
    marks: &["[DONE]", "\"finish_reason\":\"stop\""],
};

const RESPONSES: Lines = Lines {
    dialect: Dialect::OpenaiResponses,
    path: "/v1/responses",
    stream_path: "/v1/responses",
    ask: r#"{"model":"gpt-5","input":"Hi"}"#,
    ask_stream: r#"{"model":"gpt-5","stream":true,"input":"Hi"}"#,
    answer: r#"{"id":"resp_1","object":"response","created_at":1,"status":"completed","error":null,"model":"gpt-5","output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}],"usage":{"input_tokens":13,"input_tokens_details":{"cached_tokens":3},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":18}}"#,
    opening: &[
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1,\"status\":\"in_progress\",\"model\":\"gpt-5\",\"output\":[]}}\n\n",
        "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"type\":\"message\",\"id\":\"msg_1\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"Hel\"}\n\n",
    ],
    closing: &[
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":3,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"lo\"}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":4,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1,\"status\":\"completed\",\"model\":\"gpt-5\",\"output\":[],\"usage\":{\"input_tokens\":13,\"input_tokens_details\":{\"cached_tokens\":3},\"output_tokens\":5,\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":18}}}\n\n",
    ],
    marks: &["response.completed"],
};

const GEMINI: Lines = Lines {
    dialect: Dialect::Gemini,
    path: "/v1beta/models/gemini-2.5-flash:generateContent",
    stream_path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
    ask: r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#,
    ask_stream: r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#,
    answer: r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":13,"candidatesTokenCount":5,"totalTokenCount":18,"cachedContentTokenCount":3},"modelVersion":"gemini-2.5-flash","responseId":"r1"}"#,
    opening: &[
        "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Hel\"}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":13,\"totalTokenCount\":13},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"r1\"}\n\n",
    ],
    closing: &[
        "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"lo\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":13,\"candidatesTokenCount\":5,\"totalTokenCount\":18,\"cachedContentTokenCount\":3},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"r1\"}\n\n",
    ],
    marks: &["finishReason"],
};
