"""Clients of a service that is upgraded: ASKERS that ask all the time, STREAMS that stay open until /tmp/load.finish is there.

    load.py ASKERS STREAMS

Prints requests, losses and cut streams; the exit status is 0 only if there are none.
"""
import http.client
import json
import os
import sys
import threading
import time

ASKERS, STREAMS = int(sys.argv[1]), int(sys.argv[2])
HEADERS = {"x-api-key": "the-key-of-the-client", "content-type": "application/json"}
finish = threading.Event()
lock = threading.Lock()
count = {"requests": 0, "lost": 0, "streams": 0, "cut": 0, "open": 0}
why = []


def add(what, error=None):
    with lock:
        count[what] += 1
        if error and len(why) < 5:
            why.append(error)


def body(text, stream=False):
    return json.dumps({"model": "claude-sonnet-5", "max_tokens": 4096, "stream": stream, "messages": [{"role": "user", "content": text}]})


def ask():
    connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
    while not finish.is_set():
        try:
            connection.request("POST", "/v1/messages", body("Hello"), HEADERS)
            answer = connection.getresponse()
            said = answer.read()
            add("requests")
            if answer.status != 200 or b"You said: Hello" not in said:
                add("lost", f"{answer.status} {said[:200]}")
            if answer.getheader("connection") == "close":
                connection.close()
        except OSError as error:
            add("lost", repr(error))
            connection.close()


def stream():
    try:
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=120)
        # Ten seconds long: an event every tenth of a second.
        connection.request("POST", "/v1/messages", body("Hello [[sim output-tokens=400 chunk-delay=100ms]]", True), HEADERS)
        answer = connection.getresponse()
        said = answer.read(64)
        add("open")
        said += answer.read()
        add("streams")
        if answer.status != 200 or b"message_stop" not in said:
            add("cut", f"{answer.status} {said[-200:]}")
    except OSError as error:
        add("cut", repr(error))


deadline = time.monotonic() + 180


def pause():
    if time.monotonic() > deadline:
        sys.exit("service-test: the load waits in vain")
    time.sleep(0.05)


threads = [threading.Thread(target=ask, daemon=True) for _ in range(ASKERS)]
streams = [threading.Thread(target=stream, daemon=True) for _ in range(STREAMS)]
for thread in threads + streams:
    thread.start()
while count["open"] < STREAMS or ASKERS and count["requests"] < 100:
    if count["cut"]:
        break
    pause()
open("/tmp/load.begun", "w").close()
while not os.path.exists("/tmp/load.finish") and not count["cut"]:
    pause()
for thread in streams:
    thread.join()
finish.set()
for thread in threads:
    thread.join()
print(f"service-test: {count['requests']} requests, {count['lost']} lost; {count['streams']} streams, {count['cut']} cut", flush=True)
for error in why:
    print(f"service-test: {error}", flush=True)
sys.exit(bool(count["lost"] or count["cut"] or count["streams"] != STREAMS))
