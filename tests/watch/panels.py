#!/usr/bin/env python3
"""Every panel of conf/grafana and every rule of conf/prometheus/weir.usage.rules.yml against a real Prometheus that scraped a real Weir
under mixed traffic: no query fails, none is empty.

    tests/watch/panels.py WEIR PROMETHEUS
"""
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What an idle minute of this traffic cannot show: no upstream of it breaks the rules of its own dialect on purpose, and
# every figure that it states is whole.
MAY_BE_EMPTY = {"Rules that upstreams broke"}
SCRAPES = 20  # at one a second, at most this many until every panel has data


def main(weir, prometheus):
    started = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        upstream, front, admin, prom = free_ports(4)
        (folder / "weir.yaml").write_text(configuration(upstream, front, admin))
        (folder / "prometheus.yml").write_text(
            "global: { scrape_interval: 1s }\n"
            f"scrape_configs: [{{ job_name: weir, static_configs: [{{ targets: ['127.0.0.1:{admin}'], labels: {{ instance: edge-1 }} }}] }}]\n")
        try:
            with open(folder / "log", "w") as log:
                for command in (
                    [weir, "upstream", "--addr", f"127.0.0.1:{upstream}"],
                    [weir, "run", "-c", folder / "weir.yaml"],
                    [prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                     f"--web.listen-address=127.0.0.1:{prom}", "--log.level=warn"],
                ):
                    started.append(subprocess.Popen(command, stdout=log, stderr=log))
            for port, path in ((upstream, "/health"), (front, "/health"), (prom, "/-/ready")):
                await_answer(f"http://127.0.0.1:{port}{path}", folder / "log")
            queries = list(panels())
            empty = queries
            for _ in range(SCRAPES):
                traffic(front)
                time.sleep(1)  # the scrape interval
                empty = [query for query in empty if not answered(prom, query)]
                if not empty:
                    break
            reports = compared(weir, front, prom)
            restart = [weir, "run", "-c", folder / "weir.yaml"]
            sums = kept(weir, started, restart, (front, prom), folder / "log")
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait()
    if empty:
        for dashboard, title, expr in empty:
            print(f"panels: {dashboard}: `{title}` shows nothing: {expr}", file=sys.stderr)
        sys.exit(1)
    print(f"panels: {len(queries)} queries answered, none empty; {reports} reports of `weir usage --prometheus` agree with the process; {sums} sums lose nothing over a restart")


