"""The ground on which attacks are tried: the real proxy, a scripted upstream, a client that must notice nothing."""

import json
import pathlib
import socket
import subprocess
import threading
import time

KEY = "attack-client-key"
VICTIM = "attack-victim-key"
SECRET = "secret-of-the-account-0123456789"
PATIENCE = 20


class Broken(Exception):
    """What must hold did not; the text says what was seen."""


def check(holds, seen):
    if not holds:
        raise Broken(str(seen)[:600])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def recv_all(stream, patience=PATIENCE, most=8 << 20):
    """Whatever comes until the end, a reset or the end of patience; and whether it ended."""
    got = bytearray()
    deadline = time.monotonic() + patience
    while len(got) < most:
        left = deadline - time.monotonic()
        if left <= 0:
            return bytes(got), False
        stream.settimeout(left)
        try:
            piece = stream.recv(65536)
        except TimeoutError:
            return bytes(got), False
        except OSError:
            return bytes(got), True
        if not piece:
            return bytes(got), True
        got += piece
    return bytes(got), False


class Upstream:
    """Raw HTTP/1.1 on a socket. `play(head, body, conn)` writes the answer; a request that is not strictly sound HTTP/1.1 is kept as a fault."""

    def __init__(self, play=None):
        self.play = play or echo
        self.requests = []
        self.faults = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            # Small, so that a reader that stops is felt at once.
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        reader = conn.makefile("rb")
        try:
            while True:
                head = self._head(reader)
                if head is None:
                    return
                body = self._body(reader, head)
                self.requests.append((head, body))
                if self.play(head, body, conn) is False:
                    return
        except (OSError, ValueError):
            pass
        finally:
            reader.close()
            conn.close()

    def _head(self, reader):
        lines = []
        while True:
            line = reader.readline(1 << 20)
            if not line:
                if lines:
                    self.faults.append(f"a head that breaks off: {lines[:3]}")
                return None
            if not line.endswith(b"\r\n"):
                self.faults.append(f"a line without CRLF: {line[:80]!r}")
            line = line.rstrip(b"\r\n")
            if not line:
                if not lines:
                    self.faults.append("an empty line between requests")
                    continue
                break
            lines.append(line)
        parts = lines[0].split(b" ")
        if len(parts) != 3 or parts[2] != b"HTTP/1.1" or not parts[0].isalpha() or b"\0" in lines[0]:
            self.faults.append(f"no request line: {lines[0][:120]!r}")
            raise ValueError
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not name or any(byte <= 32 or byte >= 127 for byte in name):
                self.faults.append(f"no header: {line[:120]!r}")
            headers.append((name.lower(), value.strip()))
        lengths = [value for name, value in headers if name == b"content-length"]
        codings = [value for name, value in headers if name == b"transfer-encoding"]
        if len(lengths) + len(codings) > 1 or any(not value.isdigit() for value in lengths):
            self.faults.append(f"framing that can be read in two ways: {lengths} {codings}")
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1:
            self.faults.append(f"hosts: {hosts}")
        return {"line": lines[0].decode("latin-1"), "headers": headers}

    def _body(self, reader, head):
        named = dict(head["headers"])
        if b"transfer-encoding" in named:
            body = bytearray()
            while True:
                size = int(reader.readline(64).strip(), 16)
                body += whole(reader, size)
                if reader.readline(8) != b"\r\n":
                    self.faults.append("a chunk without its end")
                if size == 0:
                    return bytes(body)
        return whole(reader, int(named.get(b"content-length", 0)))

    def close(self):
        self.listener.close()


def whole(reader, length):
    """So many bytes; a request that breaks off is none."""
    got = reader.read(length)
    if len(got) < length:
        raise ValueError
    return got


def answer(conn, status, body, headers=(), media="application/json"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} x\r\ncontent-type: {media}\r\ncontent-length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    conn.sendall(head.encode("latin-1") + body)


MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": None,
    "content": [{"type": "text", "text": "pong"}], "usage": {"input_tokens": 1, "output_tokens": 1},
}
OPENING = [
    ("message_start", {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}),
    ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "pong"}}),
]


def echo(head, body, conn):
    """An answer that says what was asked, so that a wrong one is noticed."""
    try:
        asked = json.loads(body)
    except ValueError:
        asked = {}
    text = json.dumps(asked.get("messages", "")) if isinstance(asked, dict) else ""
    answer(conn, 200, {**MESSAGE, "content": [{"type": "text", "text": text}]})


