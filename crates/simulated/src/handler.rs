//! One request on its way to its script.
use bytes::Bytes;
use serde_json::json;

use super::endpoint::Endpoint;
use super::fault::{Failure, Fault};
use super::frames::{Frames, Framing};
use super::generation_request::{GenerationRequest, invalid};
use super::head::{self, Head, Letterhead};
use super::knobs::{Before, Break, Ending, Knobs};
use super::plan::{Plan, Stamp};
use super::script::{Script, Step, Steps};
use super::stream::{Stream, Writer};
use super::{
    Request, Simulated, anthropic, completions, gemini, openai_chat, openai_responses, to_bytes,
    vendor,
};
use crate::dialect::Dialect;
use crate::usage::Usage;

/// What is known of a request while it is being answered.
#[derive(Debug)]
pub(super) struct Handler<'a> {
    simulated: &'a Simulated,
    request: Request<'a>,
    head: Head<'a>,
    dialect: Dialect,
    knobs: Knobs,
    /// The faults among the knobs apply to this request.
    faulty: bool,
    stamp: Stamp,
}

impl<'a> Handler<'a> {
    pub(super) fn new(
        simulated: &'a Simulated,
        request: Request<'a>,
        head: Head<'a>,
        dialect: Dialect,
        stamp: Stamp,
    ) -> Self {
        Self {
            simulated,
            request,
            head,
            dialect,
            knobs: simulated.live.load().knobs_of(head.key()),
            faulty: false,
            stamp,
        }
    }

    pub(super) fn answer(mut self, endpoint: &Endpoint<'a>) -> Script {
        match self.respond(endpoint) {
            Ok(script) => script,
            Err(failure) => self.failed(failure.fault.status(self.dialect), failure),
        }
    }

    fn respond(&mut self, endpoint: &Endpoint<'a>) -> Result<Script, Failure> {
        let settings = &self.simulated.settings;
        if !settings.keys.is_empty() && !settings.keys.iter().any(|key| key == self.head.key()) {
            return Err(Failure::new(Fault::Auth, None));
        }
        self.head.obey(&mut self.knobs).map_err(invalid)?;
        self.faulty = self.knobs.faulty(self.stamp.number);
        match endpoint {
            Endpoint::Control | Endpoint::Health | Endpoint::Stats | Endpoint::Unknown(_) => {
                let message = format!("Not found: {}", self.request.path);
                Err(Failure::new(Fault::NotFound, Some(message)))
            }
            Endpoint::Count(dialect, model) => {
                let generation = self.parse(*dialect, model, None, true)?;
                Ok(self
                    .fault()
                    .unwrap_or_else(|| self.count(*dialect, &generation)))
            }
            Endpoint::Generate(dialect, model) => {
                let generation = self.parse(*dialect, model, None, false)?;
                Ok(self
                    .fault()
                    .unwrap_or_else(|| self.generate(*dialect, &generation)))
            }
            Endpoint::Stream(model) => {
                let sse = self.request.query.split('&').any(|pair| pair == "alt=sse");
                let framing = if sse { Framing::Sse } else { Framing::Array };
                let generation = self.parse(Dialect::Gemini, model, Some(framing), false)?;
                Ok(self
                    .fault()
                    .unwrap_or_else(|| self.generate(Dialect::Gemini, &generation)))
            }
            Endpoint::TextCompletion => {
                let generation = completions::parse(self.request.body)?;
                self.check(&generation)?;
                Ok(self.fault().unwrap_or_else(|| self.complete(&generation)))
            }
            Endpoint::Vendor(vendor) => {
                if let Some(script) = self.fault() {
                    return Ok(script);
                }
                let Stamp { number, created } = self.stamp;
                let body =
                    vendor::answer(vendor, &self.request, &settings.models, number, created)?;
                Ok(self.plain(200, Usage::default(), to_bytes(&body)))
            }
        }
    }

