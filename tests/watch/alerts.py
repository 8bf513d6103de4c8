#!/usr/bin/env python3
"""Every alert of conf/prometheus fires in a live run that provokes it: real Weirs, each with a trouble of its own, and a real
Prometheus with those rules. Only their times are shorter: what must hold for minutes or hours has to hold for a second.

    tests/watch/alerts.py WEIR PROMETHEUS
"""
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from panels import ROOT, await_answer, free_ports, post

RULES = ROOT / "conf/prometheus/weir.alerts.rules.yml"
ROUNDS = 120  # at one evaluation a second, at most this many until every alert fires
DESCRIPTORS = 1024  # of the host that runs out of them


def main(weir, prometheus):
    rules = RULES.read_text()
    wanted = set(re.findall(r"^ *- alert: (\w+)$", rules, re.M))
    started, held = [], []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        log = open(folder / "log", "w")

        def start(*command):
            started.append(subprocess.Popen([str(part) for part in command], stdout=log, stderr=log))

        def host(name, ports, text, before=(), more=""):
            (folder / f"{name}.yaml").write_text(f"version: 1\nlisten: [{{ addr: '127.0.0.1:{ports[0]}' }}{more}]\nadmin: {{ addr: '127.0.0.1:{ports[1]}' }}\n{text}")
            start(*before, weir, "run", "-c", folder / f"{name}.yaml")
            for port, path in ((ports[0], "/health"), (ports[1], "/livez")):
                await_answer(f"http://127.0.0.1:{port}{path}", folder / "log")

        try:
            upstream, *ports, prom = free_ports(8)
            # Held without being listened at, so that nobody else gets it.
            gone = socket.socket()
            gone.bind(("127.0.0.1", 0))
            held.append(gone)
            nobody = gone.getsockname()[1]
            troubled, lonely, full = ports[0:2], ports[2:4], ports[4:6]
            start(weir, "upstream", "--addr", f"127.0.0.1:{upstream}")
            await_answer(f"http://127.0.0.1:{upstream}/health", folder / "log")
            certificate(folder)
            (folder / "state").mkdir()
            host("troubled", troubled, TROUBLED.format(upstream=upstream, folder=folder, nobody=nobody),
                 more=f", {{ addr: '127.0.0.1:0', tls: {{ cert: '{folder}/cert.pem', key: '{folder}/key.pem' }} }}")
            host("lonely", lonely, LONELY.format(upstream=upstream))
            host("full", full, QUIET.format(upstream=upstream), ("sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh"))
            (folder / "rules.yml").write_text(quick(rules))
            (folder / "prometheus.yml").write_text(PROMETHEUS.format(
                folder=folder, nobody=nobody, troubled=troubled[1], lonely=lonely[1], full=full[1]))
            start(prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                  f"--web.listen-address=127.0.0.1:{prom}", "--log.level=warn")
            await_answer(f"http://127.0.0.1:{prom}/-/ready", folder / "log")

            # A file that is not taken, a ledger without its directory, requests that wait, each with two connections.
            with open(folder / "lonely.yaml", "a") as file:
                file.write("nonsense: true\n")
            shutil.rmtree(folder / "state")
            for _ in range(DESCRIPTORS * 43 // 100):
                held.append(waiting(full[0]))
            fired = set()
            for _ in range(ROUNDS):
                provoke(troubled[0], lonely[0])
                fired |= firing(prom)
                if fired >= wanted:
                    break
                time.sleep(1)  # the evaluation interval
        finally:
            for connection in held:
                connection.close()
            for process in started:
                process.kill()
            for process in started:
                process.wait()
            log.close()
    missing = sorted(wanted - fired)
    if missing:
        sys.exit(f"alerts: provoked, but never fired: {', '.join(missing)}")
    print(f"alerts: {len(wanted)} of {len(wanted)} fired in a live run")


def quick(rules):
    """What holds for long in the rules holds for moments here."""
    rules = re.sub(r"\bfor: \w+", "for: 1s", rules)
    return re.sub(r"(\[|offset )\d+[mh]", r"\g<1>10s", rules)


def firing(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=10) as answer:
        alerts = json.load(answer)["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def provoke(troubled, lonely):
    """Requests that meet each trouble that a request can meet."""
    def ask(port, model, words, path="/v1/messages", **more):
        try:
            post(port, path, "team-key", {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": words}]} | more)
        except OSError:
            pass  # A stream that breaks off, as it should.
    for _ in range(3):
        ask(troubled, "claude-fails", "Hello [[sim status=500]]")
        ask(troubled, "claude-breaks", "Hello [[sim truncate-after=2]]", stream=True)
    ask(troubled, "claude-refused", "Hello [[sim error=auth]]")
    ask(troubled, "claude-spent", "Hello [[sim unified=0.95]]")
    ask(troubled, "nobody-priced-this", "Hello", path="/v1/chat/completions")
    # Weir itself is slow with what is large and has to be translated.
    ask(troubled, "nobody-priced-this", "large " * 300_000)
    ask(lonely, "claude-sonnet-5", "Hello [[sim error=auth]]")


def waiting(port):
    """A connection with a request that its upstream never answers."""
    body = json.dumps({"model": "claude-sonnet-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hello [[sim stall]]"}]})
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: team-key\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
    return connection


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "5",
                    "-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)


# Two of its accounts serve, five do not; its ledger cannot be written, its log not either; a certificate ends in five days; the
# Prometheus that knows the fleet is away.
TROUBLED = """\
accounts:
  - {{ name: refused, provider: anthropic, base_url: 'http://127.0.0.1:{upstream}', key: k-refused, models: [claude-refused] }}
  - {{ name: refused-too, provider: anthropic, base_url: 'http://127.0.0.1:{upstream}', key: k-too, models: [claude-refused] }}
  - {{ name: fails, provider: anthropic, base_url: 'http://127.0.0.1:{upstream}', key: k-fails, models: [claude-fails] }}
  - {{ name: fails-too, provider: anthropic, base_url: 'http://127.0.0.1:{upstream}', key: k-fails-too, models: [claude-fails] }}
  - {{ name: breaks, provider: anthropic, base_url: 'http://127.0.0.1:{upstream}', key: k-breaks, models: [claude-breaks] }}
  - {{ name: spent, provider: anthropic, base_url: 'http://127.0.0.1:{upstream}', key: k-spent, models: [claude-spent] }}
  - {{ name: large, provider: openai, base_url: 'http://127.0.0.1:{upstream}/v1', key: k-large, models: [nobody-priced-this] }}
pools:
  - {{ name: refused, accounts: [refused, refused-too] }}
  - {{ name: fails, accounts: [fails, fails-too] }}
  - {{ name: breaks, accounts: [breaks] }}
  - {{ name: spent, accounts: [spent] }}
  - {{ name: large, accounts: [large] }}
routes:
  - {{ when: {{ model: claude-refused }}, pool: refused }}
  - {{ when: {{ model: claude-fails }}, pool: fails }}
  - {{ when: {{ model: claude-breaks }}, pool: breaks }}
  - {{ when: {{ model: claude-spent }}, pool: spent }}
  - {{ pool: large }}
keys: [{{ name: team, key: team-key }}]
ledger: {{ path: '{folder}/state/ledger' }}
log: {{ access: /dev/full }}
prometheus: {{ url: 'http://127.0.0.1:{nobody}', instance_label: troubled }}
"""
# One account, which is refused.
LONELY = """\
accounts: [{{ name: only, provider: anthropic, base_url: 'http://127.0.0.1:{upstream}', key: k-only }}]
keys: [{{ name: team, key: team-key }}]
log: {{ access: off }}
"""
QUIET = """\
accounts: [{{ name: quiet, provider: anthropic, base_url: 'http://127.0.0.1:{upstream}', key: k-quiet }}]
keys: [{{ name: team, key: team-key }}]
log: {{ access: off }}
"""
# One of the hosts says that it is of another build.
PROMETHEUS = """\
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: ['{folder}/rules.yml']
scrape_configs:
  - job_name: weir
    static_configs:
      - {{ targets: ['127.0.0.1:{nobody}'], labels: {{ instance: gone }} }}
      - {{ targets: ['127.0.0.1:{troubled}'], labels: {{ instance: troubled }} }}
      - {{ targets: ['127.0.0.1:{lonely}'], labels: {{ instance: lonely }} }}
      - {{ targets: ['127.0.0.1:{full}'], labels: {{ instance: full }} }}
    metric_relabel_configs:
      - {{ source_labels: [__name__, instance], regex: 'weir_build_info;full', target_label: version, replacement: 0.0.9 }}
"""


if __name__ == "__main__":
    main(*sys.argv[1:])
