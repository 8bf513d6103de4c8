#!/usr/bin/env bash
# The vendors' own SDKs as clients of the real binary. Without node or python3 they are left out, loudly; with CI set
# that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

# Where scripts/prerequisites.sh puts a Node where the system's is missing or too old.
PATH="$PWD/target/tools/node:$PATH"

for command in python3 node npm; do
  command -v "$command" >/dev/null || {
    echo "test-clients: $command is missing: the SDK client tests were NOT run" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
  }
done
[ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -ge 20 ] || {
  echo "test-clients: Node $(node --version) is too old, 20 is needed: the SDK client tests were NOT run" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 0
}

# Built by `cargo test`, unless there was none before.
cargo build --locked --workspace --quiet
exec tests/clients/run.sh "$PWD/target/debug/weir"
