"""Clients that are slow on purpose, and clients that leave: others notice nothing, and nothing of them stays."""

import json
import threading
import time

from .ground import KEY, OPENING, Upstream, Victim, Weir, answer, check, echo, parse, recv_all, whole

HEAD = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nanthropic-version: 2023-06-01\r\n".encode()
BODY = json.dumps({"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()


def endless(head, body, conn):
    """A stream that goes on until its reader leaves; whole answers to those who want no stream."""
    if b'"stream": true' not in body:
        return echo(head, body, conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for event in OPENED:
        conn.sendall(event)
    for _ in range(2_000):
        conn.sendall(MORE)
    return False


def chunk(name, data):
    event = f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


OPENED = [chunk(*event) for event in OPENING]
MORE = chunk("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x" * 4000}}) * 10


def crowd(binary, scratch, attack, play=None):
    upstream = Upstream(play)
    weir = Weir(binary, scratch, [upstream])
    try:
        weir.is_well()
        before, descriptors = weir.memory_mib(), weir.descriptors()
        with Victim(weir):
            said = attack(weir)
        weir.is_well()
        weir.settles()
        check(weir.account()["state"] == "usable", weir.account())
        deadline = time.monotonic() + 10
        while weir.descriptors() > descriptors + 20:
            check(time.monotonic() < deadline, f"{weir.descriptors() - descriptors} descriptors stay open")
            time.sleep(0.2)
        grown = weir.memory_mib() - before
        check(grown < 128, f"{grown:.0f} MiB more")
    finally:
        weir.stop()
        upstream.close()
    return f"{said}, {max(grown, 0):.0f} MiB more"


def dribbled(prefix, count, seconds):
    """Connections that send one byte a second after `prefix`, all at once."""

    def attack(weir):
        streams = [weir.connect() for _ in range(count)]
        for stream in streams:
            stream.sendall(prefix)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for stream in streams:
                try:
                    stream.settimeout(1)
                    stream.sendall(b"a")
                except OSError:
                    pass
            time.sleep(1)
        for stream in streams:
            stream.close()
        return f"{count} connections for {seconds} s"

    return attack


def slow_heads(binary, scratch, smoke):
    return crowd(binary, scratch, dribbled(b"POST /v1/messages HTTP/1.1\r\nx-a: ", 200 if smoke else 1000, 3 if smoke else 20))


def slow_bodies(binary, scratch, smoke):
    prefix = HEAD + b"content-length: 100000\r\n\r\n{"
    return crowd(binary, scratch, dribbled(prefix, 200 if smoke else 1000, 3 if smoke else 20))


def never_reading(binary, scratch, smoke):
    """Streams without an end whose clients do not read: what is held of each is bounded."""
    count = 50 if smoke else 100

    def attack(weir):
        streams = []
        for _ in range(count):
            stream = weir.connect()
            stream.sendall(HEAD + b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY))
            streams.append(stream)
        time.sleep(3 if smoke else 15)
        for stream in streams:
            stream.close()
        return f"{count} streams unread"

    return crowd(binary, scratch, attack, endless)


