"""Command-line clients, unmodified, set up by `weir client NAME --write` and by nothing else.

    python3 tests/clients/cli/written.py target/release/weir [CLIENT...]

Each client has a file of settings already, with comments and an order of its own. `weir client --write` adds Weir to it, the client reads a file
by its own tool and says what is in it, and after `--undo` the settings are as before to the byte. aider has no tools: it is given the file.
The exit status is 0 only if everything holds.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import run
from scripted import ASK, Upstream

PACKAGES = {
    **run.PACKAGES,
    "cline": "cline@3.0.65",
    "continue": "@continuedev/cli@1.5.47",
}

# What is there before, in the clients' own places.
BEFORE = {
    "claude-code": {".claude/settings.json": '{\n  "theme": "dark",\n  "env": {"MINE": "1"}\n}\n', ".claude.json": '{"numStartups": 3}'},
    "codex": {".codex/config.toml": '# mine\nmodel = "gpt-5.5"   # the one that I like\n\n[tui]\nnotifications = true\n'},
    "gemini-cli": {
        ".gemini/settings.json": '{\n  // mine\n  "privacy": {"usageStatisticsEnabled": false},\n  "telemetry": {"enabled": false}\n}\n',
        ".gemini/.env": "# mine\nMINE=1\n",
    },
    # `$schema` and `$version` are what these two write themselves into a file that has none.
    "opencode": {".config/opencode/opencode.json": '{\n  "$schema": "https://opencode.ai/config.json",\n  // mine\n  "autoupdate": false,\n  "share": "disabled"\n}\n'},
    "qwen-code": {".qwen/settings.json": '{\n  "privacy": {"usageStatisticsEnabled": false},\n  "$version": 4\n}\n'},
    "cline": {".cline/data/settings/providers.json": json.dumps({"version": 1, "lastUsedProvider": "anthropic", "modes": {}, "providers": {"anthropic": {"settings": {"provider": "anthropic", "apiKey": "mine", "model": "claude-opus-5"}, "updatedAt": "2026-11-01T00:00:00.000Z", "tokenSource": "manual"}}}, indent=2)},
    "continue": {".continue/config.yaml": "name: Mine\nversion: 0.0.1\nschema: v1\nmodels:\n  # the first\n  - name: Other\n    provider: openai # mine\n    model: o\n    apiBase: http://127.0.0.1:9/v1\n    apiKey: mine\n"},
    "aider": {".aider.conf.yml": "# mine\ndark-mode: true\ncheck-update: false\nanalytics: false\n"},
}

# What each is asked with, beside the prompt. Nothing here says where Weir is or as whom to call.
COMMANDS = {
    "claude-code": lambda bin, ask: ([bin / "claude", "-p", ask, "--allowedTools", "Read"], {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}),
    "codex": lambda bin, ask: ([bin / "codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", ask], {}),
    "gemini-cli": lambda bin, ask: ([bin / "gemini", "--yolo", "-m", "gemini-3-pro", "-p", ask], {"GEMINI_CLI_TRUST_WORKSPACE": "true"}),
    "opencode": lambda bin, ask: ([bin / "opencode", "run", "-m", "openai/gpt-5.5", ask], {}),
    "qwen-code": lambda bin, ask: ([bin / "qwen", "--yolo", "--model", "gpt-5.5", "-p", ask], {}),
    "cline": lambda bin, ask: ([bin / "cline", "--model", "gpt-5.5", "--auto-approve", "true", "--timeout", "120", ask], {}),
    "continue": lambda bin, ask: ([bin / "cn", "-p", ask, "--auto"], {}),
    "aider": lambda bin, ask: ([bin / "aider", "--yes-always", "--no-git", "--no-show-model-warnings", "--no-stream", "--model", "openai/gpt-5.5", "--read", "note.txt", "--message", ask], {}),
}
# The dialect that the client does not speak itself, so that every answer is translated, but for one of them.
UPSTREAM = {"claude-code": "openai-chat", "codex": "anthropic", "gemini-cli": "openai-responses", "opencode": "anthropic", "qwen-code": "anthropic", "cline": "anthropic", "continue": "anthropic", "aider": "anthropic"}


def main():
    weir, *chosen = sys.argv[1:]
    weir = pathlib.Path(weir).resolve()
    root = pathlib.Path(__file__).resolve().parents[3] / "target" / "clients" / "cli"
    chosen = chosen or list(COMMANDS)
    missing = [client for client in chosen if client in PACKAGES and not (root / "node_modules/.bin" / COMMANDS[client](pathlib.Path(), "")[0][0].name).exists()]
    if missing:
        run.install(root, sorted({PACKAGES[client] for client in PACKAGES}))
    if "aider" in chosen:
        run.install_aider(root / "aider")
    failed = 0
    print("| client | answered with a file that it read | as before after --undo |\n| --- | --- | --- |")
    for client in chosen:
        cells = case(weir, root, client)
        failed += any(cell != "yes" for cell in cells)
        print(f"| {PACKAGES.get(client, run.AIDER)} | {' | '.join(cells)} |", flush=True)
    print(f"\n{len(chosen) - failed} of {len(chosen)} hold")
    return 1 if failed else 0


def case(weir, root, client):
    upstream = Upstream(run.WORD)
    with tempfile.TemporaryDirectory(prefix="weir-written-", ignore_cleanup_errors=True) as home:
        home = pathlib.Path(home)
        (home / "work").mkdir()
        (home / "work/note.txt").write_text(f"The word is {run.WORD}.\n")
        upstream.path = str(home / "work/note.txt")
        for name, text in BEFORE[client].items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text)
        port = run.free_port()
        config = home / "weir.yaml"
        config.write_text(run.configuration(port, run.free_port(), upstream.port, UPSTREAM[client]))
        with open(home / "weir.log", "w") as log:
            process = subprocess.Popen([weir, "run", "-c", config], stdout=log, stderr=log)
        try:
            run.await_ready(port)
            tell(weir, home, client, "--url", f"http://127.0.0.1:{port}", "--key", run.KEY, "--write")
            changed = [name for name, text in BEFORE[client].items() if (home / name).read_text() != text]
            bin = root / "aider/bin" if client == "aider" else root / "node_modules/.bin"
            line, environ = COMMANDS[client](bin, f"{ASK} {upstream.path} and tell me the word in it.")
            code, said = run.command(line, home, environ)
            answered = f"The file says {run.WORD}" in said
            # What the client has written into its own files meanwhile stays; the test is about what it leaves alone.
            kept = {name: (home / name).read_text() for name in BEFORE[client]}
            tell(weir, home, client, "--undo")
            undone = [name for name, text in BEFORE[client].items() if not same(client, name, text, (home / name).read_text())]
            return [
                "yes" if changed and answered else f"no ({code}): " + " ".join(said.split())[-300:].replace("|", "/"),
                "yes" if not undone else f"no: {undone}: {[kept[name][:200] for name in undone]} -> {[(home / name).read_text()[:200] for name in undone]}",
            ]
        finally:
            process.terminate()
            process.wait(20)
            run.leftover(home)
            upstream.server.shutdown()


# Files that a client writes to whenever it runs: there it is enough that nothing of Weir's is left, and nothing of the user's is lost.
BUSY = {("claude-code", ".claude.json"), ("cline", ".cline/data/settings/providers.json")}


def same(client, name, before, after):
    if (client, name) not in BUSY:
        return before == after
    after = json.loads(after)
    if client == "cline":
        # It keeps the model of its last run.
        return "127.0.0.1" not in json.dumps(after) and after["providers"]["anthropic"] == json.loads(before)["providers"]["anthropic"] and after["lastUsedProvider"] == "anthropic"
    return after.get("numStartups", 0) >= 3 and "127.0.0.1" not in json.dumps(after.get("env", {}))


def tell(weir, home, client, *options):
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
    done = subprocess.run([weir, "client", client, *options], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"weir client {client} {options}: {done.stdout}{done.stderr}"


if __name__ == "__main__":
    sys.exit(main())
