#!/usr/bin/env bash
# The unit as systemd reads it: no fault, and an exposure of at most 1.2 (1.4 with the drop-in for ports below 1024).
set -euo pipefail
cd "$(dirname "$0")/.."

command -v systemd-analyze >/dev/null || {
  echo "service-check: systemd-analyze is missing: the unit was NOT checked" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 0
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# `verify` wants the program to exist where the unit says.
sed "s|/usr/local/bin/weir|$(command -v true)|" systemd/weir.service >"$scratch/weir.service"
systemd-analyze verify --man=no "$scratch/weir.service"

exposed() { # UNIT LIMIT
  systemd-analyze security --offline=yes --no-pager --threshold="$2" "$1" | tail -1
}
exposed "$scratch/weir.service" 12
# Offline no drop-in is read: the same text in one file.
{ sed '/^\[Install\]/,$d' systemd/weir.service; sed '/^\[Service\]/d' systemd/low-ports.conf; } >"$scratch/weir-low-ports.service"
exposed "$scratch/weir-low-ports.service" 14
