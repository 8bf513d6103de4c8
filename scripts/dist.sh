#!/usr/bin/env bash
# An archive of Weir for machines without Rust: a static binary, manual, completions, configurations, unit, SBOM, checksums.
#
#     scripts/dist.sh [TARGET]        default x86_64-unknown-linux-musl; below target/dist
#
# musl needs `musl-gcc` (Debian: musl-tools) and `rustup target add TARGET`. With PROFILE=dev it is quick, to try this script.
# Of the same commit the archive has the same bytes: names in order, times of the commit, owner root.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-x86_64-unknown-linux-musl}
profile=${PROFILE:-release}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

die() {
    echo "dist: $*" >&2
    exit 1
}

case $target in
*-musl)
    command -v musl-gcc >/dev/null || die "musl-gcc is missing: apt install musl-tools"
    export CC_x86_64_unknown_linux_musl=musl-gcc
    ;;
*-linux-gnu) ;;
*) die "$target is not offered: x86_64-unknown-linux-musl, or a *-linux-gnu target whose linker cargo knows" ;;
esac
cargo build --locked --profile "$profile" --target "$target" --bin weir
directory=$profile
[ "$profile" != dev ] || directory=debug
binary=target/$target/$directory/weir

name=weir-$version-$target
out=target/dist
stage=$out/$name
rm -rf "$stage"
mkdir -p "$stage"
install -m755 "$binary" "$stage/weir"
"$stage/weir" --version >/dev/null || die "the binary does not run here"
install -m644 LICENSE README.md README.zh-CN.md CHANGELOG.md "$stage"
cp -R conf systemd "$stage"
scripts/manual.sh "$stage/weir" "$stage"
scripts/sbom.py "$target" >"$stage/weir.cdx.json"
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
tar -C "$out" --sort=name --owner=root:0 --group=root:0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -n9 >"$out/$name.tar.gz"
cp "$stage/weir.cdx.json" "$out/$name.cdx.json"
(cd "$out" && sha256sum "$name.tar.gz" "$name.cdx.json" >"$name.sha256")
echo "dist: $out/$name.tar.gz"
cat "$out/$name.sha256"
