"""Command-line clients, unmodified, through Weir to an upstream of each dialect.

    python3 tests/clients/cli/run.py target/release/weir           all clients that are installed, each before each upstream
    python3 tests/clients/cli/run.py --smoke target/release/weir   Claude Code and Codex, each before one upstream of another dialect
    python3 tests/clients/cli/run.py --only codex,opencode target/release/weir

The clients are installed below target/clients/cli with npm, aider with pip, in the versions below. A case: the client reads a file by its own tool and
says what is in it (aider has no tools: it changes the file); a second turn of the same conversation refers to it; a picture is looked at, once by the
client's own tool and once given to it with the prompt (aider: only that); a stream that breaks off is told; a prompt that overflows is told; `heals`
stands where the client got the answer by itself in the end. Prints a table; the exit status is 0 only if every cell holds.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from pictures import png, told
from scripted import AGAIN, ASK, CUT, EDIT, LOOK, OVERFLOW, SHOWN, Upstream

PACKAGES = {
    "claude-code": "@anthropic-ai/claude-code@2.1.197",
    "codex": "@openai/codex@0.171.0",
    "gemini-cli": "@google/gemini-cli@0.61.0",
    "opencode": "opencode-ai@1.18.33",
    "qwen-code": "@qwen-code/qwen-code@0.24.4",
}
AIDER = "aider-chat==0.86.2"
DIALECTS = ["anthropic", "openai-chat", "openai-responses", "gemini"]
SMOKE = [("claude-code", "openai-chat"), ("codex", "anthropic")]
KEY = "client-key-of-the-cli-tests"
WORD = "quokka-1789"
# The colour of each picture, amid the 16 of each channel that a JPEG keeps apart.
READ, GIVEN = (0x28, 0x88, 0xD8), (0xC8, 0x18, 0x58)
LIMIT = 240  # seconds for one turn of a client; aider tries again for a minute
LATE = 124  # the exit code of one that did not end
FINE = ("yes", "told", "heals")
# How clients say that an answer is no whole one, and that a conversation is too long.
BROKEN = re.compile(r"(?i)error|fail|interrupt|incomplete|disconnect|closed|abort|premature|malformed|no final|invalid stream")
TOO_LONG = re.compile(r"(?i)context (window|length|limit)|context_length|too long|token limit|token count|input length and")


def main():
    smoke = "--smoke" in sys.argv
    weir = pathlib.Path(sys.argv[-1]).resolve()
    root = pathlib.Path(__file__).resolve().parents[3] / "target" / "clients" / "cli"
    only = sys.argv[sys.argv.index("--only") + 1].split(",") if "--only" in sys.argv else list(CLIENTS)
    cases = SMOKE if smoke else [(client, dialect) for client in only for dialect in DIALECTS]
    install(root, sorted({PACKAGES[client] for client, _ in cases if client in PACKAGES}))
    if any(client == "aider" for client, _ in cases):
        install_aider(root / "aider")
    failed = 0
    versions = [subprocess.check_output([program, "--version"], text=True).strip() for program in (weir, "node")]
    print(f"{time.strftime('%d %B %Y')}, {versions[0]}, Node {versions[1]}, Python {sys.version.split()[0]}\n")
    print("| client | upstream | reads a file | second turn | picture | broken stream | overflow |\n| --- | --- | --- | --- | --- | --- | --- |")
    for client, dialect in cases:
        cells = case(weir, root, client, dialect)
        failed += any(cell not in FINE for cell in cells)
        print(f"| {PACKAGES.get(client, AIDER)} | {dialect} | {' | '.join(cells)} |", flush=True)
    print(f"\n{len(cases) - failed} of {len(cases)} hold")
    return 1 if failed else 0


def install(root, wanted):
    stamp = root / "installed.json"
    there = json.loads(stamp.read_text()) if stamp.exists() else []
    if set(wanted) <= set(there):
        return
    root.mkdir(parents=True, exist_ok=True)
    (root / "package.json").write_text("{}")
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *wanted], cwd=root, check=True)
    # The package brings its program by a script that npm does not run unasked.
    script = root / "node_modules/@anthropic-ai/claude-code/install.cjs"
    if script.exists():
        subprocess.run(["node", script], cwd=root, check=True)
    stamp.write_text(json.dumps(wanted))


def install_aider(venv):
    if (venv / "bin/aider").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", AIDER], check=True)


def case(weir, root, client, dialect):
    """What came of the turns."""
    upstream = Upstream(WORD)
    with tempfile.TemporaryDirectory(prefix="weir-cli-", ignore_cleanup_errors=True) as home:
        home = pathlib.Path(home)
        work = home / "work"
        work.mkdir()
        (work / "note.txt").write_text(f"The word is {WORD}.\n")
        upstream.path = str(work / "note.txt")
        (work / "read.png").write_bytes(png(*READ))
        (work / "given.png").write_bytes(png(*GIVEN))
        upstream.picture = str(work / "read.png")
        port = free_port()
        config = home / "weir.yaml"
        config.write_text(configuration(port, free_port(), upstream.port, dialect))
        with open(home / "weir.log", "w") as log:
            process = subprocess.Popen([weir, "run", "-c", config], stdout=log, stderr=log)
        try:
            await_ready(port)
            run = CLIENTS[client](root, home, f"http://127.0.0.1:{port}")
            path = upstream.path
            reads = f"{EDIT} in note.txt." if client == "aider" else f"{ASK} {path} and tell me the word in it."
            cells = []

            def turn(prompt, judge, picture=None):
                code, said = run(prompt, picture)
                word = judge(code, said)
                cells.append(word or f"no ({code}): " + " ".join(said.split())[-160:].replace("|", "/"))

            def sees(colour):
                return lambda code, said: "yes" if any(one in said for one in told(*colour)) else ""

            if client == "aider":
                turn(reads, lambda code, said: "yes" if f"was {WORD}" in pathlib.Path(path).read_text() else "")
            else:
                turn(reads, lambda code, said: "yes" if f"The file says {WORD}" in said else "")
            turn(f"{AGAIN}, from memory.", lambda code, said: "yes" if f"Again: {WORD}" in said else "")
            turn(f"{SHOWN} in this picture.", sees(GIVEN), "given.png")
            if client != "aider":
                turn(f"{LOOK} {upstream.picture} and say what is in it.", sees(READ))
                by_tool = cells.pop()
                cells[-1] = by_tool if cells[-1] == "yes" else cells[-1]
            # A client may try again, and the answer breaks off each time, unless it is asked for without a stream: what counts is that no part of it
            # passes for the whole.
            turn(f"{CUT}.", lambda code, said: "heals" if upstream.mended and "in the middle." in said else "told" if code != LATE and (code != 0 or BROKEN.search(said)) else "")
            turn(f"{OVERFLOW}.", lambda code, said: "heals" if upstream.healed and "Healed" in said else "told" if upstream.refused and TOO_LONG.search(said) else "")
            asked = {spoken for spoken, _ in upstream.seen}
            if asked - {dialect}:
                cells.append(f"no: asked in {asked}")
            return cells
        finally:
            process.terminate()
            process.wait(20)
            leftover(home)
            upstream.server.shutdown()
            if os.environ.get("KEEP"):
                shutil.copytree(home, pathlib.Path(os.environ["KEEP"]) / f"{client}-{dialect}", dirs_exist_ok=True)
                seen = json.dumps([body for _, body in upstream.seen], indent=1)
                (pathlib.Path(os.environ["KEEP"]) / f"{client}-{dialect}.json").write_text(seen)


def configuration(port, admin, upstream, dialect):
    provider = {"anthropic": "anthropic", "gemini": "gemini"}.get(dialect, "openai")
    base = f"http://127.0.0.1:{upstream}" + ("/v1" if provider == "openai" else "")
    model = {"anthropic": "claude-opus-5", "openai-chat": "gpt-5.1", "openai-responses": "gpt-5.5", "gemini": "gemini-3-pro"}[dialect]
    return f"""version: 1