class Weir:
    """The real proxy with its own files, in front of upstreams."""

    def __init__(self, binary, scratch, upstreams, more="", account=""):
        self.port, self.admin = free_port(), free_port()
        scratch = pathlib.Path(scratch)
        self.log = scratch / f"weir-{self.port}.log"
        accounts = "".join(
            f"  - {{ name: a{at}, provider: anthropic, base_url: \"http://127.0.0.1:{upstream.port}\", key: {SECRET}, priority: {at}{account} }}\n"
            for at, upstream in enumerate(upstreams)
        )
        text = (
            f"version: 1\nlisten: [{{ addr: 127.0.0.1:{self.port} }}]\nadmin: {{ addr: 127.0.0.1:{self.admin}, token: attack-token }}\n"
            f"log: {{ format: text, level: info, access: {scratch}/access-{self.port}.log }}\n"
            f"keys:\n  - {{ name: attacker, key: {KEY} }}\n  - {{ name: victim, key: {VICTIM} }}\n"
            f"accounts:\n{accounts}{more}"
        )
        self.access = scratch / f"access-{self.port}.log"
        file = scratch / f"weir-{self.port}.yaml"
        file.write_text(text)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(binary), "run", "-c", str(file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.connect().close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Broken(f"weir does not start: {self.log.read_text()[-600:]}") from None
                time.sleep(0.05)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def raw(self, data, patience=PATIENCE):
        """Sends bytes as they are; what came back, and whether the connection was closed."""
        with self.connect() as stream:
            try:
                stream.sendall(data)
            except OSError:
                pass
            return recv_all(stream, patience)

    def mutter(self, data, first=2.0, then=0.15):
        """Sends bytes as they are; what came back before the proxy fell silent or closed."""
        with self.connect() as stream:
            try:
                stream.sendall(data)
            except OSError:
                pass
            got, ended = recv_all(stream, first, most=1)
            while got and not ended:
                more, ended = recv_all(stream, then, most=1)
                if not more:
                    break
                got += more
            return got

    def ask(self, text="ping", key=VICTIM, path="/v1/messages", patience=PATIENCE, headers=(), method="POST", body=None, **members):
        """One sound request; status, headers and body."""
        if body is None:
            body = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}], **members}).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: weir\r\nx-api-key: {key}\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\nconnection: close\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers)
        got, _ = self.raw(f"{head}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body, patience)
        status, headers, payload = parse(got)
        return status, headers, payload

    def get_admin(self, path):
        with socket.create_connection(("127.0.0.1", self.admin), timeout=PATIENCE) as stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer attack-token\r\nconnection: close\r\n\r\n".encode())
            return parse(recv_all(stream)[0])[2]

    def account(self, at=0):
        return json.loads(self.get_admin("/status/accounts"))[at]

    def metric(self, name):
        lines = self.get_admin("/metrics").decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + " ", name + "{")))

    def memory_mib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def is_well(self, own=True):
        """Lives, has not panicked, and serves another client: its own answer, where the upstream is honest."""
        check(self.process.poll() is None, f"weir ended: {self.log.read_text()[-400:]}")
        check("panicked" not in self.log.read_text(), self.log.read_text()[-600:])
        marker = f"own-{time.monotonic_ns()}"
        began = time.monotonic()
        status, _, body = self.ask(marker)
        check(status == 200 and (not own or marker.encode() in body), f"the victim got {status}: {body[:200]!r}")
        check(time.monotonic() - began < 5, "the victim waited too long")

    def settles(self):
        """Nothing is left of what was tried."""
        deadline = time.monotonic() + 15
        while self.metric("weir_inflight_requests") != 0:
            check(time.monotonic() < deadline, "requests are left in flight")
            time.sleep(0.1)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def parse(got):
    """Status, headers and body of the first answer in `got`; status 0 when there is none."""
    head, blank, rest = got.partition(b"\r\n\r\n")
    if not blank or not head.startswith(b"HTTP/1."):
        return 0, {}, got
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = bytearray()
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            try:
                length = int(size.split(b";")[0], 16)
            except ValueError:
                break
            if length == 0:
                break
            body += rest[:length]
            rest = rest[length + 2:]
        rest = bytes(body)
    elif "content-length" in headers:
        rest = rest[: int(headers["content-length"])]
    return int(lines[0].split(" ")[1]), headers, rest


class Victim:
    """Asks all the time with a key of its own while others attack."""

    def __init__(self, weir):
        self.weir, self.times, self.faults = weir, [], []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.stopping.is_set():
            marker = f"victim-{time.monotonic_ns()}"
            began = time.monotonic()
            try:
                status, _, body = self.weir.ask(marker)
                if status != 200 or marker.encode() not in body:
                    self.faults.append(f"{status}: {body[:120]!r}")
            except OSError as error:
                self.faults.append(str(error))
            self.times.append(time.monotonic() - began)
            time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        self.thread.join(PATIENCE)
        if kind is None:
            check(not self.faults, f"the victim's answers: {self.faults[:3]}")
            check(self.times and max(self.times) < 5, f"the victim waited {max(self.times, default=0):.1f} s")
