#!/usr/bin/env python3
"""A stranger's path: every command of README.md and README.zh-CN.md, letter by letter, in the order in which they stand.

    tests/walk/readme.py WEIR

The commands run in a copy of nothing but what a clone has, in a network of their own (`unshare`), so that the addresses of the text are free. What
a stranger fills in is filled in: their keys, `KEY`, the digest that `weir key new` prints. `make` and the clients are stand-ins: `make demo`
starts the binary that is there, `claude` and `codex` ask what their settings point at. What the text shows as an answer is compared with what
comes, but for ids, times and figures.
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
import tomllib
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "README.zh-CN.md"]
SERVES = re.compile(r"^(make demo|(\w+=\S+ )?target/release/weir run\b.*)")
# What a stranger puts in place of what only they can know.
OWN = [("sk-ant-…", "sk-ant-a-key-of-a-stranger"), ("--key KEY", "--key demo"), ("=KEY", "=demo")]


def main(weir):
    weir = pathlib.Path(weir).resolve()
    if os.environ.get("WEIR_WALK") != "inside":
        probe = subprocess.run(["unshare", "--net", "--map-root-user", "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
        inside = ["unshare", "--net", "--map-root-user", "--fork", "--kill-child", sys.executable, __file__, str(weir)]
        if probe.returncode == 0:
            return subprocess.run(inside, env={**os.environ, "WEIR_WALK": "inside"}).returncode
        if not all(is_free(port) for port in (8080, 9090)):
            print(f"walk: NOT run: the ports of the text are taken, and there is no network of its own to be had: {probe.stderr.strip()}")
            return 0
    else:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    makefile = (ROOT / "Makefile").read_text()
    assert "\tscripts/prerequisites.sh build\n" in makefile and "demo: build" in makefile and "\ttarget/release/weir demo\n" in makefile
    for document in DOCUMENTS:
        with tempfile.TemporaryDirectory(prefix="weir-walk-") as place:
            walk = Walk(weir, pathlib.Path(place), document)
            try:
                walk.all()
            finally:
                walk.end_server()
    return 0


class Walk:
    def __init__(self, weir, place, document):
        self.place, self.document = place, document
        self.server, self.ran, self.compared, self.said = None, 0, 0, ""
        self.variables, self.entry = {}, ""
        (place / "target/release").mkdir(parents=True)
        (place / "target/release/weir").symlink_to(weir)
        shutil.copytree(ROOT / "conf", place / "conf")
        (place / "home").mkdir()
        (place / "bin").mkdir()
        stand_in = f"#!/bin/sh\nexec {sys.executable} {__file__} --as $(basename $0) \"$@\"\n"
        for name in ["make", "claude", "codex"]:
            (place / "bin" / name).write_text(stand_in)
            (place / "bin" / name).chmod(0o755)
        # What the configuration of the text refers to.
        (place / "openai.key").write_text("sk-of-a-stranger\n")
        (place / "request.json").write_text('{"model":"claude-sonnet-5","max_tokens":64,"messages":[{"role":"user","content":"Hello"}]}')
        shutil.copy(ROOT / "tests/goldens/import/litellm.yaml", place / "config.yaml")

    def environ(self):
        path = f"{self.place}/bin:{os.environ['PATH']}"
        own = {"ANTHROPIC_KEY_A": "sk-a", "ANTHROPIC_KEY_B": "sk-b"}
        return {"PATH": path, "HOME": str(self.place / "home"), "LANG": "C.UTF-8", **own, **self.variables}

    def all(self):
        for language, text in blocks((ROOT / self.document).read_text()):
            if language == "sh":
                self.shell(text)
            elif language == "yaml" and "# weir.yaml" in text:
                digest = re.search(r'sha256: "([0-9a-f]{64})"', self.entry).group(1)
                (self.place / "weir.yaml").write_text(re.sub(r'sha256: "…[^"]*"', f'sha256: "{digest}"', text))
            elif language == "toml":
                (self.place / "home/.codex").mkdir(exist_ok=True)
                (self.place / "home/.codex/config.toml").write_text(text)
            elif language in ("json", "") and self.said:
                self.compare(language, text)
        assert self.ran >= 14 and self.compared >= 3, f"{self.document}: only {self.ran} commands, {self.compared} answers"
        print(f"walk: {self.document}: {self.ran} commands, {self.compared} answers as the text shows them")

    def shell(self, text):
        for old, new in OWN:
            text = text.replace(old, new)
        lines = [line for line in text.splitlines() if line.strip()]
        # Clients are pointed at the demo, whose key the text names.
        if any(line.split()[0] in ("claude", "codex") for line in lines):
            self.serve("make demo")
        for line in lines:
            self.ran += 1
            print(f"walk: {line}", flush=True)
            if SERVES.match(line):
                self.serve(line)
            elif line.startswith("export "):
                self.variables.update(re.findall(r"(\w+)=(\S+)", line.split("#")[0]))
            else:
                self.said = self.run(line)

    def run(self, line):
        if " import " in line:
            # Nothing is written over: it takes a place of its own.
            shutil.move(self.place / "weir.yaml", self.place / "weir.yaml.before")
        done = subprocess.run(["bash", "-c", line], cwd=self.place, env=self.environ(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if " import " in line:
            assert (self.place / "weir.yaml").stat().st_size > 100
            shutil.move(self.place / "weir.yaml.before", self.place / "weir.yaml")
        assert done.returncode == 0, f"{self.document}: {line}\n{done.stdout}{done.stderr}"
        assert done.stdout or done.stderr, f"{self.document}: {line} says nothing"
        if " key new " in line:
            self.entry = done.stdout + done.stderr
        return done.stdout

    def serve(self, line):
        self.end_server()
        log = open(self.place / "server.log", "w")
        # In place of the shell, so that a signal reaches it.
        command = re.sub(r"(?=make|target/)", "exec ", line, count=1)
        self.server = subprocess.Popen(["bash", "-c", command], cwd=self.place, env=self.environ(), stdout=log, stderr=log)
        for _ in range(300):
            try:
                with urllib.request.urlopen("http://127.0.0.1:8080/health", timeout=2) as answer:
                    assert answer.status == 200
                    return
            except OSError:
                assert self.server.poll() is None, f"{self.document}: {line}\n{(self.place / 'server.log').read_text()}"
                time.sleep(0.1)
        raise AssertionError(f"{self.document}: {line} does not serve")

    def end_server(self):
        if self.server:
            self.server.send_signal(signal.SIGINT)
            code = self.server.wait(30)
            assert code == 0, f"{self.document}: ended with {code}\n{(self.place / 'server.log').read_text()}"
        self.server = None

    def compare(self, language, shown):
        said, self.said = self.said, ""
        self.compared += 1
        if language == "json":
            assert shape(json.loads(said)) == shape(json.loads(shown)), f"{self.document}: {said}"
            return
        wanted, came = ([plain(line) for line in text.splitlines() if line.strip()] for text in (shown, said))
        if shown.startswith("weir_"):
            # Whoever pastes it later has used more.
            assert set(wanted) <= set(came), f"{self.document}: {set(wanted) - set(came)}"
        else:
            assert len(wanted) == len(came), f"{self.document}: {said}"
            for want, have in zip(wanted, came):
                begin, end = (want.split("…") + [""])[0], want.split("…")[-1]
                assert have.startswith(begin.rstrip(" ")) and have.endswith(end.lstrip(" ")), f"{self.document}:\n{want}\n{have}"


def is_free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def blocks(text):
    return [(found.group(1), found.group(2)) for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)]


def shape(value):
    """Ids and figures are others each time; which members there are, and what is said, is not."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items() if key != "id"}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return 0 if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def plain(line):
    line = re.sub(r'"id":"[^"]*"', '"id":"…id…"', line).replace("…id…", "ID")
    return re.sub(r"(?<=\} )[0-9.e-]+$", "N", line)


def stand_in(name, arguments):
    """`make demo`, `claude` and `codex`, as far as the text needs them."""
    if name == "make":
        if arguments == ["demo"]:
            os.execv("target/release/weir", ["weir", "demo", "--no-traffic"])
        print("make", *arguments)
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.M)
        return 0
    if name == "claude":
        url, body = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", {"model": "claude-sonnet-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
        token = os.environ["ANTHROPIC_AUTH_TOKEN"]
    else:
        settings = tomllib.loads((pathlib.Path(os.environ["HOME"]) / ".codex/config.toml").read_text())
        provider = settings["model_providers"][settings["model_provider"]]
        url, body = provider["base_url"] + "/responses", {"model": settings["model"], "input": "Hello"}
        token = os.environ[provider["env_key"]]
    request = urllib.request.Request(url, json.dumps(body).encode(), {"authorization": f"Bearer {token}", "content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        said = answer.read().decode()
    assert "You said: Hello" in said, said
    print(name, "says", said[:80])
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--as":
        sys.exit(stand_in(sys.argv[2], sys.argv[3:]))
    sys.exit(main(sys.argv[1]))