listen: [{{ addr: 127.0.0.1:{port} }}]
admin: {{ addr: 127.0.0.1:{admin}, token: admin-token-of-the-cli-tests }}
accounts:
  - {{ name: up, provider: {provider}, dialect: {dialect}, base_url: "{base}", key: upstream-key, models: {{ "*": {model} }} }}
keys: [{{ name: cli, key: {KEY} }}]
retry: {{ max_attempts: 1 }}
"""


def claude_code(root, home, url):
    turns = then(["--continue"])

    def run(prompt, picture=None):
        environ = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "CLAUDE_CODE_MAX_RETRIES": "1", "DISABLE_AUTOUPDATER": "1"}
        return command([root / "node_modules/.bin/claude", "-p", at(picture, prompt), "--allowedTools", "Read", *next(turns)], home, environ)

    return run


def codex(root, home, url):
    folder = home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(
        f'model_provider = "weir"\nmodel = "gpt-5.5"\n\n[model_providers.weir]\nname = "Weir"\nbase_url = "{url}/v1"\n'
        'env_key = "WEIR_KEY"\nwire_api = "responses"\nrequest_max_retries = 0\nstream_max_retries = 0\n'
    )
    turns = then(["resume", "--last"])

    def run(prompt, picture=None):
        flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        image = [f"--image={picture}"] if picture else []
        return command([root / "node_modules/.bin/codex", "exec", *flags, *next(turns), *image, prompt], home, {"WEIR_KEY": KEY})

    return run


def gemini_cli(root, home, url):
    folder = home / ".gemini"
    folder.mkdir()
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}, "telemetry": {"enabled": False}}
    (folder / "settings.json").write_text(json.dumps(settings))
    turns = then(["--resume", "latest"])

    def run(prompt, picture=None):
        # Of a model whose name begins with `gemini-3-` this version loses the pictures of tool results before it asks.
        model = "gemini-2.5-pro" if prompt.startswith(LOOK) else "gemini-3-pro"
        environ = {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": KEY, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
        return command([root / "node_modules/.bin/gemini", "--yolo", "-m", model, *next(turns), "-p", at(picture, prompt)], home, environ)

    return run


def opencode(root, home, url):
    folder = home / ".config" / "opencode"
    folder.mkdir(parents=True)
    # It does not know this model, and shows pictures only to those of which it knows that they see them.
    model = {"name": "gpt-5.5", "attachment": True, "modalities": {"input": ["text", "image"], "output": ["text"]}}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Weir", "options": {"baseURL": f"{url}/v1", "apiKey": KEY}, "models": {"gpt-5.5": model}}
    settings = {"provider": {"weir": provider}, "model": "weir/gpt-5.5", "small_model": "weir/gpt-5.5", "autoupdate": False, "share": "disabled", "permission": "allow"}
    (folder / "opencode.json").write_text(json.dumps(settings))
    turns = then(["--continue"])

    def run(prompt, picture=None):
        environ = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"}
        file = ["-f", picture] if picture else []
        return command([root / "node_modules/.bin/opencode", "run", "-m", "weir/gpt-5.5", *next(turns), prompt, *file], home, environ)

    return run


def qwen_code(root, home, url):
    folder = home / ".qwen"
    folder.mkdir()
    settings = {"security": {"auth": {"selectedType": "openai"}}, "privacy": {"usageStatisticsEnabled": False}, "telemetry": {"enabled": False}}
    (folder / "settings.json").write_text(json.dumps(settings))
    turns = then(["--continue"])

    def run(prompt, picture=None):
        environ = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": KEY}
        return command([root / "node_modules/.bin/qwen", "--yolo", "--model", "gpt-5.5", *next(turns), "-p", at(picture, prompt)], home, environ)

    return run


def aider(root, home, url):
    # It would fetch a list of models from the Internet, and say at length that it cannot.
    caches = home / ".aider" / "caches"
    caches.mkdir(parents=True)
    (caches / "model_prices_and_context_window.json").write_text('{"none": {}}')
    # It does not know this model, and shows pictures only to those of which it knows that they see them.
    (home / ".aider.model.metadata.json").write_text('{"openai/gpt-5.5": {"supports_vision": true}}')
    # The file is in the chat at first only: what the second turn knows of it is the conversation's.
    turns = then(["--restore-chat-history"], ["note.txt"])

    def run(prompt, picture=None):
        environ = {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": KEY, "AIDER_ANALYTICS": "false", "AIDER_CHECK_UPDATE": "false", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        flags = ["--yes-always", "--no-git", "--no-pretty", "--no-show-model-warnings", "--no-detect-urls", "--model", "openai/gpt-5.5", "--edit-format", "diff"]
        return command([root / "aider/bin/aider", *flags, "--message", prompt, *next(turns), *([picture] if picture else [])], home, environ)

    return run


def at(picture, prompt):
    """A prompt that names a picture as several clients have it."""
    return f"@{picture} {prompt}" if picture else prompt


def then(later, first=()):
    """What the first turn has for words, and what each after it."""
    yield list(first)
    while True:
        yield list(later)


CLIENTS = {"claude-code": claude_code, "codex": codex, "gemini-cli": gemini_cli, "opencode": opencode, "qwen-code": qwen_code, "aider": aider}


def command(line, home, environ):
    """Exit code and everything that was printed. Nothing of the caller's environment but the path goes in."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "NO_COLOR": "1", "IS_SANDBOX": "1", **environ}
    try:
        done = subprocess.run(line, cwd=home / "work", env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
    except subprocess.TimeoutExpired as late:
        return LATE, (late.output or b"").decode(errors="replace")
    return done.returncode, done.stdout.decode(errors="replace")


def leftover(home):
    """Ends what a client has left running: whatever has the home of this run, which is nobody else's."""
    for entry in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"HOME={home}".encode() in entry.read_bytes().split(b"\0"):
                os.kill(int(entry.parent.name), signal.SIGTERM)
        except OSError:
            continue  # It has ended, or is somebody else's.


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_ready(port):
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("weir did not start")


if __name__ == "__main__":
    sys.exit(main())
