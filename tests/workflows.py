"""The example workflows, and their way from the canvas (UI format) to the server (API format)."""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "workflows"

NOTES = {"Note", "MarkdownNote"}
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def names() -> list[str]:
    """Every workflow that ComfyUI's template browser will list."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def needs_checkpoint(name: str) -> bool:
    """Whether the workflow loads a joint model; the pack ships none."""
    return any(node["type"] == "PointVid_LoadModel" for node in load(name)["nodes"])


def load(name: str) -> dict:
    """The UI-format graph."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def to_api(workflow: dict, nodes: dict[str, dict]) -> dict:
    """The graph that the frontend would send for `workflow`.

    Args:
        nodes: what /object_info says of each node type.
    """
    sources = {link: (origin, slot) for link, origin, slot, *_ in workflow["links"]}
    graph = {}
    for node in workflow["nodes"]:
        if node["type"] in NOTES:
            continue
        inputs = {}
        info = nodes[node["type"]]["input"]
        values = iter(node.get("widgets_values") or [])
        for name, (kind, *options) in {**info.get("required", {}), **info.get("optional", {})}.items():
            options = options[0] if options else {}
            if isinstance(kind, list) or (kind in WIDGETS and not options.get("forceInput")):
                inputs[name] = next(values)
                if options.get("control_after_generate"):
                    next(values)
        for slot in node.get("inputs", []):
            if slot.get("link") is not None:
                origin, output = sources[slot["link"]]
                inputs[slot["name"]] = [str(origin), output]
        graph[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return graph
