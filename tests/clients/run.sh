#!/bin/sh
# The official SDKs, Python and Node, through Weir:
#
#     tests/clients/run.sh target/release/weir      starts `weir upstream` and `weir run`, and stops what it started
#     tests/clients/run.sh --direct URL             against a simulated upstream that lets in the key `direct`
#
# Needs python3 with venv, node and npm; the SDKs are installed below target/clients, pinned by requirements.txt and
# package-lock.json. The last line says how many tests passed; the exit status is 0 only if all did.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(cd "$here/../.." && pwd)/target/clients
pids=
# Seconds for one suite: it takes one minute on a machine of its own, and five on a busy one.
limit=1200

main() {
    case ${1:---help} in
    --direct) : "${2:?--direct needs a URL}" ;;
    -*)
        sed -n '2,8s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
    esac
    mkdir -p "$work"
    run=$(mktemp -d "$work/run.XXXXXX")
    trap stop EXIT
    trap 'exit 130' INT TERM
    install_sdks
    if [ "$1" = --direct ]; then
        export WEIR_URL="$2" WEIR_UPSTREAM="$2" WEIR_KEY=direct
    else
        start_weir "$1"
    fi
    failed=0
    suite python python_suite || failed=1
    suite node node_suite || failed=1
    summary
    return $failed
}

install_sdks() {
    # A copy, so that neither pip nor npm writes into the source tree.
    rm -rf "$work/python" "$work"/node/*.mjs
    mkdir -p "$work/node"
    cp -R "$here/python" "$work/python"
    cp "$here"/node/*.mjs "$here"/node/package*.json "$work/node/"
    if ! cmp -s "$here/requirements.txt" "$work/venv/installed.txt"; then
        python3 -m venv "$work/venv"
        "$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$work/venv/installed.txt"
    fi
    if ! cmp -s "$here/node/package-lock.json" "$work/node/node_modules/installed.json"; then
        (cd "$work/node" && npm ci --silent --ignore-scripts --no-audit --no-fund)
        cp "$here/node/package-lock.json" "$work/node/node_modules/installed.json"
    fi
}

start_weir() {
    weir=$1
    set -- $(free_ports 3)
    upstream=127.0.0.1:$1 front=127.0.0.1:$2 admin=127.0.0.1:$3
    export WEIR_UPSTREAM="http://$upstream" WEIR_URL="http://$front" WEIR_ADMIN="http://$admin"
    export WEIR_KEY=client-key-of-the-sdk-tests WEIR_ADMIN_TOKEN=admin-token-of-the-sdk-tests
    configuration >"$run/weir.yaml"
    "$weir" upstream --addr "$upstream" >"$run/upstream.log" 2>&1 &
    pids="$pids $!"
    await "$WEIR_UPSTREAM/health"
    "$weir" run -c "$run/weir.yaml" >"$run/weir.log" 2>&1 &
    pids="$pids $!"
    await "$WEIR_URL/ready"
}

# One account per vendor, and one per dialect, reached with `x-to: DIALECT` by whatever client. `x-regroup: UNIT` regroups
# streams. No retries: an error that a test asks for is to be seen as it is.
configuration() {
    cat <<YAML
version: 1
listen:
  - addr: $front
admin:
  addr: $admin
  token: $WEIR_ADMIN_TOKEN
accounts:
  - name: anthropic
    provider: anthropic
    base_url: http://$upstream
    key: upstream-key-anthropic
    models: [claude-sonnet-5-5, "claude-*"]
  - name: openai
    provider: openai
    base_url: http://$upstream/v1
    key: upstream-key-openai
    models: [gpt-4o, "gpt-*", "text-embedding-*"]
  - name: gemini
    provider: gemini
    base_url: http://$upstream
    key: upstream-key-gemini
    models: [gemini-2.5-pro, "gemini-*"]
$(translated)
$(regrouped)
keys:
  - name: sdk-tests
    key: $WEIR_KEY
retry:
  max_attempts: 1
log:
  access: $run/access.log
YAML
}

translated() {
    dialects="anthropic:anthropic:claude-opus-5 openai-chat:openai:gpt-5.1 openai-responses:openai:gpt-5.5 gemini:gemini:gemini-2.5-pro"
    for one in $dialects; do
        dialect=${one%%:*} model=${one##*:}
        provider=${one#*:} provider=${provider%%:*}
        case $provider in openai) path=/v1 ;; *) path= ;; esac
        echo "  - { name: to-$dialect, provider: $provider, dialect: $dialect, base_url: http://$upstream$path, key: upstream-key-$dialect, models: { \"*\": $model } }"
    done
    echo "pools:"
    echo "  - { name: default, accounts: [anthropic, openai, gemini] }"
    for one in $dialects; do
        echo "  - { name: ${one%%:*}, accounts: [to-${one%%:*}] }"
    done
    echo "routes:"
    for one in $dialects; do
        echo "  - { when: { header: { x-to: ${one%%:*} } }, pool: ${one%%:*} }"
    done
}

regrouped() {
    echo "rewrites:"
    for unit in character word sentence message; do
        echo "  - { name: by-$unit, when: { header: { x-regroup: $unit } }, stream: { by: $unit } }"
    done
}

free_ports() {
    python3 - "$1" <<'PYTHON'
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(one.getsockname()[1] for one in sockets))
PYTHON
}

await() {
    for _ in $(seq 200); do
        if python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=1)' "$1" 2>/dev/null; then
            return
        fi
        for pid in $pids; do
            kill -0 "$pid" 2>/dev/null || break 2
        done
        sleep 0.1
    done
    echo "no answer from $1" >&2
    tail -n 20 "$run"/*.log >&2
    exit 1
}

suite() {
    echo "== $1"
    name=$1
    "$2" >"$run/$name.txt" 2>&1 && status=0 || status=$?
    if [ $status -ne 0 ]; then
        cat "$run/$name.txt"
    fi
    return $status
}

python_suite() {
    (cd "$work/python" && timeout "$limit" "$work/venv/bin/pytest" -q -p no:cacheprovider \
        -o faulthandler_timeout=60)
}

node_suite() {
    (cd "$work/node" && timeout "$limit" node --test --test-concurrency=1 \
        --test-timeout=60000 --test-reporter=tap)
}

# Node names its counts at the end of its report, pytest in its last line.
summary() {
    python=$(tail -n 1 "$run/python.txt" | sed 's/^=* *//; s/ in .*//')
    node=$(awk '$2 == "pass" || $2 == "fail" || $2 == "skipped" { printf "%s%s %s", sep, $3, $2; sep = ", " }' "$run/node.txt")
    echo "client tests: python: $python; node: $node"
}

# Only what was started here, by its pid.
stop() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in $pids; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$run"
}

main "$@"
