#!/usr/bin/env python3
"""What is in the binary, as CycloneDX 1.5: every crate that `cargo metadata` resolves for a target, without those that only
tests and builds need.

    scripts/sbom.py TARGET > weir.cdx.json
"""
import json
import os
import subprocess
import sys


def main():
    target = sys.argv[1]
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(package["id"] for package in metadata["packages"] if package["name"] == "weir" and not package["source"])
    needs = {}
    ahead = [root]
    while ahead:
        at = ahead.pop()
        if at in needs:
            continue
        normal = [dep["pkg"] for dep in nodes[at]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        needs[at] = sorted(set(normal))
        ahead += normal
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[root], "application")},
        "components": [component(packages[id], "library") for id in sorted(needs) if id != root],
        "dependencies": [
            {"ref": purl(packages[id]), "dependsOn": [purl(packages[other]) for other in needs[id]]} for id in sorted(needs)
        ],
    }
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        import datetime

        stamp = datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
        bom["metadata"]["timestamp"] = stamp.strftime("%Y-%m-%dT%H:%M:%SZ")
    json.dump(bom, sys.stdout, indent=1)
    print()


def component(package, kind):
    found = {"type": kind, "bom-ref": purl(package), "name": package["name"], "version": package["version"], "purl": purl(package)}
    if package.get("license"):
        # Older manifests have a slash for OR.
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return found


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


if __name__ == "__main__":
    main()
