"""Command-line clients, unmodified, through Weir to an upstream of each dialect.

    python3 tests/clients/cli/run.py target/release/weir           all clients that are installed, each before each upstream
    python3 tests/clients/cli/run.py --smoke target/release/weir   Claude Code and Codex, each before one upstream of another dialect
    python3 tests/clients/cli/run.py --only codex,opencode target/release/weir

The clients are installed below target/clients/cli with npm, in the versions below. A case: the client reads a file by its own tool and says what is in
it; a second turn of the same conversation refers to it; a stream that breaks off is told. Prints a table; the exit status is 0 only if every
cell holds.
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from scripted import AGAIN, ASK, CUT, Upstream

PACKAGES = {
    "claude-code": "@anthropic-ai/claude-code@2.1.197",
    "codex": "@openai/codex@0.171.0",
    "gemini-cli": "@google/gemini-cli@0.61.0",
    "opencode": "opencode-ai@1.18.33",
}
DIALECTS = ["anthropic", "openai-chat", "openai-responses", "gemini"]
SMOKE = [("claude-code", "openai-chat"), ("codex", "anthropic")]
KEY = "client-key-of-the-cli-tests"
WORD = "quokka-1789"
LIMIT = 120  # seconds for one turn of a client


def main():
    smoke = "--smoke" in sys.argv
    weir = pathlib.Path(sys.argv[-1]).resolve()
    root = pathlib.Path(__file__).resolve().parents[3] / "target" / "clients" / "cli"
    only = sys.argv[sys.argv.index("--only") + 1].split(",") if "--only" in sys.argv else list(CLIENTS)
    cases = SMOKE if smoke else [(client, dialect) for client in only for dialect in DIALECTS]
    install(root, sorted({PACKAGES[client] for client, _ in cases}))
    failed = 0
    print(f"| client | upstream | reads a file | second turn | broken stream |\n| --- | --- | --- | --- | --- |")
    for client, dialect in cases:
        cells = case(weir, root, client, dialect)
        failed += any(cell != "yes" for cell in cells)
        print(f"| {PACKAGES[client]} | {dialect} | {' | '.join(cells)} |", flush=True)
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


def case(weir, root, client, dialect):
    """What came of the three turns."""
    upstream = Upstream(WORD)
    with tempfile.TemporaryDirectory(prefix="weir-cli-") as home:
        home = pathlib.Path(home)
        work = home / "work"
        work.mkdir()
        (work / "note.txt").write_text(f"The word is {WORD}.\n")
        upstream.path = str(work / "note.txt")
        port = free_port()
        config = home / "weir.yaml"
        config.write_text(configuration(port, free_port(), upstream.port, dialect))
        with open(home / "weir.log", "w") as log:
            process = subprocess.Popen([weir, "run", "-c", config], stdout=log, stderr=log)
        try:
            await_ready(port)
            run = CLIENTS[client](root, home, f"http://127.0.0.1:{port}")
            cells = []
            for prompt, fine in [
                (f"{ASK} {upstream.path} and tell me the word in it.", lambda code, said: f"The file says {WORD}" in said),
                (f"{AGAIN}, from memory.", lambda code, said: f"Again: {WORD}" in said),
                # A client may try again, and the answer breaks off each time: what counts is that it does not look whole.
                (f"{CUT}.", lambda code, said: code != 0 or "middle" not in said),
            ]:
                code, said = run(prompt)
                cells.append("yes" if fine(code, said) else "no: " + " ".join(said.split())[-160:].replace("|", "/"))
            asked = {spoken for spoken, _ in upstream.seen}
            if asked - {dialect}:
                cells.append(f"no: asked in {asked}")
            return cells
        finally:
            process.terminate()
            process.wait(20)
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
    turns = iter([[], ["--continue"], ["--continue"]])

    def run(prompt):
        environ = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "CLAUDE_CODE_MAX_RETRIES": "1", "DISABLE_AUTOUPDATER": "1"}
        return command([root / "node_modules/.bin/claude", "-p", prompt, "--allowedTools", "Read", *next(turns)], home, environ)

    return run


def codex(root, home, url):
    folder = home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(
        f'model_provider = "weir"\nmodel = "gpt-5.5"\n\n[model_providers.weir]\nname = "Weir"\nbase_url = "{url}/v1"\n'
        'env_key = "WEIR_KEY"\nwire_api = "responses"\nrequest_max_retries = 0\nstream_max_retries = 0\n'
    )
    turns = iter([[], ["resume", "--last"], ["resume", "--last"]])

    def run(prompt):
        flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        return command([root / "node_modules/.bin/codex", "exec", *flags, *next(turns), prompt], home, {"WEIR_KEY": KEY})

    return run


def gemini_cli(root, home, url):
    folder = home / ".gemini"
    folder.mkdir()
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}, "telemetry": {"enabled": False}}
    (folder / "settings.json").write_text(json.dumps(settings))
    turns = iter([[], ["--resume", "latest"], ["--resume", "latest"]])

    def run(prompt):
        environ = {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": KEY, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
        return command([root / "node_modules/.bin/gemini", "--yolo", "-m", "gemini-3-pro", *next(turns), "-p", prompt], home, environ)

    return run


def opencode(root, home, url):
    folder = home / ".config" / "opencode"
    folder.mkdir(parents=True)
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Weir", "options": {"baseURL": f"{url}/v1", "apiKey": KEY}, "models": {"gpt-5.5": {"name": "gpt-5.5"}}}
    settings = {"provider": {"weir": provider}, "model": "weir/gpt-5.5", "small_model": "weir/gpt-5.5", "autoupdate": False, "share": "disabled", "permission": "allow"}
    (folder / "opencode.json").write_text(json.dumps(settings))
    turns = iter([[], ["--continue"], ["--continue"]])

    def run(prompt):
        environ = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"}
        return command([root / "node_modules/.bin/opencode", "run", "-m", "weir/gpt-5.5", *next(turns), prompt], home, environ)

    return run


CLIENTS = {"claude-code": claude_code, "codex": codex, "gemini-cli": gemini_cli, "opencode": opencode}


def command(line, home, environ):
    """Exit code and everything that was printed. Nothing of the caller's environment but the path goes in."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "NO_COLOR": "1", "IS_SANDBOX": "1", **environ}
    try:
        done = subprocess.run(line, cwd=home / "work", env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
    except subprocess.TimeoutExpired as late:
        return 124, (late.output or b"").decode(errors="replace")
    return done.returncode, done.stdout.decode(errors="replace")


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
