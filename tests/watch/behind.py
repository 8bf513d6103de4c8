#!/usr/bin/env python3
"""What must survive a proxy in front of Weir: tests/watch/behind.py FRONT UPSTREAM"""
import http.client
import json
import sys
import time
import urllib.parse
import urllib.request

HEADERS = {"x-api-key": "demo", "content-type": "application/json", "anthropic-version": "2023-06-01"}


def open_stream(front, knobs):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(front).netloc, timeout=20)
    body = {"model": "claude-sonnet-5", "max_tokens": 512, "stream": True,
            "messages": [{"role": "user", "content": f"Hello {knobs}"}]}
    connection.request("POST", "/v1/messages", json.dumps(body), HEADERS)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    return connection, answer


def events_come_one_by_one(front):
    connection, answer = open_stream(front, "[[sim output-tokens=10 chunk=1 chunk-delay=100ms]]")
    times = []
    for line in answer:
        if b"content_block_delta" in line and line.startswith(b"data:"):
            times.append(time.monotonic())
    connection.close()
    spread = times[-1] - times[0]
    # Ten events 100 ms apart take 0.9 s; held back they would come together.
    assert len(times) == 10 and spread > 0.6, f"{len(times)} events within {spread:.2f} s"
    return f"10 events of a paced stream within {spread:.2f} s"


def large_requests_pass(front):
    body = {"model": "claude-sonnet-5", "max_tokens": 16, "messages": [{"role": "user", "content": "x" * 8_000_000 + " done"}]}
    request = urllib.request.Request(front + "/v1/messages", json.dumps(body).encode(), HEADERS)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["type"] == "message"
    return "a request of 8 MB answered"


def a_client_that_leaves_is_noticed(front, upstream):
    def cancelled():
        with urllib.request.urlopen(upstream + "/sim/stats", timeout=5) as answer:
            return json.load(answer)["cancelled"]
    before = cancelled()
    connection, answer = open_stream(front, "[[sim output-tokens=400 chunk=1 chunk-delay=50ms]]")
    answer.readline()
    connection.sock.close()
    answer.close()
    began = time.monotonic()
    while cancelled() == before:
        assert time.monotonic() - began < 10, "the upstream still streams"
        time.sleep(0.05)
    return f"the upstream was cancelled {time.monotonic() - began:.2f} s after its client left"


if __name__ == "__main__":
    front, upstream = sys.argv[1:]
    for said in (events_come_one_by_one(front), large_requests_pass(front), a_client_that_leaves_is_noticed(front, upstream)):
        print("behind:", said)
