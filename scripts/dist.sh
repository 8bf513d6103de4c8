#!/usr/bin/env bash
# An archive of Weir for machines without Rust: a static binary, manual, completions, configurations, unit, SBOM, checksums.
#
#     scripts/dist.sh [TARGET]        default x86_64-unknown-linux-musl; below target/dist
#
# Each needs `rustup target add TARGET`; x86_64 Debian's musl-tools, aarch64 Debian's gcc-aarch64-linux-gnu, and qemu-user-static to be tried on
# another machine. With PROFILE=dev it is quick, to try this script.
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

# A C compiler for musl on ARM: Debian's cross compiler on the headers of Debian's musl for arm64, which is unpacked into target/tools
# with lists of its own, so that the machine's packages stay as they are.
arm_compiler() {
    local tools=$PWD/target/tools/musl-arm64
    command -v aarch64-linux-gnu-gcc >/dev/null || die "aarch64-linux-gnu-gcc is missing: apt install gcc-aarch64-linux-gnu"
    if [ ! -x "$tools/gcc" ]; then
        mkdir -p "$tools/lists/partial" "$tools/cache/archives/partial"
        local apt=(apt-get -qq -o APT::Sandbox::User=root -o APT::Architecture=arm64 -o APT::Architectures::=arm64
            -o "Dir::State=$tools" -o Dir::State::status=/dev/null -o "Dir::Cache=$tools/cache")
        "${apt[@]}" update && (cd "$tools" && "${apt[@]}" download musl-dev) || die "Debian's musl-dev for arm64 could not be had"
        dpkg-deb --extract "$tools"/musl-dev_*_arm64.deb "$tools"
        sed -i "s#/usr/\(include\|lib\)/aarch64-linux-musl#$tools&#g" "$tools/usr/lib/aarch64-linux-musl/musl-gcc.specs"
        printf '#!/bin/sh\nexec aarch64-linux-gnu-gcc -specs "%s" "$@"\n' "$tools/usr/lib/aarch64-linux-musl/musl-gcc.specs" >"$tools/gcc"
        chmod +x "$tools/gcc"
        rm -rf "$tools"/*.deb "$tools/lists" "$tools/cache"
    fi
    export CC_aarch64_unknown_linux_musl=$tools/gcc
    export CXX_aarch64_unknown_linux_musl=$tools/gcc
    export AR_aarch64_unknown_linux_musl=aarch64-linux-gnu-ar
    # Rust brings musl's own start files and library for the link.
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc
}

# One request through the binary to an upstream that it knows by name, for a static binary looks names up by itself.
try_it() {
    local dir=$stage.try pids=() port addr answer
    mkdir -p "$dir"
    # The port that a log names, when it does.
    told() { for _ in $(seq 300); do sed -n "$1" "$2" | head -1 | grep . && return; sleep 0.1; done; cat "$2" >&2; return 1; }
    end() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; }
    trap end EXIT
    "${run[@]}" "$stage/weir" upstream --addr 127.0.0.1:0 >"$dir/upstream.log" 2>&1 &
    pids+=($!)
    port=$(told 's/.*listens on http:..127.0.0.1:\([0-9]*\).*/\1/p' "$dir/upstream.log") || die "the simulated upstream does not start"
    cat >"$dir/weir.yaml" <<YAML
version: 1
listen: [{ addr: "127.0.0.1:0" }]
accounts: [{ name: a, provider: anthropic, base_url: "http://localhost:$port", key: none }]
keys: [{ name: team, key: the-key-of-the-client }]
YAML
    "${run[@]}" "$stage/weir" run -c "$dir/weir.yaml" >"$dir/weir.log" 2>&1 &
    pids+=($!)
    addr=$(told 's/.*"listening","addr":"\([^"]*\)".*/\1/p' "$dir/weir.log") || die "it does not start"
    answer=$(curl -s --retry 30 --retry-connrefused --retry-delay 1 --max-time 60 "http://$addr/v1/messages" -H 'x-api-key: the-key-of-the-client' \
        -d '{"model":"claude-sonnet-5","max_tokens":9,"messages":[{"role":"user","content":"Hello"}]}')
    [[ $answer == *"You said: Hello"* ]] || { cat "$dir/weir.log" >&2; die "it does not serve: $answer"; }
    end
    trap - EXIT
    rm -rf "$dir"
    echo "dist: the binary serves, and finds its upstream by name"
}

# How a binary of the target runs here.
run=()
case $target in
x86_64-*-musl)
    command -v musl-gcc >/dev/null || die "musl-gcc is missing: apt install musl-tools"
    export CC_x86_64_unknown_linux_musl=musl-gcc
    ;;
aarch64-*-musl)
    arm_compiler
    if [ "$(uname -m)" != aarch64 ]; then
        command -v qemu-aarch64-static >/dev/null || die "qemu-aarch64-static is missing, with which the binary is tried: apt install qemu-user-static"
        run=(qemu-aarch64-static)
    fi
    ;;
*-linux-gnu) ;;
*) die "$target is not offered: x86_64-unknown-linux-musl, aarch64-unknown-linux-musl, or a *-linux-gnu target whose linker cargo knows" ;;
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
"${run[@]}" "$stage/weir" --version >/dev/null || die "the binary does not run here"
try_it
install -m644 LICENSE README.md README.zh-CN.md CHANGELOG.md "$stage"
cp -R conf systemd "$stage"
scripts/manual.sh "$stage" "${run[@]}" "$stage/weir"
scripts/sbom.py "$target" >"$stage/weir.cdx.json"
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
tar -C "$out" --sort=name --owner=root:0 --group=root:0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -n9 >"$out/$name.tar.gz"
cp "$stage/weir.cdx.json" "$out/$name.cdx.json"
(cd "$out" && sha256sum "$name.tar.gz" "$name.cdx.json" >"$name.sha256")
echo "dist: $out/$name.tar.gz"
cat "$out/$name.sha256"
