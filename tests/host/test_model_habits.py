"""What a graph's user does to any MODEL: patch it, merge it, save it, choose it from a list, decode what it made."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from pointvid.commands.demo import SMALL_MODEL
from pointvid.diffusion.checkpoint import load_checkpoint
from tests.host.graphs import Graph

pytestmark = pytest.mark.host

SMALL = "pointvid-small.safetensors (comes with the pack)"


def prepared(length: int = 2) -> tuple[Graph, str, str]:
    """A graph with the loader and Image to Video; the ids of both."""
    graph = Graph()
    load = graph.add("PointVid_LoadModel", name=SMALL, dtype="default")
    start = graph.add("EmptyImage", width=128, height=128, batch_size=1, color=0x8040C0)
    prompts = [graph.add("CLIPTextEncode", clip=(load, 1), text=text) for text in ("the blue box is lifted up", "")]
    made = graph.add(
        "PointVid_ImageToVideo",
        **{"positive": (prompts[0], 0), "negative": (prompts[1], 0), "vae": (load, 3), "clip_vision": (load, 2)},
        **{"start_image": (start, 0), "width": 128, "height": 128, "length": length, "fps": 8.0},
    )
    return graph, load, made


def sample(graph: Graph, model: str, made: str) -> str:
    return graph.add(
        "KSampler",
        **{"model": (model, 0), "positive": (made, 0), "negative": (made, 1), "latent_image": (made, 2), "seed": 3},
        **{"steps": 1, "cfg": 6.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0},
    )


PATCHES = {
    "PerturbedAttentionGuidance": {"scale": 3.0},
    "FreeU": {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2},
    "FreeU_V2": {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2},
    "TomePatchModel": {"ratio": 0.6},
    "HyperTile": {"tile_size": 32, "swap_size": 2, "max_depth": 2, "scale_depth": False},
    "PatchModelAddDownscale": {
        **{"block_number": 2, "downscale_factor": 2.0, "start_percent": 0.0, "end_percent": 1.0},
        **{"downscale_after_skip": True, "downscale_method": "bicubic", "upscale_method": "bicubic"},
    },
}


def test_patches_of_other_nodes_act(host):
    graph, load, made = prepared()
    graph.probe("plain", sample(graph, load, made))
    for name, inputs in PATCHES.items():
        graph.probe(name, sample(graph, graph.add(name, model=(load, 0), **inputs), made))
    result = host.run(graph)
    assert result["ok"], result
    plain = host.probed("plain")["samples"]
    for name in PATCHES:
        changed = host.probed(name)["samples"]
        assert changed.isfinite().all(), name
        # ToMe merges tokens at the latent's own resolution only, where the small model has no attention.
        assert name == "TomePatchModel" or (changed - plain).abs().mean() > 1e-3, name


def test_a_patch_that_cannot_act_is_refused(host):
    graph, load, made = prepared()
    guided = graph.add("SelfAttentionGuidance", model=(load, 0), scale=0.5, blur_sigma=2.0)
    graph.probe("never", sample(graph, guided, made))
    assert host.run(graph)["error"].startswith(
        "model goes through Self-Attention Guidance, which can blur pictures but"
    )


def test_a_merge_loads_again(host):
    graph, load, _ = prepared()
    twice = graph.add("ModelMergeAdd", model1=(load, 0), model2=(load, 0))
    save = graph.add("PointVid_SaveModel", model=(twice, 0), filename_prefix="anywhere/twice")
    result = host.run(graph)
    assert result["ok"], result
    (file,) = result["outputs"][save]["files"]
    saved = load_checkpoint(host.base / "output" / "anywhere" / file["filename"])
    shipped = load_checkpoint(SMALL_MODEL)
    assert saved.info == shipped.info
    for name, value in shipped.weights.items():
        assert torch.allclose(saved.weights[name].float(), 2 * value.float(), rtol=1e-2, atol=1e-3), name
    for part, weights in shipped.parts.items():
        assert all(torch.equal(saved.parts[part][name], value) for name, value in weights.items()), part
    offered = host.describe({"PointVid_LoadModel"})["PointVid_LoadModel"]["input"]["required"]["name"][1]["options"]
    name = f"anywhere/{file['filename']} [output]"
    assert name in offered
    again = Graph()
    loaded = again.add("PointVid_LoadModel", name=name, dtype="default")
    save = again.add("PointVid_SaveModel", model=(loaded, 0), filename_prefix="anywhere/again", with_encoders=False)
    result = host.run(again)
    assert result["ok"], result
    (file,) = result["outputs"][save]["files"]
    once_more = load_checkpoint(host.base / "output" / "anywhere" / file["filename"])
    assert not once_more.parts
    assert all(torch.equal(once_more.weights[name], value) for name, value in saved.weights.items())


def test_only_its_own_models_are_offered(host):
    folder = host.base / "models" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2)}, folder / "a_sd15.safetensors")
    (folder / "broken.safetensors").write_bytes(b"\xff" * 40)
    _, options = host.describe({"PointVid_LoadModel"})["PointVid_LoadModel"]["input"]["required"]["name"]
    assert options["options"][0] == options["default"] == SMALL
    assert not {"a_sd15.safetensors", "broken.safetensors"} & set(options["options"])
    graph = Graph()
    graph.probe("never", graph.add("PointVid_LoadModel", name="a_sd15.safetensors", dtype="default"))
    refused = host.run(graph)
    assert not refused["ok"]
    assert "name is 'a_sd15.safetensors', a model without points" in str(refused)


@pytest.mark.parametrize("tiled", [False, True])
def test_core_decode_says_what_to_use(host, tiled):
    graph, load, made = prepared()
    sizes = {"tile_size": 512, "overlap": 64, "temporal_size": 64, "temporal_overlap": 8} if tiled else {}
    decode = graph.add("VAEDecodeTiled" if tiled else "VAEDecode", samples=(made, 2), vae=(load, 3), **sizes)
    graph.probe("never", decode)
    assert "use Trajectory Decoder" in host.run(graph)["error"]


def test_an_exported_ply_fits_the_hosts_point_clouds(host):
    graph = Graph()
    image = graph.add("EmptyImage", width=64, height=48, batch_size=3, color=0x808080)
    tracked = graph.add(
        "PointVid_TrackingPreprocessor",
        **{"image": (image, 0), "fps": 8.0, "tracker": "lucas_kanade", "grid_size": 4, "random_points": 0},
        **{"track_everything": True, "smooth": False},
    )
    inputs = {"tracks": (tracked, 0), "filename_prefix": "pointvid/f8", "hidden_points": False}
    for format, node in (("ply", "PreviewPointCloud"), ("glb", "Preview3D")):
        saved = graph.add("PointVid_ExportTracks", format=format, **inputs)
        if node == "Preview3D":
            graph.add(node, model_file=(saved, 0))
        else:
            graph.add(node, model_3d=(saved, 0), viewport_state="", width=512, height=512)
    result = host.run(graph)
    assert result["ok"], result
