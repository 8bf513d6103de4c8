#!/usr/bin/env bash
# Weir behind nginx and behind Caddy with the shipped configurations: do the events of a stream come one by one, does a request of 8 MB pass,
# is a client that leaves noticed?
#
#   scripts/behind-check.sh WEIR
set -euo pipefail
weir=$(readlink -f "${1:?the binary to try}")
cd "$(dirname "$0")/.."

# Debian's Caddy lies unpacked where scripts/prerequisites.sh puts it: installed, it would serve on port 80.
PATH="$PATH:/usr/sbin:$PWD/target/tools/caddy/usr/bin"
command -v nginx >/dev/null || {
  echo "behind-check: nginx is missing: conf/behind/nginx.conf was NOT tried" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 0
}
scratch=$(mktemp -d)
pids=()
clean() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$scratch"
}
trap clean EXIT

read -r front second upstream weir_port admin < <(python3 -c '
import socket
probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(probe.getsockname()[1] for probe in probes))')

cat >"$scratch/weir.yaml" <<YAML
version: 1
listen: [{ addr: "127.0.0.1:$weir_port" }]
admin: { addr: "127.0.0.1:$admin" }
accounts: [{ name: a, provider: anthropic, base_url: "http://127.0.0.1:$upstream", key: k }]
keys: [{ name: k, key: demo }]
YAML
{
  echo "worker_processes 1; daemon off; pid $scratch/nginx.pid; error_log $scratch/nginx.err;"
  echo "events {} http { access_log off; client_body_temp_path $scratch; proxy_temp_path $scratch; fastcgi_temp_path $scratch; uwsgi_temp_path $scratch; scgi_temp_path $scratch;"
  sed "s/127.0.0.1:8080/127.0.0.1:$weir_port/; s/listen 80;/listen 127.0.0.1:$front;/" conf/behind/nginx.conf
  echo "}"
} >"$scratch/nginx.conf"
nginx -q -t -c "$scratch/nginx.conf" -e "$scratch/nginx.err"

"$weir" upstream --addr "127.0.0.1:$upstream" >"$scratch/log" 2>&1 & pids+=($!)
"$weir" run -c "$scratch/weir.yaml" >>"$scratch/log" 2>&1 & pids+=($!)
nginx -c "$scratch/nginx.conf" -e "$scratch/nginx.err" & pids+=($!)
fronts=("$front")
if command -v caddy >/dev/null; then
  # Without a certificate of that name, and without its admin plane.
  { printf '{\n\tadmin off\n\tauto_https off\n}\n'; sed "s/127.0.0.1:8080/127.0.0.1:$weir_port/; s/^llm.example.com {/http:\/\/127.0.0.1:$second {/" conf/behind/Caddyfile; } >"$scratch/Caddyfile"
  HOME=$scratch caddy run --config "$scratch/Caddyfile" --adapter caddyfile >"$scratch/caddy.log" 2>&1 & pids+=($!)
  fronts+=("$second")
else
  echo "behind-check: Caddy is missing: conf/behind/Caddyfile was NOT tried" >&2
fi
for port in $upstream $weir_port "${fronts[@]}"; do
  curl --silent --retry 50 --retry-delay 1 --retry-connrefused --max-time 60 "http://127.0.0.1:$port/health" >/dev/null
done
for front in "${fronts[@]}"; do
  python3 tests/watch/behind.py "http://127.0.0.1:$front" "http://127.0.0.1:$upstream"
done
