"""The processes of a load test: started on free ports, measured through /proc, stopped by pid."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

CLIENT_KEY = "loadtest-client-key"
ADMIN_TOKEN = "loadtest-admin-token"
TICKS = os.sysconf("SC_CLK_TCK")
# Beyond the largest number of connections a scenario opens, on both sides.
CONNECTIONS = 16384


class Failed(Exception):
    """Something the measurement needs did not work; the text is for the person at the terminal."""


class Server:
    """One process (and its workers) listening on one port of 127.0.0.1."""

    def __init__(self, name, command, port, scratch, patience=15):
        self.name = name
        self.port = port
        self.log = scratch / f"{name}.log"
        began = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=scratch)
        try:
            self._wait_for_port(patience)
        except Failed:
            self.stop()
            raise
        self.start_ms = (time.monotonic() - began) * 1000
        self.pids = [self.process.pid, *children(self.process.pid)]

    @property
    def addr(self):
        return f"127.0.0.1:{self.port}"

    def cpu(self):
        """User and system seconds used so far by all its processes."""
        user = system = 0
        for pid in self.pids:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            user += int(fields[11])
            system += int(fields[12])
        return user / TICKS, system / TICKS

    def memory_mib(self):
        """Resident memory; pages that workers share count once (PSS)."""
        kib = 0
        for pid in self.pids:
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    kib += int(line.split()[1])
        return kib / 1024

    def sockets(self):
        """Open sockets of all its processes."""
        links = (link for pid in self.pids for link in pathlib.Path(f"/proc/{pid}/fd").iterdir())
        return sum(os.readlink(link).startswith("socket:") for link in links)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_for_port(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended with {self.process.returncode}: {self._last_words()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.002)
        raise Failed(f"{self.name} does not listen on {self.addr} after {seconds} s: {self._last_words()}")

    def _last_words(self):
        return self.log.read_text(errors="replace")[-600:].strip() or "it said nothing"


def children(pid):
    """Pids of the direct children. Workers are forked before the port answers or within a moment of it."""
    time.sleep(0.2)
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def nginx_binary():
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise Failed("nginx is not installed: run `scripts/prerequisites.sh loadtest`")
    return found


def start_nginx(name, server_block, scratch, upstream_block=""):
    home = scratch / name
    home.mkdir()
    temp_paths = "".join(
        f"  {kind}_temp_path {home}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    port = free_port()
    (home / "nginx.conf").write_text(f"""daemon off;
pid {home}/pid;
error_log {home}/error.log warn;
worker_processes auto;
worker_rlimit_nofile {2 * CONNECTIONS};
events {{ worker_connections {CONNECTIONS}; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  client_max_body_size 64m;
  client_body_buffer_size 1m;
{temp_paths}{upstream_block}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
{server_block}
  }}
}}
""")
    command = [nginx_binary(), "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")]
    return Server(name, command, port, scratch)


def start_nginx_upstream(answer, scratch):
    """Answers every request at once with the same small JSON: no streams."""
    body = json.dumps(answer, separators=(",", ":"))
    assert "'" not in body and "$" not in body, "nginx would read it as its own syntax"
    return start_nginx("upstream", f"    location / {{ default_type application/json; return 200 '{body}'; }}", scratch)


def start_weir_upstream(weir, scratch):
    """`weir upstream`, the simulated vendor: answers and streams in every dialect."""
    port = free_port()
    return Server("upstream", [weir, "upstream", "--addr", f"127.0.0.1:{port}"], port, scratch)


def start_nginx_proxy(upstream, scratch):
    """A plain reverse proxy as one would write it for streams: kept upstream connections, no response buffering."""
    upstream_block = f"""  upstream vendor {{
    server {upstream.addr};
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
  }}"""
    location = """    location / {
      proxy_pass http://vendor;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 300s;
    }"""
    return start_nginx("nginx", location, scratch, upstream_block)


def start_bare_pingora(binary, upstream, scratch, tls=None):
    port = free_port()
    name = "bare-pingora-tls" if tls else "bare-pingora"
    return Server(name, [binary, f"127.0.0.1:{port}", upstream.addr, *(str(file) for file in tls or ())], port, scratch)


def start_weir(name, binary, upstream, scratch, access="stdout", dialect="anthropic", accounts=1, keys=1, tls=None, runtime="shared"):
    """Weir with authentication, limits, metrics and its access log (into a file here: standard output is one).

    `dialect` is what the upstream speaks; of `accounts` and `keys` all serve and none but the first is used.
    """
    port, admin = free_port(), free_port()
    files = f"\n    tls: {{ cert: {tls[0]}, key: {tls[1]} }}" if tls else ""
    base = f"http://{upstream.addr}" + ("" if dialect == "anthropic" else "/v1")
    account = """  - name: upstream-{number}
    provider: {provider}
    base_url: {base}
    key: loadtest-upstream-key
"""
    provider = "anthropic" if dialect == "anthropic" else f"simulated\n    dialect: {dialect}"
    key = """  - name: loadtest-{number}
    key: {key}
    limits: {{ rpm: 1000000000, tpm: 1000000000000 }}
"""
    lists = {
        "accounts": "".join(account.format(number=number, provider=provider, base=base) for number in range(accounts)),
        "keys": "".join(key.format(number=number, key=CLIENT_KEY + (f"-{number}" if number else "")) for number in range(keys)),
    }
    config = scratch / f"{name}.yaml"
    config.write_text(f"""version: 1
listen:
  - addr: 127.0.0.1:{port}{files}
admin:
  addr: 127.0.0.1:{admin}
  token: {ADMIN_TOKEN}
server:
  max_concurrent_requests: 100000
  drain_delay: 0s
  runtime: {runtime}
accounts:
{lists["accounts"]}keys:
{lists["keys"]}log:
  level: warn
  access: {'"off"' if access == "off" else access}
""")
    server = Server(name, [binary, "run", "-c", str(config)], port, scratch)
    server.config, server.admin = config, f"127.0.0.1:{admin}"
    return server


def start_litellm(binary, upstream, scratch):
    """LiteLLM's proxy as its users run it: two workers, an OpenAI-compatible upstream, one model."""
    port = free_port()
    config = scratch / "litellm.yaml"
    config.write_text(f"""model_list:
  - model_name: "*"
    litellm_params:
      model: openai/*
      api_base: http://{upstream.addr}/v1
      api_key: loadtest-upstream-key
general_settings:
  master_key: {CLIENT_KEY}
""")
    command = [binary, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "2"]
    return Server("litellm", command, port, scratch, patience=120)


def certificate(scratch):
    """A certificate of our own for 127.0.0.1, and its key."""
    if not shutil.which("openssl"):
        raise Failed("openssl is not installed: leave out --tls")
    cert, key = scratch / "cert.pem", scratch / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True)
    return cert, key
