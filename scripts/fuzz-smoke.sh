#!/usr/bin/env bash
# Every fuzz target: its seeds, then a few seconds of mutations. FUZZ_SECONDS=60 for longer.
#
# Without cargo-fuzz and without a nightly compiler: what cargo-fuzz adds are these flags and a sanitizer, and code
# that forbids `unsafe` has little use for the sanitizer.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-5}
host=$(rustc -vV | sed -n 's/^host: //p')
work=$PWD/target/fuzz
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks"

# --target: or the build scripts would be instrumented too, and fail to link.
cargo build --release --bins --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$work"

targets=0
for source in fuzz/fuzz_targets/*.rs; do
  name=$(basename "$source" .rs)
  seeds=fuzz/seeds/$name
  # What it finds new goes here, never into the seeds of the repository.
  mkdir -p "$work/corpus/$name" "$work/artifacts/$name"
  corpora=("$work/corpus/$name")
  [ ! -d "$seeds" ] || corpora+=("$seeds")
  log=$work/$name.log
  "$work/$host/release/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$work/artifacts/$name/" "${corpora[@]}" >"$log" 2>&1 || {
    tail -40 "$log"
    echo "fuzz: $name FAILED; the whole log is $log, the input that did it in $work/artifacts/$name" >&2
    exit 1
  }
  echo "fuzz: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s, no failure"
  targets=$((targets + 1))
done
[ "$targets" -gt 0 ] || { echo "fuzz: no targets in fuzz/fuzz_targets" >&2; exit 1; }
