#!/usr/bin/env bash
# The load test in one command: builds what it measures, measures, prints the report. Options: loadtest/run.sh --help
#
#   loadtest/run.sh                                 everything, about 20 minutes
#   loadtest/run.sh --smoke                         does it work, under half a minute after the build
#   loadtest/run.sh --allocators                    weir and bare Pingora with jemalloc, mimalloc and the system's malloc
#   loadtest/run.sh --with-litellm                  one more column: LiteLLM's proxy from PyPI, in a virtual environment
#   loadtest/run.sh --write docs/PERFORMANCE.md     also puts the tables there
#
# PROFILE=dev takes the binaries of `cargo test` instead of a release build: for the smoke run only.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/prerequisites.sh build loadtest
# Where prerequisites.sh puts a cmake that no package manager could install.
PATH="$PWD/target/tools/cmake/data/bin:$PATH"

profile=${PROFILE:-release}
output=$([ "$profile" = dev ] && echo debug || echo "$profile")
release=()
[ "$profile" != release ] || release=(scripts/release.sh)
build() { "${release[@]}" cargo build --locked --profile "$profile" "$@"; }

extra=()
args=()
for arg in "$@"; do
  if [ "$arg" = --help ] || [ "$arg" = -h ]; then
    PYTHONPATH=loadtest exec python3 -m rig --help
  elif [ "$arg" = --with-litellm ]; then
    litellm=target/loadtest/litellm/bin/litellm
    if [ ! -x "$litellm" ]; then
      python3 -m venv target/loadtest/litellm
      target/loadtest/litellm/bin/pip install --quiet "litellm[proxy]"
    fi
    extra+=(--litellm "$PWD/$litellm")
  elif [ "$arg" = --allocators ]; then
    mkdir -p target/loadtest
    for allocator in system mimalloc; do
      features=()
      [ $allocator = system ] || features=(--features "weir/$allocator,bare-pingora/$allocator")
      build -p weir -p bare-pingora --no-default-features --features weir/server "${features[@]}"
      for binary in weir bare-pingora; do
        mkdir -p "target/loadtest/$allocator"
        cp "target/$output/$binary" "target/loadtest/$allocator/$binary"
        extra+=(--also "$binary-$allocator=target/loadtest/$allocator/$binary")
      done
    done
  else
    args+=("$arg")
  fi
done

build -p weir -p bare-pingora -p streams
# Two sockets per stream and proxy, in several processes.
ulimit -n "$(ulimit -Hn)"
PYTHONPATH=loadtest PYTHONDONTWRITEBYTECODE=1 exec python3 -m rig --bin-dir "target/$output" "${extra[@]}" "${args[@]}"
