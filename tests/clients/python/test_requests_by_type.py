"""Every upstream request of the golden cases is what the vendor's own SDK would let its users send: no member that the types do not
know, none that is missing, none of another shape. Needs no proxy; the types are those of the pinned SDKs. They are changed for it, so
this runs in a process of its own."""
import importlib
import json
import pathlib
import pkgutil
import re
import subprocess
import sys
import typing

import pydantic
import typing_extensions
from google.genai import types as google

# This file may run from a copy below target/.
PLACES = [parent / "tests" / "goldens" / "translate" for parent in pathlib.Path(__file__).resolve().parents]
CASES = next(place for place in PLACES if place.is_dir())

# What servers of a family want beyond the types of OpenAI, by the beginning of the case's name, and why.
BEYOND = {
    "anthropic_to_chat_request_ids_again_kimi": "Kimi wants reasoning_content in its history",
    "anthropic_to_chat_request_reasoning_details": "OpenRouter's reasoning_details, DeepSeek's reasoning_content",
    "anthropic_to_chat_request_results_deepseek": "reasoning_content",
    "anthropic_to_chat_request_sampling_vllm": "`top_k`",
    "anthropic_to_chat_request_thinking_switch": "`thinking` of GLM and Kimi",
    "anthropic_to_chat_stream_ids_again": "Kimi",
    "anthropic_to_responses_request_search_forced": "the types know web_search only as a tool, not as a choice",
    "anthropic_to_responses_stream_search_pages": "the same",
    "gemini_to_chat_request_google_signature": "Google's extra_content",
    "responses_to_chat_request_family_": "reasoning_content, and Mistral's thinking parts",
}

# Members that Anthropic's newest types left out and its older models take.
SAMPLING = {"temperature", "top_p", "top_k"}


def strict(package):
    """Makes pydantic refuse members that the typed dictionaries of this package do not know."""
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        importlib.import_module(found.name)
    for name, module in list(sys.modules.items()):
        if not name.startswith(package):
            continue
        for word in ("Iterable", "Sequence", "SequenceNotStr"):
            # Else lists are validated only while somebody reads them.
            if hasattr(module, word):
                setattr(module, word, typing.List)
        for word, kind in list(vars(module).items()):
            if typing_extensions.is_typeddict(kind):
                kind.__pydantic_config__ = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True)
            answers = isinstance(kind, type) and issubclass(kind, pydantic.BaseModel) or word == "ContentBlock"
            if answers and name.endswith(("_param", "_params")):
                # Objects of an earlier answer, which no JSON is.
                setattr(module, word, typing.Literal["an object of the SDK"])


def strict_adapters():
    strict("openai.types")
    strict("anthropic.types")
    from anthropic.types import message_create_params
    from openai.types.chat import completion_create_params
    from openai.types.responses import response_create_params

    return {
        "anthropic": pydantic.TypeAdapter(message_create_params.MessageCreateParams),
        "openai-chat": pydantic.TypeAdapter(completion_create_params.CompletionCreateParams),
        "openai-responses": pydantic.TypeAdapter(response_create_params.ResponseCreateParams),
    }


def written(case):
    """The dialect of the upstream and what it is sent; `None` where the client is refused."""
    text = case.read_text(encoding="utf-8")
    dialect = re.search(r"^upstream: (\S+)", text, re.M)
    section = re.search(r"^----- upstream request\n(.*?)(?=^----- )", text, re.M | re.S)
    if not dialect or not section or "{" not in section[1]:
        return None
    try:
        return dialect[1], json.loads(section[1][section[1].index("{") :])
    except ValueError:
        return None


def faults(adapters, dialect, body):
    if dialect != "gemini":
        return [fault(error) for error in refused(adapters[dialect].validate_python, plain(dialect, body))]
    found = []
    for content in body.get("contents", []):
        found += refused(google.Content.model_validate, content)
    for tool in body.get("tools", []):
        found += refused(google.Tool.model_validate, tool)
    if "generationConfig" in body:
        found += refused(google.GenerationConfig.model_validate, body["generationConfig"])
    return [fault(error) for error in found]


def refused(validate, value):
    try:
        validate(value)
    except pydantic.ValidationError as error:
        return error.errors()
    return []


def fault(error):
    return ".".join(map(str, error["loc"]))[-120:] + ": " + error["msg"]


def plain(dialect, value):
    """Without what the API takes and the types do not say: sampling of older models, and what an assistant said as a message
    without an id."""
    if isinstance(value, list):
        return [plain(dialect, element) for element in value]
    if not isinstance(value, dict):
        return value
    kept = {name: plain(dialect, member) for name, member in value.items() if dialect != "anthropic" or name not in SAMPLING}
    if dialect == "openai-responses" and kept.get("role") == "assistant" and isinstance(kept.get("content"), list):
        said = [part.get("text") or part.get("refusal") for part in kept["content"]]
        kept["content"] = [{"type": "input_text", "text": text} for text in said]
    return kept


def what_is_sent_fits(adapters):
    wrong, looked = [], 0
    for case in sorted(CASES.glob("*.txt")):
        sent = written(case)
        if not sent or case.stem.startswith(tuple(BEYOND)):
            continue
        looked += 1
        wrong += [f"{case.stem}: {fault}" for fault in faults(adapters, *sent)[:3]]
    assert not wrong, "\n".join(wrong)
    assert looked > 600, looked


def what_does_not_fit_is_found(adapters):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    flat = {"type": "custom", "custom": {"name": "f", "format": {"type": "grammar", "syntax": "lark", "definition": "a"}}}
    assert not faults(adapters, "openai-chat", body)
    assert faults(adapters, "openai-chat", {**body, "tools": [flat]})
    assert faults(adapters, "openai-chat", {**body, "unheard": 1})
    assert faults(adapters, "anthropic", body), "max_tokens is required"
    wrapped = {"inlineData": {"mimeType": "image/png", "data": "iVBO\nRw0K"}}
    assert faults(adapters, "gemini", {"contents": [{"role": "user", "parts": [wrapped]}]})


def test_what_is_sent_fits_the_types_of_the_sdks():
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    made = strict_adapters()
    what_is_sent_fits(made)
    what_does_not_fit_is_found(made)
