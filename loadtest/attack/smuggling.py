"""Requests that two readers could read in two ways: nothing that hides in one may come out as another."""

import itertools

from .ground import KEY, Upstream, Weir, check

BODY = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
HIDDEN = b"POST /v1/messages HTTP/1.1\r\nhost: SMUGGLED\r\nx-api-key: " + KEY.encode() + b"\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
PATHS = (b"/v1/messages", b"/v1/files", b"/v1/models", b"/nowhere")

# Framing headers; `%d` is the length of the body.
FRAMINGS = {
    "length and chunked": b"content-length: %d\r\ntransfer-encoding: chunked\r\n",
    "chunked and length": b"transfer-encoding: chunked\r\ncontent-length: %d\r\n",
    "two lengths": b"content-length: %d\r\ncontent-length: 0\r\n",
    "the same length twice": b"content-length: %d\r\ncontent-length: %d\r\n",
    "a list of lengths": b"content-length: %d, 0\r\n",
    "a list of equal lengths": b"content-length: %d, %d\r\n",
    "a length with a sign": b"content-length: +%d\r\n",
    "a negative length": b"content-length: -1\r\n",
    "a length in hex": b"content-length: 0x10\r\n",
    "a length with a tail": b"content-length: %d zz\r\n",
    "an empty length": b"content-length: \r\n",
    "a length beyond 64 bits": b"content-length: 99999999999999999999999\r\n",
    "a space before the colon": b"content-length : %d\r\n",
    "a tab before the colon": b"transfer-encoding\t: chunked\r\n",
    "an unknown coding": b"transfer-encoding: xchunked\r\n",
    "chunked, then identity": b"transfer-encoding: chunked, identity\r\n",
    "gzip, then chunked": b"transfer-encoding: gzip, chunked\r\n",
    "chunked twice": b"transfer-encoding: chunked, chunked\r\n",
    "two codings": b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
    "a coding in quotes": b'transfer-encoding: "chunked"\r\n',
    "a vertical tab before it": b"transfer-encoding: \x0bchunked\r\n",
    "a folded coding": b"transfer-encoding:\r\n chunked\r\n",
    "a folded length": b"x: y\r\n content-length: 0\r\ncontent-length: %d\r\n",
    "a bare line feed": b"x: y\ncontent-length: %d\r\n",
    "a bare carriage return": b"x: y\rtransfer-encoding: chunked\r\ncontent-length: %d\r\n",
    "a NUL in a value": b"x: \0\r\ncontent-length: %d\r\n",
    "a NUL in a name": b"x\0: y\r\ncontent-length: %d\r\n",
    "a space in a name": b"content length: 0\r\ncontent-length: %d\r\n",
    "two hosts": b"host: other\r\ncontent-length: %d\r\n",
    "the length is nominated": b"connection: content-length\r\ncontent-length: %d\r\n",
    "the coding is nominated": b"connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n",
    "no framing at all": b"",
}

# Chunked bodies.
CHUNKS = {
    "a size with a sign": b"+%x\r\n%b\r\n0\r\n\r\n",
    "a negative size": b"-1\r\n%b\r\n0\r\n\r\n",
    "a size with 0x": b"0x%x\r\n%b\r\n0\r\n\r\n",
    "a size with spaces": b" %x \r\n%b\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"fffffffffffffffff\r\n%b\r\n0\r\n\r\n",
    "a size that wraps": b"1%016x\r\n%b\r\n0\r\n\r\n",
    "an empty size": b"\r\n%b\r\n0\r\n\r\n",
    "no size": b";x\r\n%b\r\n0\r\n\r\n",
    "letters for a size": b"zz\r\n%b\r\n0\r\n\r\n",
    "an extension with a line feed": b"%x;a\nb\r\n%b\r\n0\r\n\r\n",
    "an endless extension": b"%x;" + b"a" * (256 << 10) + b"\r\n%b\r\n0\r\n\r\n",
    "line feeds alone": b"%x\n%b\n0\n\n",
    "no line end after a chunk": b"%x\r\n%bXX0\r\n\r\n",
    "no line end at the end": b"%x\r\n%b\r\n0\r\nX",
    "a trailer that frames": b"%x\r\n%b\r\n0\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    "a trailer with a line feed": b"%x\r\n%b\r\n0\r\nx: y\n\r\n",
    "endless trailers": b"%x\r\n%b\r\n0\r\n" + b"x: y\r\n" * 60000 + b"\r\n",
}

