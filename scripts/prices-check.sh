#!/usr/bin/env bash
# The built-in prices beside the map of prices in PyPI's litellm: prints every difference of a model that Weir has a price for, and
# fails on those that are not known. The package is fetched once into target/, only for the map in it.
#
#   scripts/prices-check.sh WEIR [VERSION]      # `latest` = whatever PyPI has: prints, and never fails for a difference
set -euo pipefail
cd "$(dirname "$0")/.."

version=${2:-1.110.2}
place=$PWD/target/tools/litellm-$version
map=$place/model_prices_and_context_window.json
if [ ! -s "$map" ] || [ "$version" = latest ]; then
  rm -rf "$place"
  mkdir -p "$place"
  wanted=litellm
  [ "$version" = latest ] || wanted="litellm==$version"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d "$place" "$wanted"
  python3 - "$place" "$map" <<'PYTHON'
import pathlib
import sys
import zipfile

place, to = map(pathlib.Path, sys.argv[1:])
wheel = next(place.glob("litellm-*.whl"))
with zipfile.ZipFile(wheel) as files:
    to.write_bytes(files.read("litellm/model_prices_and_context_window_backup.json"))
wheel.unlink()
PYTHON
fi

# A name under which Bedrock sells a model at a price of its own; pictures that are sold by the
# token, of which the map also has a price by the piece, none for a cache, or one for text that Weir does not tell apart. On cheap
# tiers the map rounds the cache (0.13 for half of 0.25: gpt-5.4, o4-mini, gpt-image-1, Gemini's flash-lite) or says less than half of
# it (Gemini's 3.8 that speaks), and gemini-3-flash-preview has a threshold there above which nothing costs more; gpt-6-luna has a tier there whose output
# is free. gpt-4o-mini-tts has a price of text there that it never writes.
known='deepseek.v3.2 gemini-2.5-flash-image gemini-3-flash-preview gemini-3-pro-image gemini-3-pro-image-preview gemini-3.1-flash-image gemini-3.1-flash-image-preview gemini-3.5-flash-lite gemini-3.8-flash-lite-tts gemini-3.8-flash-tts gemini-flash-lite-latest gpt-4o-mini-tts gpt-4o-mini-tts-2025-03-20 gpt-4o-mini-tts-2025-12-15 gpt-5.4 gpt-5.4-2026-03-05 gpt-6-luna gpt-image-1 gpt-image-1.5 gpt-image-1.5-2025-12-16 grok-imagine-image-2.0 o4-mini o4-mini-2025-04-16'
found=$("$1" prices diff litellm "$map" 2>"$place/said" | awk '$2 != "-"')
printf '%s\n' "$found"
tail -n 1 "$place/said" >&2
models=$(awk '$2 == "-"' <("$1" prices diff litellm "$map" 2>/dev/null) | wc -l)
[ "$models" -gt 1000 ] || { echo "prices-check: only $models other models in the map: was it read?" >&2; exit 1; }
[ "$version" != latest ] || exit 0
names=$(awk '{ print $1 }' <<<"$found" | sort | xargs)
[ "$names" = "$known" ] || { echo "prices-check: differences in '$names', expected those in '$known'" >&2; exit 1; }
echo "prices-check: litellm $version agrees but for: $known"
