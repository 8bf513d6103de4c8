"""A scripted upstream that speaks every dialect: it has a file read by whatever tool the client declares, and says what was in it.

The word stands in the file alone, so an answer that holds it proves that the call and its result came through. A picture is told by what
arrived of it (`pictures.py`), where the vendor of the dialect takes pictures and nowhere else. Everything else that a
client asks (titles, warm-ups, counts) gets a short answer. What is asked to overflow is refused in the words of the dialect's own vendor until the
client asks for less output or has summed the conversation up.
"""
import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pictures import seen

ASK = "Read the file"
AGAIN = "Say the word again"
CUT = "Break off"
EDIT = "Change the word"
LOOK = "Look at the picture"
SHOWN = "Say what you see"
OVERFLOW = "Overflow now"
# What an upstream of so many tokens is asked: with less output than the rest it fits.
WINDOW, INPUT = 200_000, 190_000
# Events that go out before a stream breaks off: some of the text is among them.
CUT_AFTER = {"anthropic": 4, "openai-responses": 6}


class Upstream:
    """Listens on a free port; `seen` holds what was asked: dialect and body; `refused` how often it was too much, `mended` whether an answer that broke off was asked for
    again without a stream."""

    def __init__(self, word):
        self.word = word
        self.path = ""
        self.picture = ""
        self.seen = []
        self.refused = 0
        self.looked = False
        self.mended = False
        self.healed = False
        self.too_long = None
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.plain(200, {"data": [], "models": []})

            def do_POST(self):
                length = int(self.headers.get("content-length") or 0)
                raw = self.rfile.read(length) if length else self.chunked()
                body = json.loads(raw or b"{}")
                path = self.path.split("?")[0]
                if path.endswith("/messages"):
                    dialect, stream = "anthropic", body.get("stream", False)
                elif path.endswith("/chat/completions"):
                    dialect, stream = "openai-chat", body.get("stream", False)
                elif path.endswith("/responses"):
                    dialect, stream = "openai-responses", body.get("stream", False)
                elif "generateContent" in path or "streamGenerateContent" in path:
                    dialect, stream = "gemini", "streamGenerateContent" in path
                else:
                    return self.plain(404, {"error": {"message": f"no {path}", "type": "not_found_error"}})
                upstream.seen.append((dialect, body))
                if upstream.is_too_much(body):
                    return self.refuse(dialect, body, stream)
                events = WRITERS[dialect](*upstream.answer(dialect, body))
                if not stream:
                    upstream.mended |= upstream.is_cut(body)
                    return self.plain(200, WHOLE[dialect](events))
                self.events(events[: CUT_AFTER.get(dialect, 3) if upstream.is_cut(body) else None])

            def refuse(self, dialect, body, stream):
                upstream.refused += 1
                error = OVERFLOWS[dialect](most_output(body))
                if dialect == "openai-responses" and stream:
                    # OpenAI has begun the answer by then.
                    error = error["error"]
                    failed = {"id": f"resp_{next(IDS)}", "object": "response", "created_at": 1, "model": "scripted", "output": [], "status": "failed", "error": error}
                    return self.events([("response.failed", json.dumps({"type": "response.failed", "sequence_number": 0, "response": failed}))])
                self.plain(400, error)

            def events(self, events):
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                for name, data in events:
                    head = f"event: {name}\n" if name else ""
                    self.wfile.write(f"{head}data: {data}\n\n".encode())
                    self.wfile.flush()
                self.close_connection = True

            def chunked(self):
                body = b""
                while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                return body

            def plain(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def is_cut(self, body):
        return marker(body) == CUT and not self.healed

    def is_too_much(self, body):
        """Until less output is asked for, or the conversation was summed up."""
        summing = bool(SUMMING.search(last_words(body, 1)))
        if self.healed or (marker(body) != OVERFLOW and not (self.refused and summing)):
            return False
        if self.too_long is None:
            # What clients write beside a prompt may hold such a word, too.
            self.too_long = summing
        most = most_output(body)
        fits = most is not None and INPUT + most <= WINDOW
        self.healed = self.refused > 0 and (fits or (summing and not self.too_long))
        return not self.healed

    def answer(self, dialect, body):
        """The text, and the call if there is one."""
        told = json.dumps(body, ensure_ascii=False)
        tools = declared(dialect, body)
        if self.healed or marker(body) == OVERFLOW:
            return f"Healed. Before that: the word is {self.word}.", None
        if marker(body) == EDIT:
            if self.word not in told:
                return "I see no such file.", None
            return f"Done.\n\nnote.txt\n```\n<<<<<<< SEARCH\nThe word is {self.word}.\n=======\nThe word was {self.word}.\n>>>>>>> REPLACE\n```\n", None
        if marker(body) == AGAIN:
            return (f"Again: {self.word}." if self.word in told else "I do not remember."), None
        if marker(body) in (LOOK, SHOWN):
            return self.look(dialect, body, tools, told)
        if self.is_cut(body):
            return "This answer is going to break off somewhere in the middle.", None
        if ASK not in told:
            return "ok", None
        if self.word in told:
            return f"The file says {self.word}.", None
        if not tools:
            return "ok", None
        call = reading(tools, self.path)
        return ("Let me look. ", call) if call else ("I have no tool that reads files.", None)

    def look(self, dialect, body, tools, told):
        """At a picture that was not told of before; the tool that brings it is called once."""
        shown = [seen(picture) for picture in pictures(dialect, body)]
        if len(shown) < len(re.findall(r'"(?:data:[^",]*,)?(?:iVBORw0KGgo|/9j/)', told)):
            return "There is a picture where none can be.", None
        new = [one for one in shown if one and one not in told]
        if new:
            return f"I see {new[-1]}.", None
        if not tools:
            return "ok", None
        if marker(body) == SHOWN or self.looked:
            return "I see no picture.", None
        self.looked = True
        call = looking(tools, self.picture)
        return ("Let me look. ", call) if call else ("I have no tool that looks at pictures.", None)


# How clients ask for a summary.
SUMMING = re.compile(r"(?i)summar|compact|state_snapshot|handoff")

OVERFLOWS = {
    "anthropic": lambda most: {"type": "error", "error": {"type": "invalid_request_error", "message": (
        f"input length and `max_tokens` exceed context limit: {INPUT} + {most} > {WINDOW}, decrease input length or `max_tokens` and try again"
        if most else f"prompt is too long: {WINDOW + 10_000} tokens > {WINDOW} maximum")}},
    "openai-chat": lambda most: {"error": {"type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded", "message": (
        f"This model's maximum context length is {WINDOW} tokens. However, you requested {INPUT + most} tokens ({INPUT} in the messages, {most} in the "
        "completion). Please reduce the length of the messages or completion."
        if most else f"This model's maximum context length is {WINDOW} tokens. However, your messages resulted in {WINDOW + 10_000} tokens. Please reduce the "
        "length of the messages.")}},
    "openai-responses": lambda _: {"error": {"type": "invalid_request_error", "param": "input", "code": "context_length_exceeded", "message":
        "Your input exceeds the context window of this model. Please adjust your input and try again."}},
    "gemini": lambda _: {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576)."}},
}


def most_output(body):
    """The bound of the output that is asked for."""
    config = body.get("generationConfig") or {}
    bounds = [body.get("max_tokens"), body.get("max_completion_tokens"), body.get("max_output_tokens"), config.get("maxOutputTokens")]
    return next((bound for bound in bounds if bound), None)


def marker(body):
    """What was asked last of what this upstream knows to do."""
    words = last_words(body)
    found = {one: words.rfind(one) for one in (AGAIN, CUT, EDIT, LOOK, SHOWN, OVERFLOW)}
    last = max(found, key=found.get)
    return last if found[last] >= 0 else None


def last_words(body, turns_back=2):
    """The text of the last turns of the user: clients put notes of their own behind what was typed."""
    turns = body.get("messages") or body.get("contents") or body.get("input") or []
    if isinstance(turns, str):
        return turns
    own = [turn for turn in turns if turn.get("role") in ("user", None) and turn.get("type") in ("message", None)]
    return json.dumps(own[-turns_back:], ensure_ascii=False)


def declared(dialect, body):
    """Name and schema of each tool."""
    found = []
    for tool in body.get("tools") or []:
        if dialect == "openai-chat":
            tool = tool.get("function", {})
        for one in tool.get("functionDeclarations", [tool]):
            schema = one.get("input_schema") or one.get("parameters") or one.get("parametersJsonSchema") or {}
            if one.get("name"):
                found.append((one["name"], schema.get("properties", {})))
    return found


def reading(tools, path):
    """A call that reads the file, by the tool that the client has for it."""
    if call := by_path(tools, r"(?i)read|read_file|view|cat", path):
        return call
    for name, fields in tools:
        if name == "read_files" and "files" in fields:
            return name, {"files": [{"path": path}]}
    for name, fields in tools:
        for field in ("cmd", "command"):
            if re.search(r"(?i)exec|shell|bash", name) and field in fields:
                command = ["cat", path] if fields[field].get("type") == "array" else f"cat {path}"
                return name, {field: command}
    return None


def looking(tools, path):
    """A call that brings the picture."""
    return by_path(tools, r"(?i)read|read_file|view_image", path)


def by_path(tools, names, path):
    for name, fields in tools:
        if re.fullmatch(names, name):
            field = next((f for f in ("file_path", "filePath", "absolute_path", "path") if f in fields), None)
            if field:
                return name, {field: path}
    return None


def pictures(dialect, body):
    """Media type and base64 of each picture, in the places and in the shape in which the vendor takes them."""
    for part in parts_of_user(dialect, body):
        if dialect == "anthropic" and part.get("type") == "image" and part["source"].get("type") == "base64":
            yield part["source"]["media_type"], part["source"]["data"]
        elif dialect == "openai-chat" and part.get("type") == "image_url":
            yield of_data_url(part["image_url"]["url"])
        elif dialect == "openai-responses" and part.get("type") == "input_image":
            yield of_data_url(part["image_url"])
        elif dialect == "gemini" and "inlineData" in part:
            yield part["inlineData"]["mimeType"], part["inlineData"]["data"]


def parts_of_user(dialect, body):
    """What the user said and, where the vendor takes more than text there, what tools did."""
    for turn in body.get("messages") or body.get("contents") or body.get("input") or []:
        if dialect == "openai-responses" and turn.get("type") in ("function_call_output", "custom_tool_call_output"):
            parts = turn["output"]
        elif turn.get("role") == "user":
            parts = turn["parts"] if dialect == "gemini" else turn["content"]
        else:
            continue
        for part in parts if isinstance(parts, list) else []:
            yield part
            if dialect == "anthropic" and part.get("type") == "tool_result" and isinstance(part.get("content"), list):
                yield from part["content"]
            elif dialect == "gemini" and "functionResponse" in part:
                yield from part["functionResponse"].get("parts", [])


def of_data_url(url):
    head, _, data = url.partition(";base64,")
    return head.removeprefix("data:"), data


# Answers and calls have ids of their own: clients put together what has the same.
IDS = itertools.count(1)


def anthropic(text, call):
    usage = {"input_tokens": 100, "output_tokens": 1}
    yield_ = []

    def event(kind, **fields):
        yield_.append((kind, json.dumps({"type": kind, **fields})))

    event("message_start", message={"id": f"msg_{next(IDS)}", "type": "message", "role": "assistant", "model": "scripted", "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage})
    event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for piece in pieces(text):
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    event("content_block_stop", index=0)
    if call:
        event("content_block_start", index=1, content_block={"type": "tool_use", "id": f"toolu_{next(IDS)}", "name": call[0], "input": {}})
        for piece in pieces(json.dumps(call[1])):
            event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": piece})
        event("content_block_stop", index=1)
    reason = "tool_use" if call else "end_turn"
    event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 20})
    event("message_stop")
    return yield_


def whole_anthropic(events):
    blocks, reason = [], None
    head = json.loads(events[0][1])["message"]
    for _, data in events:
        event = json.loads(data)
        if event["type"] == "content_block_start":
            blocks.append(event["content_block"] | {"json": ""})
        elif event["type"] == "content_block_delta":
            blocks[-1]["text"] = blocks[-1].get("text", "") + event["delta"].get("text", "")
            blocks[-1]["json"] += event["delta"].get("partial_json", "")
        elif event["type"] == "message_delta":
            reason = event["delta"]["stop_reason"]
    content = [
        {"type": "text", "text": b["text"]} if b["type"] == "text" else {"type": "tool_use", "id": b["id"], "name": b["name"], "input": json.loads(b["json"])}
        for b in blocks
    ]
    return head | {"content": content, "stop_reason": reason, "usage": {"input_tokens": 100, "output_tokens": 20}}


def chat(text, call):
    out = []
    head = {"id": f"chatcmpl-{next(IDS)}", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}

    def chunk(delta, reason=None):
        out.append((None, json.dumps(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})))

    chunk({"role": "assistant", "content": ""})
    for piece in pieces(text):
        chunk({"content": piece})
    if call:
        chunk({"tool_calls": [{"index": 0, "id": f"call_{next(IDS)}", "type": "function", "function": {"name": call[0], "arguments": ""}}]})
        for piece in pieces(json.dumps(call[1])):
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    chunk({}, "tool_calls" if call else "stop")
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    out.append((None, json.dumps(head | {"choices": [], "usage": usage})))
    out.append((None, "[DONE]"))
    return out


