"""What reaches the upstream: the same bytes, another credential."""
import hashlib
import json

import pytest

PROMPT = "[[sim echo-headers]]"
REQUESTS = {
    "anthropic": (
        "/v1/messages?beta=true",
        {"model": "claude-sonnet-4-5", "max_tokens": 10000, "messages": [{"role": "user", "content": PROMPT}], "unknown": [1.0, 1e3]},
        lambda answer: answer["content"][0]["text"],
    ),
    "openai-chat": (
        "/v1/chat/completions",
        {"model": "gpt-4o", "messages": [{"role": "user", "content": PROMPT}], "unknown": [1.0, 1e3]},
        lambda answer: answer["choices"][0]["message"]["content"],
    ),
    "openai-responses": (
        "/v1/responses",
        {"model": "gpt-4o", "input": PROMPT, "unknown": [1.0, 1e3]},
        lambda answer: answer["output"][0]["content"][0]["text"],
    ),
    "gemini": (
        "/v1beta/models/gemini-2.5-pro:generateContent",
        {"contents": [{"parts": [{"text": PROMPT}]}], "unknown": [1.0, 1e3]},
        lambda answer: answer["candidates"][0]["content"]["parts"][0]["text"],
    ),
}


@pytest.mark.parametrize("dialect", REQUESTS)
def test_body_is_byte_exact_and_the_credential_is_swapped(target, dialect):
    path, body, text = REQUESTS[dialect]
    # White space and number formats that no re-serialisation would keep.
    body = json.dumps(body, indent=3).replace('"unknown"', '  "unknown"  ').encode()
    status, _, answer = target.send("POST", path, body, {"x-custom": "kept"})
    assert status == 200, answer
    seen = json.loads(text(json.loads(answer)))
    assert seen["body"] == {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert seen["path"] == path.partition("?")[0]
    if not target.direct:
        assert target.key not in json.dumps(seen), "the client's key went upstream"


def test_upload_is_byte_exact(target):
    body = bytes(range(256)) * 1000
    status, _, answer = target.send("POST", "/v1/files", body, {"content-type": "application/octet-stream"})
    assert status == 200, answer
    assert json.loads(answer)["sha256"] == hashlib.sha256(body).hexdigest()
