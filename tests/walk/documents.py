#!/usr/bin/env python3
"""Every shell block of the documents below docs/, run.

    tests/walk/documents.py WEIR

What needs no more than Weir, `curl` and `jq` runs in a network of its own: a real Weir at 127.0.0.1:8080 and 9090, its simulated upstream at 8081,
and the files that the text names, in a scratch directory (`/etc/weir` and `/var/lib/weir` are below it). What needs root, Docker, a build or an hour
is held against what it names: a word of the Makefile, a test, an option that `--help` knows, a file. A command that is neither is a failure, so that
nobody adds one that is not looked at.
"""
import http.server
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from readme import ROOT, blocks, is_free

# What stands for what only a reader has.
OWN = [("KEY", "demo"), ("--key NAME", "--key master"), ("/etc/weir", "etc/weir"), ("/var/lib/weir", "var/lib/weir"), ("http://prometheus:9090", "http://127.0.0.1:9091"), ("/var/tmp", "tmp")]
# What a command may end with beside 0, and what it then says.
ENDS = {
    "weir init --dir etc/weir": (2, "--provider"),
    # No upstream is there to take the keys of the text.
    "weir init --dir etc/weir --provider anthropic --key - < key.txt": (1, "api.anthropic.com"),
}
# Held against what they name.
ELSEWHERE = {
    "make": lambda words: re.search(rf"^{re.escape(words[1])}:", (ROOT / "Makefile").read_text(), re.M),
    "cargo": lambda words: all((ROOT / f"tests/{word}.rs").exists() or (ROOT / f"tests/{word}").is_dir() for before, word in zip(words, words[1:]) if before == "--test"),
    "loadtest/run.sh": lambda words: has_options(words, "loadtest/run.sh", "loadtest/rig/__main__.py"),
    "target/release/faults": lambda words: has_options(words, "loadtest/faults/src/main.rs"),
    "prometheus": lambda words: (ROOT / words[1].partition("=")[2]).exists(),
    "docker": lambda words: words[1] in ("build", "run", "compose") and profiles(words),
    "sudo": lambda words: known(words[1:]),
    "systemctl": lambda words: words[1] in ("edit", "daemon-reload", "enable", "kill"),
    "install": lambda words: True,
    "journalctl": lambda words: "weir" in words,
}


def has_options(words, *sources):
    text = "".join((ROOT / source).read_text() for source in sources)
    return all(word.partition("=")[0] in text for word in words if word.startswith("--"))


def profiles(words):
    """The profiles of compose that a command names."""
    text = (ROOT / "compose.yaml").read_text()
    return all(re.search(rf"profiles:.*\b{word}\b", text) for before, word in zip(words, words[1:]) if before == "--profile")


def known(words):
    return words[0] in ELSEWHERE and bool(ELSEWHERE[words[0]](words))


