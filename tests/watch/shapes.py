#!/usr/bin/env python3
"""The dashboards as Grafana's own types read them, compose.yaml by the schema of Compose: tests/watch/shapes.py SCHEMA"""
import json
import pathlib
import sys

import jsonschema
import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main(schema):
    panels = 0
    for path in sorted((ROOT / "conf/grafana").glob("*.json")):
        written = json.loads(path.read_text())
        read = Dashboard.from_json(written)
        assert len(read.panels) == len(written["panels"]), f"{path}: a panel is lost"
        known = json.loads(json.dumps(read, default=lambda value: value.to_json()))
        for key in written:
            assert key in known, f"{path}: Grafana knows no `{key}`"
        panels += len(read.panels)
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    jsonschema.validate(compose, json.loads(pathlib.Path(schema).read_text()))
    for service, said in compose["services"].items():
        for volume in said.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./") and not source.endswith(("/token", "keys.env")):
                assert (ROOT / source).exists(), f"compose.yaml: {service} mounts {source}, which does not exist"
    print(f"shapes: {panels} panels read by Grafana's types, compose.yaml by its schema")


if __name__ == "__main__":
    main(*sys.argv[1:])
