#!/usr/bin/env bash
# The README's promise on a bare machine: both of its commands in a new Debian root that has nothing but Rust, a C
# compiler, make, git and curl. Needs root and mmdebstrap; takes ten to twenty minutes. FRESH_SUITE chooses the Debian.
#
# The root is a folder of its own below target/; the network is the host's. Rust is the host's toolchain, copied.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${FRESH_SUITE:-bookworm}
[ "$(id -u)" = 0 ] || { echo "fresh: run as root: it makes a Debian root and enters it" >&2; exit 1; }
command -v mmdebstrap >/dev/null || { echo "fresh: mmdebstrap is missing: apt-get install mmdebstrap" >&2; exit 1; }
[ -z "$(git status --porcelain)" ] || echo "fresh: what is not committed is not tried" >&2

mkdir -p target
root=$(mktemp -d "$PWD/target/fresh.XXXXXX")
# Everything below runs in a mount namespace of its own, whose mounts end with it: what is left to remove is the folder,
# and the /proc that mmdebstrap cannot always take away again.
trap 'umount --lazy "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$root"' EXIT

echo "fresh: making a $suite root in $root"
mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev,make,git,curl,ca-certificates "$suite" "$root"
toolchain=$(rustc --print sysroot)
mkdir -p "$root/opt"
cp -a "$toolchain" "$root/opt/rust"
# Every installed Debian has this file; a root from mmdebstrap has none, and would not know its own name.
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
# What the host trusts: behind a proxy that signs anew, nothing could be fetched otherwise.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
git clone --quiet --no-hardlinks . "$root/root/weir"

inside() {
  echo "fresh: $1"
  unshare --mount --pid --fork --kill-child bash -euc '
    mount --make-rprivate /
    mount --rbind /dev "$1/dev"
    mount -t proc proc "$1/proc"
    mount --bind /etc/resolv.conf "$1/etc/resolv.conf" 2>/dev/null || cp /etc/resolv.conf "$1/etc/resolv.conf"
    exec chroot "$1" env -i HOME=/root TERM=dumb PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      PIP_CERT=/etc/ssl/certs/ca-certificates.crt NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
      bash -euo pipefail -c "$2"
  ' fresh "$root" "cd /root/weir && $1"
}

for tool in node python3 cmake nginx; do
  inside "! command -v $tool" || { echo "fresh: the root has $tool already" >&2; exit 1; }
done
# `make demo` serves until it is told to end; here it ends with the process namespace.
# shellcheck disable=SC2016 # for the shell inside
inside 'make demo >/tmp/demo.log 2>&1 & demo=$!
  until curl --silent --fail http://127.0.0.1:8080/health >/dev/null; do
    kill -0 $demo || { tail -50 /tmp/demo.log; exit 1; }
    sleep 1
  done
  curl --silent --fail http://127.0.0.1:8080/v1/messages -H "x-api-key: demo" -d "{\"model\":\"claude-sonnet-5\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}" | grep -q "You said: Hello"'
inside 'make test'
echo "fresh: both commands work on a bare $suite"
