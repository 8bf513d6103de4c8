"""Attacks a Weir on loopback and says what came of it: smuggling, HTTP/2 abuse, slow clients, hostile upstreams, blame."""

import argparse
import pathlib
import sys
import tempfile
import time

from . import blame, hostile, http2, slow, smuggling
from .ground import Broken

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROOMS = {"smuggling": smuggling, "http2": http2, "slow": slow, "hostile": hostile, "blame": blame}
BEGIN, END = "<!-- attacks: written by `make attack` -->", "<!-- /attacks -->"


def main():
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a part of everything, under a minute")
    parser.add_argument("--weir", type=pathlib.Path, default=ROOT / "target/release/weir", help="the binary (default: %(default)s)")
    parser.add_argument("--only", help="the attacks whose name or room contains this")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE", help="also put the table between FILE's markers")
    options = parser.parse_args()
    rows, failed, began = [], 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="weir-attack-") as scratch:
        for room, module in ROOMS.items():
            for name, what, attack in module.ROOM:
                if options.only and options.only.lower() not in f"{room} {name}".lower():
                    continue
                since = time.monotonic()
                try:
                    said = attack(options.weir, scratch, options.smoke)
                except (Broken, OSError) as broken:
                    failed += 1
                    said = f"**BROKEN** {broken}"
                print(f"{time.monotonic() - since:6.1f} s  {name}: {said}", flush=True)
                rows.append(f"| {name} | {what} | {said} |")
    print(f"{time.monotonic() - began:6.1f} s  {len(rows)} attacks, {failed} did harm")
    if options.write and not failed:
        insert(options.write, ["| attack | what is tried | what came of it |", "| --- | --- | --- |", *rows])
    sys.exit(1 if failed or not rows else 0)


def insert(file, lines):
    before, marker, rest = file.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not marker or not end:
        sys.exit(f"attack: {file} has no markers {BEGIN} … {END}")
    file.write_text("\n".join([before + BEGIN, "", *lines, "", END + after]))


main()
