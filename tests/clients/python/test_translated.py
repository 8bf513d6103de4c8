"""Every SDK on upstreams of the other dialects: what it understands is what the upstream meant.

What was meant is found out by asking the simulated upstream the same in its own dialect, without a proxy.
"""
import base64
import itertools

import anthropic
import pytest
from speakers import SPEAKERS, Ask, Broken

PAIRS = list(itertools.permutations(SPEAKERS, 2))
RIVER = "[[sim output-tokens=50 {}=8]]"


@pytest.fixture(scope="session")
def connected(target):
    """Speakers, by who they are and whom they reach."""
    if target.direct:
        pytest.skip("nobody translates")
    known = {}

    def connect(client, upstream, direct=False):
        if (client, upstream, direct) not in known:
            url, key = (target.upstream, "direct") if direct else (target.url, target.key)
            known[client, upstream, direct] = SPEAKERS[client](url, key, {"x-to": upstream})
        return known[client, upstream, direct]

    return connect


@pytest.fixture(params=PAIRS, ids=lambda pair: "-on-".join(pair))
def pair(request):
    return request.param


@pytest.fixture
def client(connected, pair):
    return connected(*pair)


@pytest.fixture
def meant(connected, pair):
    """Asks the upstream in its own dialect."""
    return connected(pair[1], pair[1], direct=True)


@pytest.fixture(params=[False, True], ids=["plain", "stream"])
def stream(request):
    return request.param


TEXT = Ask("häßlich \u2028 🦀 [[sim output-tokens=60 chunk=1 input-tokens=1000 cache-read=6000]]")
SAME = {
    "text": TEXT,
    "one call": Ask('call get_weather {"city": "Köln"} [[sim input-tokens=9]]', tools=True),
    "text and parallel calls": Ask(
        'call get_weather {"city": "Rome"} and call get_weather {"city": "Oslo"} [[sim input-tokens=9 output-tokens=20]]', tools=True
    ),
    "a forced call": Ask("hello [[sim input-tokens=9]]", tools=True, force=True),
    "a schema": Ask("hello [[sim input-tokens=9]]", fit=True),
    "reasoning": Ask("hello [[sim reasoning=40 input-tokens=9]]", think=True),
    "reasoning and a call": Ask('call get_weather {"city": "Köln"} [[sim reasoning=40 input-tokens=9]]', think=True, tools=True),
    "the limit": Ask("hello [[sim output-tokens=50 input-tokens=9]]", limit=20),
}


@pytest.mark.parametrize("what", SAME)
def test_what_was_meant_is_understood(client, meant, stream, what):
    ask = Ask(**vars(SAME[what]) | {"stream": stream})
    said = client.ask(ask)
    assert said == meant.ask(ask)
    assert said.model == client.model, "the client reads the name that it asked for"
    if stream and what == "text":
        assert said.pieces > 50, "one piece for each of the upstream's"


def test_a_stop_string(client, stream):
    if "Responses" in type(client).__name__:
        pytest.skip("Responses has none")
    said = client.ask(Ask("one STOP two", stop="STOP", stream=stream))
    assert (said.text, said.stop) == ("You said: one ", "end")


def test_a_refusal(client, stream):
    assert client.ask(Ask("[[sim refuse]]", stream=stream)).stop == "refusal"


@pytest.mark.parametrize("think", [False, True], ids=["", "thinking"])
def test_results_go_back(client, stream, think):
    text = 'call get_weather {"city": "Rome"} and call get_weather {"city": "Oslo"}'
    said = client.ask(Ask(text, tools=True, think=think, stream=stream))
    assert len(set(said.ids)) == len(said.ids)
    answer = client.ask(Ask("", tools=True, think=think, stream=stream, after=(text, said, ["12 degrees", "7 degrees"])))
    assert "12 degrees" in answer.text and answer.text.index("12 degrees") < answer.text.index("7 degrees")
    # And the turn after: the whole of it is understood as history.
    more = client.ask(Ask("and now?", tools=True, think=think, stream=stream, after=(text, said, ["12 degrees", "7 degrees"])))
    assert more.stop == "end"


def test_a_conversation_moves_to_every_other_upstream(connected, client, pair, stream):
    text = 'call get_weather {"city": "Rome"} and call get_weather {"city": "Oslo"}'
    said = client.ask(Ask(text, tools=True, think=True, stream=stream))
    assert said.reasoning, "there is state of the first upstream's in the conversation"
    for upstream in SPEAKERS:
        moved = connected(pair[0], upstream)
        answer = moved.ask(Ask("", tools=True, think=True, stream=stream, after=(text, said, ["12 degrees", "7 degrees"])))
        assert "12 degrees" in answer.text and answer.stop == "end"


