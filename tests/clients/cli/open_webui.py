"""Open WebUI as PyPI has it, pointed at Weir by what `weir client open-webui` prints and by nothing else.

    python3 tests/clients/cli/open_webui.py target/release/weir

It is installed below target/clients/open-webui without torch, which only embeddings on its own machine need (1.7 GB instead of 8). The lines of
`weir client` are evaluated by a shell that starts it; then it is driven as its own page drives it, over its HTTP API: an account is made, a tool in
Python that reads a file, and in a conversation with each upstream dialect the tool is called, a second turn refers to what was in the file, a picture is
looked at that was put up with the prompt and one that the tool brings, an answer that breaks off and a prompt that is too long are told. Then it is
started anew with another address, to see which of the two it asks. The exit status is 0 only if everything holds.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

import run
from pictures import png, told
from scripted import AGAIN, ASK, CUT, LOOK, OVERFLOW, SHOWN, Upstream

OPEN_WEBUI = "open-webui==0.12.4"
WITHOUT = ["torch", "torchvision", "torchaudio", "triton"]
MODELS = {"anthropic": "claude-opus-5", "openai-chat": "gpt-5.1", "openai-responses": "gpt-5.5", "gemini": "gemini-3-pro"}
TOOL = '''
import base64


class Tools:
    def read_file(self, path: str) -> str:
        """
        Reads a file.
        :param path: where the file is
        """
        with open(path, "rb") as file:
            data = file.read()
        return f"data:image/png;base64,{base64.b64encode(data).decode()}" if path.endswith(".png") else data.decode()
'''
LIMIT = 300  # seconds for a start: it lays out its database first


def main():
    weir = pathlib.Path(sys.argv[-1]).resolve()
    venv = pathlib.Path(__file__).resolve().parents[3] / "target" / "clients" / "open-webui"
    install(venv)
    upstreams = {dialect: Upstream(run.WORD) for dialect in MODELS}
    failed = 0
    with tempfile.TemporaryDirectory(prefix="weir-open-webui-", ignore_cleanup_errors=True) as home:
        home = pathlib.Path(home)
        (home / "work").mkdir()
        note = home / "work/note.txt"
        note.write_text(f"The word is {run.WORD}.\n")
        (home / "work/read.png").write_bytes(png(*run.READ))
        for upstream in upstreams.values():
            upstream.path, upstream.picture = str(note), str(home / "work/read.png")
        port = run.free_port()
        (home / "weir.yaml").write_text(configuration(port, upstreams))
        with open(home / "weir.log", "w") as log:
            process = subprocess.Popen([weir, "run", "-c", home / "weir.yaml"], stdout=log, stderr=log)
        try:
            run.await_ready(port)
            for option in ("--write", "--undo"):
                done = client(weir, home, "--key", run.KEY, option) if option == "--write" else client(weir, home, option)
                holds = done.returncode != 0 and "Open WebUI" in done.stderr
                failed += not holds
                print(f"`weir client open-webui {option}` says that there is no file: {'yes' if holds else 'no: ' + done.stdout + done.stderr}")
            lines = client(weir, home, "--url", f"http://127.0.0.1:{port}", "--key", run.KEY).stdout
            page = OpenWebui(venv, home, lines)
            try:
                page.sign_up()
                listed = page.call("GET", "/api/models")["data"]
                missing = set(MODELS.values()) - {model["id"] for model in listed}
                failed += bool(missing)
                print(f"lists the models of Weir: {f'no: {missing}' if missing else 'yes'}\n")
                page.call("POST", "/api/v1/tools/create", {"id": "files", "name": "Files", "content": TOOL, "meta": {"description": "Files"}})
                print("| client | upstream | reads a file | second turn | picture | broken stream | overflow |\n| --- | --- | --- | --- | --- | --- | --- |")
                for dialect, model in MODELS.items():
                    cells = case(page, upstreams[dialect], dialect, model)
                    failed += any(cell not in run.FINE for cell in cells)
                    print(f"| {OPEN_WEBUI} | {dialect} | {' | '.join(cells)} |", flush=True)
            finally:
                page.stop()
            other = Upstream("none")
            elsewhere = f"export OPENAI_API_BASE_URL=http://127.0.0.1:{other.port}/v1\nexport OPENAI_API_KEY=other\n"
            for setting, expected in (("", True), ("export ENABLE_PERSISTENT_CONFIG=false\n", False)):
                page = OpenWebui(venv, home, elsewhere + setting)
                try:
                    page.sign_in()
                    kept = any(model["id"] in MODELS.values() for model in page.call("GET", "/api/models")["data"])
                finally:
                    page.stop()
                failed += kept != expected
                print(f"with another address at its next start{', and ' + setting.split()[1] if setting else ''}, it asks {'Weir' if kept else 'the other'}", flush=True)
            other.server.shutdown()
        finally:
            process.terminate()
            process.wait(20)
            run.leftover(home)
            for upstream in upstreams.values():
                upstream.server.shutdown()
            if os.environ.get("KEEP"):
                for dialect, upstream in upstreams.items():
                    (pathlib.Path(os.environ["KEEP"]) / f"open-webui-{dialect}.json").write_text(json.dumps([body for _, body in upstream.seen], indent=1))
    print("\neverything holds" if not failed else f"\n{failed} do not hold")
    return 1 if failed else 0


def install(venv):
    if (venv / "bin/open-webui").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "uv"], check=True)
    # Nothing is in this list on any platform.
    overrides = venv / "without.txt"
    overrides.write_text("".join(f"{package}; sys_platform == 'never'\n" for package in WITHOUT))
    subprocess.run([venv / "bin/uv", "pip", "install", "--quiet", "--no-cache", "--python", venv / "bin/python", OPEN_WEBUI, "--override", overrides], check=True)


def configuration(port, upstreams):
    accounts = ""
    for dialect, upstream in upstreams.items():
        provider = {"anthropic": "anthropic", "gemini": "gemini"}.get(dialect, "openai")
        base = f"http://127.0.0.1:{upstream.port}" + ("/v1" if provider == "openai" else "")
        accounts += f'  - {{ name: {dialect}, provider: {provider}, dialect: {dialect}, base_url: "{base}", key: upstream-key, models: [{MODELS[dialect]}] }}\n'
    return f"""version: 1
