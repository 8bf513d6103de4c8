"""Measures in turns and writes the report: see `--help` and docs/PERFORMANCE.md. Started by `loadtest/run.sh`."""

import argparse
import collections
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time

from . import load, payload, report, servers
from .servers import Failed

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BODIES = {"200 B": payload.small(), "300 KB": payload.agent()}
CONNECTIONS = (16, 64)
# Accounts and keys where there are many, requests a second of the open loop, streams that are open and silent.
WIDE = (100, 10_000)
RATE = 1_000
IDLE = 10_000
# Requests of 300 KB whose answers have only begun.
HELD = 200
# Start, and a reload under load.
LIFE = f"start, and a reload at {RATE:,} requests/s"
# A burst costs so little per event that the kernel's clock ticks need more of them.
BURST = 10


def main():
    options = parse()
    # Ends through the `finally` blocks below, which stop what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="weir-loadtest-") as scratch:
            results = Session(options, pathlib.Path(scratch)).measure()
    except (Failed, subprocess.TimeoutExpired) as failure:
        sys.exit(f"loadtest: {failure}")
    results["seconds"] = time.monotonic() - began
    text = report.markdown(results)
    options.output.write_text(text)
    options.output.with_suffix(".json").write_text(json.dumps(results, indent=1))
    for name, picture in report.charts(results):
        (options.output.parent / name).write_text(picture)
    print(text)
    if options.write:
        report.insert(options.write, text)
    failed = report.failures(results)
    if failed:
        sys.exit("loadtest: not every request was answered well:\n" + "\n".join(failed))


def parse():
    parser = argparse.ArgumentParser(prog="loadtest/run.sh", description=sys.modules[__package__].__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few seconds of everything: does it work, not how fast is it")
    parser.add_argument("--bin-dir", type=pathlib.Path, default=ROOT / "target/release", help="where the binaries are")
    parser.add_argument("--proxies", default="nginx,bare-pingora,weir,weir-quiet", help="which to measure, weir-per-core too (default: %(default)s)")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=PATH",
                        help="one more weir or bare-pingora binary (told apart by the file's name), an allocator variant say")
    parser.add_argument("--upstream", choices=("weir", "nginx"), default="weir", help="nginx: no streams (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="per measurement of plain requests")
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=200, help="events per stream, about")
    parser.add_argument("--delay-ms", type=int, default=50, help="between two events of a stream")
    parser.add_argument("--no-streams", action="store_true")
    parser.add_argument("--no-more", action="store_true",
                        help="leave out what is beyond plain requests and streams: translation, TLS, many accounts and keys, "
                             "the open loop, idle streams")
    parser.add_argument("--litellm", metavar="PATH", help="the `litellm` of a virtual environment: one more column")
    parser.add_argument("--syscalls", action="store_true", help="count system calls per request, with strace")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "target/loadtest/report.md")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE", help="also put the tables between FILE's report markers")
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.seconds = 1, 1
        options.streams, options.tokens, options.delay_ms = 50, 20, 20
    options.no_streams |= options.upstream == "nginx"
    options.no_more |= options.upstream == "nginx"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    return options


