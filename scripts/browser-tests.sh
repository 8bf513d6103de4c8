#!/usr/bin/env bash
# The console in Chromium, on the real binary under simulated traffic. Without Node or Chromium the tests are left out,
# loudly; with CI set that is a failure.
#
#   scripts/browser-tests.sh                 the tests
#   scripts/browser-tests.sh --pictures      the pictures of docs/console/pictures
set -euo pipefail
cd "$(dirname "$0")/.."

# Where scripts/prerequisites.sh puts a Node where the system's is missing or too old.
PATH="$PWD/target/tools/node:$PATH"

left_out() {
  echo "browser-tests: $1: the tests in the browser were NOT run" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 0
}
command -v node >/dev/null && command -v npm >/dev/null || left_out "Node is missing"
[ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -ge 20 ] || left_out "Node $(node --version) is too old, 20 is needed"
for name in chromium chromium-browser google-chrome; do
  [ -n "${CHROMIUM:-}" ] || CHROMIUM=$(command -v "$name" || true)
done
[ -n "$CHROMIUM" ] || left_out "Chromium is missing"
export CHROMIUM

cargo build --locked --quiet
export WEIR="$PWD/target/debug/weir"

# A copy, so that npm writes nothing into the source tree.
work=$PWD/target/browser
mkdir -p "$work"
rm -f "$work"/*.mjs
cp tests/browser/*.mjs tests/browser/package*.json "$work/"
cmp -s tests/browser/package-lock.json "$work/node_modules/installed.json" || {
  (cd "$work" && npm ci --silent --ignore-scripts --no-audit --no-fund)
  cp tests/browser/package-lock.json "$work/node_modules/installed.json"
}
# The types of the pages, as their JSDoc and the browser's own declare them.
"$work/node_modules/.bin/tsc" -p tests/browser/tsconfig.json
# Their form: `target/browser/node_modules/.bin/prettier --config tests/browser/prettier.json --write` makes it.
"$work/node_modules/.bin/prettier" --config tests/browser/prettier.json --log-level warn --check src/proxy/admin/console/*.{js,css} tests/browser/*.mjs
pictures=$PWD/docs/console/pictures
cd "$work"
if [ "${1:-}" = --pictures ]; then
  exec timeout 900 node pictures.mjs "$pictures"
fi
# One file after the other: each has a Weir, an upstream and a browser of its own.
exec timeout 1200 node --test --test-concurrency=1 --test-timeout=600000 *.test.mjs
