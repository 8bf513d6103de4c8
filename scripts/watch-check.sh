#!/usr/bin/env bash
# What a Prometheus and a Grafana get from conf/: rules that parse, alerts that fire on what they are for and not on a
# quiet host, dashboards that are what their generator writes and of which no panel stays empty.
#
#   scripts/watch-check.sh WEIR
set -euo pipefail
cd "$(dirname "$0")/.."

PATH="$PWD/target/tools/prometheus/usr/bin:$PATH"
python3 scripts/dashboards.py --check
# Every alert has its page section, in the same order.
diff <(sed -n 's/^ *- alert: //p' conf/prometheus/weir.alerts.rules.yml) <(sed -n 's/^## \(Weir.*\)/\1/p' docs/ALERTS.md)
command -v promtool >/dev/null || {
  echo "watch-check: promtool is missing: the Prometheus rules were NOT checked" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 0
}
python3 tests/watch/panels.py "$1" "$(command -v prometheus)"
cd conf/prometheus
promtool check config prometheus.yml
for rules in *.rules.yml; do promtool check rules "$rules"; done
for tests in *.test.yml; do promtool test rules "$tests"; done
