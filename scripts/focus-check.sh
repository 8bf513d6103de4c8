#!/usr/bin/env bash
# The bill of `weir usage --focus` beside the rules of PyPI's focus-validator, which knows those of FOCUS 1.0 without a network.
# It is fetched once into target/.
#
#   scripts/focus-check.sh WEIR
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.0.0
place=$PWD/target/tools/focus-validator-$version
if [ ! -x "$place/bin/focus-validator" ]; then
  rm -rf "$place"
  python3 -m venv "$place"
  # What it imports has moved on since.
  "$place/bin/pip" install --quiet --disable-pip-version-check "focus-validator==$version" 'multimethod<1.12' setuptools
fi

# What fails for every file that keeps to FOCUS 1.0, and why.
known='BillingCurrency_IsCurrencyCode: its list of currencies is not in the package
InvoiceIssuer_Required: the column is InvoiceIssuerName since 1.0
Provider_Required: the column is ProviderName since 1.0
Publisher_Required: the column is PublisherName since 1.0
ResourceID_Required: the column is ResourceId since 1.0
SkuPriceId_Nullable: it asks for ChargeType, which is ChargeCategory since 1.0'

# A history as Weir writes it: tokens, pieces, a month whose days were merged, names that need quotes, requests at no cost.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/ledger.history"
cat >"$work/ledger.history/2026-10" <<'LINES'
=1 ["team-a","research","moon","claude-opus-5","claude-a"]
=2 ["team \"b\", too",null,null,"gpt-5",null]
=3 ["team-a",null,null,"dall-e-3","openai"]
=4 ["team-a",null,null,"unknown",null]
01 1 2 18g 5k 0 0 0 1a 2s7o
31 1 a 2s 18g z z z 1a 7ps
02 2 1 1 1 0 0 0 0 1
03 3 1 0 0 0 0 0 0 ntq1s
03 3 + 1 0 0 0
04 3 1 0 0 0 0 0 0 7ps
04 3 + 0 6y 0 0
05 4 1 1 0 0 0 0 0 0
06 4 1 0 0 0 0 0 0 0
00 2 1 1 1 0 0 0 0 1
LINES
"$1" usage --ledger "$work/ledger" --since 2026-01-01 --focus >"$work/focus.csv"
lines=$(wc -l <"$work/focus.csv")
[ "$lines" -eq 9 ] || { cat "$work/focus.csv" >&2; echo "focus-check: $lines lines, expected 9" >&2; exit 1; }

said=$("$place/bin/focus-validator" --data-file "$work/focus.csv" --validate-version 1.0 2>&1) || true
grep -q 'Validation failed!' <<<"$said" || { printf '%s\n' "$said" >&2; echo "focus-check: the validator did not judge" >&2; exit 1; }
found=$(sed -n 's/^\([A-Za-z]*_[A-Za-z]*\) failed:$/\1/p' <<<"$said" | sort)
expected=$(cut -d: -f1 <<<"$known" | sort)
if [ "$found" != "$expected" ]; then
  printf '%s\n' "$said" >&2
  diff <(printf '%s\n' "$expected") <(printf '%s\n' "$found") >&2 || true
  echo "focus-check: other rules fail than those that are known" >&2
  exit 1
fi
printf 'focus-check: the bill keeps every rule but those that the validator has wrong:\n%s\n' "$known"
