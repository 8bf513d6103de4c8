"""OpenAI's SDK: Chat Completions, Responses and the small endpoints."""
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

MODEL = "gpt-4o"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
CHAT_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS, "strict": True}}
TOOL = {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": True}


@pytest.fixture(scope="module")
def client(target):
    return openai.OpenAI(base_url=target.url + "/v1", api_key=target.key, max_retries=0, timeout=30)


def chat(text, **more):
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


def chat_stream(client, text, **more):
    with client.chat.completions.stream(**chat(text, stream_options={"include_usage": True}, **more)) as stream:
        events = list(stream)
        return stream.get_final_completion(), events


def response_stream(client, text, **more):
    with client.responses.stream(model=MODEL, input=text, **more) as stream:
        events = list(stream)
        return stream.get_final_response(), events


# Chat Completions


def test_chat(client):
    completion = client.chat.completions.create(**chat("hello"))
    choice = completion.choices[0]
    assert choice.message.content == "You said: hello"
    assert choice.finish_reason == "stop"
    assert completion.model == MODEL
    assert completion.usage.completion_tokens == 4


def test_chat_stream_accumulates_to_the_plain_completion(client):
    text = "häßlich \u2028 🦀 [[sim output-tokens=60 chunk=1]]"
    plain = client.chat.completions.create(**chat(text))
    final, events = chat_stream(client, text)
    assert len(events) > 10
    assert final.choices[0].message.content == plain.choices[0].message.content
    assert final.choices[0].finish_reason == "stop"
    assert final.usage.completion_tokens == plain.usage.completion_tokens == 60


def test_chat_stream_without_usage(client):
    chunks = list(client.chat.completions.create(**chat("hello"), stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_chat_tool_call_and_its_result(client):
    text = 'please call get_weather {"city": "Köln"}'
    final, _ = chat_stream(client, text, tools=[CHAT_TOOL])
    message = final.choices[0].message
    (call,) = message.tool_calls
    assert final.choices[0].finish_reason == "tool_calls"
    assert message.content is None or message.content == ""
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Köln"}')
    history = chat(text, tools=[CHAT_TOOL])
    history["messages"] += [
        {"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": {"name": "get_weather", "arguments": call.function.arguments}}]},
        {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"},
    ]
    assert "12 degrees" in client.chat.completions.create(**history).choices[0].message.content


def test_chat_parallel_tool_calls(client):
    text = 'call get_weather {"city": "Rome"} and call get_weather {"city": "Oslo"}'
    final, _ = chat_stream(client, text, tools=[CHAT_TOOL])
    plain = client.chat.completions.create(**chat(text, tools=[CHAT_TOOL]))
    for answer in (final, plain):
        calls = answer.choices[0].message.tool_calls
        assert [call.function.arguments for call in calls] == ['{"city": "Rome"}', '{"city": "Oslo"}']
        assert len({call.id for call in calls}) == 2


def test_chat_forced_tool(client):
    forced = {"type": "function", "function": {"name": "get_weather"}}
    completion = client.chat.completions.create(**chat("hello", tools=[CHAT_TOOL], tool_choice=forced))
    assert completion.choices[0].message.tool_calls[0].function.arguments == '{"city":"sample"}'


def test_chat_legacy_functions(client):
    function = {"name": "get_weather", "parameters": PARAMETERS}
    completion = client.chat.completions.create(**chat('call get_weather {"city":"Rome"}', functions=[function]))
    assert completion.choices[0].finish_reason == "function_call"
    assert completion.choices[0].message.function_call.arguments == '{"city":"Rome"}'


def test_chat_reasoning_and_usage(client):
    text = "hello [[sim reasoning=40 input-tokens=1000 cache-read=6000 cache-write=3000 output-tokens=10]]"
    final, _ = chat_stream(client, text, reasoning_effort="high")
    usage = final.usage
    assert final.choices[0].message.reasoning_content
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10000, 50, 10050)
    assert usage.prompt_tokens_details.cached_tokens == 6000
    assert usage.completion_tokens_details.reasoning_tokens == 40


def test_chat_length_and_stop(client):
    with pytest.raises(openai.LengthFinishReasonError):
        chat_stream(client, "hello [[sim output-tokens=50]]", max_completion_tokens=5)
    stopped = client.chat.completions.create(**chat("one STOP two", stop="STOP"))
    assert stopped.choices[0].message.content == "You said: one "


def test_chat_refusal(client):
    final, _ = chat_stream(client, "[[sim refuse]]")
    assert final.choices[0].message.refusal == "I cannot help with that."


def test_chat_structured_output(client):
    schema = {"type": "json_schema", "json_schema": {"name": "place", "schema": PARAMETERS, "strict": True}}
    completion = client.chat.completions.create(**chat("hello", response_format=schema))
    assert completion.choices[0].message.content == '{"city":"sample"}'


def test_text_completion(client):
    plain = client.completions.create(model=MODEL, prompt="hello")
    pieces = [chunk.choices[0].text for chunk in client.completions.create(model=MODEL, prompt="hello", stream=True)]
    assert plain.choices[0].text == "".join(pieces) == "You said: hello"


def test_chat_error_inside_a_stream_raises(client):
    with pytest.raises(openai.APIError):
        chat_stream(client, "[[sim output-tokens=50 error-after=6]]")


@pytest.mark.parametrize("fault", ["truncate-after", "reset-after"])
def test_chat_broken_stream_raises(client, fault):
    with pytest.raises(Exception) as error:
        chat_stream(client, f"[[sim output-tokens=50 {fault}=6]]")
    assert not isinstance(error.value, AssertionError)


def test_chat_stream_without_its_end_is_no_answer(client, target):
    if target.direct:
        pytest.skip("the SDK itself does not notice; a proxy must")
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(**chat("[[sim output-tokens=50 eof-after=6]]"), stream=True))


