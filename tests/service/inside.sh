#!/usr/bin/env bash
# In a Debian that systemd has booted: see scripts/service-test.sh, which brings the package and this here.
set -euo pipefail

fail() {
  echo "service-test: $*" >&2
  journalctl --no-pager -u weir -n 40 >&2 || true
  exit 1
}
# Whether its input has such a line. It reads all of it: `grep -q` leaves at the first, and the writer fails for it.
holds() {
  local text
  text=$(cat)
  grep -q -- "$1" <<<"$text"
}
main() { systemctl show --property MainPID --value weir; }
# Waits for what may take a moment.
until_true() {
  local what=$1
  shift
  for _ in $(seq 600); do
    "$@" && return
    sleep 0.1
  done
  fail "never: $what"
}
is_open() { curl -sf --max-time 5 -o /dev/null "http://127.0.0.1:9090/readyz"; }
asked() { curl -sf --max-time 20 http://127.0.0.1:8080/v1/messages -H 'x-api-key: the-key-of-the-client' -d '{"model":"claude-sonnet-5","max_tokens":9,"messages":[{"role":"user","content":"Hello"}]}' | holds 'You said: Hello'; }

ip link set lo up
dpkg -i /weir.deb >/dev/null 2>&1 || fail "the package does not install"
[ "$(systemctl is-enabled weir || true)" = disabled ] || fail "installing enables nothing"
[ "$(systemctl is-active weir || true)" = inactive ] || fail "installing starts nothing"
man -w weir >/dev/null 2>&1 || [ -s /usr/share/man/man1/weir.1.gz ] || fail "no manual page"

systemd-run --quiet --unit=upstream weir upstream --addr 127.0.0.1:9999
printf 'sk-of-the-account' >/etc/weir/credentials/account
printf 'the-token-of-the-admin-plane' >/etc/weir/credentials/admin
mkdir -p /etc/systemd/system/weir.service.d
# A file system without ACLs hands a credential to nobody but root.
if systemd-run --quiet --pipe --wait -p DynamicUser=yes -p LoadCredential=x:/etc/weir/credentials/admin sh -c 'cat "$CREDENTIALS_DIRECTORY/x"' >/dev/null 2>&1; then
  secrets='LoadCredential=account:/etc/weir/credentials/account\nLoadCredential=admin:/etc/weir/credentials/admin'
  account='{ file: account }' admin='{ file: admin }'
else
  echo "credentials handed over by systemd: here they reach no user but root (no ACLs on tmpfs), so variables took their place" >>/missed
  secrets='Environment=ACCOUNT=sk-of-the-account ADMIN=the-token-of-the-admin-plane'
  account='{ env: ACCOUNT }' admin='{ env: ADMIN }'
fi
printf "[Service]\n$secrets\n" >/etc/systemd/system/weir.service.d/secrets.conf
cat >/etc/weir/weir.yaml <<YAML
version: 1
listen: [{ addr: 127.0.0.1:8080 }]
admin: { addr: 127.0.0.1:9090, token: $admin }
server: { drain_delay: 1s }
accounts: [{ name: a, provider: anthropic, base_url: "http://127.0.0.1:9999", key: $account }]
keys: [{ name: team, key: the-key-of-the-client, limits: { rpm: 1000000 } }]
log: { access: "off" }
YAML
systemctl daemon-reload
systemctl start weir || fail "it does not start"
asked || fail "it does not answer"
[ "$(stat -c %U /proc/"$(main)")" != root ] || fail "it runs as root"
systemctl status --no-pager weir | holds 'Status: "serving generation 1"' || fail "systemd does not know that it serves"
echo "service-test: started under the sandbox, as a user of its own"

echo 'nonsense: true' >>/etc/weir/weir.yaml
systemctl reload weir 2>/dev/null && fail "a bad file reloads"
sed -i '/nonsense/d' /etc/weir/weir.yaml
asked || fail "a bad file ends it"
sed -i 's/drain_delay: 1s/drain_delay: 2s/' /etc/weir/weir.yaml
systemctl reload weir || fail "a good file does not reload"
echo "service-test: reload, good and bad"

old=$(main)
python3 /load.py 8 20 &
load=$!
until_true "the load has begun" test -e /tmp/load.begun
systemctl kill --kill-whom=main --signal=SIGQUIT weir
until_true "systemd looks after another process" bash -c "[ \$(systemctl show --property MainPID --value weir) != $old ]"
[ -d "/proc/$old" ] || fail "the old process has ended, with streams open"
until_true "the old process has a socket of its own" test -S "/run/weir/old-$old.sock"
curl -sf --max-time 10 --unix-socket "/run/weir/old-$old.sock" http://localhost/metrics | holds '^weir_inflight_requests' || fail "the old process is not to be asked"
touch /tmp/load.finish
wait $load || fail "the load has losses"
until_true "the old process ends" bash -c "! [ -d /proc/$old ]"
[ "$(systemctl is-active weir)" = active ] || fail "it is not active after the upgrade"

# A stop while the process before still has a stream: both end by themselves, and the stream is whole.
rm -f /tmp/load.*
old=$(main)
python3 /load.py 0 3 &
load=$!
until_true "the streams have begun" test -e /tmp/load.begun
systemctl kill --kill-whom=main --signal=SIGQUIT weir
until_true "systemd looks after another process" bash -c "[ \$(systemctl show --property MainPID --value weir) != $old ]"
systemctl stop --no-block weir
until_true "it is being stopped" bash -c "[ \$(systemctl is-active weir) = deactivating ]"
touch /tmp/load.finish
wait $load || fail "a stop during an upgrade cuts streams"
until_true "it has stopped" bash -c "[ \$(systemctl is-active weir) = inactive ]"
[ "$(systemctl show --property Result --value weir)" = success ] || fail "it did not end well"
echo "service-test: a stop during an upgrade cuts nothing"

echo 'nonsense: true' >>/etc/weir/weir.yaml
systemctl start weir 2>/dev/null && fail "a bad file starts"
[ "$(systemctl show --property ExecMainStatus --value weir)" = 78 ] || fail "a bad file is no 78"
[ "$(systemctl show --property NRestarts --value weir)" = 0 ] || fail "a bad file is tried again"
echo "service-test: a bad file is said once"

dpkg -r weir >/dev/null 2>&1 && [ -e /etc/weir/weir.yaml ] && [ ! -e /usr/bin/weir ] || fail "removal"
dpkg -P weir >/dev/null 2>&1 && [ ! -e /etc/weir/weir.yaml ] || fail "purge"
