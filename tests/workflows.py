"""The example workflows, and their way from the canvas (UI format) to the server (API format)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "workflows"
SAVED = Path(__file__).resolve().parent / "data" / "workflows_0.1"  # as users of version 0.1 have them

NOTES = {"Note", "MarkdownNote"}
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", DYNAMIC)


def names(folder: Path = FOLDER) -> list[str]:
    """Every workflow that ComfyUI's template browser will list."""
    return sorted(path.stem for path in folder.glob("*.json"))


def needs_checkpoint(name: str, folder: Path = FOLDER) -> bool:
    """Whether the workflow loads a joint model."""
    return any(node["type"] == "PointVid_LoadModel" for node in load(name, folder)["nodes"])


def load(name: str, folder: Path = FOLDER) -> dict:
    """The UI-format graph."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


# Core's nodes that read model files which users fetch themselves.
LOADERS = {
    "CheckpointLoaderSimple",
    "CLIPLoader",
    "CLIPVisionLoader",
    "LoadDA3Model",
    "LoadMoGeModel",
    "UNETLoader",
    "VAELoader",
}


def model_files(workflow: dict) -> set[str]:
    """What the workflow's loaders name, as `folder/file` under models/."""
    models = [model for node in workflow["nodes"] for model in node["properties"].get("models", [])]
    return {f"{model['directory']}/{model['name']}" for model in models}


def without_models(workflow: dict) -> dict:
    """The part of the workflow that runs without files which users must get."""
    needing = {node["id"] for node in workflow["nodes"] if node["type"] in LOADERS}
    while more := {target for _, origin, _, target, *_ in workflow["links"] if origin in needing} - needing:
        needing |= more
    links = [link for link in workflow["links"] if not {link[1], link[3]} & needing]
    kept = {link[0] for link in links}
    nodes = copy.deepcopy([node for node in workflow["nodes"] if node["id"] not in needing])
    for node in nodes:
        for slot in node["outputs"]:
            slot["links"] = [link for link in slot["links"] or [] if link in kept]
    return {**workflow, "nodes": nodes, "links": links}


def to_api(workflow: dict, nodes: dict[str, dict]) -> dict:
    """The graph that the frontend would send for `workflow`; tests/browser compares it with the one it does send.

    Widgets that a node has got since the workflow was saved take their defaults, as on the canvas.

    Args:
        nodes: what /object_info says of each node type.
    """
    sources = {link: (origin, slot) for link, origin, slot, *_ in workflow["links"]}
    graph = {}
    for node in workflow["nodes"]:
        if node["type"] in NOTES:
            continue
        inputs = {}
        values = iter(node.get("widgets_values") or [])
        _read_widgets(nodes[node["type"]]["input"], "", values, inputs)
        for slot in node.get("inputs", []):
            if slot.get("link") is not None:
                origin, output = sources[slot["link"]]
                inputs[slot["name"]] = [str(origin), output]
        graph[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return graph


def _read_widgets(declared: dict, prefix: str, values: Iterator, inputs: dict) -> None:
    """Hand each declared widget its value, in order; a dynamic combo is followed by the widgets of what it chose."""
    for name, (kind, *options) in {**declared.get("required", {}), **declared.get("optional", {})}.items():
        options = options[0] if options else {}
        if not (isinstance(kind, list) or kind in WIDGETS) or options.get("forceInput"):
            continue
        choices = (kind if isinstance(kind, list) else options.get("options")) or [None]
        first = choices[0]["key"] if kind == DYNAMIC else choices[0]
        value = inputs[prefix + name] = next(values, options.get("default", first))
        if kind == DYNAMIC:
            (chosen,) = (choice for choice in choices if choice["key"] == value)
            _read_widgets(chosen["inputs"], f"{prefix}{name}.", values, inputs)
        if options.get("control_after_generate"):
            next(values, None)