listen: [{{ addr: 127.0.0.1:{port} }}]
admin: {{ addr: 127.0.0.1:{run.free_port()}, token: admin-token-of-the-cli-tests }}
accounts:
{accounts}keys: [{{ name: cli, key: {run.KEY} }}]
retry: {{ max_attempts: 1 }}
"""


def client(weir, home, *options):
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run([weir, "client", "open-webui", *options], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def case(page, upstream, dialect, model):
    conversation = Conversation(page, model)
    cells = []

    def turn(prompt, judge, picture=None):
        said = conversation.ask(prompt, picture)
        said = {name: said.get(name) for name in ("content", "error", "output")} if said else {}
        said = {name: value for name, value in said.items() if value}
        if os.environ.get("KEEP"):
            print(json.dumps(said), file=sys.stderr)
        cells.append(judge(json.dumps(said)) or "no: " + json.dumps(said)[-300:].replace("|", "/"))

    turn(f"{ASK} {upstream.path} and tell me the word in it.", lambda said: "yes" if f"The file says {run.WORD}" in said else "")
    turn(f"{AGAIN}, from memory.", lambda said: "yes" if f"Again: {run.WORD}" in said else "")
    turn(f"{SHOWN} in this picture.", lambda said: "yes" if told(*run.GIVEN)[0] in said else "", page.put_up("given.png", png(*run.GIVEN)))
    turn(f"{LOOK} {upstream.picture} and say what is in it.", lambda said: "yes" if told(*run.READ)[0] in said else "")
    by_tool = cells.pop()
    cells[-1] = by_tool if cells[-1] == "yes" else cells[-1]
    turn(f"{CUT}.", lambda said: "told" if run.BROKEN.search(said) else "")
    turn(f"{OVERFLOW}.", lambda said: "heals" if upstream.healed and "Healed" in said else "told" if upstream.refused and run.TOO_LONG.search(said) else "")
    asked = {spoken for spoken, _ in upstream.seen}
    if asked - {dialect}:
        cells.append(f"no: asked in {asked}")
    return cells


class OpenWebui:
    """A server of its own home, started by a shell that evaluates these lines."""

    def __init__(self, venv, home, lines):
        self.port = run.free_port()
        self.token = None
        quiet = "export DATA_DIR=$HOME/data WEBUI_SECRET_KEY=secret OFFLINE_MODE=true HF_HUB_OFFLINE=1 ANONYMIZED_TELEMETRY=false RAG_EMBEDDING_ENGINE=openai\n"
        start = f'{quiet}eval "$LINES"\nmkdir -p "$DATA_DIR"\nexec "{venv}/bin/open-webui" serve --host 127.0.0.1 --port {self.port}'
        environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LINES": lines}
        with open(home / "open-webui.log", "a") as log:
            self.process = subprocess.Popen(["bash", "-c", start], cwd=home, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + LIMIT
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.5)
        self.stop()
        raise SystemExit("Open WebUI did not start: " + (home / "open-webui.log").read_text()[-2000:])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def sign_up(self):
        self.token = self.call("POST", "/api/v1/auths/signup", {"name": "Me", "email": "me@example.com", "password": "a-password-1"})["token"]

    def sign_in(self):
        self.token = self.call("POST", "/api/v1/auths/signin", {"email": "me@example.com", "password": "a-password-1"})["token"]

    def put_up(self, name, data):
        """A file as a form puts it up; its id."""
        head = f'--edge\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\ncontent-type: image/png\r\n\r\n'
        return self.call("POST", "/api/v1/files/", head.encode() + data + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge")["id"]

    def call(self, method, path, body=None, kind="application/json"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        request.add_header("content-type", kind)
        if self.token:
            request.add_header("authorization", f"Bearer {self.token}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, body, timeout=120) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:1000]}") from error


class Conversation:
    """As the page has one: the server asks the model, runs the tools and keeps the answers."""

    def __init__(self, page, model):
        self.page, self.model = page, model
        self.id = None
        self.last = None
        self.messages = []

    def ask(self, prompt, picture=None):
        """The answer as it is kept, with what went wrong."""
        question, answer = str(uuid.uuid4()), str(uuid.uuid4())
        content = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": picture}}] if picture else prompt
        self.messages.append({"role": "user", "content": content})
        said = {"id": question, "parentId": self.last, "childrenIds": [answer], "role": "user", "content": prompt, "models": [self.model], "timestamp": int(time.time())}
        if picture:
            said["files"] = [{"type": "image", "id": picture, "url": picture, "name": "given.png", "content_type": "image/png"}]
        body = {
            "model": self.model, "stream": True, "messages": self.messages, "parent_id": self.last, "user_message": said, "tool_ids": ["files"],
            "message_ids": [{"model_id": self.model, "message_id": answer}], "session_id": "session-of-the-tests", "background_tasks": {},
        }
        if self.id:
            body["chat_id"] = self.id
        begun = self.page.call("POST", "/api/chat/completions", body)
        self.id = self.id or begun["chat_id"]
        until = time.monotonic() + 120
        kept = None
        while time.monotonic() < until:
            chat = self.page.call("GET", f"/api/v1/chats/{self.id}")["chat"]
            kept = chat["history"]["messages"].get(answer)
            if kept and (kept.get("done") or kept.get("error")):
                break
            time.sleep(0.3)
        self.last = answer
        self.messages.append({"role": "assistant", "content": (kept or {}).get("content") or ""})
        return kept


if __name__ == "__main__":
    sys.exit(main())
