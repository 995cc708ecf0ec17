"""Saved workflows hold node ids, the order of widgets and the order of outputs: none may change unnoticed.

What may: new nodes, and new optional inputs at the end. After a deliberate change write the snapshot anew with
`UPDATE_SNAPSHOT=1 pytest tests/host/test_schema_snapshot.py` and read its diff.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

SNAPSHOT = Path(__file__).resolve().parents[1] / "data" / "node_schema.json"


# What lies in the folders, what this host samples with.
FROM_THE_HOST = ("file", "name", "detector", "masker", "sampler_name", "scheduler")


def summary(node: dict) -> dict:
    """What a saved workflow depends on; descriptions may change freely."""
    inputs = []
    for group in ("required", "optional"):
        for name, (kind, options) in node["input"].get(group, {}).items():
            entry = {"name": name, "type": kind, "optional": group == "optional"}
            entry |= {key: options[key] for key in ("default", "options") if key in options}
            if name in FROM_THE_HOST:
                entry.pop("options", None)
            inputs.append(entry)
    outputs = [{"name": name, "type": kind} for name, kind in zip(node["output_name"], node["output"])]
    return {"inputs": inputs, "outputs": outputs, "output_node": node["output_node"]}


def test_schemas_are_as_frozen(host):
    now = {name: summary(node) for name, node in sorted(host.report["nodes"].items())}
    if os.environ.get("UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    frozen = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert now.keys() == frozen.keys()
    for name in frozen:
        assert now[name] == frozen[name], name
