#!/usr/bin/env bash
# The image of the Dockerfile by buildah, looked at and tried: its size, its user, a request through it on a read-only root.
#
#     scripts/image.sh            the whole Dockerfile; where no registry can be reached, in a Debian root made here with the Rust of this machine
#     scripts/image.sh BINARY     its last stage only, around a static binary that is there
#
# Needs root and buildah; without a registry also mmdebstrap. The whole takes a quarter of an hour.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
  echo "image: $*" >&2
  exit 1
}
[ "$(id -u)" = 0 ] || die "run as root: it makes an image and enters it"
command -v buildah >/dev/null || die "buildah is missing: apt install buildah"
base=$(sed -n 's/^FROM \(.*\) AS build$/\1/p' Dockerfile)
tag=localhost/weir:$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
mkdir -p target
scratch=$(mktemp -d "$PWD/target/image.XXXXXX")
container=
clean() {
  [ -z "$container" ] || buildah rm "$container" >/dev/null
  rm -rf --one-file-system "$scratch"
}
trap clean EXIT

# Health checks are no part of OCI's format.
build=(buildah bud --quiet --isolation chroot --format docker --tag "$tag")
if [ $# -gt 0 ]; then
  install -D "$1" "$scratch/build/out/usr/local/bin/weir"
  install -D -m644 /etc/ssl/certs/ca-certificates.crt "$scratch/build/out/etc/ssl/certs/ca-certificates.crt"
  install -d "$scratch/build/out/etc/weir" "$scratch/build/state/var/lib/weir"
  build+=(--build-context "build=$scratch/build")
elif ! buildah pull --quiet "docker.io/library/$base" >/dev/null 2>&1; then
  echo "image: no registry has $base for this machine: a Debian root takes its place"
  command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: apt install mmdebstrap"
  mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev,make,ca-certificates "${base##*-}" "$scratch/root"
  cp -L /etc/ssl/certs/ca-certificates.crt "$scratch/root/etc/ssl/certs/ca-certificates.crt"
  toolchain=$(rustc --print sysroot)
  mkdir -p "$scratch/root/usr/local/rustup/toolchains" "$scratch/root/usr/local/cargo/bin"
  cp -a "$toolchain" "$scratch/root/usr/local/rustup/toolchains/"
  cp -a "$(dirname "$toolchain")/../settings.toml" "$scratch/root/usr/local/rustup/"
  cp -aL "$(command -v rustup)" "$scratch/root/usr/local/cargo/bin/rustup"
  for tool in cargo rustc; do ln -s rustup "$scratch/root/usr/local/cargo/bin/$tool"; done
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$scratch/root" / >/dev/null
  buildah config --env RUSTUP_HOME=/usr/local/rustup --env CARGO_HOME=/usr/local/cargo --env "RUSTUP_TOOLCHAIN=$(basename "$toolchain")" \
    --env PATH=/usr/local/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet "$container" "docker.io/library/$base" >/dev/null
  buildah rm "$container" >/dev/null
  container=
  rm -rf --one-file-system "$scratch/root"
  build+=(--pull-never)
fi
"${build[@]}" . >/dev/null

container=$(buildah from --pull-never "$tag")
root=$(buildah mount "$container")
size=$(du -s --apparent-size --block-size=1 "$root" | cut -f1)
echo "image: $tag: $((size / 1000000)).$((size / 100000 % 10)) MB unpacked, $(find "$root" -type f | wc -l) files, user $(buildah inspect --format '{{.OCIv1.Config.User}}' "$container")"
[ "$size" -lt 30000000 ] || die "more than 30 MB: $(find "$root" -type f -printf '%s %P\n')"
[ "$(buildah inspect --format '{{.OCIv1.Config.User}}' "$container")" = 65532:65532 ] || die "another user"
[ "$(stat -c %u "$root/var/lib/weir")" = 65532 ] || die "the state directory is not the user's"

mkdir "$scratch/etc"
cat >"$scratch/etc/weir.yaml" <<'YAML'
version: 1
listen: [{ addr: "0.0.0.0:8080" }]
admin: { addr: "127.0.0.1:9090" }
accounts: [{ name: a, provider: anthropic, base_url: "http://127.0.0.1:8081", key: none }]
keys: [{ name: team, key: the-key-of-the-client }]
YAML
chmod -R a+rX "$scratch/etc"
# As a container engine would: a network and mounts of its own, nothing to write to, no root inside.
unshare --mount --net --pid --fork --kill-child bash -euc '
  root=$1 etc=$2
  ip link set lo up
  mount --bind "$root" "$root"
  mount --bind "$etc" "$root/etc/weir"
  mount -o remount,bind,ro "$root"
  weir() { exec chroot --userspec=65532:65532 "$root" /usr/local/bin/weir "$@"; }
  (weir upstream --addr 127.0.0.1:8081) >/dev/null 2>&1 & upstream=$!
  (weir run -c /etc/weir/weir.yaml) >"$etc.log" 2>&1 & server=$!
  end() { kill "$upstream" "$server" 2>/dev/null || true; }
  trap end EXIT
  for _ in $(seq 100); do ! (weir health --live -c /etc/weir/weir.yaml) >/dev/null 2>&1 || break; sleep 0.1; done
  (weir health --live -c /etc/weir/weir.yaml) || { cat "$etc.log" >&2; exit 1; }
  answer=$(curl -s --max-time 20 --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:8080/v1/messages -H "x-api-key: the-key-of-the-client" \
    -d "{\"model\":\"claude-sonnet-5\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}")
  case $answer in *"You said: Hello"*) ;; *) echo "$answer" >&2; cat "$etc.log" >&2; exit 1;; esac
  kill -TERM "$server"
  wait "$server" || { echo "it ends with $?" >&2; cat "$etc.log" >&2; exit 1; }
  trap - EXIT
  kill "$upstream"
' image "$root" "$scratch/etc" || die "it does not serve"
buildah umount "$container" >/dev/null
echo "image: it serves on a read-only root without rights, is found alive by its own health check, and ends with 0"
