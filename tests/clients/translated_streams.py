"""Feeds the client streams and answers of the translation goldens to the vendors' own SDKs: their accumulators are the real
specification. Needs `pip install anthropic openai google-genai`; run it from the root of the repository:

    python tests/clients/translated_streams.py
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anthropic
import openai
from google import genai
from google.genai import errors, types

GOLDENS = Path(__file__).parent.parent / "goldens" / "translate"


class Case:
    def __init__(self, path):
        head, *blocks = path.read_text(encoding="utf-8").split("----- ")
        self.name = path.stem
        self.fields = dict(line.split(": ", 1) for line in head.splitlines()[1:])
        self.sections = dict(block.split("\n", 1) for block in blocks)

    def __getattr__(self, field):
        return self.fields[field]


class Upstream(BaseHTTPRequestHandler):
    """Answers every request with what the case says."""

    case = None

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        stream = self.case.sections.get("client stream")
        answer = self.case.sections.get("client answer")
        status, kind, body = 200, "text/event-stream", stream
        if stream is None:
            kind, body = "application/json", answer
            if answer.startswith("HTTP "):
                line, body = answer.split("\n", 1)
                status = int(line.removeprefix("HTTP "))
        body = body.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def check_anthropic(case, url):
    client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
    ask = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    if "client stream" not in case.sections:
        return client.messages.create(**ask)
    with client.messages.stream(**ask) as stream:
        for _ in stream:
            pass
        message = stream.get_final_message()
    # The SDK forgives a lost brace in streamed arguments: compare with the raw fragments.
    fragments = {}
    for line in case.sections["client stream"].split("\n"):
        if line.startswith("data: {"):
            event = json.loads(line.removeprefix("data: "))
            delta = event.get("delta", {})
            if delta.get("type") == "input_json_delta":
                fragments[event["index"]] = fragments.get(event["index"], "") + delta["partial_json"]
    for index, text in fragments.items():
        if message.stop_reason != "max_tokens":
            assert json.loads(text) == message.content[index].input, (text, message.content[index])
    assert message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0) > 0
    return message


def check_chat(case, url):
    client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
    asked = json.loads(case.sections["client request"])
    if "prompt" in asked:
        if "client stream" not in case.sections:
            return client.completions.create(model="m", prompt="x")
        chunks = list(client.completions.create(model="m", prompt="x", stream=True))
        assert chunks[-1].usage is not None
        return chunks[-2]
    ask = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    if "client stream" not in case.sections:
        return client.chat.completions.create(**ask)
    if any(kind in case.name for kind in ("functions", "freeform")):
        # The accumulator knows neither.
        return list(client.chat.completions.create(**ask, stream=True))[-1]
    with client.chat.completions.stream(**ask, stream_options={"include_usage": True}) as stream:
        for _ in stream:
            pass
        completion = stream.get_final_completion()
    message = completion.choices[0].message
    assert message.role == "assistant"
    for call in message.tool_calls or []:
        if completion.choices[0].finish_reason != "length":
            json.loads(call.function.arguments)
    if "stream_options" in asked:
        assert completion.usage.total_tokens > 0
    for index, details in enumerate(getattr(message, "reasoning_details", None) or []):
        assert details["index"] == index, details
    return completion


def check_responses(case, url):
    client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
    if "client stream" not in case.sections:
        response = client.responses.create(model="m", input="x")
    else:
        with client.responses.stream(model="m", input="x") as stream:
            *_, last = stream
            if last.type == "response.failed":
                raise openai.APIError(last.response.error.message, request=None, body=None)
            response = stream.get_final_response() if last.type == "response.completed" else last.response
    for item in response.output:
        if item.type == "function_call" and item.status == "completed":
            json.loads(item.arguments)
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    return response


def check_gemini(case, url):
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url))
    if case.delivery == "array":
        # The SDK always asks for events.
        chunks = json.loads(case.sections["client stream"])
        if "error" in chunks[-1]:
            raise errors.APIError(chunks[-1]["error"]["code"], chunks[-1])
        return [types.GenerateContentResponse.model_validate(chunk) for chunk in chunks]
    if "client stream" not in case.sections:
        return client.models.generate_content(model="m", contents="x")
    chat = client.chats.create(model="m")
    chunks = list(chat.send_message_stream("x"))
    assert chunks[-1].usage_metadata.total_token_count > 0
    assert chunks[-1].candidates[0].finish_reason
    # A chunk without content would cost the whole turn its place in the history.
    assert len(chat.get_history(curated=True)) == len(chunks) + 1
    return chunks


def meant_to_fail(case):
    outcome = case.sections["outcome"]
    answer = case.sections.get("client answer", "")
    return answer.startswith("HTTP ") or not outcome.startswith("complete")


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    checks = {
        "anthropic": (check_anthropic, anthropic.APIError),
        "gemini": (check_gemini, errors.APIError),
        "openai-chat": (check_chat, openai.APIError),
        "openai-responses": (check_responses, openai.APIError),
    }
    checked, wrong = 0, []
    for path in sorted(GOLDENS.glob("*.txt")):
        case = Case(path)
        if case.client not in checks or not {"client stream", "client answer"} & case.sections.keys():
            continue
        Upstream.case = case
        check, refusal = checks[case.client]
        checked += 1
        try:
            check(case, url)
            if meant_to_fail(case):
                wrong.append(f"{case.name}: should have raised")
        except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
            # The accumulator has the answer, and refuses to parse one that was cut.
            pass
        except refusal as error:
            if not meant_to_fail(case):
                wrong.append(f"{case.name}: {error!r}")
        except Exception as error:  # noqa: BLE001: whatever an accumulator raises is a finding
            wrong.append(f"{case.name}: {error!r}")
    print(f"{checked} cases, {len(wrong)} wrong", *wrong, sep="\n")
    sys.exit(bool(wrong))


main()