def whole_chat(events):
    message, reason = {"role": "assistant", "content": ""}, None
    for _, data in events[:-2]:
        choice = json.loads(data)["choices"][0]
        message["content"] += choice["delta"].get("content") or ""
        for call in choice["delta"].get("tool_calls", []):
            known = message.setdefault("tool_calls", [{"id": call.get("id"), "type": "function", "function": {"name": "", "arguments": ""}}])[0]
            known["function"]["name"] += call["function"].get("name", "")
            known["function"]["arguments"] += call["function"]["arguments"]
        reason = choice["finish_reason"] or reason
    answer = json.loads(events[-2][1]) | {"object": "chat.completion"}
    return answer | {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}


def responses(text, call):
    out, number = [], next(IDS)

    def event(kind, **fields):
        out.append((kind, json.dumps({"type": kind, "sequence_number": len(out), **fields})))

    head = {"id": f"resp_{number}", "object": "response", "created_at": 1, "model": "scripted", "output": [], "status": "in_progress"}
    event("response.created", response=head)
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [part]}
    event("response.output_item.added", output_index=0, item=message | {"status": "in_progress", "content": []})
    event("response.content_part.added", item_id=message["id"], output_index=0, content_index=0, part=part | {"text": ""})
    for piece in pieces(text):
        event("response.output_text.delta", item_id=message["id"], output_index=0, content_index=0, delta=piece)
    event("response.output_text.done", item_id=message["id"], output_index=0, content_index=0, text=text)
    event("response.content_part.done", item_id=message["id"], output_index=0, content_index=0, part=part)
    event("response.output_item.done", output_index=0, item=message)
    output = [message]
    if call:
        item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": call[0], "arguments": json.dumps(call[1]), "status": "completed"}
        event("response.output_item.added", output_index=1, item=item | {"arguments": "", "status": "in_progress"})
        for piece in pieces(item["arguments"]):
            event("response.function_call_arguments.delta", item_id=item["id"], output_index=1, delta=piece)
        event("response.function_call_arguments.done", item_id=item["id"], output_index=1, arguments=item["arguments"])
        event("response.output_item.done", output_index=1, item=item)
        output.append(item)
    usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    event("response.completed", response=head | {"status": "completed", "output": output, "usage": usage})
    return out


