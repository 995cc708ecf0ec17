"""What a graph's user takes for granted of MASK, IMAGE and batches, each as core's own nodes give them."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from tests.host.graphs import Graph

pytestmark = pytest.mark.host

TRACKING = {"tracker": "lucas_kanade", "grid_size": 16, "random_points": 200, "track_everything": False, "smooth": True}


def demo(**inputs) -> tuple[Graph, str]:
    """The demo clip, 24 frames of 256x448, and Track Points on it; tracks and report are probed."""
    graph = Graph()
    clip = graph.add("PointVid_DemoClip")
    inputs = {name: value(graph, clip) if callable(value) else value for name, value in inputs.items()}
    return graph, graph.add(
        "PointVid_TrackingPreprocessor", **{"image": (clip, 0), "fps": (clip, 3)}, **TRACKING | inputs
    )


def tracked(host, name: str, **inputs) -> tuple[dict, str]:
    """Tracks and report of the demo clip."""
    graph, node = demo(**inputs)
    graph.probe(f"{name}_tracks", node, 0)
    graph.probe(f"{name}_report", node, 4)
    result = host.run(graph)
    assert result["ok"], result
    return host.probed(f"{name}_tracks"), host.probed(f"{name}_report")


def solid(width: int, height: int, value: float = 1.0):
    return lambda graph, clip: (graph.add("SolidMask", value=value, width=width, height=height), 0)


def grey(width: int, height: int, frames: int):
    return lambda graph, clip: (
        graph.add("EmptyImage", width=width, height=height, batch_size=frames, color=0x404040),
        0,
    )


def boxes(*places: tuple[int, int, int, int], size: tuple[int, int] = (256, 448), one: bool = False):
    """Files input/box*.png of white boxes (left, top, right, bottom), loaded as one MASK or as a batch of them."""

    def build(graph: Graph, clip: str):
        masks = [(graph.add("LoadImageMask", image=name, channel="red"), 0) for name in names]
        images = [(graph.add("MaskToImage", mask=mask), 0) for mask in masks]
        batch = images[0]
        for image in images[1:]:
            batch = (graph.add("ImageBatch", image1=batch, image2=image), 0)
        return graph.add("ImageToMask", image=batch, channel="red"), 0

    names: list[str] = []

    def write(host) -> None:
        names.clear()
        for group in [places] if one else [[place] for place in places]:
            picture = torch.zeros(*size, dtype=torch.uint8)
            for left, top, right, bottom in group:
                picture[top:bottom, left:right] = 255
            name = f"box_{abs(hash((tuple(group), size)))}.png"
            Image.fromarray(picture.numpy()).convert("RGB").save(host.base / "input" / name)
            names.append(name)

    build.write = write
    return build


LEFT, RIGHT = (40, 60, 140, 200), (260, 40, 400, 180)


def inside(tracks: dict, box: tuple[int, int, int, int]) -> torch.Tensor:
    u, v = tracks["uvd"][0, :, :2].unbind(-1)
    left, top, right, bottom = box
    return (u >= left) & (u < right) & (v >= top) & (v < bottom)


def test_a_mask_of_another_size_is_resized(host):
    twice = tuple(2 * x for x in LEFT)
    mask = boxes(twice, size=(512, 896))
    mask.write(host)
    tracks, report = tracked(host, "resized", mask=mask)
    assert inside(tracks, LEFT).all()
    assert "mask: resized from 512x896 to the clip's 256x448" in report


def test_the_empty_mask_of_load_image_is_none(host):
    with_it, report = tracked(host, "empty", mask=solid(64, 64, 0.0))
    without, _ = tracked(host, "none")
    assert torch.equal(with_it["uvd"], without["uvd"])
    assert "Load Image gives such a mask" in report


def test_load_image_itself_gives_that_mask(host):
    Image.new("RGB", (448, 256), "white").save(host.base / "input" / "opaque.png")
    _, report = tracked(host, "opaque", mask=lambda graph, clip: (graph.add("LoadImage", image="opaque.png"), 1))
    assert "Load Image gives such a mask" in report


def test_the_masks_of_a_batch_are_objects(host):
    mask = boxes(LEFT, RIGHT)
    mask.write(host)
    tracks, report = tracked(host, "batch", mask=mask)
    assert torch.equal(tracks["object_id"] == 1, inside(tracks, LEFT))
    assert torch.equal(tracks["object_id"] == 2, inside(tracks, RIGHT))
    assert "mask: 2 objects, one a mask" in report


def test_an_empty_mask_in_a_batch_is_said(host):
    mask = boxes((0, 0, 0, 0), RIGHT)
    mask.write(host)
    tracks, report = tracked(host, "half", mask=mask)
    assert (tracks["object_id"] == 2).all()
    assert "nothing of mask 1 is left" in report


def test_parts_of_one_mask_are_told_apart(host):
    mask = boxes(LEFT, RIGHT, (5, 5, 7, 7), one=True)
    mask.write(host)
    tracks, report = tracked(host, "parts", mask=mask)
    right, left = inside(tracks, RIGHT), inside(tracks, LEFT)
    assert (tracks["object_id"][right] == 1).all()  # the larger
    assert (tracks["object_id"][left] == 2).all()
    assert set(tracks["object_id"].tolist()) == {1, 2}  # the speck is no object
    assert "2 separate parts" in report


def test_one_mask_a_frame_is_that_of_the_first(host):
    _, report = tracked(
        host,
        "frames",
        mask=lambda graph, clip: (graph.add("ImageToMask", image=(clip, 0), channel="green"), 0),
    )
    assert "one a frame, the first of 24 counts" in report


@pytest.mark.parametrize(("width", "height"), [(896, 512), (200, 100)])
def test_depth_of_another_size_is_resized(host, width, height):
    depth = grey(width, height, 24)
    tracks, report = tracked(host, f"depth{width}", depth=depth, depth_mapping="depth", depth_near=2.0, depth_far=4.0)
    assert torch.allclose(tracks["uvd"][..., 2], torch.tensor(2 + 2 * 0x40 / 255), atol=1e-3)
    assert f"depth: resized from {height}x{width}" in report


def test_one_frame_of_depth_is_said(host):
    depth = grey(448, 256, 1)
    _, report = tracked(host, "one_depth", depth=depth)
    assert "depth: one frame for all 24 of the clip" in report


def test_messages_speak_of_the_nodes_inputs(host):
    still = Graph()
    image = still.add("EmptyImage", width=64, height=48, batch_size=4, color=0x808080)
    still.probe("never", still.add("PointVid_TrackingPreprocessor", image=(image, 0), fps=8.0, **TRACKING))
    error = host.run(still)["error"]
    assert "connect a mask or a segmenter, or switch track_everything on" in error
    assert "--" not in error
    mask = boxes((3, 3, 5, 5))
    mask.write(host)
    graph, node = demo(mask=mask, grid_size=2, random_points=0)
    graph.probe("never", node)
    error = host.run(graph)["error"]
    assert error.endswith("lies in the mask of 4 pixels; raise grid_size or random_points, or choose queries dense")


def test_a_required_mask_names_the_cause(host):
    graph, node = demo()
    mask = graph.add("SolidMask", value=0.0, width=64, height=64)
    filled = graph.add(
        "PointVid_FillTracks", tracks=(node, 0), mask=(mask, 0), interpolation="displacement", neighbors=3
    )
    graph.probe("never", filled)
    assert host.run(graph)["error"].startswith("mask is empty (Load Image gives such a mask where the picture has no")


def test_core_tracks_with_one_visibility_a_frame(host):
    """As Generate Tracks gives them for a track_mask."""
    graph = Graph()
    clip = graph.add("PointVid_DemoClip")
    white = graph.add("SolidMask", value=1.0, width=8, height=8)
    image = graph.add("RepeatImageBatch", image=(graph.add("MaskToImage", mask=(white, 0)), 0), amount=24)
    masks = graph.add("ImageToMask", image=(image, 0), channel="red")
    path = {"start_x": 0.2, "start_y": 0.4, "end_x": 0.6, "end_y": 0.4, "mid_x": 0.5, "mid_y": 0.5}
    size = {"width": 448, "height": 256, "num_frames": 24, "num_tracks": 5, "track_spread": 0.025}
    made = graph.add("GenerateTracks", **path, **size, bezier=False, interpolation="linear", track_mask=(masks, 0))
    graph.probe("core", graph.add("PointVid_TracksFromCore", tracks=(made, 0), image=(clip, 0), fps=8.0))
    result = host.run(graph)
    assert result["ok"], result
    found = host.probed("core")
    assert found["visible"].shape == found["uvd"].shape[:2] == (24, 5)
    assert found["visible"].all()


SMALL = "pointvid-small.safetensors (comes with the pack)"


def generated(batch: int, repeat: int = 1) -> tuple[Graph, str, str]:
    """A graph of the small model, its loader and its sampler."""
    graph = Graph()
    clip = graph.add("PointVid_DemoClip")
    load = graph.add("PointVid_LoadModel", name=SMALL, dtype="default")
    prompts = [graph.add("CLIPTextEncode", clip=(load, 1), text=text) for text in ("the blue box is lifted up", "")]
    start = graph.add(
        "PointVid_ImageToVideo",
        **{"positive": (prompts[0], 0), "negative": (prompts[1], 0), "vae": (load, 3), "clip_vision": (load, 2)},
        **{"start_image": (clip, 4), "width": 128, "height": 128, "length": 4, "fps": 8.0, "batch_size": batch},
    )
    latent = (start, 2)
    if repeat > 1:
        latent = (graph.add("RepeatLatentBatch", samples=latent, amount=repeat), 0)
    sampled = graph.add(
        "KSampler",
        **{"model": (load, 0), "positive": (start, 0), "negative": (start, 1), "latent_image": latent, "seed": 3},
        **{"steps": 4, "cfg": 3.0, "sampler_name": "ddim", "scheduler": "ddim_uniform", "denoise": 1.0},
    )
    return graph, load, sampled


@pytest.mark.parametrize(("batch", "repeat"), [(2, 1), (1, 2)])
def test_every_video_of_a_batch_comes_with_its_tracks(host, batch, repeat):
    graph, load, sampled = generated(batch, repeat)
    decoded = graph.add("PointVid_TrajectoryDecoder", latent=(sampled, 0), vae=(load, 3), model=(load, 0))
    preview = graph.add("PointVid_PointCloudPreview", points=(decoded, 1), image=(decoded, 0))
    second = graph.add("PointVid_TrajectoryDecoder", latent=(sampled, 0), vae=(load, 3), model=(load, 0), batch_index=1)
    graph.probe("second_frames", second, 0)
    graph.probe("second_tracks", second, 1)
    graph.probe("last_frames", decoded, 0)  # the last of the list that the probe is run for
    result = host.run(graph)
    assert result["ok"], result
    assert len(result["outputs"][preview]["pointvid"]) == 2
    frames = host.probed("second_frames")
    assert frames.shape == (4, 128, 128, 3)
    assert len(host.probed("second_tracks")["uvd"]) == 4
    assert torch.equal(frames, host.probed("last_frames"))


def test_a_batch_index_beyond_the_batch_is_one_line(host):
    graph, load, sampled = generated(1)
    inputs = {"latent": (sampled, 0), "vae": (load, 3), "model": (load, 0)}
    graph.probe("never", graph.add("PointVid_TrajectoryDecoder", **inputs, batch_index=1))
    assert host.run(graph)["error"] == "batch_index is 1, latent has 1 videos; expected less, or -1"
