"""OpenAI's SDK: the Responses API on a WebSocket."""
import openai
import pytest

import tool_loop

from test_openai import MODEL, TOOL


@pytest.fixture(scope="module")
def client(target):
    if target.direct:
        pytest.skip("the simulated upstream has no WebSocket")
    return openai.OpenAI(base_url=target.url + "/v1", api_key=target.key, max_retries=0, timeout=30)


def turn(connection, **request):
    connection.response.create(model=MODEL, **request)
    for event in connection:
        if event.type in ("response.completed", "response.failed", "response.incomplete", "error"):
            return event
    raise AssertionError("the socket ended within a response")


def test_a_conversation_goes_on_with_what_is_new_only(client):
    with client.responses.connect() as connection:
        first = turn(connection, input="one", store=False)
        assert first.type == "response.completed"
        assert first.response.output_text == "You said: one"
        second = turn(connection, input="two", store=False, previous_response_id=first.response.id)
        assert second.response.output_text == "You said: two"
        assert second.response.usage.input_tokens > first.response.usage.input_tokens


def test_a_loop_of_twenty_tool_calls(client):
    with client.responses.connect() as connection:
        previous, new = None, "call get_weather {\"city\":\"Ulm\"}"
        for _ in range(20):
            request = {"previous_response_id": previous} if previous else {}
            done = turn(connection, input=new, store=False, tools=[TOOL], **request)
            assert done.type == "response.completed", done
            previous = done.response.id
            calls = [item for item in done.response.output if item.type == "function_call"]
            assert len(calls) == 1
            new = [
                {"type": "function_call_output", "call_id": calls[0].call_id, "output": "dry"},
                {"type": "message", "role": "user", "content": "call get_weather {\"city\":\"Ulm\"}"},
            ]


def test_an_error_leaves_the_socket_open(client):
    with client.responses.connect() as connection:
        unknown = turn(connection, input="x", store=False, previous_response_id="resp_unknown")
        assert unknown.type == "error"
        assert unknown.error.code == "previous_response_not_found"
        refused = turn(connection, input="hello [[sim status=400]]", store=False)
        assert refused.type == "error" and refused.status == 400
        assert turn(connection, input="hello", store=False).type == "response.completed"


def test_the_loop_sends_far_less_than_over_sse(client):
    found = tool_loop.measure(client, MODEL, rounds=1)
    assert found["over_socket"][1] < found["over_sse"][1] / 2, found
