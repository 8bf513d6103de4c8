"""HTTP/2 without TLS, frame by frame: floods, bombs, broken rules, and headers that would be more than one."""

import json
import struct
import time

from .ground import KEY, PATIENCE, Upstream, Victim, Weir, check, echo

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4
BODY = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}).encode()


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def number(value, bits, first=0):
    """An integer of HPACK, RFC 7541, section 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def header(name, value, indexed=False):
    """A literal field, by itself or put into the table."""
    name, value = (text if isinstance(text, bytes) else text.encode("latin-1") for text in (name, value))
    return (b"\x40" if indexed else b"\x00") + number(len(name), 7) + name + number(len(value), 7) + value


def head(path="/v1/messages", more=(), method="POST", authority="weir", key=KEY):
    fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", authority)]
    fields += [("x-api-key", key), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"), *more]
    return b"".join(header(name, value) for name, value in fields)


class Client:
    """One connection. Reads only when it is told to."""

    def __init__(self, weir, settings=b""):
        self.stream = weir.connect()
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))
        self.buffer = b""

    def send(self, data):
        """Whether the peer still takes it."""
        try:
            self.stream.settimeout(PATIENCE)
            self.stream.sendall(data)
            return True
        except OSError:
            return False

    def frames(self, patience):
        """Frames until the end of the connection or of patience; the last is `None` at the end."""
        deadline = time.monotonic() + patience
        while True:
            while len(self.buffer) >= 9:
                length = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) < 9 + length:
                    break
                kind, flags = self.buffer[3], self.buffer[4]
                stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
                payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
                yield kind, flags, stream, payload
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self.stream.settimeout(left)
            try:
                piece = self.stream.recv(65536)
            except TimeoutError:
                return
            except OSError:
                piece = b""
            if not piece:
                yield None
                return
            self.buffer += piece

    def ends(self, patience=PATIENCE):
        """Whether the peer closes or says that it will."""
        return any(got is None or got[0] == GOAWAY for got in self.frames(patience))

    def verdicts(self, wanted, patience=PATIENCE):
        """What became of these streams: `RST`, `GOAWAY`, or what [`status`] says."""
        left, found = set(wanted), {}
        for got in self.frames(patience):
            if got is None or got[0] == GOAWAY:
                for stream in left:
                    found[stream] = "GOAWAY"
                return found
            kind, flags, stream, payload = got
            if kind == RST and stream in left:
                found[stream] = "RST"
                left.discard(stream)
            elif kind == HEADERS and stream in left:
                found[stream] = status(payload)
                left.discard(stream)
            if not left:
                return found
        return found

    def close(self):
        self.stream.close()


def status(block):
    """`200`, or `other`: the first field of an answer, which an encoder of HTTP/2 writes as one byte for 200."""
    while block and 0x20 <= block[0] < 0x40:  # the size of the table
        block = block[1:]
    return "200" if block[:1] == b"\x88" else "other"


def slow(seconds):
    def play(head_, body, conn):
        time.sleep(seconds)
        echo(head_, body, conn)

    return play


def attacked(binary, scratch, attack, play=None, more=""):
    """Runs `attack(weir, upstream)` while a victim asks; then all is as before and memory within 64 MiB."""
    upstream = Upstream(play)
    weir = Weir(binary, scratch, [upstream], more)
    try:
        weir.is_well()
        before = weir.memory_mib()
        with Victim(weir):
            said = attack(weir, upstream)
        weir.is_well()
        weir.settles()
        check(not upstream.faults, upstream.faults)
        check(weir.account()["state"] == "usable", weir.account())
        grown = weir.memory_mib() - before
        check(grown < 64, f"{grown:.0f} MiB more")
    finally:
        weir.stop()
        upstream.close()
    return f"{said}, {max(grown, 0):.0f} MiB more"


def rapid_reset(binary, scratch, smoke):
    rounds = 500 if smoke else 5000

    def attack(weir, upstream):
        client, sent = Client(weir), 0
        for at in range(rounds):
            stream = 2 * at + 1
            reset = frame(RST, 0, stream, struct.pack(">I", 8))
            if not client.send(frame(HEADERS, END_HEADERS, stream, head()) + frame(DATA, END_STREAM, stream, BODY) + reset):
                break
            sent += 1
        client.close()
        return f"{sent} streams opened and reset"

    return attacked(binary, scratch, attack, slow(0.2))


def continuation_flood(binary, scratch, smoke):
    def attack(weir, upstream):
        client, sent = Client(weir), 0
        client.send(frame(HEADERS, 0, 1, head()))
        piece = frame(CONTINUATION, 0, 1, header("x-filler", "y" * 8000) * 2)
        while sent < (8 << 20) and client.send(piece):
            sent += len(piece)
        check(client.ends(5) or sent < (8 << 20), "an endless head is read on")
        client.close()
        return f"closed after {sent >> 10} KiB"

    return attacked(binary, scratch, attack)


def header_bomb(binary, scratch, smoke):
    """One large field in the table, named a thousand times: 4 MiB of headers in 5 KiB."""

    def attack(weir, upstream):
        client = Client(weir)
        block = head() + header("x-bomb", "b" * 4000, indexed=True) + number(62, 7, 0x80) * 1000
        client.send(frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, BODY))
        found = client.verdicts([1], 10).get(1, "nothing")
        check(found != "200", "a head of 4 MiB was taken")
        client.close()
        return f"answered {found}"

    return attacked(binary, scratch, attack)


def floods(binary, scratch, smoke):
    """Frames that cost their sender nothing and must be answered: the sender never reads."""
    amount = 20_000 if smoke else 200_000
    cheap = {
        "PING": frame(PING, 0, 0, b"12345678"),
        "SETTINGS": frame(SETTINGS, 0, 0),
        "empty DATA": frame(DATA, 0, 1),
        "PRIORITY": frame(PRIORITY, 0, 3, struct.pack(">IB", 1, 1)),
        "WINDOW_UPDATE": frame(WINDOW, 0, 0, struct.pack(">I", 1)),
        "unknown": frame(0xEE, 0, 0, b"x" * 16),
    }

    def attack(weir, upstream):
        for name, one in cheap.items():
            client = Client(weir)
            client.stream.settimeout(3)
            if name == "empty DATA":
                client.send(frame(HEADERS, END_HEADERS, 1, head()))
            burst = one * 500
            for _ in range(amount // 500):
                try:
                    client.stream.sendall(burst)
                except OSError:
                    break
                client.stream.settimeout(3)
            client.close()
        return f"{len(cheap)} kinds × {amount} frames"

    return attacked(binary, scratch, attack)


def broken_rules(binary, scratch, smoke):
    """What RFC 9113 calls an error ends the stream or the connection."""
    long = b"x" * 20_000
    cases = {
        "DATA on an idle stream": frame(DATA, END_STREAM, 1, BODY),
        "an even stream": frame(HEADERS, END_HEADERS | END_STREAM, 2, head(method="GET", path="/v1/models")),
        "a stream twice": frame(HEADERS, END_HEADERS | END_STREAM, 3, head(method="GET", path="/v1/models")) * 2,
        "a frame too long": frame(DATA, 0, 0, long),
        "SETTINGS of 5 bytes": frame(SETTINGS, 0, 0, b"12345"),
        "PING of 7 bytes": frame(PING, 0, 0, b"1234567"),
        "a window of 2^31": frame(WINDOW, 0, 0, struct.pack(">I", 0x7FFFFFFF)) * 2,
        "a window of 0": frame(WINDOW, 0, 0, struct.pack(">I", 0)),
        "PUSH_PROMISE": frame(PUSH, END_HEADERS, 1, struct.pack(">I", 2) + head()),
        "a stray CONTINUATION": frame(CONTINUATION, END_HEADERS, 1, head()),
        "a broken block": frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        "an index of nothing": frame(HEADERS, END_HEADERS, 1, number(4000, 7, 0x80)),
        "HTTP/1.1 after the preface": b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    }

    def attack(weir, upstream):
        for name, data in cases.items():
            client = Client(weir)
            client.send(data)
            if "HTTP/1.1" in name:
                client.stream.shutdown(1)
            ended = any(got is None or got[0] in (GOAWAY, RST) for got in client.frames(5))
            check(ended, f"{name}: nothing came of it")
            client.close()
        return f"{len(cases)} faults, each ends its stream or connection"

    return attacked(binary, scratch, attack)


def smuggled_fields(binary, scratch, smoke):
    """Fields that would be lines of their own in HTTP/1.1, and pseudo-fields that contradict each other."""
    inject = "x\r\nhost: SMUGGLED\r\n\r\nGET /v1/files HTTP/1.1\r\nhost: SMUGGLED"
    cases = {
        "a line end in a value": head(more=[("x-a", inject)]),
        "a line end in a name": head(more=[("x-a: b\r\nx-b", "c")]),
        "a line end in the path": head(path=f"/v1/files {inject}"),
        "a space in the path": head(path="/v1/files HTTP/1.1 x"),
        "a line end in the method": head(method="POST /v1/files HTTP/1.1\r\nx: y"),
        "a line end in the authority": head(authority=f"a{inject}"),
        "NUL in a value": head(more=[("x-a", "b\0c")]),
        "a name in capitals": head(more=[("X-A", "b")]),
        "a coding": head(more=[("transfer-encoding", "chunked")]),
        "a connection": head(more=[("connection", "keep-alive, x-api-key")]),
        "a length too short": head(more=[("content-length", "1")]),
        "a length too long": head(more=[("content-length", "5000")]),
        "two lengths": head(more=[("content-length", str(len(BODY))), ("content-length", "3")]),
        "two paths": head() + header(":path", "/v1/files"),
        "two methods": header(":method", "GET") + head(),
        "no path": b"".join(header(*field) for field in [(":method", "POST"), (":scheme", "http"), (":authority", "x")]),
        "a pseudo-field behind": head(more=[(":authority", "y")]),
        "an unknown pseudo-field": header(":smuggled", "x") + head(),
        "a host that differs": head(more=[("host", "SMUGGLED")]),
        "an empty path": head(path=""),
        "a path without a slash": head(path="v1/messages"),
    }

    def attack(weir, upstream):
        client = Client(weir)
        client.send(frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, END_STREAM, 1, BODY))
        check(client.verdicts([1]).get(1) == "200", "a sound request is not answered")
        client.close()
        refused = 0
        for name, block in cases.items():
            for path in (None, b"files"):
                block_ = block if path is None else block.replace(header(":path", "/v1/messages"), header(":path", "/v1/files"))
                before = len(upstream.requests)
                client = Client(weir)
                client.send(frame(HEADERS, END_HEADERS, 1, block_) + frame(DATA, END_STREAM, 1, BODY))
                found = client.verdicts([1], 3).get(1, "nothing")
                client.close()
                time.sleep(0.05)
                seen = [one for one in upstream.requests[before:] if b"victim" not in one[1]]
                check(len(seen) <= 1, f"{name}: {len(seen)} requests upstream")
                for request, body in seen:
                    text = request["line"].encode() + b"".join(value for key, value in request["headers"] if key == b"host")
                    check(b"SMUGGLED" not in text, f"{name}: {text!r}")
                    check(body == BODY, f"{name}: {body!r}")
                refused += found != "200"
        return f"{len(cases)} × 2 paths, {refused} refused, none became two requests"

    return attacked(binary, scratch, attack)


def too_many_streams(binary, scratch, smoke):
    """More streams than are allowed at once, all slow, the windows shut."""
    count = 400

    def attack(weir, upstream):
        client = Client(weir, struct.pack(">HI", 4, 0))
        data = b""
        for at in range(count):
            data += frame(HEADERS, END_HEADERS, 2 * at + 1, head()) + frame(DATA, END_STREAM, 2 * at + 1, BODY)
        client.send(data)
        found = client.verdicts(range(1, 2 * count, 2), 6)
        refused = sum(verdict in ("RST", "GOAWAY") for verdict in found.values())
        check(refused > 0, "400 streams at once, none refused")
        client.close()
        return f"{count} opened, {refused} refused"

    return attacked(binary, scratch, attack, slow(1.0))


ROOM = [
    ("Rapid reset (CVE-2023-44487)", "streams opened and reset without a pause, the upstream slow", rapid_reset),
    ("CONTINUATION flood (CVE-2024-27316)", "a head without an end", continuation_flood),
    ("HPACK bomb", "one table entry of 4 KiB named a thousand times", header_bomb),
    ("Control frame floods (CVE-2019-9512, -9515, -9518)", "PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, unknown, never reading", floods),
    ("Broken rules of RFC 9113", "frames of the wrong size, stream or order", broken_rules),
    ("Header smuggling through HTTP/2", "line ends, pseudo-fields, lengths, codings, at a model path and a vendor path", smuggled_fields),
    ("Too many streams, windows shut", "400 at once with an initial window of 0", too_many_streams),
]
