#!/usr/bin/env bash
# Starts `weir demo` on free ports, pastes every curl line it prints, and ends it: scripts/demo-smoke.sh WEIR
set -euo pipefail

weir=${1:?the binary to try}
scratch=$(mktemp -d)
demo=
# shellcheck disable=SC2317 # called by the trap
clean() {
  [ -z "$demo" ] || kill -KILL "$demo" 2>/dev/null || true
  rm -rf "$scratch"
}
trap clean EXIT

fail() {
  echo "demo-smoke: $*" >&2
  cat "$scratch/err" >&2
  exit 1
}

read -r port admin < <(python3 -c '
import socket
probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(probe.getsockname()[1] for probe in probes))')

"$weir" demo --addr "127.0.0.1:$port" --admin "127.0.0.1:$admin" >"$scratch/out" 2>"$scratch/err" &
demo=$!
curl --silent --fail --retry 50 --retry-delay 1 --retry-connrefused --max-time 60 "http://127.0.0.1:$port/health" >/dev/null ||
  fail "does not answer"

pasted=0
while IFS= read -r line; do
  echo "demo-smoke: $line"
  answer=$(bash -c "${line/curl /curl --fail-with-body --max-time 20 }") || fail "that failed: $answer"
  [ -n "$answer" ] || fail "that answered nothing"
  printf '%s\n' "$answer" | head -c 300
  echo
  pasted=$((pasted + 1))
done < <(grep '^curl ' "$scratch/out")
[ $pasted -ge 3 ] || fail "printed $pasted curl lines, expected three"

kill -TERM "$demo"
code=0
wait "$demo" || code=$?
demo=
[ $code = 0 ] || fail "ended with $code after SIGTERM"
echo "demo-smoke: $pasted lines pasted, ended with 0"
