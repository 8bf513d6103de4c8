#!/usr/bin/env bash
# A Debian package of a binary that is built already: the binary, the unit, /etc/weir, manual pages, completions.
#
#     scripts/package-deb.sh [BINARY]        default target/release/weir; below target/dist
#
# Needs dpkg-deb. Installing it starts nothing: there is no account yet.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=${1:-target/release/weir}
[ -x "$binary" ] || { echo "package-deb: $binary is missing: run \`make build\` first" >&2; exit 1; }
version=$("$binary" --version | cut -d' ' -f2)
arch=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
root=target/dist/deb
rm -rf "$root"
mkdir -p "$root/DEBIAN"

put() { install -Dm"$1" "$2" "$root/$3"; }
put 755 "$binary" usr/bin/weir
put 644 conf/minimal.yaml etc/weir/weir.yaml
install -d -m700 "$root/etc/weir/credentials"
put 644 conf/reference.yaml usr/share/doc/weir/examples/reference.yaml
put 644 conf/weir.schema.json usr/share/weir/weir.schema.json
put 644 README.md usr/share/doc/weir/README.md
put 644 systemd/low-ports.conf usr/share/doc/weir/examples/low-ports.conf
# In a package the binary is not in /usr/local.
sed 's,/usr/local/bin/weir,/usr/bin/weir,' systemd/weir.service >target/dist/weir.service
put 644 target/dist/weir.service usr/lib/systemd/system/weir.service
scripts/manual.sh target/dist/manual "$binary"
for page in target/dist/manual/man/*.1; do
    install -d "$root/usr/share/man/man1"
    gzip -n9 <"$page" >"$root/usr/share/man/man1/$(basename "$page").gz"
done
put 644 target/dist/manual/completions/weir.bash usr/share/bash-completion/completions/weir
put 644 target/dist/manual/completions/_weir usr/share/zsh/vendor-completions/_weir
put 644 target/dist/manual/completions/weir.fish usr/share/fish/vendor_completions.d/weir.fish
gzip -n9 <CHANGELOG.md >"$root/usr/share/doc/weir/changelog.gz"
cat >"$root/usr/share/doc/weir/copyright" <<EOF
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: weir

Files: *
Copyright: the contributors of Weir
License: Apache-2.0
 On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.
EOF

# A static binary needs nothing.
depends=
if [[ $(ldd "$binary" 2>/dev/null) == *libc.so* ]]; then
    glibc=$(objdump -T "$binary" | sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\).*/\1/p' | sort -V | tail -1)
    depends="Depends: libc6 (>= $glibc), libgcc-s1"
fi
{
    echo "Package: weir"
    echo "Version: $version"
    echo "Architecture: $arch"
    echo "Maintainer: Weir maintainers <weir@localhost>"
    echo "Section: net"
    echo "Priority: optional"
    echo "Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)"
    [ -z "$depends" ] || echo "$depends"
    echo "Recommends: ca-certificates"
    echo "Description: edge proxy for LLM traffic"
    echo " Weir authenticates clients, picks upstream accounts from pools, relays requests byte"
    echo " for byte or translated, fails over, and exposes Prometheus metrics."
} >"$root/DEBIAN/control"
echo /etc/weir/weir.yaml >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/postinst" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
        # An update hands over without a gap: the running process starts this binary and lets what it began end.
        if systemctl --quiet is-active weir.service; then
            systemctl kill --kill-whom=main --signal=SIGQUIT weir.service || systemctl try-restart weir.service || true
        fi
    fi
    if [ -z "$2" ]; then
        echo "weir: edit /etc/weir/weir.yaml, put secrets into /etc/weir/credentials, then: systemctl enable --now weir"
    fi
fi
EOF
cat >"$root/DEBIAN/prerm" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --no-reload disable --now weir.service || true
fi
EOF
cat >"$root/DEBIAN/postrm" <<'EOF'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
EOF
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
deb=target/dist/weir_${version}_$arch.deb
dpkg-deb --root-owner-group "-Z${DEB_COMPRESSION:-xz}" --build "$root" "$deb" >/dev/null
echo "package-deb: $deb"
