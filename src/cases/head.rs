//! The circumstances of a translated exchange: client, upstream, and the inputs of the translation.
use std::fmt::Write as _;

use crate::catalog;
use crate::config::providers::Provider;
use crate::outcome::End;
use crate::protocol::gemini::Delivery;
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::target::{PromptCache, Quirks, Target};
use crate::protocol::models::Capabilities;
use crate::protocol::{Dialect, UpstreamDialect};

/// The lines above the first ruler. Default values have no line.
#[derive(Clone, Debug)]
pub struct Head {
    /// The subject of the case, on one line.
    pub title: String,
    pub client: Dialect,
    pub upstream: UpstreamDialect,
    /// The provider whose quirks the upstream has.
    pub provider: String,
    /// The upstream's name for the model.
    pub model: String,
    /// The client's name of the model, if the path contains it (Gemini).
    pub alias: String,
    /// The account's name, because opaque state is bound to it.
    pub account: String,
    /// Only for Gemini's clients, which state it outside the body.
    pub delivery: Option<Delivery>,
    /// The account's setting; off unless the case is about it.
    pub prompt_cache: PromptCache,
    /// The model's capabilities, if they differ from those that its name implies.
    pub capabilities: Option<Capabilities>,
    pub stamp: Stamp,
    /// Whether a Chat upstream is asked for the usage of a stream.
    pub asks_usage: bool,
    /// Whether answers that the upstream pauses are continued.
    pub pauses: bool,
    /// How the stream ended; `None` = the upstream closed it normally.
    pub ended: Option<Ended>,
}

/// How a stream ended early.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ended {
    pub end: End,
    /// The last event may name the request.
    pub request_id: String,
}

impl Head {
    /// A head for these, with default values for everything else.
    pub fn new(client: Dialect, upstream: UpstreamDialect, provider: &str, model: &str) -> Self {
        Self {
            title: String::new(),
            client,
            upstream,
            provider: provider.to_owned(),
            model: model.to_owned(),
            alias: ALIAS.to_owned(),
            account: ACCOUNT.to_owned(),
            delivery: None,
            prompt_cache: PromptCache::Off,
            capabilities: None,
            stamp: STAMP,
            asks_usage: true,
            pauses: false,
            ended: None,
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let title = lines.next().unwrap_or_default();
        let fields: Vec<(&str, &str)> = lines
            .map(|line| {
                let field = line.split_once(": ");
                field.ok_or_else(|| format!("has `{line:.80}` in its head, expected `NAME: VALUE`"))
            })
            .collect::<Result<_, String>>()?;
        let field = |name: &str| {
            let found = fields.iter().find(|(key, _)| *key == name);
            found
                .map(|(_, value)| *value)
                .ok_or_else(|| format!("has no `{name}: …` in its head"))
        };
        let upstream = |name: &str| {
            let value = field(name)?;
            let dialect = UpstreamDialect::from_name(value);
            dialect.ok_or_else(|| unfit(name, value, "a dialect"))
        };
        let client = upstream("client")?.of_clients();
        let client = client.ok_or("has an upstream's dialect as `client`")?;
        let upstream = upstream("upstream")?;
        let mut head = Self::new(client, upstream, field("provider")?, field("model")?);
        title.clone_into(&mut head.title);
        for (name, value) in &fields {
            head.set(name, value)?;
        }
        if let (Some(ended), Ok(id)) = (&mut head.ended, field("request_id")) {
            id.clone_into(&mut ended.request_id);
        }
        head.quirks()?;
        Ok(head)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "client" | "upstream" | "provider" | "model" | "request_id" => {}
            "alias" => value.clone_into(&mut self.alias),
            "account" => value.clone_into(&mut self.account),
            "delivery" => {
                let known = DELIVERIES.iter().find(|(name, _)| *name == value);
                let (_, delivery) =
                    known.ok_or_else(|| unfit(name, value, "array, events or whole"))?;
                self.delivery = Some(*delivery);
            }
            "prompt_cache" => {
                let known = CACHES.iter().find(|(name, _)| *name == value);
                let (_, cache) = known.ok_or_else(|| unfit(name, value, "auto or 1h"))?;
                self.prompt_cache = *cache;
            }
            "capabilities" => {
                let read = serde_json::from_str(value);
                let read = read.map_err(|why| {
                    format!("has `capabilities` in its head that cannot be read: {why}")
                })?;
                self.capabilities = Some(read);
            }
            "created" => self.stamp.created = number(name, value)?,
            "seed" => self.stamp.seed = number(name, value)?,
            "stored" => self.stamp.stored = truth(name, value)?,
            "asks_usage" => self.asks_usage = truth(name, value)?,
            "pauses" => self.pauses = truth(name, value)?,
            "ended" => {
                let end = End::ALL.into_iter().find(|end| end.as_str() == value);
                let end =
                    end.ok_or_else(|| unfit(name, value, "how requests end in the access log"))?;
                self.ended = Some(Ended {
                    end,
                    request_id: String::new(),
                });
            }
            other => return Err(format!("has `{other:.40}` in its head, which is not known")),
        }
        Ok(())
    }

