//! The four dialects as the soak needs them: a question, what an answer says, and whether it is well-formed. Written
//! for itself and not with Weir's own code, so that a mistake in one shows in the other.
use serde_json::{Value, json};

use crate::ledger::Tokens;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    Anthropic,
    Chat,
    Responses,
    Gemini,
}

pub const ALL: [Dialect; 4] = [
    Dialect::Anthropic,
    Dialect::Chat,
    Dialect::Responses,
    Dialect::Gemini,
];

impl Dialect {
    /// The word in Weir's configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Chat => "openai-chat",
            Self::Responses => "openai-responses",
            Self::Gemini => "gemini",
        }
    }

    /// The path and the body of a question.
    pub fn ask(self, model: &str, prompt: &str, stream: bool, usage: bool) -> (String, Value) {
        match self {
            Self::Anthropic => (
                "/v1/messages".to_owned(),
                json!({"model": model, "max_tokens": 4096, "stream": stream, "messages": [{"role": "user", "content": prompt}]}),
            ),
            Self::Chat => {
                let mut body = json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": prompt}]});
                if stream && usage {
                    body["stream_options"] = json!({"include_usage": true});
                }
                ("/v1/chat/completions".to_owned(), body)
            }
            Self::Responses => (
                "/v1/responses".to_owned(),
                json!({"model": model, "stream": stream, "input": prompt}),
            ),
            Self::Gemini => {
                let verb = if stream {
                    "streamGenerateContent?alt=sse"
                } else {
                    "generateContent"
                };
                (
                    format!("/v1beta/models/{model}:{verb}"),
                    json!({"contents": [{"role": "user", "parts": [{"text": prompt}]}]}),
                )
            }
        }
    }

    /// The usage that a JSON text of this dialect states, on top of what was stated before.
    pub fn usage(self, json: &Value, before: Option<Tokens>) -> Option<Tokens> {
        let number = |value: &Value| value.as_u64();
        match self {
            Self::Anthropic => {
                let usage = [&json["message"]["usage"], &json["usage"]]
                    .into_iter()
                    .find(|usage| usage.is_object())?;
                let before = before.unwrap_or_default();
                Some(Tokens {
                    input: number(&usage["input_tokens"]).unwrap_or(before.input),
                    cache_read: number(&usage["cache_read_input_tokens"])
                        .unwrap_or(before.cache_read),
                    output: number(&usage["output_tokens"]).unwrap_or(before.output),
                })
            }
            Self::Chat => {
                let usage = &json["usage"];
                let cached = number(&usage["prompt_tokens_details"]["cached_tokens"]).unwrap_or(0);
                Some(Tokens {
                    input: number(&usage["prompt_tokens"])? - cached,
                    cache_read: cached,
                    output: number(&usage["completion_tokens"])?,
                })
            }
            Self::Responses => {
                let usage = [&json["response"]["usage"], &json["usage"]]
                    .into_iter()
                    .find(|usage| usage.is_object())?;
                let cached = number(&usage["input_tokens_details"]["cached_tokens"]).unwrap_or(0);
                Some(Tokens {
                    input: number(&usage["input_tokens"])? - cached,
                    cache_read: cached,
                    output: number(&usage["output_tokens"])?,
                })
            }
            Self::Gemini => {
                let usage = &json["usageMetadata"];
                let cached = number(&usage["cachedContentTokenCount"]).unwrap_or(0);
                Some(Tokens {
                    input: number(&usage["promptTokenCount"])? - cached,
                    cache_read: cached,
                    output: number(&usage["candidatesTokenCount"]).unwrap_or(0)
                        + number(&usage["thoughtsTokenCount"]).unwrap_or(0),
                })
            }
        }
    }

    /// Whether this is an error as the dialect words it.
    pub fn is_error(self, json: &Value) -> bool {
        let error = &json["error"];
        let worded = error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty());
        match self {
            Self::Anthropic => json["type"] == "error" && worded && error["type"].is_string(),
            Self::Chat | Self::Responses => worded && error["type"].is_string(),
            Self::Gemini => worded && error["code"].is_u64() && error["status"].is_string(),
        }
    }

    /// The text of a plain answer; `None` when it is not one that has come to its end.
    pub fn text(self, json: &Value) -> Option<usize> {
        let texts = |list: &Value, field: &str| {
            let items = list.as_array()?.iter();
            Some(
                items
                    .filter_map(|item| Some(item[field].as_str()?.len()))
                    .sum::<usize>(),
            )
        };
        match self {
            Self::Anthropic => {
                json["stop_reason"].as_str()?;
                texts(&json["content"], "text")
            }
            Self::Chat => {
                json["choices"][0]["finish_reason"].as_str()?;
                Some(json["choices"][0]["message"]["content"].as_str()?.len())
            }
            Self::Responses => {
                (json["status"] == "completed").then_some(())?;
                let output = json["output"].as_array()?.iter();
                Some(
                    output
                        .filter_map(|item| texts(&item["content"], "text"))
                        .sum(),
                )
            }
            Self::Gemini => {
                json["candidates"][0]["finishReason"].as_str()?;
                texts(&json["candidates"][0]["content"]["parts"], "text")
            }
        }
    }
}

