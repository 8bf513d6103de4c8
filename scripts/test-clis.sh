#!/usr/bin/env bash
# Command-line clients as they come from npm and PyPI, through the real binary, to a scripted upstream of each dialect; `--smoke` runs two of them
# before one upstream each. See tests/clients/cli/run.py.
set -euo pipefail
cd "$(dirname "$0")/.."

# Where scripts/prerequisites.sh puts a Node where the system's is missing or too old.
PATH="$PWD/target/tools/node:$PATH"

for command in python3 node npm; do
  command -v "$command" >/dev/null || {
    echo "test-clis: $command is missing: the command-line clients were NOT run" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
  }
done

cargo build --locked --workspace --quiet
exec python3 tests/clients/cli/run.py "$@" "$PWD/target/debug/weir"