def leaving(binary, scratch, smoke):
    """Clients that leave at every point of a request."""
    rounds = 100 if smoke else 1000
    whole = HEAD + b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)

    def attack(weir):
        for at in range(rounds):
            stream = weir.connect()
            stream.sendall(whole[: 1 + at * len(whole) // rounds])
            if at % 3 == 0:
                stream.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: a reset
            if at % 2 == 0:
                recv_all(stream, 0.01, 100)
            stream.close()
        return f"{rounds} clients left"

    return crowd(binary, scratch, attack, endless)


def parked_bodies(binary, scratch, smoke):
    """Large bodies that wait for their last byte: their memory is bounded, and more is a 529 with a `Retry-After`."""
    upstream = Upstream()
    weir = Weir(binary, scratch, [upstream], "server: { max_buffered: 64MiB }\n")
    size = 8 << 20
    try:
        weir.is_well()
        before, streams, refused = weir.memory_mib(), [], 0
        for _ in range(24):
            stream = weir.connect()
            try:
                stream.sendall(HEAD + b"content-length: %d\r\n\r\n" % size + b"{" * (size - 1))
            except OSError:
                pass
            streams.append(stream)
        time.sleep(1)
        grown = weir.memory_mib() - before
        for stream in streams:
            refused += recv_all(stream, 0.2, 400)[0].startswith((b"HTTP/1.1 529", b"HTTP/1.1 503"))
            stream.close()
        check(grown < 64 + 96, f"{grown:.0f} MiB for a bound of 64")
        check(refused > 0, "192 MiB of bodies, none refused")
        weir.is_well()
        weir.settles()
    finally:
        weir.stop()
        upstream.close()
    return f"24 bodies of 8 MiB, bound 64 MiB: {refused} refused, {grown:.0f} MiB more"


class Reluctant(Upstream):
    """Takes a MiB of each file, and the rest only when it is told to; says how long it was."""

    def __init__(self):
        self.goes_on = threading.Event()
        super().__init__(lambda head, body, conn: answer(conn, 200, {"bytes": int(body)}) if "/v1/files" in head["line"] else echo(head, body, conn))

    def _body(self, reader, head):
        if "/v1/files" not in head["line"]:
            return super()._body(reader, head)
        length = int(dict(head["headers"])[b"content-length"])
        whole(reader, 1 << 20)
        self.goes_on.wait()
        left = length - (1 << 20)
        while left:
            left -= len(whole(reader, min(left, 1 << 20)))
        return b"%d" % length


def files_that_pass(binary, scratch, smoke):
    """Files for an upstream that takes nothing for a while: they wait in the sockets, not in memory, and arrive whole."""
    count, size = (8, 16 << 20) if smoke else (24, 64 << 20)
    upstream = Reluctant()
    weir = Weir(binary, scratch, [upstream])
    answers = []

    def upload():
        with weir.connect() as stream:
            stream.settimeout(None)
            stream.sendall(HEAD.replace(b"/v1/messages", b"/v1/files") + b"content-type: application/octet-stream\r\ncontent-length: %d\r\n\r\n" % size)
            piece = b"x" * (1 << 20)
            for _ in range(size >> 20):
                stream.sendall(piece)
            answers.append(parse(recv_all(stream, most=300)[0]))

    try:
        weir.is_well()
        before = weir.memory_mib()
        clients = [threading.Thread(target=upload, daemon=True) for _ in range(count)]
        for client in clients:
            client.start()
        with Victim(weir):
            time.sleep(2 if smoke else 5)
            waiting = weir.memory_mib() - before
            upstream.goes_on.set()
            for client in clients:
                client.join(120)
        check([status for status, _, _ in answers] == [200] * count, f"{len(answers)} answers: {answers[:2]}")
        check(all(b"%d" % size in body for _, _, body in answers), answers[:2])
        check(waiting < 16 + count, f"{waiting:.0f} MiB for {count} files that wait")
        weir.is_well()
        weir.settles()
        after = weir.memory_mib() - before
        check(after < 16 + count, f"{after:.0f} MiB after {count} files")
    finally:
        upstream.goes_on.set()
        weir.stop()
        upstream.close()
    return f"{count} files of {size >> 20} MiB at once, nothing taken for a while: {max(waiting, 0) * 1024 / count:.0f} KiB each, all whole"


ROOM = [
    ("Slow heads (slowloris)", "one byte a second", slow_heads),
    ("Slow bodies", "one byte a second", slow_bodies),
    ("Clients that never read", "streams without an end, unread", never_reading),
    ("Clients that leave", "at every byte of a request, half of them with a reset", leaving),
    ("Parked bodies", "large bodies that never end", parked_bodies),
    ("Files that pass", "uploads to an upstream that stops reading", files_that_pass),
]
