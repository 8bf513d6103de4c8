"""The official SDKs behind one face: the same question in every dialect, and what was understood of the answer."""
import json
from dataclasses import dataclass, field

import anthropic
import openai
from google import genai
from google.genai import errors, types

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}


@dataclass
class Ask:
    text: str
    tools: bool = False
    #: Whether a tool must be called.
    force: bool = False
    #: Whether the answer must fit a schema.
    fit: bool = False
    think: bool = False
    stop: str | None = None
    limit: int = 4000
    stream: bool = False
    #: A turn before this one's results: (text, Said, [result, …]).
    after: tuple | None = None


@dataclass
class Said:
    text: str = ""
    reasoning: str = ""
    calls: list = field(default_factory=list)
    stop: str = ""
    #: All of the prompt, of it read from a cache, all of the output, of it reasoning.
    usage: tuple = ()
    model: str = field(default="", compare=False)
    #: Ids of the calls, and the assistant's turn as a program sends it back.
    ids: list = field(default_factory=list, compare=False)
    turn: object = field(default=None, compare=False)
    pieces: int = field(default=0, compare=False)


class Broken(Exception):
    """The SDK does not raise, but tells that the answer failed."""


class Anthropic:
    model = "claude-sonnet-5-5"
    failures = (anthropic.APIError, Broken)

    def __init__(self, url, key, headers):
        self.client = anthropic.Anthropic(base_url=url, api_key=key, default_headers=headers, max_retries=0, timeout=30)

    def ask(self, ask, model=None):
        request = {"model": model or self.model, "max_tokens": ask.limit, "messages": [{"role": "user", "content": ask.text}]}
        if ask.tools:
            request["tools"] = [{"name": "get_weather", "input_schema": CITY}]
        if ask.force:
            request["tool_choice"] = {"type": "tool", "name": "get_weather"}
        if ask.fit:
            request["output_config"] = {"format": {"type": "json_schema", "schema": CITY}}
        if ask.think:
            request |= {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "high"}}
        if ask.stop:
            request["stop_sequences"] = [ask.stop]
        if ask.after:
            text, said, results = ask.after
            results = [{"type": "tool_result", "tool_use_id": id, "content": result} for id, result in zip(said.ids, results)]
            results += [{"type": "text", "text": ask.text}] if ask.text else []
            user = {"role": "user", "content": text}
            request["messages"] = [user, {"role": "assistant", "content": said.turn}, {"role": "user", "content": results}]
        pieces = 0
        if ask.stream:
            with self.client.messages.stream(**request) as stream:
                pieces = sum(event.type == "content_block_delta" for event in stream)
                message = stream.get_final_message()
        else:
            message = self.client.messages.create(**request)
        blocks, usage = message.content, message.usage
        details = usage.output_tokens_details
        read = usage.cache_read_input_tokens or 0
        calls = [block for block in blocks if block.type == "tool_use"]
        return Said(
            text="".join(block.text for block in blocks if block.type == "text"),
            reasoning="".join(block.thinking for block in blocks if block.type == "thinking"),
            calls=[(call.name, call.input) for call in calls],
            stop={"end_turn": "end", "stop_sequence": "end", "tool_use": "calls", "max_tokens": "length"}.get(message.stop_reason, message.stop_reason),
            usage=(
                usage.input_tokens + read + (usage.cache_creation_input_tokens or 0),
                read,
                usage.output_tokens,
                details.thinking_tokens if details else 0,
            ),
            model=message.model,
            ids=[call.id for call in calls],
            turn=blocks,
            pieces=pieces,
        )

    def count(self, text):
        return self.client.messages.count_tokens(model=self.model, messages=[{"role": "user", "content": text}]).input_tokens

    def counted_by(self, text):
        counting = self.client.messages.with_raw_response
        return counting.count_tokens(model=self.model, messages=[{"role": "user", "content": text}]).headers["x-weir-token-count"]


class OpenAI:
    model = "gpt-5.5"
    failures = (openai.APIError, Broken)

    def __init__(self, url, key, headers):
        self.client = openai.OpenAI(base_url=url + "/v1", api_key=key, default_headers=headers, max_retries=0, timeout=30)


