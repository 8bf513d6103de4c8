"""Request bodies: small ones, and the kind an agent sends after an hour of work. Always the same bytes."""

import json

MODEL = "claude-sonnet-4-5"

ANSWER = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "Hello from the upstream."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 20, "output_tokens": 6},
}

SOURCE = '''pub fn compile(raw: &Raw) -> Result<Config, Vec<Diagnostic>> {
    let mut faults = Vec::new();\t// "all at once", never one by one
    for (index, account) in raw.accounts.iter().enumerate() {
        if account.weight > MAX_WEIGHT { faults.push(fault(index, "weight", r"C:\\path\\to")); }
    }
    if faults.is_empty() { Ok(Config::from(raw)) } else { Err(faults) }
}
'''


def small(size=200):
    """A one-line question of exactly `size` bytes."""
    return _padded({"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": ""}]}, size)


def agent(size=300_000, last=None):
    """A coding agent's conversation of about `size` bytes: system prompt, tools, then tool calls and file contents. With `last` as what the
    user says in the end it asks for a stream."""
    tools = [_tool(number) for number in range(20)]
    messages = [{"role": "user", "content": "Find out why the reload loses cooldowns, and mend it."}]
    body = {
        "model": MODEL,
        "messages": messages,
        "system": [{"type": "text", "text": "You are careful. " * 600, "cache_control": {"type": "ephemeral"}}],
        "tools": tools,
        "metadata": {"user_id": "user_0_account__session_00000000-0000-4000-8000-000000000000"},
        "max_tokens": 32000,
        **({"stream": True} if last else {}),
    }
    fixed = len(_bytes(body))
    turn = 0
    while fixed < size:
        new = _turn(turn)
        messages += new
        fixed += len(_bytes(new)) - 1
        turn += 1
    if last:
        messages.append({"role": "user", "content": last})
    return _bytes(body)


def order(tokens, delay_ms):
    """What the simulated upstream is to do: it takes its orders from the prompt, which every proxy passes on."""
    delay = f" chunk-delay={delay_ms}ms" if delay_ms else ""
    return f"[[sim output-tokens={tokens} chunk=1{delay}]]"


def stream(tokens, delay_ms):
    """A streaming question."""
    body = {"model": MODEL, "max_tokens": 4096, "messages": [{"role": "user", "content": order(tokens, delay_ms)}], "stream": True}
    return _bytes(body)


def _bytes(value):
    return json.dumps(value, separators=(",", ":")).encode()


def _padded(body, size):
    missing = size - len(_bytes(body))
    body["messages"][0]["content"] = ("Say hello. " * size)[:missing]
    return _bytes(body)


def _tool(number):
    properties = {
        f"argument_{i}": {"type": "string", "description": "What it is for, in a sentence or two. " * 3} for i in range(4)
    }
    schema = {"type": "object", "properties": properties, "required": ["argument_0"], "additionalProperties": False}
    return {"name": f"tool_{number}", "description": "What the tool does, and when not to use it. " * 10, "input_schema": schema}


def _turn(number):
    call = {"type": "tool_use", "id": f"toolu_{number:06}", "name": "tool_1", "input": {"argument_0": f"src/file_{number}.rs"}}
    result = {"type": "tool_result", "tool_use_id": f"toolu_{number:06}", "content": [{"type": "text", "text": SOURCE * 6}]}
    thought = {"type": "text", "text": f"Step {number}: I read the file, then I compare it with what the test expects."}
    return [{"role": "assistant", "content": [thought, call]}, {"role": "user", "content": [result]}]