# Responses


def test_response(client):
    response = client.responses.create(model=MODEL, input="hello")
    assert response.output_text == "You said: hello"
    assert response.status == "completed"
    assert response.model == MODEL
    assert response.usage.output_tokens == 4


def test_response_stream_accumulates_to_the_plain_response(client):
    text = "häßlich \u2028 🦀 [[sim output-tokens=60 chunk=1]]"
    plain = client.responses.create(model=MODEL, input=text)
    final, events = response_stream(client, text)
    assert len(events) > 10
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    assert final.output_text == plain.output_text
    assert final.usage.output_tokens == plain.usage.output_tokens == 60


def test_response_tool_call_and_its_result(client):
    text = 'please call get_weather {"city": "Köln"}'
    final, _ = response_stream(client, text, tools=[TOOL])
    (call,) = final.output
    assert (call.type, call.name, call.arguments) == ("function_call", "get_weather", '{"city": "Köln"}')
    items = [
        {"role": "user", "content": text},
        {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
        {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"},
    ]
    assert "12 degrees" in client.responses.create(model=MODEL, input=items, tools=[TOOL]).output_text


def test_response_parallel_and_custom_tool_calls(client):
    custom = {"type": "custom", "name": "apply_patch"}
    text = 'call get_weather {"city": "Rome"} and call apply_patch {"input": "*** Begin"}'
    final, _ = response_stream(client, text, tools=[TOOL, custom])
    function, freeform = final.output
    assert function.arguments == '{"city": "Rome"}'
    assert (freeform.type, freeform.input) == ("custom_tool_call", "*** Begin")


def test_response_reasoning(client):
    more = {"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"], "store": False}
    final, events = response_stream(client, "hello [[sim reasoning=40]]", **more)
    reasoning, message = final.output
    assert reasoning.summary[0].text and reasoning.encrypted_content
    assert message.content[0].text == "You said: hello"
    assert final.usage.output_tokens_details.reasoning_tokens == 40
    assert "response.reasoning_summary_text.delta" in {event.type for event in events}


def test_response_usage(client):
    final, _ = response_stream(client, "[[sim input-tokens=1000 cache-read=6000 cache-write=3000 output-tokens=10]]")
    usage = final.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (10000, 10, 10010)
    assert usage.input_tokens_details.cached_tokens == 6000


def test_response_cut_by_length(client):
    events = list(client.responses.create(model=MODEL, input="[[sim output-tokens=50]]", max_output_tokens=16, stream=True))
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.incomplete_details.reason == "max_output_tokens"


def test_response_refusal(client):
    final, _ = response_stream(client, "[[sim refuse]]")
    assert final.output[0].content[0].refusal == "I cannot help with that."


def test_response_error_inside_a_stream(client):
    events = list(client.responses.create(model=MODEL, input="[[sim output-tokens=50 error-after=8]]", stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.status == "failed"
    assert events[-1].response.error.message


@pytest.mark.parametrize("fault", ["truncate-after", "reset-after"])
def test_response_broken_stream_is_not_complete(client, fault):
    types = []
    try:
        for event in client.responses.create(model=MODEL, input=f"[[sim output-tokens=50 {fault}=8]]", stream=True):
            types.append(event.type)
    except Exception:
        types.append("raised")
    assert types[-1] in ("raised", "response.failed")


def test_response_stream_without_its_end_fails(client, target):
    if target.direct:
        pytest.skip("the SDK itself does not notice; a proxy must")
    stream = client.responses.create(model=MODEL, input="[[sim output-tokens=50 eof-after=last]]", stream=True)
    assert list(stream)[-1].type == "response.failed"


def test_input_tokens(client):
    assert client.responses.input_tokens.count(model=MODEL, input="hello").input_tokens > 0


# What both have in common


@pytest.mark.parametrize("call", ["chat", "responses"])
class TestErrors:
    def create(self, client, call, text, model=MODEL, **more):
        if call == "chat":
            return client.chat.completions.create(**chat(text, **more) | {"model": model})
        return client.responses.create(model=model, input=text, **more)

    def test_wrong_key(self, target, call):
        client = openai.OpenAI(base_url=target.url + "/v1", api_key="wrong", max_retries=0)
        with pytest.raises(openai.AuthenticationError) as error:
            self.create(client, call, "hello")
        assert error.value.code == "invalid_api_key"

    def test_unknown_model(self, client, call):
        with pytest.raises(openai.NotFoundError) as error:
            self.create(client, call, "hello", model="no-such-model")
        assert error.value.code == "model_not_found"

    def test_context_length(self, client, call):
        with pytest.raises(openai.BadRequestError) as error:
            self.create(client, call, "[[sim error=context-length]]")
        assert error.value.code == "context_length_exceeded"

    def test_rate_limit(self, client, call):
        with pytest.raises(openai.RateLimitError) as error:
            self.create(client, call, "[[sim status=429 retry-after=3]]")
        assert 1 <= float(error.value.response.headers["retry-after"]) <= 4

    @pytest.mark.parametrize("stream", [False, True])
    def test_overloaded(self, client, call, stream):
        with pytest.raises(openai.InternalServerError) as error:
            self.create(client, call, "[[sim error=overloaded]]", stream=stream)
        assert error.value.status_code == 503

    def test_many_streams_at_once(self, client, call):
        def one(number):
            text = f"stream {number} [[sim output-tokens=100 chunk-delay=5ms]]"
            run = chat_stream if call == "chat" else response_stream
            final, _ = run(client, text)
            answer = final.choices[0].message.content if call == "chat" else final.output_text
            return answer.startswith(f"You said: stream {number} ")

        with ThreadPoolExecutor(20) as pool:
            assert all(pool.map(one, range(20)))

    def test_long_stream_with_pings(self, client, call):
        text = "[[sim output-tokens=400 chunk=4 chunk-delay=10ms ping-every=5]]"
        run = chat_stream if call == "chat" else response_stream
        final, _ = run(client, text)
        usage = final.usage
        assert (usage.completion_tokens if call == "chat" else usage.output_tokens) == 400


def test_models(client):
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).id == MODEL


def test_embeddings(client):
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [len(item.embedding) for item in answer.data] == [8, 8]
    assert answer.data[0].embedding != answer.data[1].embedding


def test_files(client):
    content = b'{"custom_id": "one"}\n' * 5000
    file = client.files.create(file=("batch.jsonl", content), purpose="batch")
    assert file.bytes > len(content)
    assert client.files.retrieve(file.id).id == file.id
    assert client.files.list().data