class Chat(OpenAI):
    def ask(self, ask, model=None):
        request = {"model": model or self.model, "max_completion_tokens": ask.limit, "messages": [{"role": "user", "content": ask.text}]}
        if ask.tools:
            request["tools"] = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]
        if ask.force:
            request["tool_choice"] = {"type": "function", "function": {"name": "get_weather"}}
        if ask.fit:
            request["response_format"] = {"type": "json_schema", "json_schema": {"name": "place", "schema": CITY, "strict": True}}
        if ask.think:
            request |= {"reasoning_effort": "high", "extra_body": {"reasoning": {"enabled": True}}}
        if ask.stop:
            request["stop"] = ask.stop
        if ask.after:
            text, said, results = ask.after
            results = [{"role": "tool", "tool_call_id": id, "content": result} for id, result in zip(said.ids, results)]
            results += [{"role": "user", "content": ask.text}] if ask.text else []
            request["messages"] = [{"role": "user", "content": text}, said.turn, *results]
        pieces = 0
        if ask.stream:
            with self.client.chat.completions.stream(**request, stream_options={"include_usage": True}) as stream:
                pieces = sum(event.type == "chunk" for event in stream)
                completion = stream.current_completion_snapshot
        else:
            completion = self.client.chat.completions.create(**request)
        (choice,) = completion.choices
        message, usage = choice.message, completion.usage
        calls = message.tool_calls or []
        stop = {"stop": "end", "tool_calls": "calls", "content_filter": "refusal"}.get(choice.finish_reason, choice.finish_reason)
        return Said(
            text=message.content or message.refusal or "",
            reasoning=getattr(message, "reasoning_content", None) or "",
            calls=[(call.function.name, json.loads(call.function.arguments)) for call in calls],
            stop="refusal" if message.refusal else stop,
            usage=(
                usage.prompt_tokens,
                usage.prompt_tokens_details.cached_tokens or 0 if usage.prompt_tokens_details else 0,
                usage.completion_tokens,
                usage.completion_tokens_details.reasoning_tokens or 0 if usage.completion_tokens_details else 0,
            ),
            model=completion.model,
            ids=[call.id for call in calls],
            turn=message.model_dump(exclude_none=True, exclude={"parsed"}),
            pieces=pieces,
        )


class Responses(OpenAI):
    def ask(self, ask, model=None):
        request = {"model": model or self.model, "max_output_tokens": ask.limit, "input": ask.text}
        if ask.tools:
            request["tools"] = [{"type": "function", "name": "get_weather", "parameters": CITY, "strict": False}]
        if ask.force:
            request["tool_choice"] = {"type": "function", "name": "get_weather"}
        if ask.fit:
            request["text"] = {"format": {"type": "json_schema", "name": "place", "schema": CITY, "strict": True}}
        if ask.think:
            request["reasoning"] = {"effort": "high", "summary": "auto"}
            request |= {"include": ["reasoning.encrypted_content"], "store": False}
        if ask.after:
            text, said, results = ask.after
            results = [{"type": "function_call_output", "call_id": id, "output": result} for id, result in zip(said.ids, results)]
            results += [{"role": "user", "content": ask.text}] if ask.text else []
            request["input"] = [{"role": "user", "content": text}, *said.turn, *results]
        pieces = 0
        if ask.stream:
            with self.client.responses.stream(**request) as stream:
                events = list(stream)
            pieces = sum(event.type.endswith(".delta") for event in events)
            assert [event.sequence_number for event in events] == list(range(len(events)))
            if events[-1].type not in ("response.completed", "response.incomplete"):
                raise Broken(events[-1].type)
            response = events[-1].response
        else:
            response = self.client.responses.create(**request)
        if response.status == "failed":
            raise Broken(response.error)
        parts = [part for item in response.output if item.type == "message" for part in item.content]
        refusals = "".join(part.refusal for part in parts if part.type == "refusal")
        calls = [item for item in response.output if item.type == "function_call"]
        why = response.incomplete_details and response.incomplete_details.reason
        stop = {None: "calls" if calls else "end", "max_output_tokens": "length", "content_filter": "refusal"}[why]
        usage = response.usage
        return Said(
            text=response.output_text or refusals,
            reasoning="".join(part.text for item in response.output if item.type == "reasoning" for part in item.summary),
            calls=[(call.name, json.loads(call.arguments)) for call in calls],
            stop="refusal" if refusals else stop,
            usage=(
                usage.input_tokens,
                usage.input_tokens_details.cached_tokens,
                usage.output_tokens,
                usage.output_tokens_details.reasoning_tokens,
            ),
            model=response.model,
            ids=[call.call_id for call in calls],
            turn=[item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in response.output],
            pieces=pieces,
        )

    def count(self, text):
        return self.client.responses.input_tokens.count(model=self.model, input=text).input_tokens

    def counted_by(self, text):
        counting = self.client.responses.input_tokens.with_raw_response
        return counting.count(model=self.model, input=text).headers["x-weir-token-count"]


