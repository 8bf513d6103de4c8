"""Anthropic's SDK."""
import time
from concurrent.futures import ThreadPoolExecutor

import anthropic
import pytest

MODEL = "claude-sonnet-5-5"
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def client(target):
    return anthropic.Anthropic(base_url=target.url, api_key=target.key, max_retries=0, timeout=30)


def ask(text, **more):
    return {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": text}], **more}


def streamed(client, text, **more):
    with client.messages.stream(**ask(text, **more)) as stream:
        pieces = list(stream.text_stream)
        return stream.get_final_message(), pieces


def test_plain(client):
    message = client.messages.create(**ask("hello"))
    assert message.content[0].text == "You said: hello"
    assert message.stop_reason == "end_turn"
    assert message.model == MODEL
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens == 4


def test_stream_accumulates_to_the_plain_message(client):
    text = "häßlich \u2028 🦀 [[sim output-tokens=60 chunk=1]]"
    plain = client.messages.create(**ask(text))
    message, pieces = streamed(client, text)
    assert len(pieces) > 10
    assert "".join(pieces) == plain.content[0].text
    assert message.content[0].text == plain.content[0].text
    assert message.stop_reason == plain.stop_reason
    assert message.usage.output_tokens == plain.usage.output_tokens == 60


def test_raw_stream_ends_with_message_stop(client):
    events = [event.type for event in client.messages.create(**ask("hello"), stream=True)]
    assert events[0] == "message_start"
    assert events[-2:] == ["message_delta", "message_stop"]


def test_thinking(client):
    message, _ = streamed(client, "think [[sim reasoning=40]]", thinking={"type": "adaptive", "display": "summarized"})
    thinking, text = message.content
    assert thinking.type == "thinking" and thinking.thinking and len(thinking.signature) > 50
    assert text.text == "You said: think"
    assert message.usage.output_tokens_details.thinking_tokens == 40


def test_one_tool_call_and_its_result(client):
    text = 'please call get_weather {"city": "Köln"}'
    message, _ = streamed(client, text, tools=[WEATHER])
    (call,) = message.content
    assert message.stop_reason == "tool_use"
    assert (call.name, call.input) == ("get_weather", {"city": "Köln"})
    history = ask(text, tools=[WEATHER])
    history["messages"] += [
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}]},
    ]
    assert "12 degrees" in client.messages.create(**history).content[0].text


def test_parallel_tool_calls(client):
    text = 'call get_weather {"city": "Rome"} and call get_weather {"city": "Oslo"}'
    message, _ = streamed(client, text, tools=[WEATHER])
    plain = client.messages.create(**ask(text, tools=[WEATHER]))
    for answer in (message, plain):
        assert [call.input["city"] for call in answer.content] == ["Rome", "Oslo"]
        assert len({call.id for call in answer.content}) == 2


def test_forced_tool(client):
    message = client.messages.create(**ask("hello", tools=[WEATHER], tool_choice={"type": "tool", "name": "get_weather"}))
    assert message.content[0].input == {"city": "sample"}


