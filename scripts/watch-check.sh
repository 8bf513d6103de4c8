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
python3 tests/watch/alerts.py "$1" "$(command -v prometheus)"
venv=$PWD/target/watch
cmp -s tests/watch/requirements.txt "$venv/installed.txt" || {
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/watch/requirements.txt
  # Only the schema that lies in it is wanted: the program itself no longer installs.
  "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d "$venv" docker-compose==1.29.2
  python3 -m zipfile -e "$venv"/docker_compose-*.whl "$venv/compose"
  cp tests/watch/requirements.txt "$venv/installed.txt"
}
"$venv/bin/python" tests/watch/shapes.py "$venv/compose/compose/config/compose_spec.json"
cd conf/prometheus
promtool check config prometheus.yml
for rules in *.rules.yml; do promtool check rules "$rules"; done
for tests in *.test.yml; do promtool test rules "$tests"; done
