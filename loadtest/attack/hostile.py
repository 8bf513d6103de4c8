"""Upstreams that lie, flood, stall or attack: the client gets a sound answer or an honest error, and no secret."""

import gzip
import json
import time

from .ground import MESSAGE, OPENING, PATIENCE, SECRET, Upstream, Weir, answer, check

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
GOOD = json.dumps(MESSAGE).encode()


def send(*pieces, keep=False):
    """An upstream that sends these bytes whatever is asked, and closes."""

    def play(_head, _body, conn):
        for piece in pieces:
            conn.sendall(piece)
        return keep

    return play


def flood(first, piece, most=64 << 20):
    """Sends `piece` until nobody takes it."""

    def play(_head, _body, conn):
        conn.sendall(first)
        for _ in range(most // len(piece)):
            conn.sendall(piece)
        return False

    return play


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def events(*pairs):
    return b"".join(chunk(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()) for name, data in pairs)


def leak(status):
    def play(_head, _body, conn):
        body = {"type": "error", "error": {"type": "api_error", "message": f"the key {SECRET} is wrong"}}
        answer(conn, status, body, [("x-debug", f"Bearer {SECRET}"), ("www-authenticate", f"key={SECRET}")])

    return play


BOMB = gzip.compress(b" " * (64 << 20))
DEEP = b"[" * 200_000
INJECT = b"x\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nOWNED"

# What it does, how it answers, whether it is asked for a stream.
CASES = {
    "bytes that are no HTTP": (send(b"\x00\xff" * 1000), False),
    "TLS where none is spoken": (send(b"\x15\x03\x01\x00\x02\x02\x28"), False),
    "a head without an end": (flood(b"HTTP/1.1 200 OK\r\nx: ", b"y" * 65536), False),
    "endless headers": (flood(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n" * 4096), False),
    "endless interim answers": (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000, 8 << 20), False),
    "a switch of protocols": (send(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"), False),
    "an answer in an answer": (send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-a: " + INJECT), False),
    "two lengths": (send(JSON_HEAD + b"content-length: %d\r\ncontent-length: 5\r\n\r\n%b" % (len(GOOD), GOOD)), False),
    "a length and chunks": (send(JSON_HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(GOOD) + b"0\r\n\r\n"), False),
    "a length too long": (send(JSON_HEAD + b"content-length: 100000\r\n\r\n" + GOOD), False),
    "a length too short": (send(JSON_HEAD + b"content-length: 5\r\n\r\n" + GOOD + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nOWNED"), False),
    "a chunk beyond 64 bits": (send(JSON_HEAD + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + GOOD), False),
    "a chunk size without an end": (flood(JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n", b"0" * 65536, 8 << 20), False),
    "an answer that breaks off": (send(JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk(GOOD[:20])), False),
    "an error without an end": (flood(b"HTTP/1.1 500 x\r\ncontent-type: application/json\r\n\r\n", b"e" * 65536), False),
    "a page for an answer": (send(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>"), False),
    "an empty answer": (send(JSON_HEAD + b"content-length: 0\r\n\r\n"), False),
    "nesting of 200,000": (send(JSON_HEAD + b"content-length: %d\r\n\r\n%b" % (len(DEEP), DEEP)), False),
    "a redirect inside": (send(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data\r\ncontent-length: 0\r\n\r\n"), False),
    "a compressed bomb": (send(JSON_HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB), False),
    "the credential in a 401": (leak(401), False),
    "the credential in a 400": (leak(400), False),
    "the credential in a 500": (leak(500), False),
    "the credential in a 200": (send(JSON_HEAD + b"x-debug: " + SECRET.encode() + b"\r\ncontent-length: %d\r\n\r\n%b" % (len(GOOD), GOOD)), False),
    "an event without an end": (flood(STREAM, chunk(b"data: " + b"x" * 65536)), True),
    "a line without an end": (flood(STREAM + events(*OPENING), chunk(b"x" * 65536)), True),
    "a stream that breaks off": (send(STREAM + events(*OPENING)), True),
    "a stream that is reset": (send(STREAM + events(*OPENING) + b"5\r\nab"), True),
    "an error after content": (send(STREAM + events(*OPENING, ("error", {"type": "error", "error": {"type": "overloaded_error", "message": SECRET}})) + b"0\r\n\r\n"), True),
    "events that are no JSON": (send(STREAM + chunk(b"event: message_start\ndata: {]\n\n" * 50) + b"0\r\n\r\n"), True),
    "NUL and half characters": (send(STREAM + events(*OPENING) + chunk(b"data: \x00\xff\xfe\n\n") + b"0\r\n\r\n"), True),
    "a page for a stream": (send(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>"), True),
}


def liars(binary, scratch, smoke):
    """Each in front, a sound account behind: an answer from there, an honest error, or a stream that ends in an error."""
    fallen, told = 0, 0
    for number, (name, (play, stream)) in enumerate(CASES.items()):
        if smoke and number % 3:
            continue
        bad, good = Upstream(play), Upstream()
        weir = Weir(binary, scratch, [bad, good], account=", timeouts: { first_byte: 2s, idle: 2s }")
        try:
            before, began = weir.memory_mib(), time.monotonic()
            status, headers, body = weir.ask("ping", patience=PATIENCE, **({"stream": True} if stream else {}))
            took, grown = time.monotonic() - began, weir.memory_mib() - before
            check(status >= 200, f"{name}: no answer: {body[:200]!r}")
            seen = body + repr(headers).encode()
            check(SECRET.encode() not in seen, f"{name}: the credential got out: {seen[:300]!r}")
            check(b"OWNED" not in seen and "location" not in headers and "upgrade" not in headers, f"{name}: {seen[:300]!r}")
            check(took < 15, f"{name}: {took:.0f} s")
            check(grown < 96, f"{name}: {grown:.0f} MiB more")
            if stream and status == 200 and b"message_stop" not in body and b"pong" in body:
                check(b"event: error" in body, f"{name}: a stream that ends in silence: {body[-200:]!r}")
            fallen += b"ping" in body
            told += status >= 400 or b"event: error" in body
            weir.is_well(own=False)
            weir.settles()
            check(weir.account(1)["state"] == "usable", f"{name}: {weir.account(1)}")
        finally:
            weir.stop()
            bad.close()
            good.close()
    return f"{fallen} answered by the account behind, {told} told as errors, no secret, no redirect followed"


def alone(binary, scratch, smoke):
    """The same without another account: an error within the account's timeouts."""
    statuses = {}
    for number, (name, (play, stream)) in enumerate(CASES.items()):
        if smoke and number % 4 != 1:
            continue
        bad = Upstream(play)
        weir = Weir(binary, scratch, [bad], account=", timeouts: { first_byte: 2s, idle: 2s }")
        try:
            status, headers, body = weir.ask("ping", **({"stream": True} if stream else {}))
            seen = body + repr(headers).encode()
            check(status >= 200, f"{name}: no answer: {body[:200]!r}")
            check(SECRET.encode() not in seen and b"OWNED" not in seen, f"{name}: {seen[:300]!r}")
            check(weir.process.poll() is None, f"{name}: weir ended")
            check("panicked" not in weir.log.read_text(), f"{name}: a panic")
            statuses[status] = statuses.get(status, 0) + 1
            weir.settles()
        finally:
            weir.stop()
            bad.close()
    return ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))


ROOM = [
    ("Hostile upstream, another account behind", "heads, bodies, chunks, streams and pages that lie, flood or break off; credentials echoed", liars),
    ("Hostile upstream, alone", "the same without another account", alone),
]
