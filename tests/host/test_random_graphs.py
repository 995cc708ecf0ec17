"""Random graphs of the pack's nodes and core's: each runs, or ends in one line that names an input of the node."""

from __future__ import annotations

import random
import re

import pytest

from tests.host.graphs import Graph

pytestmark = pytest.mark.host

CORE = {
    *("EmptyImage", "SolidMask", "MaskToImage", "ImageToMask", "ImageScale", "ImageFromBatch", "RepeatImageBatch"),
    *("ImageBatch", "InvertMask", "GrowMask", "ThresholdMask", "CropMask", "ImageInvert", "LatentUpscaleBy"),
    *("RepeatLatentBatch", "LatentFromBatch", "VAEEncode", "VAEDecode", "CreateVideo", "GetVideoComponents"),
}
# They need weights of others, many seconds, or files that are not there.
LEFT_OUT = {
    *("LoadTracker", "LoadSegmenter", "LoadDepthModel", "EstimateDepth", "SegmentObjects", "CaptionToLabels"),
    *("DemoClip", "LoadTracks", "LoadSample", "SaveModel", "LoadModel"),
}
SMALL = {
    "width": (16, 96),
    "height": (16, 96),
    "batch_size": (1, 6),
    "length": (1, 5),
    "amount": (1, 4),
    "steps": (1, 2),
}
SMALL |= {
    "grid_size": (2, 12),
    "random_points": (0, 60),
    "scale_by": (0.5, 1.5),
    "neighbors": (1, 4),
    "expand": (-3, 3),
}
NAMED = {"format": ("glb", "ply", "npz", "csv"), "tracker": ("lucas_kanade",), "filename_prefix": ("pointvid/random",)}


class Maker:
    """One random graph; every output of its nodes waits in `pool`, by type."""

    def __init__(self, seed: int, nodes: dict[str, dict]):
        self.draw, self.nodes, self.graph = random.Random(seed), nodes, Graph()
        self.pool: dict[str, list[tuple[str, int]]] = {}

    def make(self, count: int) -> Graph:
        """Sources, perhaps the small model, then `count` nodes whose inputs can be fed."""
        for _ in range(3):
            self.add("EmptyImage")
        self.add("SolidMask")
        if self.draw.random() < 0.3:
            self.generate()
        names = sorted(self.nodes)
        for _ in range(count):
            fed = [name for name in names if self.feedable(name)]
            ours = [name for name in fed if name.startswith("PointVid_")]
            self.add(self.draw.choice(ours if ours and self.draw.random() < 0.6 else fed))
        for kind, outputs in list(self.pool.items()):
            if kind != "MODEL":
                self.graph.add("PreviewAny", source=outputs[-1])
        return self.graph

    def generate(self) -> None:
        """The small model, its prompts and a sampled latent, each link of which other nodes may take."""
        load = self.graph.add(
            "PointVid_LoadModel", name="pointvid-small.safetensors (comes with the pack)", dtype="default"
        )
        for output, kind in enumerate(("MODEL", "CLIP", "CLIP_VISION", "VAE")):
            self.pool.setdefault(kind, []).append((load, output))
        prompt = self.graph.add("CLIPTextEncode", clip=(load, 1), text="the blue box is lifted up")
        self.pool["CONDITIONING"] = [(prompt, 0)]
        self.add("PointVid_ImageToVideo")

    def feedable(self, name: str) -> bool:
        required = self.nodes[name]["input"].get("required", {})
        return all(self.kinds(kind) or self.is_widget(kind) for kind, *_ in required.values())

    def kinds(self, kind: object) -> list[tuple[str, int]]:
        if not isinstance(kind, str):
            return []
        wanted = set(kind.split(","))
        return [output for given, outputs in self.pool.items() if wanted & set(given.split(",")) for output in outputs]

    @staticmethod
    def is_widget(kind: object) -> bool:
        return isinstance(kind, list) or kind in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")

    def add(self, name: str) -> None:
        inputs = {}
        for group in ("required", "optional"):
            for key, (kind, *more) in self.nodes[name]["input"].get(group, {}).items():
                options = more[0] if more else {}
                if self.is_widget(kind):
                    inputs[key] = self.value(key, kind, options)
                elif (found := self.kinds(kind)) and (group == "required" or self.draw.random() < 0.5):
                    inputs[key] = self.draw.choice(found)
        node = self.graph.add(name, **inputs)
        for output, kind in enumerate(self.nodes[name]["output"]):
            self.pool.setdefault(kind, []).append((node, output))

    def value(self, key: str, kind: object, options: dict) -> object:
        if key in NAMED:
            return self.draw.choice(NAMED[key])
        choices = kind if isinstance(kind, list) else options.get("options")
        if choices:
            return self.draw.choice(choices)
        if kind in ("INT", "FLOAT"):
            low, high = options.get("min", 0), options.get("max", 8)
            if key in SMALL:
                low, high = SMALL[key]
            elif "default" in options and self.draw.random() < 0.7:
                return options["default"]
            high = min(high, max(low, 64))
            if kind == "FLOAT":
                return round(self.draw.uniform(low, high), 2)
            step = options.get("step", 1) or 1
            return int(low + step * self.draw.randrange(int((high - low) // step) + 1))
        return self.draw.random() < 0.3 if kind == "BOOLEAN" else options.get("default", "")


def check(host, nodes: dict[str, dict], seed: int) -> None:
    graph = Maker(seed, nodes).make(6)
    result = host.run(graph)
    if result["ok"] or not (result.get("failed_node") or "").startswith("PointVid_"):
        assert "invalid" not in result, (seed, result)
        return  # it ran, or core refused what is core's
    where = (seed, result["failed_node"], result["error_type"], result["error"])
    assert result["error_type"].endswith(("PointVidError", "Rejected")), where
    assert "\n" not in result["error"], where
    inputs = nodes[result["failed_node"]]["input"]
    names = [*inputs.get("required", {}), *inputs.get("optional", {})]
    assert any(re.search(rf"\b{name}\b", result["error"]) for name in names), where


@pytest.fixture(scope="module")
def nodes(host) -> dict[str, dict]:
    ours = {name: node for name, node in host.report["nodes"].items() if name.split("_")[1] not in LEFT_OUT}
    return ours | host.describe(CORE)


@pytest.mark.parametrize("seed", range(12))
def test_a_random_graph_runs_or_names_an_input(host, nodes, seed):
    check(host, nodes, seed)


@pytest.mark.slow
def test_two_hundred_random_graphs(host, nodes):
    failed = []
    for seed in range(100, 300):
        try:
            check(host, nodes, seed)
        except AssertionError as error:
            failed.append(str(error)[:400])
    assert not failed, "\n".join(failed)