    pub(super) fn print(&self) -> String {
        let mut text = format!(
            "{}\nclient: {}\nupstream: {}\nprovider: {}\nmodel: {}\n",
            self.title, self.client, self.upstream, self.provider, self.model
        );
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}: {value}");
        };
        if self.alias != ALIAS {
            line("alias", &self.alias);
        }
        if self.account != ACCOUNT {
            line("account", &self.account);
        }
        if let Some((name, _)) = DELIVERIES
            .iter()
            .find(|(_, one)| Some(*one) == self.delivery)
        {
            line("delivery", name);
        }
        if let Some((name, _)) = CACHES.iter().find(|(_, one)| *one == self.prompt_cache) {
            line("prompt_cache", name);
        }
        let capabilities = self.capabilities.as_ref().map(serde_json::to_string);
        if let Some(Ok(capabilities)) = capabilities {
            line("capabilities", &capabilities);
        }
        if self.stamp.created != STAMP.created {
            line("created", &self.stamp.created);
        }
        if self.stamp.seed != STAMP.seed {
            line("seed", &self.stamp.seed);
        }
        if self.stamp.stored {
            line("stored", &true);
        }
        if !self.asks_usage {
            line("asks_usage", &false);
        }
        if self.pauses {
            line("pauses", &true);
        }
        if let Some(Ended { end, request_id }) = &self.ended {
            line("ended", &end.as_str());
            if !request_id.is_empty() {
                line("request_id", request_id);
            }
        }
        text
    }

    /// The capabilities of the model and the quirks of the provider.
    pub(super) fn habits(&self) -> Result<Habits, String> {
        let capabilities = self.capabilities;
        Ok(Habits {
            capabilities: capabilities.unwrap_or_else(|| catalog::capabilities(&self.model)),
            quirks: self.quirks()?.with(catalog::habits(&self.model)),
        })
    }

    /// Whether every value fits on its line.
    pub(super) fn is_writable(&self) -> bool {
        let id = self.ended.as_ref().map(|ended| &ended.request_id);
        let values = [&self.title, &self.model, &self.alias, &self.account];
        let mut values = values.into_iter().chain(id);
        values.all(|value| !value.contains(['\n', '\r']))
    }

    /// The quirks of the provider.
    fn quirks(&self) -> Result<Quirks, String> {
        let name = self.provider.as_str();
        if name == "mistral" {
            return Ok(Quirks::MISTRAL);
        }
        Provider::from_name(name)
            .map(|known| known.quirks.clone())
            .ok_or_else(|| {
                unfit(
                    "provider",
                    name,
                    "a provider of the configuration, or mistral",
                )
            })
    }
}

/// The capabilities and quirks, looked up once.
#[derive(Debug)]
pub(super) struct Habits {
    capabilities: Capabilities,
    quirks: Quirks,
}

impl Habits {
    /// The upstream of a case with this head.
    pub(super) fn target<'a>(&'a self, head: &'a Head) -> Target<'a> {
        Target {
            model: &head.model,
            capabilities: &self.capabilities,
            quirks: &self.quirks,
            account: &head.account,
            prompt_cache: head.prompt_cache,
        }
    }
}

fn unfit(name: &str, value: &str, expected: &str) -> String {
    format!("has `{name}: {value:.80}` in its head, expected {expected}")
}

fn number(name: &str, value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| unfit(name, value, "a number"))
}

fn truth(name: &str, value: &str) -> Result<bool, String> {
    value
        .parse()
        .map_err(|_| unfit(name, value, "true or false"))
}

const DELIVERIES: [(&str, Delivery); 3] = [
    ("array", Delivery::Array),
    ("events", Delivery::Events),
    ("whole", Delivery::Whole),
];

const CACHES: [(&str, PromptCache); 2] = [("auto", PromptCache::Auto), ("1h", PromptCache::Hour)];

/// The default values of the cases that are written by hand.
const ALIAS: &str = "gemini-alias";
const ACCOUNT: &str = "account-1";
const STAMP: Stamp = Stamp {
    created: 1_790_000_000,
    seed: 7,
    stored: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_head_is_read_as_it_is_written() {
        let mut head = Head::new(
            Dialect::Gemini,
            UpstreamDialect::Anthropic,
            "anthropic",
            "claude-x",
        );
        head.title = "A title.".to_owned();
        assert_eq!(head.print().lines().count(), 5);
        head.alias = "mine".to_owned();
        head.account = "ours".to_owned();
        head.delivery = Some(Delivery::Events);
        head.prompt_cache = PromptCache::Hour;
        head.capabilities = Some(catalog::capabilities("claude-opus-4-5"));
        head.stamp = Stamp {
            created: 1,
            seed: u64::MAX,
            stored: true,
        };
        head.asks_usage = false;
        head.pauses = true;
        head.ended = Some(Ended {
            end: End::Timeout,
            request_id: "req-1".to_owned(),
        });
        let text = head.print();
        assert_eq!(text.lines().count(), 17, "{text}");
        let read = Head::parse(&text).expect("a head");
        assert_eq!(read.print(), text);
        assert_eq!(read.capabilities, head.capabilities);
        assert_eq!(read.ended, head.ended);
    }
}