def gemini(text, call):
    out, number = [], next(IDS)

    def chunk(part, reason=None):
        candidate = {"index": 0, "content": {"role": "model", "parts": [part]}}
        if reason:
            candidate["finishReason"] = reason
        usage = {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120}
        out.append((None, json.dumps({"candidates": [candidate], "modelVersion": "scripted", "responseId": f"r{number}", "usageMetadata": usage})))

    for piece in pieces(text):
        chunk({"text": piece})
    if call:
        chunk({"functionCall": {"name": call[0], "args": call[1]}})
    chunk({"text": ""}, "STOP")
    return out


def whole_gemini(events):
    answers = [json.loads(data) for _, data in events]
    parts = [part for answer in answers for part in answer["candidates"][0]["content"]["parts"]]
    answers[-1]["candidates"][0]["content"]["parts"] = parts
    return answers[-1]


def pieces(text):
    return [text[at : at + 7] for at in range(0, len(text), 7)]


WRITERS = {"anthropic": anthropic, "openai-chat": chat, "openai-responses": responses, "gemini": gemini}
WHOLE = {
    "anthropic": whole_anthropic,
    "openai-chat": whole_chat,
    "openai-responses": lambda events: json.loads(events[-1][1])["response"],
    "gemini": whole_gemini,
}
