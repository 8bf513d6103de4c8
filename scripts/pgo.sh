#!/usr/bin/env bash
# Writes loadtest/weir.profdata: builds Weir with counters, has it serve the load test, and puts together what they say. A quarter of an
# hour on a machine of its own; part of a release, and of any change to what every request goes through. `make build` reads it
# (scripts/release.sh). What it brings: docs/PERFORMANCE.md.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/prerequisites.sh build loadtest pgo
PATH="$PWD/target/tools/cmake/data/bin:$PATH"
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
profdata=$(command -v "llvm-profdata-$llvm" || echo "/usr/lib/llvm-$llvm/bin/llvm-profdata")
work=$PWD/target/pgo
mkdir -p "$work/bin"

# Without --target, as `make build` does: functions are known by names that hold it.
CARGO_ENCODED_RUSTFLAGS="-Cprofile-generate=$work/raw" cargo build --locked --release --target-dir "$work/build" -p weir --bin weir
cp "$work/build/release/weir" "$work/bin/weir"
cargo build --locked --release -p bare-pingora -p streams -p faults
cp target/release/{bare-pingora,streams,faults} "$work/bin/"
# What the programs of the build have counted of themselves.
rm -rf "$work/raw"

ulimit -n "$(ulimit -Hn)"
PYTHONPATH=loadtest PYTHONDONTWRITEBYTECODE=1 python3 -m rig --bin-dir "$work/bin" --proxies bare-pingora,weir \
  --rounds 1 --seconds 5 --streams 100 --output "$work/load.md" >/dev/null
# Every dialect to every other, streamed and whole, and what goes wrong: code that the load test never runs would be laid out as if
# nobody did.
"$work/bin/faults" --weir "$work/bin/weir" --duration 90s --warm-up 5s --clients 24

"$profdata" merge --sparse -o loadtest/weir.profdata "$work/raw"
echo "pgo: loadtest/weir.profdata is written; \`make build\` goes by it"
