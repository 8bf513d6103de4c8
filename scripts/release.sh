#!/usr/bin/env bash
# Runs a command with the flags of a release build: what the load test has seen Weir do (`make pgo` writes it down) says which code is
# laid beside which. Small requests cost a third less by it: docs/PERFORMANCE.md.
#
#   scripts/release.sh cargo build --locked --release
set -euo pipefail
profile=$(cd "$(dirname "$0")/.." && pwd)/loadtest/weir.profdata
# What has changed since the profile was made is built without it, and no warning about each.
flags="-Cprofile-use=$profile"$'\x1f'"-Cllvm-args=-no-pgo-warn-mismatch"
if [ -e "$profile" ] && [ -z "${RUSTFLAGS:-}${CARGO_ENCODED_RUSTFLAGS:-}" ]; then
  export CARGO_ENCODED_RUSTFLAGS=$flags
fi
exec "$@"