def main(weir):
    weir = pathlib.Path(weir).resolve()
    if os.environ.get("WEIR_WALK") != "inside":
        probe = subprocess.run(["unshare", "--net", "--map-root-user", "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
        if probe.returncode == 0:
            inside = ["unshare", "--net", "--map-root-user", "--fork", "--kill-child", sys.executable, __file__, str(weir)]
            return subprocess.run(inside, env={**os.environ, "WEIR_WALK": "inside"}).returncode
        if not all(is_free(port) for port in (8080, 8081, 9090, 9091)):
            print(f"walk: NOT run: the ports of the text are taken, and there is no network of its own to be had: {probe.stderr.strip()}")
            return 0
    else:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="weir-walk-") as place:
        walk = Walk(weir, pathlib.Path(place))
        try:
            walk.set_up()
            for document in sorted((ROOT / "docs").rglob("*.md")):
                walk.document(document)
        finally:
            codes = walk.end()
        # The simulated upstream has nothing to finish.
        assert set(codes[1:]) == {0}, codes
    assert walk.ran >= 25 and walk.held >= 20, f"only {walk.ran} ran, {walk.held} were held against what they name"
    print(f"walk: {walk.ran} commands ran, {walk.held} were held against what they name")
    return 0


class Walk:
    def __init__(self, weir, place):
        self.weir, self.place, self.processes, self.ran, self.held = weir, place, [], 0, 0
        self.variables = {}

    def environ(self):
        return {"PATH": f"{self.place}/bin:{os.environ['PATH']}", "HOME": str(self.place), "LANG": "C.UTF-8", **self.variables}

    def set_up(self):
        place, goldens = self.place, ROOT / "tests/goldens"
        for name in ("bin", "etc/weir", "tmp", "var/lib/weir"):
            (place / name).mkdir(parents=True)
        (place / "bin/weir").symlink_to(self.weir)
        shutil.copytree(ROOT / "conf", place / "conf")
        for name in ("claude", "gemini", *OPENAI):
            (place / "bin" / name).write_text(f"#!/bin/sh\nexec {sys.executable} {__file__} --as {name}\n")
            (place / "bin" / name).chmod(0o755)
        (place / "key.txt").write_text("sk-ant-of-a-stranger\n")
        (place / "request.json").write_text('{"model":"gpt-4o","max_tokens":64,"messages":[{"role":"user","content":"Hello"}]}')
        shutil.copy(goldens / "import/litellm.yaml", place / "config.yaml")
        (place / "model_prices_and_context_window.json").write_text('{"claude-sonnet-5":{"litellm_provider":"anthropic","mode":"chat","input_cost_per_token":3e-06,"output_cost_per_token":1.5e-05}}')
        (place / "api.json").write_text('{"anthropic":{"id":"anthropic","models":{"claude-sonnet-5":{"id":"claude-sonnet-5","cost":{"input":3,"output":15}}}}}')
        (place / "cost_report.json").write_text('{"data":[{"starting_at":"2026-11-01T00:00:00Z","results":[{"currency":"USD","amount":"12.5","model":"claude-sonnet-5"}]}]}')
        (place / "usage.csv").write_text("start_time_iso,model,input_tokens,output_tokens\n2026-11-01T00:00:00+00:00,gpt-5.5,1000,500\n")
        self.start("upstream", ["weir", "upstream", "--addr", "127.0.0.1:8081"], "http://127.0.0.1:8081/health")
        (place / "serves.yaml").write_text(f"""version: 1
listen: [{{ addr: "127.0.0.1:8080" }}]
admin: {{ addr: "127.0.0.1:9090" }}
ledger: {{ path: {place}/var/lib/weir/ledger }}
log: {{ access: {place}/access.log }}
accounts:
  - {{ name: anthropic, provider: anthropic, base_url: "http://127.0.0.1:8081", key: k-a }}
  - {{ name: openai-main, provider: openai, base_url: "http://127.0.0.1:8081/v1", key: k-b }}
keys: [{{ name: team-a, key: demo }}]
""")
        self.start("weir", ["weir", "run", "-c", "serves.yaml"], "http://127.0.0.1:8080/health")
        say("http://127.0.0.1:8080/v1/messages", "demo", {"model": "claude-sonnet-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]})
        # Reports read what is written down.
        for _ in range(300):
            if any((place / "var/lib/weir").glob("ledger*")) and (place / "access.log").stat().st_size:
                break
            time.sleep(0.1)
        prometheus = http.server.ThreadingHTTPServer(("127.0.0.1", 9091), NoSeries)
        threading.Thread(target=prometheus.serve_forever, daemon=True).start()

    def start(self, name, command, health):
        log = open(self.place / f"{name}.log", "w")
        self.processes.append(subprocess.Popen(command, cwd=self.place, env=self.environ(), executable=str(self.weir), stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        for _ in range(300):
            try:
                with urllib.request.urlopen(health, timeout=2) as answer:
                    assert answer.status == 200
                    return
            except OSError:
                assert self.processes[-1].poll() is None, (self.place / f"{name}.log").read_text()
                time.sleep(0.1)
        raise AssertionError(f"{name} does not serve")

    def end(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT)
        return [process.wait(30) for process in self.processes]

    def document(self, path):
        name = path.relative_to(ROOT)
        shutil.copy(self.place / "serves.yaml", self.place / "weir.yaml")
        for language, text in blocks(path.read_text()):
            if language not in ("sh", "bash", "shell", "console"):
                continue
            exports = {}
            for line in text.replace("\\\n", " ").splitlines():
                line = re.sub(r"^\$ ", "", re.sub(r"\s+#.*$", "", line)).strip()
                if not line or line.startswith("#"):
                    continue
                if line.startswith("export "):
                    exports.update(re.findall(r"(\w+)=(\S+)", line))
                    continue
                self.command(name, line, {name: value.replace("KEY", "demo") for name, value in exports.items()})

    def command(self, document, line, exports):
        for old, new in OWN:
            line = re.sub(rf"(?<![\w-]){re.escape(old)}(?![A-Z_])", new, line)
        # The case that the text names is another each time.
        case = next(self.place.glob("tmp/weir-cases/*/*.txt"), None)
        if case:
            line = re.sub(r"\w+_0123456789abcdef_\d+", case.relative_to(self.place / "tmp/weir-cases").with_suffix("").as_posix(), line)
        first = re.sub(r"^(\w+=\S+\s+)+", "", line).split()[0]
        if first in ELSEWHERE:
            words = [word for word in shlex.split(line) if "=" not in word or word.startswith("-")] if first == "make" else shlex.split(line)
            assert known(words), f"{document}: {line}: what it names is not there"
            self.held += 1
            return
        assert first in ("weir", "jq", "curl", "cp", "printf", "claude", "gemini", *OPENAI), f"{document}: {line}: say in tests/walk/documents.py how it is looked at"
        if first == "jq" and not shutil.which("jq"):
            print(f"walk: NOT run, jq is missing: {line}")
            return
        print(f"walk: {document}: {line}", flush=True)
        if " import litellm " in line:
            (self.place / "weir.yaml").unlink()
        wanted, says = ENDS.get(line, (0, ""))
        if line.startswith("weir run "):
            self.serves(line)
        else:
            done = subprocess.run(["bash", "-c", f"set -o pipefail; curl() {{ command curl --fail-with-body \"$@\"; }}; {line}"], cwd=self.place, env={**self.environ(), **exports}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
            assert done.returncode == wanted, f"{document}: {line}\nends with {done.returncode}\n{done.stdout}{done.stderr}"
            if line.startswith("weir import "):
                # The text says so: what the file refers to is set.
                self.variables = dict.fromkeys(re.findall(r"env: (\w+)", (self.place / "weir.yaml").read_text()), "sk-a")
                assert self.variables, "an import names the variables of its keys"
            assert says in done.stdout + done.stderr, f"{document}: {line}\n{done.stdout}{done.stderr}"
        if line.startswith("weir init ") and wanted == 1:
            assert not (self.place / "etc/weir/weir.yaml").exists(), "a key that cannot be tested leaves nothing behind"
            shutil.copy(self.place / "serves.yaml", self.place / "etc/weir/weir.yaml")
        self.ran += 1

    def serves(self, line):
        """At addresses of its own: those of its file are taken by the one that runs."""
        file = self.place / "weir.yaml"
        own = 'listen: [{ addr: "127.0.0.1:8082" }]\nadmin: { addr: "127.0.0.1:9092" }\n'
        rest = [line for line in file.read_text().splitlines(keepends=True) if not re.match("(listen|admin|ledger):", line)]
        file.write_text("".join(rest) + own)
        self.start("another", shlex.split(line), "http://127.0.0.1:8082/health")
        # What it is asked for while it runs: one request.
        if "--record" in line:
            say("http://127.0.0.1:8082/v1/messages", "demo", {"model": "claude-sonnet-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]})
        process = self.processes.pop()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, line


class NoSeries(http.server.BaseHTTPRequestHandler):
    """A Prometheus that has scraped nothing yet."""

    def do_GET(self):
        body = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def say(url, key, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"authorization": f"Bearer {key}", "x-goog-api-key": key, "content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


# Those that speak to OpenAI, and where they are told what to call.
OPENAI = {"qwen": "OPENAI_BASE_URL", "aider": "OPENAI_API_BASE", "open-webui": "OPENAI_API_BASE_URL"}


def stand_in(name):
    """The clients, as far as the text needs them: they ask what the environment points at."""
    if name == "claude":
        url, key = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", os.environ.get("ANTHROPIC_AUTH_TOKEN") or os.environ["ANTHROPIC_API_KEY"]
        print(say(url, key, {"model": "claude-sonnet-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}))
    elif name in OPENAI:
        url, key = os.environ[OPENAI[name]] + "/chat/completions", os.environ["OPENAI_API_KEY"]
        print(say(url, key, {"model": "claude-sonnet-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}))
    else:
        url, key = os.environ["GOOGLE_GEMINI_BASE_URL"] + "/v1beta/models/gemini-2.5-pro:generateContent", os.environ["GEMINI_API_KEY"]
        print(say(url, key, {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}))
    return 0


if __name__ == "__main__":
    sys.exit(stand_in(sys.argv[2]) if sys.argv[1] == "--as" else main(sys.argv[1]))
