#!/usr/bin/env bash
# Every fuzz target: its seeds, then a few seconds of mutations, the same ones each time. FUZZ_SECONDS=60 for longer; one target: fuzz/run
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-5}
export CARGO_TARGET_DIR=$PWD/target/fuzz
mkdir -p "$CARGO_TARGET_DIR"

targets=0
for source in fuzz/fuzz_targets/*.rs; do
  name=$(basename "$source" .rs)
  log=$CARGO_TARGET_DIR/$name.log
  fuzz/run "$name" -max_total_time="$seconds" -seed=1 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1 || {
    tail -40 "$log"
    echo "fuzz: $name FAILED; the whole log is $log, the input that did it in fuzz/artifacts/$name" >&2
    exit 1
  }
  echo "fuzz: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s, no failure"
  targets=$((targets + 1))
done
[ "$targets" -gt 0 ] || { echo "fuzz: no targets in fuzz/fuzz_targets" >&2; exit 1; }