class Session:
    """One run: all proxies up at once, idle ones cost nothing, measured in turns so that drift hits them alike."""

    def __init__(self, options, scratch):
        self.options = options
        self.scratch = scratch
        self.running = []
        self.rows = collections.defaultdict(lambda: collections.defaultdict(list))
        self.memory = {}
        self.calls = {}
        self.idle = {}
        self.held = {}

    def measure(self):
        machine = report.machine()
        try:
            upstream = self._upstream()
            proxies = self._proxies(upstream)
            self._wait_until_warm(proxies)
            for proxy in proxies:
                self.memory[proxy.name] = {"idle": proxy.memory_mib()}
            self._requests([upstream, *proxies])
            if not self.options.no_streams:
                self._streams(proxies)
            if not self.options.no_more:
                self._more(upstream, proxies)
            time.sleep(min(2, self.options.seconds))
            for proxy in proxies:
                self.memory[proxy.name]["after"] = proxy.memory_mib()
            if self.options.syscalls:
                self._system_calls(proxies)
        finally:
            for server in reversed(self.running):
                server.stop()
        return {
            "machine": machine,
            "options": {name: str(value) for name, value in vars(self.options).items()},
            "rows": self.rows,
            "memory": self.memory,
            "calls": self.calls,
            "idle": self.idle,
            "held": self.held,
        }

    def _upstream(self):
        if self.options.upstream == "nginx":
            return self._start(servers.start_nginx_upstream, payload.ANSWER)
        return self._start(servers.start_weir_upstream, self._binary("weir"))

    def _proxies(self, upstream):
        start = {
            "nginx": lambda: self._start(servers.start_nginx_proxy, upstream),
            "bare-pingora": lambda: self._start(servers.start_bare_pingora, self._binary("bare-pingora"), upstream),
            "weir": lambda: self._weir("weir", self._binary("weir"), upstream),
            "weir-quiet": lambda: self._weir("weir-quiet", self._binary("weir"), upstream, "off"),
            "weir-per-core": lambda: self._weir("weir-per-core", self._binary("weir"), upstream, runtime="per-core"),
        }
        wanted = self.options.proxies.split(",")
        unknown = [name for name in wanted if name not in start]
        if unknown:
            raise Failed(f"--proxies: {', '.join(unknown)}: expected some of {', '.join(start)}")
        proxies = [start[name]() for name in wanted]
        for also in self.options.also:
            name, _, path = also.partition("=")
            path = str(pathlib.Path(path).resolve())
            if path.endswith("bare-pingora"):
                proxy = self._start(servers.start_bare_pingora, path, upstream)
                proxy.name = name
            else:
                proxy = self._weir(name, path, upstream)
            proxies.append(proxy)
        return proxies

    def _weir(self, name, binary, upstream, access="stdout", **more):
        server = servers.start_weir(name, binary, upstream, self.scratch, access, **more)
        self.running.append(server)
        return server

    def _start(self, function, *args):
        server = function(*args, self.scratch)
        self.running.append(server)
        return server

    def _binary(self, name):
        path = self.options.bin_dir / name
        if not path.exists():
            raise Failed(f"{path} is missing: loadtest/run.sh builds it")
        return str(path.resolve())

    def _wait_until_warm(self, proxies):
        """One request through each: a proxy that refuses is found now and not after ten minutes."""
        body = self._file("warm", BODIES["200 B"])
        for proxy in proxies:
            seen = load.requests(proxy, body, 1, 1, threads=1)
            if seen["failed"]:
                raise Failed(f"{proxy.name}: {seen['failed']} of {seen['requests']} requests failed; its log: {proxy.log.read_text()[-800:]}")

    def _requests(self, targets):
        for label, body in BODIES.items():
            file = self._file(label, body)
            for connections in CONNECTIONS[: 1 if self.options.smoke else None]:
                for number in range(self.options.rounds):
                    for target in in_turn(targets, number):
                        self._say(f"{label}, {connections} connections, round {number + 1}: {target.name}")
                        seen = load.requests(target, file, connections, self.options.seconds)
                        self.rows[f"{label}, {connections} connections"][target.name].append(seen)

    def _streams(self, proxies):
        options = self.options
        kinds = {
            f"{options.streams} streams, an event every {options.delay_ms} ms": (options.tokens, options.delay_ms),
            f"{options.streams} streams, all events at once": (options.tokens * BURST, 0),
        }
        for label, (tokens, delay) in kinds.items():
            file = self._file(f"stream-{delay}", payload.stream(tokens, delay))
            for number in range(options.rounds):
                for proxy in in_turn(proxies, number):
                    self._say(f"{label}, round {number + 1}: {proxy.name}")
                    nominal = tokens * delay / 1000
                    seen = load.streams(proxy, self._binary("streams"), file, options.streams, nominal)
                    self.rows[label][proxy.name].append(seen)

    def _more(self, upstream, proxies):
        """Each question beside the plain ones, with the servers that it takes."""
        named = {proxy.name: proxy for proxy in proxies}
        weir = self._binary("weir")
        small, large = (self._file(label, BODIES[label]) for label in ("200 B", "300 KB"))
        plain = [named[name] for name in ("bare-pingora", "weir") if name in named]

        translated = [proxy for proxy in proxies if proxy.name == "bare-pingora"]
        translated.append(self._weir("weir-translated", weir, upstream, dialect="openai-chat"))
        if self.options.litellm:
            translated.append(self._start(servers.start_litellm, self.options.litellm, upstream))
        self._wait_until_warm(translated)
        for label, file in (("200 B", small), ("300 KB", large)):
            self._closed(f"{label}, Anthropic to OpenAI Chat, 16 connections", translated, file)

        wide = self._weir("weir-wide", weir, upstream, accounts=WIDE[0], keys=WIDE[1])
        self._wait_until_warm([wide])
        self._closed(f"200 B, 16 connections, {WIDE[0]} accounts and {WIDE[1]:,} keys (weir-wide)", [*plain, wide], small)

        for number in range(self.options.rounds):
            for target in [server for server in (named.get("weir"), wide) if server]:
                self._say(f"reload, round {number + 1}: {target.name}")
                seen = load.reload(target, self._binary("streams"), small, RATE, max(2, self.options.seconds))
                self.rows[LIFE][target.name].append(seen | {"start_ms": target.start_ms})

        tls = servers.certificate(self.scratch)
        pair = [
            self._start(lambda scratch: servers.start_bare_pingora(self._binary("bare-pingora"), upstream, scratch, tls)),
            self._weir("weir-tls", weir, upstream, tls=tls),
        ]
        self._closed("200 B, a TLS handshake for each, 16 connections", pair, small, tls=True)

        for number in range(self.options.rounds):
            for target in in_turn([upstream, *proxies], number):
                self._say(f"open loop, round {number + 1}: {target.name}")
                seen = load.paced(target, self._binary("streams"), small, RATE, self.options.seconds)
                self.rows[f"200 B, open loop at {RATE:,} requests/s"][target.name].append(seen)

        # Before the idle streams, whose memory goes back only later.
        count = 20 if self.options.smoke else HELD
        body = payload.agent(last=payload.order(2, 600_000))
        file = self._file("held", body)
        for proxy in plain:
            self._say(f"{count} requests of 300 KB in flight: {proxy.name}")
            seen = load.idle_streams(proxy, self._binary("streams"), file, count)
            self.held[proxy.name] = seen | {"body_kib": len(body) / 1024}

        # Two sockets of a proxy for each.
        count = 50 if self.options.smoke else min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 200)
        file = self._file("idle", payload.stream(2, 600_000))
        for proxy in plain:
            self._say(f"{count} idle streams: {proxy.name}")
            self.idle[proxy.name] = load.idle_streams(proxy, self._binary("streams"), file, count)

    def _closed(self, label, targets, file, tls=False):
        for number in range(self.options.rounds):
            for target in in_turn(targets, number):
                self._say(f"{label}, round {number + 1}: {target.name}")
                self.rows[label][target.name].append(load.requests(target, file, 16, self.options.seconds, tls=tls))

    def _system_calls(self, proxies):
        for label, body in BODIES.items():
            for proxy in proxies:
                self._say(f"system calls, {label}: {proxy.name}")
                self.calls.setdefault(label, {})[proxy.name] = load.system_calls(proxy, self._file(label, body))

    def _file(self, label, body):
        path = self.scratch / f"{label.replace(' ', '-')}.json"
        path.write_bytes(body)
        return path

    @staticmethod
    def _say(what):
        print(f"loadtest: {what}", file=sys.stderr, flush=True)


def in_turn(targets, number):
    """A B C, B C A, C A B: nobody always comes after the same neighbour."""
    at = number % len(targets)
    return targets[at:] + targets[:at]


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