    fn parse(
        &mut self,
        dialect: Dialect,
        model: &'a str,
        stream: Option<Framing>,
        counting: bool,
    ) -> Result<GenerationRequest<'a>, Failure> {
        let body = self.request.body;
        let generation = match dialect {
            Dialect::Anthropic => anthropic::parse(body, self.head.version(), counting)?,
            Dialect::Gemini if counting => gemini::parse(gemini::counted(body)?, model, stream)?,
            Dialect::Gemini => gemini::parse(body, model, stream)?,
            Dialect::OpenaiChat => openai_chat::parse(body)?,
            Dialect::OpenaiResponses => openai_responses::parse(body)?,
        };
        self.check(&generation)?;
        Ok(generation)
    }

    /// Obeys the directives of a prompt and looks its model up.
    fn check(&mut self, generation: &GenerationRequest<'_>) -> Result<(), Failure> {
        for text in generation.tail.texts() {
            self.knobs.obey(text).map_err(invalid)?;
        }
        self.faulty = self.knobs.faulty(self.stamp.number);
        let settings = &self.simulated.settings;
        let listed = || {
            settings
                .models
                .iter()
                .any(|model| *model == generation.model)
        };
        if settings.only_listed_models && !listed() {
            let message = format!("model: {}", generation.model);
            return Err(Failure::new(Fault::NotFound, Some(message)));
        }
        Ok(())
    }

    fn count(&self, dialect: Dialect, generation: &GenerationRequest<'_>) -> Script {
        let total = self.plan(generation).usage.prompt();
        let body = match dialect {
            Dialect::Gemini => gemini::count(total),
            Dialect::OpenaiResponses => {
                json!({"object": "response.input_tokens", "input_tokens": total})
            }
            Dialect::Anthropic | Dialect::OpenaiChat => json!({"input_tokens": total}),
        };
        self.plain(200, Usage::default(), to_bytes(&body))
    }

    fn generate(&self, dialect: Dialect, generation: &GenerationRequest<'_>) -> Script {
        let plan = self.plan(generation);
        let Some(framing) = generation.stream else {
            let body = match dialect {
                Dialect::Anthropic => anthropic::whole(&plan),
                Dialect::Gemini => gemini::whole(&plan),
                Dialect::OpenaiChat => openai_chat::whole(&plan),
                Dialect::OpenaiResponses => openai_responses::whole(&plan),
            };
            return self.plain(200, plan.usage, body);
        };
        let writer = match dialect {
            Dialect::Anthropic => Writer::Anthropic,
            Dialect::Gemini => Writer::Gemini,
            Dialect::OpenaiChat => Writer::OpenaiChat(openai_chat::Writer::new(&plan)),
            Dialect::OpenaiResponses => {
                Writer::OpenaiResponses(openai_responses::Writer::default())
            }
        };
        self.stream(plan, writer, framing)
    }

    fn complete(&self, generation: &GenerationRequest<'_>) -> Script {
        let plan = self.plan(generation);
        match generation.stream {
            None => self.plain(200, plan.usage, completions::whole(&plan)),
            Some(framing) => self.stream(plan, Writer::Completions, framing),
        }
    }

    fn plan(&self, generation: &GenerationRequest<'_>) -> Plan {
        let echo = self.knobs.echo_headers.then(|| vendor::echo(&self.request));
        let length = self.request.body.len();
        Plan::new(generation, &self.knobs, self.stamp, length, echo)
    }

    /// The faults that replace the whole answer.
    fn fault(&self) -> Option<Script> {
        let knobs = &self.knobs;
        if !self.faulty {
            return None;
        }
        if knobs.html {
            let status = knobs.status.unwrap_or(502);
            let headers = vec![head::content_type(head::HTML)];
            let entry = self.begin(status, Usage::default(), false);
            let body = Bytes::from_static(BAD_GATEWAY);
            let steps = Steps::whole(body, knobs, None, entry);
            return Some(self.finish(Script::new(status, headers, steps)));
        }
        if knobs
            .ending
            .is_some_and(|ending| ending.how == Ending::Error)
        {
            return None;
        }
        let fault = match (knobs.error, knobs.status) {
            (Some(fault), _) => fault,
            (None, None | Some(200)) => return None,
            (None, Some(status)) => Fault::from_status(status),
        };
        let status = knobs.status.unwrap_or_else(|| fault.status(self.dialect));
        Some(self.failed(status, Failure::new(fault, knobs.message.clone())))
    }

    fn failed(&self, status: u16, mut failure: Failure) -> Script {
        failure.retry_seconds = self.knobs.retry_after.map(|wait| wait.as_secs());
        let body = failure.body(self.dialect, status, &self.letterhead().request_id());
        self.plain(status, Usage::default(), to_bytes(&body))
    }

    fn plain(&self, status: u16, usage: Usage, mut body: Bytes) -> Script {
        let mut ending = self.ending();
        if ending.is_some_and(|ending| ending.how == Ending::Error) {
            // 200 and then an error: in a plain answer it is the body.
            ending = None;
            let fault = self.knobs.error.unwrap_or(Fault::Overloaded);
            let failure = Failure::new(fault, self.knobs.message.clone());
            body = to_bytes(&failure.body(self.dialect, status, &self.letterhead().request_id()));
        }
        let headers = self.letterhead().headers(status, head::JSON);
        let entry = self.begin(status, usage, false);
        let steps = Steps::whole(body, &self.knobs, ending, entry);
        self.finish(Script::new(status, headers, steps))
    }

    fn stream(&self, plan: Plan, writer: Writer, framing: Framing) -> Script {
        let headers = self.letterhead().headers(
            200,
            match framing {
                Framing::Array => head::JSON,
                Framing::Sse => head::SSE,
            },
        );
        let entry = self.begin(200, plan.usage, true);
        let stream = Stream::new(plan, writer, self.knobs.chunk, self.knobs.ping_every);
        let frames = Frames::new(framing);
        let steps = Steps::stream((stream, frames), &self.knobs, self.ending(), entry);
        self.finish(Script::new(200, headers, steps))
    }

    fn letterhead(&self) -> Letterhead<'_> {
        Letterhead {
            dialect: self.dialect,
            number: self.stamp.number,
            created: self.stamp.created,
            knobs: &self.knobs,
        }
    }

    fn begin(&self, status: u16, usage: Usage, stream: bool) -> super::stats::Entry {
        self.simulated
            .stats
            .begin(self.head.key(), status, usage, stream)
    }

    fn ending(&self) -> Option<Break> {
        self.knobs.ending.filter(|_| self.faulty)
    }

    /// Adds what happens before the head.
    fn finish(&self, mut script: Script) -> Script {
        if !self.knobs.head_delay.is_zero() {
            script.before.push(Step::Wait(self.knobs.head_delay));
        }
        match self.knobs.before.filter(|_| self.faulty) {
            Some(Before::Close) => script.before.push(Step::Truncate),
            Some(Before::Reset) => script.before.push(Step::Reset),
            Some(Before::Stall) => script.before.push(Step::Stall),
            None => {}
        }
        script
    }
}

const BAD_GATEWAY: &[u8] = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n";
