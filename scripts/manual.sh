#!/usr/bin/env bash
# The manual pages and the completions of a binary, as the binary itself tells them.
#
#     scripts/manual.sh BINARY DIRECTORY        DIRECTORY/man/*.1, DIRECTORY/completions/{weir.bash,_weir,weir.fish}
set -euo pipefail

weir=$(realpath "$1")
mkdir -p "$2/man" "$2/completions"
"$weir" manual "$2/man"
"$weir" completions bash >"$2/completions/weir.bash"
"$weir" completions zsh >"$2/completions/_weir"
"$weir" completions fish >"$2/completions/weir.fish"