# Request lines and what stands around them.
LINES = {
    "a space in the target": b"POST %b?a b HTTP/1.1\r\nhost: x\r\n",
    "a tab in the target": b"POST %b?a\tb HTTP/1.1\r\nhost: x\r\n",
    "a NUL in the target": b"POST %b\0 HTTP/1.1\r\nhost: x\r\n",
    "HTTP/1.1 without a host": b"POST %b HTTP/1.1\r\n",
    "HTTP/0.9": b"POST %b\r\nhost: x\r\n",
    "HTTP/3.7": b"POST %b HTTP/3.7\r\nhost: x\r\n",
    "a target with a host": b"POST http://SMUGGLED%b HTTP/1.1\r\nhost: x\r\n",
    "a host with a path": b"POST %b HTTP/1.1\r\nhost: x/SMUGGLED\r\n",
    "a method in lower case": b"post %b HTTP/1.1\r\nhost: x\r\n",
    "CONNECT": b"CONNECT %b HTTP/1.1\r\nhost: x\r\n",
    "TRACE": b"TRACE %b HTTP/1.1\r\nhost: x\r\n",
    "an encoded line end": b"POST %b%%0d%%0aSMUGGLED:%%20y HTTP/1.1\r\nhost: x\r\n",
    "an upgrade to h2c": b"POST %b HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    "HTTP/1.0 with chunks": b"POST %b HTTP/1.0\r\ntransfer-encoding: chunked\r\n",
}


def requests():
    """Name and bytes of every one, each followed by a hidden request."""
    auth = b"x-api-key: " + KEY.encode() + b"\r\nanthropic-version: 2023-06-01\r\n"
    for path, (name, framing) in itertools.product(PATHS, FRAMINGS.items()):
        filled = framing.replace(b"%d", b"%d" % len(BODY))
        body = CHUNKED if b"chunked" in framing and b"length: %d" not in framing else BODY
        yield f"{name} at {path.decode()}", b"POST %b HTTP/1.1\r\nhost: x\r\n%b%b\r\n%b%b" % (path, auth, filled, body, HIDDEN)
        if b"chunked" in framing and b"length: %d" in framing:
            yield f"{name}, the other body, at {path.decode()}", b"POST %b HTTP/1.1\r\nhost: x\r\n%b%b\r\n%b%b" % (path, auth, filled, b"0\r\n\r\n", HIDDEN)
    for path, (name, chunks) in itertools.product(PATHS, CHUNKS.items()):
        size = chunks.count(b"%x") + chunks.count(b"%016x")
        body = chunks % ((len(BODY), BODY) if size else (BODY,))
        yield f"{name} at {path.decode()}", b"POST %b HTTP/1.1\r\nhost: x\r\n%btransfer-encoding: chunked\r\n\r\n%b%b" % (path, auth, body, HIDDEN)
    for path, (name, line) in itertools.product(PATHS, LINES.items()):
        body = CHUNKED if b"chunked" in line else BODY
        framing = b"" if b"chunked" in line else b"content-length: %d\r\n" % len(BODY)
        yield f"{name} at {path.decode()}", (line % path) + auth + framing + b"\r\n" + body + HIDDEN


def matrix(binary, scratch, smoke):
    """Every combination: an upstream never sees what can be read in two ways, nor one request more than was answered."""
    upstream = Upstream()
    weir = Weir(binary, scratch, [upstream])
    tried, refused = 0, 0
    try:
        sound = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: %b\r\ntransfer-encoding: chunked\r\n\r\n%b" % (KEY.encode(), CHUNKED)
        check(weir.mutter(sound).startswith(b"HTTP/1.1 200") and len(upstream.requests) == 1, "a sound request is not answered")
        for number, (name, data) in enumerate(requests()):
            if smoke and number % 5:
                continue
            before = len(upstream.requests)
            got = weir.mutter(data)
            answers = got.count(b"HTTP/1.1 ") + got.count(b"HTTP/1.0 ")
            seen = upstream.requests[before:]
            check(not upstream.faults, f"{name}: the upstream got {upstream.faults}")
            check(len(seen) <= got.count(b" 200 "), f"{name}: {len(seen)} requests upstream, {got[:200]!r}")
            for head, _ in seen:
                hosts = [value for key, value in head["headers"] if key == b"host"]
                check(b"SMUGGLED" not in head["line"].encode() and b"SMUGGLED" not in b"".join(hosts), f"{name}: {head['line']}")
            check(answers <= 2, f"{name}: {answers} answers to at most two requests")
            if got.startswith(b"HTTP/1.1 4") or got.startswith(b"HTTP/1.1 5"):
                refused += 1
            tried += 1
        weir.is_well()
        weir.settles()
        check(weir.account()["state"] == "usable", weir.account())
    finally:
        weir.stop()
        upstream.close()
    return f"{tried} requests, {refused} refused, 0 seen in two ways"


ROOM = [("Request smuggling matrix", "HTTP/1.1 framing, chunks and request lines × 4 kinds of path, each with a second request hidden behind", matrix)]
