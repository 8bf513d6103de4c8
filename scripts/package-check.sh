#!/usr/bin/env bash
# The Debian package in a bare root of its own: installed, asked, removed, purged. Needs root and mmdebstrap.
#
#     scripts/package-check.sh PACKAGE.deb
set -euo pipefail

deb=$(realpath "$1")
[ "$(id -u)" = 0 ] && command -v mmdebstrap >/dev/null || { echo "package-check: needs root and mmdebstrap: NOT run" >&2; exit 0; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mmdebstrap --variant=minbase --quiet bookworm "$root"
cp "$deb" "$root/weir.deb"
in_root() { chroot "$root" "$@"; }
in_root dpkg -i /weir.deb
in_root weir --version
in_root weir check --allow-missing-secrets -c /etc/weir/weir.yaml
[ "$(in_root stat -c %a /etc/weir/credentials)" = 700 ]
for file in /usr/lib/systemd/system/weir.service /usr/share/man/man1/weir.1.gz /usr/share/bash-completion/completions/weir; do
    [ -s "$root$file" ] || { echo "package-check: $file is missing" >&2; exit 1; }
done
in_root bash -c '. /usr/share/bash-completion/completions/weir && complete -p weir' >/dev/null
# What was edited stays with a removal and goes with a purge.
echo "# edited" >>"$root/etc/weir/weir.yaml"
in_root dpkg -r weir
[ -e "$root/etc/weir/weir.yaml" ] && [ ! -e "$root/usr/bin/weir" ]
in_root dpkg -P weir
[ ! -e "$root/etc/weir/weir.yaml" ]
echo "package-check: installed, asked, removed and purged in a bare Debian root"