/// A stream as a client reads it.
#[derive(Debug)]
pub struct Reading {
    dialect: Dialect,
    pub events: u64,
    pub text: usize,
    pub usage: Option<Tokens>,
    /// Anthropic: blocks that are open. Responses: the last sequence number.
    number: u64,
    /// Chat, Gemini: a reason to stop was given.
    stopped: bool,
    pub end: Option<StreamEnd>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamEnd {
    Complete,
    Error,
}

impl Reading {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            events: 0,
            text: 0,
            usage: None,
            number: 0,
            stopped: false,
            end: None,
        }
    }

    /// The body has come to its regular end: how it ended, if it was an end at all. Chat needs no `[DONE]` once a reason
    /// to stop was given: some servers send none.
    pub fn finish(&self) -> Option<StreamEnd> {
        let stopped = self.dialect == Dialect::Chat && self.stopped;
        self.end.or(stopped.then_some(StreamEnd::Complete))
    }

    /// One event: the lines between two blank lines. An error says what is wrong with it.
    pub fn event(&mut self, event: &str) -> Result<(), &'static str> {
        let mut data = None;
        let mut name = None;
        for line in event.lines() {
            if let Some(rest) = line.strip_prefix("data: ") {
                if data.replace(rest).is_some() {
                    return Err("an event with two data lines");
                }
            } else if let Some(rest) = line.strip_prefix("event: ") {
                name = Some(rest);
            } else if !line.is_empty() && !line.starts_with(':') {
                return Err("a line that no event stream has");
            }
        }
        let Some(data) = data else { return Ok(()) };
        if self.end == Some(StreamEnd::Error)
            || self.end.is_some() && self.dialect != Dialect::Gemini
        {
            return Err("an event after the last one");
        }
        self.events += 1;
        if data == "[DONE]" {
            if self.dialect != Dialect::Chat || !self.stopped {
                return Err("a [DONE] where none belongs");
            }
            self.end = Some(StreamEnd::Complete);
            return Ok(());
        }
        let json: Value = serde_json::from_str(data).map_err(|_| "an event that is not JSON")?;
        if let Some(usage) = self.dialect.usage(&json, self.usage) {
            self.usage = Some(usage);
        }
        match self.dialect {
            Dialect::Anthropic => self.anthropic(&json, name),
            Dialect::Chat => self.chat(&json),
            Dialect::Responses => self.responses(&json, name),
            Dialect::Gemini => self.gemini(&json),
        }
    }

    fn anthropic(&mut self, json: &Value, name: Option<&str>) -> Result<(), &'static str> {
        let kind = json["type"].as_str().ok_or("an event without a type")?;
        if name != Some(kind) {
            return Err("an event whose name is not its type");
        }
        match kind {
            "message_start" if self.events == 1 => {}
            "ping" => {}
            "error" => self.fail(json)?,
            _ if self.events == 1 => return Err("a stream that does not begin with message_start"),
            "content_block_start" => self.number += 1,
            "content_block_delta" if self.number == 1 => {
                self.text += json["delta"]["text"].as_str().map_or(0, str::len);
            }
            "content_block_stop" if self.number == 1 => self.number -= 1,
            "message_delta" if self.number == 0 => self.stopped = true,
            "message_stop" if self.stopped => self.end = Some(StreamEnd::Complete),
            _ => return Err("an event out of order"),
        }
        Ok(())
    }

    fn chat(&mut self, json: &Value) -> Result<(), &'static str> {
        if !json["error"].is_null() {
            return self.fail(json);
        }
        let choice = &json["choices"][0];
        self.text += choice["delta"]["content"].as_str().map_or(0, str::len);
        self.stopped |= choice["finish_reason"].is_string();
        if json["object"] == "chat.completion.chunk" {
            Ok(())
        } else {
            Err("a chunk that is none")
        }
    }

    fn responses(&mut self, json: &Value, name: Option<&str>) -> Result<(), &'static str> {
        let kind = json["type"].as_str().ok_or("an event without a type")?;
        if name.is_some_and(|name| name != kind) {
            return Err("an event whose name is not its type");
        }
        if let Some(number) = json["sequence_number"].as_u64() {
            if self.events > 1 && number <= self.number {
                return Err("sequence numbers that do not grow");
            }
            self.number = number;
        }
        match kind {
            "response.output_text.delta" => {
                self.text += json["delta"].as_str().map_or(0, str::len);
            }
            "response.completed" if self.events > 1 => self.end = Some(StreamEnd::Complete),
            "response.failed" if json["response"]["error"]["message"].is_string() => {
                self.end = Some(StreamEnd::Error);
            }
            "error" if json["message"].is_string() || json["error"]["message"].is_string() => {
                self.end = Some(StreamEnd::Error);
            }
            "response.failed" | "error" => return Err("an error without a message"),
            "response.created" if self.events == 1 => {}
            _ if self.events == 1 => {
                return Err("a stream that does not begin with response.created");
            }
            _ => {}
        }
        Ok(())
    }

    fn gemini(&mut self, json: &Value) -> Result<(), &'static str> {
        if !json["error"].is_null() {
            return self.fail(json);
        }
        let candidate = &json["candidates"][0];
        let parts = candidate["content"]["parts"].as_array();
        self.text += parts
            .into_iter()
            .flatten()
            .filter_map(|part| Some(part["text"].as_str()?.len()))
            .sum::<usize>();
        if candidate["finishReason"].is_string() {
            self.end = Some(StreamEnd::Complete);
        }
        Ok(())
    }

    fn fail(&mut self, json: &Value) -> Result<(), &'static str> {
        self.end = Some(StreamEnd::Error);
        if self.dialect.is_error(json) {
            Ok(())
        } else {
            Err("an error event that is not worded as the dialect words it")
        }
    }
}
