"""Twenty calls of a tool in a row through Weir, over SSE and over a WebSocket: how long, and how much was sent.

    python3 tests/clients/python/tool_loop.py http://127.0.0.1:8080 KEY [MODEL]

Over SSE the client sends the whole conversation every time, over the socket what is new. The upstream is what Weir has behind
it: `weir demo` will do.
"""
import json
import sys
import time

import openai

TURNS = 20
TOOL = {"type": "function", "name": "get_weather", "description": "The weather", "strict": False, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
ASK = 'call get_weather {"city":"Ulm"}'
# What coding agents begin with, and what their tools answer.
INSTRUCTIONS = "You are careful. " * 1_800
RESULT = "dry and 12 degrees; " * 400


def told(calls):
    return [{"type": "function_call_output", "call_id": calls[0].call_id, "output": RESULT}, {"type": "message", "role": "user", "content": ASK}]


def over_sse(client, model):
    sent, items = 0, [{"type": "message", "role": "user", "content": ASK}]
    for _ in range(TURNS):
        sent += len(json.dumps(items)) + len(INSTRUCTIONS)
        stream = client.responses.create(model=model, input=items, instructions=INSTRUCTIONS, store=False, stream=True, tools=[TOOL])
        done = [event for event in stream if event.type == "response.completed"][0].response
        calls = [item for item in done.output if item.type == "function_call"]
        items = items + [item.model_dump(exclude_none=True, exclude={"id", "status"}) for item in calls] + told(calls)
    return sent


def over_socket(client, model):
    sent, previous, new = 0, None, ASK
    with client.responses.connect() as connection:
        for _ in range(TURNS):
            sent += len(json.dumps(new)) + len(INSTRUCTIONS)
            more = {"previous_response_id": previous} if previous else {}
            connection.response.create(model=model, input=new, instructions=INSTRUCTIONS, store=False, tools=[TOOL], **more)
            done = next(event for event in connection if event.type in ("response.completed", "error", "response.failed"))
            previous, new = done.response.id, told([item for item in done.response.output if item.type == "function_call"])
    return sent


def measure(client, model, rounds=5):
    """The better of each, in turn: seconds and bytes."""
    best = {}
    for _ in range(rounds):
        for way in (over_sse, over_socket):
            begun = time.monotonic()
            sent = way(client, model)
            took = time.monotonic() - begun
            best[way.__name__] = min(best.get(way.__name__, (took, sent)), (took, sent))
    return best


if __name__ == "__main__":
    url, key, *rest = sys.argv[1:]
    found = measure(openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0, timeout=60), rest[0] if rest else "gpt-5.5")
    for way, (took, sent) in found.items():
        print(f"{way}: {took:.3f} s, {sent / 1000:.0f} kB sent")
    print(f"saved: {1 - found['over_socket'][0] / found['over_sse'][0]:.0%} of the time, {1 - found['over_socket'][1] / found['over_sse'][1]:.0%} of the bytes")
