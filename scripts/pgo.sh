#!/usr/bin/env bash
# A binary that is optimised for what it was seen doing: builds Weir with counters, has it serve the load test, and builds it
# again with what they say. Leaves target/pgo/weir. A quarter of an hour; what it brings stands in docs/PERFORMANCE.md, and
#
#   scripts/pgo.sh && loadtest/run.sh --also weir-pgo=target/pgo/weir
#
# measures it beside the one that `make build` makes.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/prerequisites.sh build loadtest pgo
PATH="$PWD/target/tools/cmake/data/bin:$PATH"
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
profdata=$(command -v "llvm-profdata-$llvm" || echo "/usr/lib/llvm-$llvm/bin/llvm-profdata")
host=$(rustc -vV | sed -n 's/^host: //p')
work=$PWD/target/pgo
rm -rf "$work/raw" "$work/weir.profdata"
mkdir -p "$work/raw"

# With --target, so that build scripts and macros are not counted.
build() { RUSTFLAGS="$1" cargo build --locked --release --target "$host" --target-dir "$work/build" -p weir --bin weir; }

build "-Cprofile-generate=$work/raw"
mkdir -p "$work/bin"
cp "$work/build/$host/release/weir" "$work/bin/weir"
cargo build --locked --release -p bare-pingora -p streams
cp target/release/bare-pingora target/release/streams "$work/bin/"

ulimit -n "$(ulimit -Hn)"
PYTHONPATH=loadtest PYTHONDONTWRITEBYTECODE=1 python3 -m rig --bin-dir "$work/bin" --proxies bare-pingora,weir \
  --rounds 1 --seconds 5 --streams 100 --output "$work/load.md" >/dev/null

"$profdata" merge -o "$work/weir.profdata" "$work/raw"
build "-Cprofile-use=$work/weir.profdata"
cp "$work/build/$host/release/weir" "$work/weir"
echo "pgo: target/pgo/weir is ready"