class Gemini:
    model = "gemini-2.5-pro"
    failures = (errors.APIError, Broken)

    def __init__(self, url, key, headers):
        options = types.HttpOptions(base_url=url, headers=headers, timeout=30_000)
        self.client = genai.Client(api_key=key, http_options=options)

    def ask(self, ask, model=None):
        config = {"max_output_tokens": ask.limit}
        if ask.tools:
            declaration = types.FunctionDeclaration(name="get_weather", parameters_json_schema=CITY)
            config["tools"] = [types.Tool(function_declarations=[declaration])]
        if ask.force:
            config["tool_config"] = {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_weather"]}}
        if ask.fit:
            config |= {"response_mime_type": "application/json", "response_json_schema": CITY}
        if ask.think:
            config["thinking_config"] = {"include_thoughts": True, "thinking_budget": 10000}
        if ask.stop:
            config["stop_sequences"] = [ask.stop]
        contents = ask.text
        if ask.after:
            text, said, results = ask.after
            calls = [part.function_call for part in said.turn.parts if part.function_call]
            parts = [
                types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": result}))
                for call, result in zip(calls, results)
            ]
            parts += [types.Part(text=ask.text)] if ask.text else []
            contents = [types.UserContent(text), said.turn, types.Content(role="user", parts=parts)]
        request = {"model": model or self.model, "contents": contents, "config": config}
        if ask.stream:
            chunks = list(self.client.models.generate_content_stream(**request))
        else:
            chunks = [self.client.models.generate_content(**request)]
        candidates = [chunk.candidates[0] for chunk in chunks if chunk.candidates]
        parts = [part for one in candidates if one.content for part in one.content.parts or []]
        calls = [part.function_call for part in parts if part.function_call]
        usage, reason = chunks[-1].usage_metadata, candidates[-1].finish_reason
        stop = {"STOP": "calls" if calls else "end", "MAX_TOKENS": "length", "SAFETY": "refusal"}.get(reason, reason)
        thoughts = usage.thoughts_token_count or 0
        return Said(
            text="".join(part.text for part in parts if part.text and not part.thought),
            reasoning="".join(part.text for part in parts if part.text and part.thought),
            calls=[(call.name, call.args) for call in calls],
            stop=stop,
            usage=(
                usage.prompt_token_count,
                usage.cached_content_token_count or 0,
                (usage.candidates_token_count or 0) + thoughts,
                thoughts,
            ),
            model=chunks[-1].model_version,
            turn=types.Content(role="model", parts=parts),
            pieces=len(chunks),
        )

    def count(self, text):
        return self.client.models.count_tokens(model=self.model, contents=text).total_tokens

    def counted_by(self, text):
        counted = self.client.models.count_tokens(model=self.model, contents=text)
        return counted.sdk_http_response.headers["x-weir-token-count"]


SPEAKERS = {"anthropic": Anthropic, "openai-chat": Chat, "openai-responses": Responses, "gemini": Gemini}