def test_max_tokens_and_stop_sequences(client):
    cut = client.messages.create(**ask("hello [[sim output-tokens=50]]") | {"max_tokens": 5})
    assert cut.stop_reason == "max_tokens" and cut.usage.output_tokens == 5
    stopped, _ = streamed(client, "one STOP two", stop_sequences=["STOP"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "STOP")
    assert stopped.content[0].text == "You said: one "


def test_refusal(client):
    message, _ = streamed(client, "[[sim refuse]]")
    assert message.stop_reason == "refusal"


def test_usage_with_caches(client):
    text = "hello [[sim input-tokens=65 cache-read=11584 cache-write=300 cache-write-1h=20 output-tokens=120]]"
    plain = client.messages.create(**ask(text))
    message, _ = streamed(client, text)
    for usage in (plain.usage, message.usage):
        assert usage.input_tokens == 65
        assert usage.cache_read_input_tokens == 11584
        assert usage.cache_creation_input_tokens == 320
        assert usage.output_tokens == 120
    assert plain.usage.cache_creation.ephemeral_1h_input_tokens == 20


def test_wrong_key(target):
    client = anthropic.Anthropic(base_url=target.url, api_key="wrong", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError) as error:
        client.messages.create(**ask("hello"))
    assert error.value.body["error"]["type"] == "authentication_error"


def test_unknown_model(client):
    with pytest.raises(anthropic.NotFoundError) as error:
        client.messages.create(**ask("hello") | {"model": "no-such-model"})
    assert error.value.body["error"]["type"] == "not_found_error"


def test_context_length_keeps_its_wording(client):
    with pytest.raises(anthropic.BadRequestError) as error:
        client.messages.create(**ask("[[sim error=context-length]]"))
    assert error.value.body["error"]["message"].startswith("prompt is too long: ")


def test_rate_limit_says_when_to_come_back(client):
    with pytest.raises(anthropic.RateLimitError) as error:
        client.messages.create(**ask("[[sim status=429 retry-after=3]]"))
    assert 1 <= float(error.value.response.headers["retry-after"]) <= 4


@pytest.mark.parametrize("stream", [False, True])
def test_overloaded(client, stream):
    with pytest.raises(anthropic.InternalServerError) as error:
        client.messages.create(**ask("[[sim status=529]]"), stream=stream)
    assert error.value.status_code == 529
    assert error.value.body["error"]["type"] == "overloaded_error"


def test_error_inside_a_stream_raises(client):
    with pytest.raises(anthropic.APIStatusError) as error:
        streamed(client, "[[sim output-tokens=50 error-after=6]]")
    assert error.value.body["error"]["type"] in ("overloaded_error", "api_error")


@pytest.mark.parametrize("fault", ["truncate-after", "reset-after"])
def test_broken_stream_raises(client, fault):
    with pytest.raises((anthropic.APIError, anthropic.AnthropicError, OSError, Exception)) as error:
        streamed(client, f"[[sim output-tokens=50 {fault}=6]]")
    assert not isinstance(error.value, AssertionError)


def test_stream_without_its_end_is_no_answer(client, target):
    if target.direct:
        pytest.skip("the SDK itself does not notice; a proxy must")
    with pytest.raises(anthropic.APIStatusError):
        streamed(client, "[[sim output-tokens=50 eof-after=last]]")


def test_html_is_an_error(client):
    with pytest.raises(anthropic.InternalServerError):
        client.messages.create(**ask("[[sim html]]"))


def test_count_tokens(client):
    counted = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "hello"}])
    assert counted.input_tokens > 0


def test_models(client):
    names = [model.id for model in client.models.list()]
    assert MODEL in names
    assert client.models.retrieve(MODEL).id == MODEL


def test_batches(client):
    request = {"custom_id": "one", "params": ask("hello")}
    batch = client.messages.batches.create(requests=[request])
    assert batch.processing_status == "in_progress"
    assert client.messages.batches.retrieve(batch.id).id == batch.id


def test_long_stream_with_pings(client):
    message, pieces = streamed(client, "[[sim output-tokens=400 chunk=4 chunk-delay=10ms ping-every=5]]")
    assert len(pieces) == 100
    assert message.usage.output_tokens == 400


def test_many_streams_at_once(client):
    def one(number):
        message, _ = streamed(client, f"stream {number} [[sim output-tokens=100 chunk-delay=5ms]]")
        return message.content[0].text.startswith(f"You said: stream {number} ")

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(one, range(20)))


def test_leaving_cancels_the_upstream(client, target):
    before = target.stats()["cancelled"]
    with client.messages.stream(**ask("[[sim output-tokens=4000 chunk-delay=20ms]]")) as stream:
        for _ in stream.text_stream:
            break
    deadline = time.monotonic() + 5
    while target.stats()["cancelled"] == before:
        assert time.monotonic() < deadline, "the upstream still streams"
        time.sleep(0.05)
