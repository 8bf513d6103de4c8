#!/usr/bin/env bash
# The manual pages and the completions of a binary, as the binary itself tells them.
#
#     scripts/manual.sh DIRECTORY COMMAND...    DIRECTORY/man/*.1, DIRECTORY/completions/{weir.bash,_weir,weir.fish}
set -euo pipefail

into=$1
shift
mkdir -p "$into/man" "$into/completions"
"$@" manual "$into/man"
"$@" completions bash >"$into/completions/weir.bash"
"$@" completions zsh >"$into/completions/_weir"
"$@" completions fish >"$into/completions/weir.fish"