def compared(weir, front, prom):
    """`weir usage --prometheus` against what the process itself says, once it was scraped for the last time."""
    request = urllib.request.Request(f"http://127.0.0.1:{front}/v1/usage", headers={"x-api-key": "team-key"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        today = json.load(answer)["key"]["today"]
    wanted = (today["total_tokens"], round(today["usd"], 9))
    groupings = ("key", "key,day", "key,model", "key,account", "key,model,account,day")
    for by in groupings:
        for _ in range(SCRAPES):
            found = used(weir, prom, by)
            if found == wanted:
                break
            time.sleep(1)  # the scrape interval
        else:
            sys.exit(f"panels: `weir usage --prometheus --by {by}` says {found}, the process {wanted}")
    return len(groupings)


def used(weir, prom, by):
    """Tokens and dollars of one key, as `weir usage --prometheus` has them."""
    said = subprocess.run([weir, "usage", "--prometheus", f"http://127.0.0.1:{prom}", "--since", "today", "--by", by, "--json"],
                          capture_output=True, text=True, check=True).stdout
    rows = [row for row in json.loads(said)["rows"] if row["key"] == "team"]
    kinds = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
    return sum(row[kind] for row in rows for kind in kinds), round(sum(row["nano_usd"] for row in rows) / 1e9, 9)


def kept(weir, started, restart, ports, log):
    """What one key spent over two runs of the process, when both are gone: the recorded sums and `weir usage` lose nothing."""
    front, prom = ports
    spent = []
    for run in range(2):
        if run:
            started[1].terminate()
            started[1].wait()
            with open(log, "a") as out:
                started[1] = subprocess.Popen(restart, stdout=out, stderr=out)
            await_answer(f"http://127.0.0.1:{front}/health", log)
            post(front, "/v1/chat/completions", "team-key", {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Hello"}]})
        request = urllib.request.Request(f"http://127.0.0.1:{front}/v1/usage", headers={"x-api-key": "team-key"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            spent.append(json.load(answer)["key"]["today"])
        time.sleep(3)  # it is scraped once more
    started[1].terminate()
    started[1].wait()
    time.sleep(2)
    rules = {title: expr for _, title, expr in panels() if ":increase" in title}
    usd, tokens = (sum(today[kind] for today in spent) for kind in ("usd", "total_tokens"))
    wanted = {f"{by}:weir_{what}:increase{window}": figure
              for window in ("1d", "30d") for by in ("key", "group", "project", "model", "account")
              for what, figure in (("cost_usd", usd), ("tokens", tokens))}
    groupings = ("key,model", "key,account", "key,model,account,day")
    for by in groupings:
        rows = used(weir, prom, by)
        if rows != (tokens, round(usd, 9)):
            sys.exit(f"panels: `weir usage --prometheus --by {by}` says {rows} of two runs, they say {spent}")
    for name, figure in wanted.items():
        expr = rules.get(name) or rules[name.replace(":", "_kind:", 1)]
        # What the other key used is none of it.
        expr = re.sub(r"(weir_(?:cost_usd|tokens)_total)", r'\1{key="team"}', expr)
        url = f"http://127.0.0.1:{prom}/api/v1/query?" + urllib.parse.urlencode({"query": f"sum({expr})"})
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = float(json.load(answer)["data"]["result"][0]["value"][1])
        if abs(found - figure) > 1e-9 * max(figure, 1):
            sys.exit(f"panels: `{name}` says {found} of two runs, they say {spent}: {expr}")
    return len(wanted) + len(groupings)


def panels():
    for path in sorted((ROOT / "conf/grafana").glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                if panel["title"] not in MAY_BE_EMPTY:
                    yield path.name, panel["title"], target["expr"]
    # What was used by key, group, account, model and project, as it is recorded for a day and for a month.
    rules = (ROOT / "conf/prometheus/weir.usage.rules.yml").read_text()
    recorded = re.findall(r"- record: (\S+)\n +expr: (.+)", rules)
    assert len(recorded) == rules.count("record:") > 0
    for name, expr in recorded:
        # Steps of five minutes and of an hour are steps of two seconds here, and a day is four minutes.
        expr = re.sub(r"\[(23h59m59s999ms|29d23h59m59s999ms):\w+\]", "[3m59s999ms:2s]", expr)
        expr = re.sub(r"(_total\[|offset )(5m|1h)\b", r"\g<1>2s", expr)
        yield "weir.usage.rules.yml", name, expr


def answered(port, query):
    """Whether a query has a value that is a number. One that Prometheus refuses ends the test."""
    _, title, expr = query
    for variable, value in (("$__rate_interval", "30s"), ("$__range", "1m"), ("$instance", ".*")):
        expr = expr.replace(variable, value)
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expr})
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as refusal:
        sys.exit(f"panels: `{title}`: {refusal.read().decode()}\n{expr}")
    return any(series["value"][1] not in ("NaN", "+Inf", "-Inf") for series in result)


def configuration(upstream, front, admin):
    accounts = {"anthropic": ("anthropic", ""), "spare": ("anthropic", ""), "openai": ("openai", "/v1"), "gemini": ("gemini", "")}
    lines = [f"  - {{ name: {name}, provider: {provider}, base_url: 'http://127.0.0.1:{upstream}{path}', key: k-{name} }}"
             for name, (provider, path) in accounts.items()]
    return "\n".join([
        "version: 1",
        f"listen: [{{ addr: '127.0.0.1:{front}' }}]",
        f"admin: {{ addr: '127.0.0.1:{admin}', token: t }}",
        "accounts:", *lines,
        "pools:",
        "  - { name: claude, accounts: [anthropic, spare] }",
        "  - { name: gpt, accounts: [openai] }",
        "  - { name: google, accounts: [gemini] }",
        "routes:",
        "  - { when: { model: 'claude-*' }, pool: claude }",
        "  - { when: { model: 'gemini-*' }, pool: google }",
        "  - { when: { model: translated }, pool: gpt, model: gpt-5.5 }",
        "  - { pool: gpt }",
        "keys:",
        "  - { name: team, key: team-key, group: crowd, project: demo }",
        "  - { name: held, key: held-key, limits: { rpm: 1 } }",
        "groups: [{ name: crowd }]",
        "projects: [{ name: demo }]",
        "limits: { usd_per_day: 1000 }",
        "log: { access: off }",
    ])


def traffic(port):
    """One of each: dialects, a stream, a translation that drops a field, a failover, a limit, a model without a price."""
    def message(key, model, text, **more):
        post(port, "/v1/messages", key, {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": text}]} | more)
    for _ in range(3):
        message("team-key", "claude-sonnet-5", "Hello [[sim unified=0.5 cache-read=100]]",
                metadata={"user_id": "user_1_account_1_session_0f0e0d0c-0000-4000-8000-000000000001"})
        message("team-key", "claude-sonnet-5", "Hello", stream=True)
        message("team-key", "claude-sonnet-5", "Hello [[sim status=500 every=2]]")
        message("team-key", "translated", "Hello", top_k=5)
        message("held-key", "claude-sonnet-5", "Hello")
    post(port, "/v1/chat/completions", "team-key", {"model": "nobody-priced-this", "messages": [{"role": "user", "content": "Hello"}]})
    post(port, "/v1/chat/completions", "team-key", {"model": "gpt-5.5", "stream": True, "messages": [{"role": "user", "content": "Hello"}]})
    post(port, "/v1beta/models/gemini-2.5-pro:generateContent", "team-key", {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]})


def post(port, path, key, body):
    headers = {"content-type": "application/json", "x-api-key": key, "authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            answer.read()
    except urllib.error.HTTPError as refusal:
        refusal.read()


def free_ports(number):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def await_answer(url, log):
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=1).read()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"panels: no answer from {url}\n{log.read_text()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
