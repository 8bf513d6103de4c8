"""The load: `wrk` for plain requests, our own client for streams, `strace` for the count of system calls."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import time
import urllib.request

from .servers import ADMIN_TOKEN, CLIENT_KEY, Failed

HERE = pathlib.Path(__file__).resolve().parent.parent
PATIENCE = 16  # seconds in which something must be answered


def requests(server, body_file, connections, seconds, threads=2, tls=False):
    """Closed loop over kept connections; with `tls` each request has a connection and a handshake of its own.

    What `post.lua` prints, and the CPU the server's processes took for it. On a machine so slow that nothing is answered in that
    time, it is measured for longer.
    """
    command = ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s"]
    command += ["-s", str(HERE / "post.lua"), f"{'https' if tls else 'http'}://{server.addr}/v1/messages", "--", str(body_file), CLIENT_KEY]
    if tls:
        command.append("close")
    before = server.cpu()
    out = run(command, seconds + 60)
    seen = json.loads(out.rpartition("@")[2])
    if not seen["requests"] and seconds < PATIENCE:
        return requests(server, body_file, connections, seconds * 4, threads, tls)
    if not seen["requests"]:
        raise Failed(f"{server.name}: wrk completed no request:\n{out}")
    seen["rps"] = seen["requests"] / seen["seconds"]
    seen["failed"] = seen["bad_status"] + seen["broken"]
    return seen | _cpu(server, before, seen["requests"])


def streams(server, binary, body_file, count, seconds):
    """`count` streams at once, each to its end. What the client counted, CPU per event, memory in the middle."""
    command = [binary, "--addr", server.addr, "--body", str(body_file), "--streams", str(count), "--key", CLIENT_KEY]
    before = server.cpu()
    client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(min(seconds / 2, 5))
        memory = server.memory_mib()
        out, _ = client.communicate(timeout=90)
    finally:
        if client.poll() is None:
            client.kill()
            client.wait()
    seen = json.loads(out)
    if not seen["events"]:
        raise Failed(f"{server.name}: no stream brought an event: {seen['faults']}")
    seen["failed"] = count - seen["complete"]
    seen["memory_mib"] = memory
    return seen | _cpu(server, before, seen["events"])


def idle_streams(server, binary, body_file, count):
    """Memory that each of `count` open streams takes, of which none has anything to say."""
    before = server.memory_mib()
    command = [binary, "--addr", server.addr, "--body", str(body_file), "--streams", str(count), "--key", CLIENT_KEY]
    command += ["--ramp-ms", str(count), "--timeout-s", "600"]
    client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + count / 1000 + 60
        while server.sockets() < 2 * count:
            if client.poll() is not None:
                raise Failed(f"{server.name}: the {count} streams did not stay open")
            if time.monotonic() > deadline:
                raise Failed(f"{server.name}: {count} streams, but only {server.sockets()} sockets")
            time.sleep(0.2)
        time.sleep(3)  # so that what the last ones need while they begin is given back
        return {"streams": count, "kib_each": (server.memory_mib() - before) * 1024 / count, "failed": 0}
    finally:
        client.kill()
        client.wait()


def paced(server, binary, body_file, rate, seconds):
    """Open loop: `rate` requests a second, whether or not the answers to the ones before have come."""
    command = [binary, "--addr", server.addr, "--body", str(body_file), "--key", CLIENT_KEY]
    command += ["--rate", str(rate), "--seconds", str(seconds)]
    before = server.cpu()
    seen = json.loads(run(command, seconds + 30))
    return seen | _cpu(server, before, max(seen["requests"], 1))


def reload(server, binary, body_file, rate, seconds):
    """Milliseconds that a reload takes of a file that has changed, while `rate` requests a second are served; and what the slowest of
    them waited."""
    command = [binary, "--addr", server.addr, "--body", str(body_file), "--key", CLIENT_KEY, "--rate", str(rate), "--seconds", str(seconds)]
    client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(seconds / 2)
        text = server.config.read_text()
        before, after = ("0s", "1s") if "drain_delay: 0s" in text else ("1s", "0s")
        server.config.write_text(text.replace(f"drain_delay: {before}", f"drain_delay: {after}"))
        request = urllib.request.Request(f"http://{server.admin}/admin/reload", method="POST")
        request.add_header("authorization", f"Bearer {ADMIN_TOKEN}")
        began = time.monotonic()
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = answer.read().decode()
        took = (time.monotonic() - began) * 1000
        if '"applied"' not in said:
            raise Failed(f"{server.name}: the reload was not applied: {said}")
        seen = json.loads(client.communicate(timeout=seconds + 60)[0])
    finally:
        if client.poll() is None:
            client.kill()
            client.wait()
    return seen | {"reload_ms": took}


def system_calls(server, body_file, connections=16, seconds=3):
    """System calls per request by name, most frequent first. strace slows the server, so batching is less than it is."""
    if not shutil.which("strace"):
        raise Failed("strace is not installed: apt-get install strace, or leave out --syscalls")
    command = ["strace", "-c", "-f", "-q", *(arg for pid in server.pids for arg in ("-p", str(pid)))]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(0.5)
        seen = requests(server, body_file, connections, seconds)
    finally:
        tracer.send_signal(signal.SIGINT)
        table = tracer.communicate(timeout=20)[1]
    rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", table, re.MULTILINE)
    calls = {name: int(calls) / seen["requests"] for calls, name in rows if name != "total"}
    return dict(sorted(calls.items(), key=lambda item: -item[1]))


def run(command, timeout):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise Failed(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-800:]}{done.stderr[-800:]}")
    return done.stdout


def _cpu(server, before, units):
    user, system = (after - then for after, then in zip(server.cpu(), before))
    return {"cpu_us": (user + system) / units * 1e6, "user_us": user / units * 1e6, "kernel_us": system / units * 1e6}