def failure(client, ask):
    with pytest.raises(client.failures) as raised:
        client.ask(ask)
    error = raised.value
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    return status, getattr(response, "headers", {}), f"{error} {getattr(error, 'body', None)}"


@pytest.mark.parametrize("fault", ["every=1", "every=1 status=200"], ids=["as a status", "in a 200"])
def test_overload(client, pair, stream, fault):
    status, _, _ = failure(client, Ask(f"[[sim {fault} error=overloaded]]", stream=stream))
    assert status == (529 if pair[0] == "anthropic" else 503)


def test_a_rate_limit_says_when_to_come_back(client, stream):
    status, headers, _ = failure(client, Ask("[[sim status=429 retry-after=3]]", stream=stream))
    assert status == 429 and 1 <= float(headers["retry-after"]) <= 4


def test_a_prompt_that_is_too_long_is_said_in_the_words_that_clients_know(client, pair, stream):
    status, _, text = failure(client, Ask("[[sim error=context-length]]", stream=stream))
    words = {"anthropic": "prompt is too long", "gemini": "INVALID_ARGUMENT"}
    assert status == 400 and words.get(pair[0], "context_length_exceeded") in text


@pytest.mark.parametrize("kind", ["auth", "permission"])
def test_a_fault_of_the_account_is_not_the_clients(client, kind):
    status, _, text = failure(client, Ask(f"[[sim error={kind} message=\"the words of the provider\"]]"))
    assert status in (502, 503) and "the words of" not in text


def test_an_invalid_request_is_the_clients(client, stream):
    status, _, text = failure(client, Ask('[[sim error=invalid message="this one is wrong"]]', stream=stream))
    assert status == 400 and "this one is wrong" in text


@pytest.mark.parametrize("fault", ["error-after", "truncate-after", "reset-after", "eof-after"])
def test_a_stream_that_breaks_raises(client, fault):
    # The SDKs raise what their HTTP client raises where the connection itself breaks.
    failure(client, Ask(RIVER.format(fault), stream=True))


def test_a_page_is_no_answer(client, stream):
    assert failure(client, Ask("[[sim html]]", stream=stream))[0] in (502, 503)


def test_a_prompt_is_counted(client):
    if not hasattr(client, "count"):
        pytest.skip("Chat cannot count")
    few, many = client.count("hello"), client.count("hello " * 1000)
    assert 0 < few < 100 < many


def test_a_prompt_is_counted_by_the_provider_where_it_can_be(client, pair):
    if not hasattr(client, "count"):
        pytest.skip("Chat cannot count")
    assert client.counted_by("hello") == ("estimated" if pair[1] == "openai-chat" else "provider")


def test_everything_in_a_prompt_is_counted(connected):
    client = connected("anthropic", "openai-chat")
    count = lambda **more: client.client.messages.count_tokens(model=client.model, **more).input_tokens
    text = {"type": "text", "text": "hello"}
    # A PNG of 1920 x 1080 pixels, as far as it has to be read.
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x07\x80\0\0\x04\x38\x08\x02\0\0\0").decode()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}}
    tool = {"name": "get_weather", "description": "Tells the weather. " * 20, "input_schema": {"type": "object"}}
    plain = count(messages=[{"role": "user", "content": [text]}])
    assert 5 < plain < 20
    assert count(messages=[{"role": "user", "content": [text, image]}]) > plain + 700
    assert count(messages=[{"role": "user", "content": [text]}], tools=[tool]) > plain + 60
    assert count(messages=[{"role": "user", "content": [text]}], system="Be brief. " * 50) > plain + 100


def test_a_long_stream_with_pings(client):
    said = client.ask(Ask("[[sim output-tokens=200 chunk=4 chunk-delay=2ms ping-every=5]]", stream=True))
    assert said.usage[2] == 200


def test_a_model_of_another_name(client):
    assert client.ask(Ask("hello"), model="house-model").model == "house-model"


def test_the_wrong_key_is_refused_before_anything_is_translated(target):
    client = SPEAKERS["anthropic"](target.url, "wrong", {"x-to": "gemini"})
    with pytest.raises(anthropic.AuthenticationError):
        client.ask(Ask("hello"))
