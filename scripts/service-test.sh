#!/usr/bin/env bash
# Weir as a service, as far as this machine allows: the unit, the Debian package in a clean Debian root in which Debian's own systemd is booted
# (namespaces of its own for processes, mounts, network, names), start, reload, upgrade under load, stop, removal; the steps of the image. What
# could not be done is printed. Needs root and mmdebstrap for all but the first.
#
#     scripts/service-test.sh WEIR
set -euo pipefail
cd "$(dirname "$0")/.."

weir=$(realpath "$1")
began=$SECONDS
missed=()
say() { printf 'service-test: %3d s: %s\n' $((SECONDS - began)) "$*"; }
miss() { missed+=("$*"); say "NOT done: $*"; }
finish() {
  say "$((SECONDS - began)) s in all"
  for what in "${missed[@]}"; do say "was NOT done: $what"; done
}

scripts/service-check.sh
say "the unit is sound, its exposure as promised"

[ "$(id -u)" = 0 ] || { miss "everything that needs root: package, boot, upgrade, image"; finish; exit 0; }
command -v mmdebstrap >/dev/null || { miss "package, boot, upgrade, image: mmdebstrap is missing"; finish; exit 0; }

mkdir -p target/service
# Without what debuggers read, which a package does not carry either.
strip -o target/service/weir "$weir"
DEB_COMPRESSION=none scripts/package-deb.sh target/service/weir
deb=$(ls -t target/dist/weir_*.deb | head -1)
say "packaged: $deb"

archive=target/service/root.tar
[ -s "$archive" ] || timeout 200 mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,dbus,curl,iproute2,python3 "${SERVICE_SUITE:-bookworm}" "$archive" || {
  rm -f "$archive"
  miss "package, boot, upgrade, image: no Debian root could be made"
  finish
  exit 0
}
root=$(mktemp -d "$PWD/target/service/root.XXXXXX")
manager=
clean() {
  [ -z "$manager" ] || kill -KILL "$manager" 2>/dev/null || true
  # The mounts are the namespace's, and gone with it.
  [ -z "$manager" ] || wait "$manager" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap clean EXIT
tar -xf "$archive" -C "$root"
say "a clean Debian root"
cp "$deb" "$root/weir.deb"
cp tests/service/inside.sh tests/service/load.py "$root/"

# shellcheck disable=SC2016 # for the shell inside
unshare --pid --mount --net --uts --ipc --fork --kill-child bash -euc '
  mount --make-rprivate /
  mount --bind "$1" "$1"
  cd "$1"
  mount -t proc proc proc
  mount -t sysfs sysfs sys
  mount --rbind /dev dev
  mount -t tmpfs tmpfs run
  mount -t tmpfs tmpfs tmp
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  # Not `chroot`: in one nobody may make the user namespace that the unit asks for.
  mkdir -p mnt/old
  pivot_root . mnt/old
  umount -l /mnt/old
  exec env -i container=weir PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal --show-status=0
' service "$root" </dev/null >target/service/boot.log 2>&1 &
manager=$!

# The first process of the namespace is the child of `unshare`.
first=
for _ in $(seq 100); do
  first=$(pgrep -P "$manager" || true)
  [ -z "$first" ] || [ "$(cat "/proc/$first/comm" || true)" != systemd ] || break
  sleep 0.1
done
inside() { timeout "$1" nsenter --target "$first" --pid --mount --net --uts --ipc --root --wd -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "${@:2}"; }
if [ -z "$first" ] || ! inside 60 bash -c 'until systemctl is-system-running 2>/dev/null | grep -qE "running|degraded"; do sleep 0.2; done'; then
  tail -5 target/service/boot.log >&2
  miss "a booted systemd: $(tail -1 target/service/boot.log)"
  miss "the package under a manager, the upgrade by systemctl"
  chroot "$root" dpkg -i /weir.deb
  chroot "$root" weir check --allow-missing-secrets -c /etc/weir/weir.yaml
  say "the package installs, and its configuration passes the check"
else
  say "booted: $(inside 10 systemctl --version | head -1)"
  inside 200 bash /inside.sh
  if [ -e "$root/missed" ]; then while IFS= read -r what; do miss "$what"; done <"$root/missed"; fi
  say "package, start, reload, upgrade, stop, removal under systemd"
fi

# The image holds one static binary and certificates: the binary of `make dist`, where there is one, or the given one if it is static.
static=
for one in target/"$(uname -m)"-unknown-linux-musl/*/weir "$weir"; do
  [ -x "$one" ] || continue
  linked=$(ldd "$one" 2>&1 || true)
  case $linked in *"not a dynamic executable"* | *"statically linked"*) [ "$static" -nt "$one" ] || static=$one ;; esac
done
if [ -z "$static" ]; then
  miss "the steps of the image: $weir is not static (\`make dist\` makes one that is)"
elif ! command -v buildah >/dev/null; then
  miss "the image by buildah, which is missing here"
  image=$(mktemp -d "$PWD/target/service/image.XXXXXX")
  install -D "$static" "$image/usr/local/bin/weir"
  install -D -m644 conf/minimal.yaml "$image/etc/weir/weir.yaml"
  unshare --user --map-root-user chroot "$image" /usr/local/bin/weir check --allow-missing-secrets -c /etc/weir/weir.yaml
  rm -rf "$image"
  say "the steps of the image by hand: the binary runs alone in an empty root"
else
  strip -o target/service/weir-static "$static"
  scripts/image.sh target/service/weir-static
  say "the image, its last stage by buildah around $static"
fi
finish
