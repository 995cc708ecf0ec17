"""Load Depth Model and Estimate Depth inside the real host, on tiny models in the published layout."""

from __future__ import annotations

import shutil

import pytest
import torch

from pointvid.camera import Camera
from pointvid.depth_models.loading import load_depth_model
from tests.host.graphs import Graph
from tests.host.test_tracking_nodes import track
from tests.tiny_depth_models import published_folder

pytestmark = pytest.mark.host

FRAMES, HEIGHT, WIDTH = 4, 40, 56


@pytest.fixture(scope="module")
def models(host):
    """models/depth_models with a metric model, one of disparity, and one that estimates a camera."""
    folder = host.base / "models" / "depth_models"
    published_folder(folder / "zoedepth-tiny", "zoedepth")
    published_folder(folder / "somebody" / "depth-anything-tiny", "depth_anything")
    published_folder(folder / "depth-pro-tiny", "depth_pro")
    yield folder
    shutil.rmtree(folder)


def load(graph: Graph, name: str, **settings) -> tuple[str, int]:
    settings = {"kind": "auto", "near": 1.0, "far": 10.0, "frames_at_once": 2} | settings
    return graph.add("PointVid_LoadDepthModel", name=name, **settings), 0


def image(graph: Graph) -> tuple[str, int]:
    """Something to see: a square that moves is core's business, a fixed one is enough here."""
    back = graph.add("EmptyImage", width=WIDTH, height=HEIGHT, batch_size=FRAMES, color=0x204060)
    box = graph.add("EmptyImage", width=20, height=20, batch_size=FRAMES, color=0xF0C020)
    placed = graph.add("ImageCompositeMasked", destination=(back, 0), source=(box, 0), x=10, y=8, resize_source=False)
    return placed, 0


def expected(folder, graph_image: torch.Tensor, **settings) -> object:
    """The same by the library alone."""
    frames = graph_image.mul(255).round().to(torch.uint8)
    return load_depth_model(folder, **settings).estimate(frames)


def test_an_empty_folder_names_the_command(host):
    (loader,) = host.describe({"PointVid_LoadDepthModel"}).values()
    (only,) = loader["input"]["required"]["name"][1]["options"]
    graph = Graph()
    graph.probe(
        "never", graph.add("PointVid_EstimateDepth", depth_model=load(graph, only), image=image(graph), fov=0.0)
    )
    assert "run `python -m pointvid download zoedepth` in the pack's folder" in host.run(graph)["error"]


def test_estimated_depth_is_the_librarys_and_feeds_the_tracker(host, models):
    graph = Graph()
    model, clip = load(graph, "zoedepth-tiny"), image(graph)
    estimate = graph.add("PointVid_EstimateDepth", depth_model=model, image=clip, fov=60.0)
    names = ("geometry", "picture", "report")
    for output, name in enumerate(names):
        graph.probe(f"depth_{name}", estimate, output)
    graph.probe("depth_clip", clip[0])
    inputs = {"track_everything": True, "grid_size": 6, "random_points": 0, "smooth": False}
    graph.probe("by_geometry", track(clip, graph, depth=(estimate, 0), **inputs))
    node = track(clip, graph, depth_model=model, **inputs)
    graph.probe("by_model", node)
    graph.probe("by_model_report", node, 4)
    result = host.run(graph)
    assert result["ok"], result
    geometry, picture, report = (host.probed(f"depth_{name}") for name in names)
    found = expected(models / "zoedepth-tiny", host.probed("depth_clip"))
    assert torch.allclose(geometry["depth"], found.maps, rtol=1e-5)
    assert picture.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert (picture.min(), picture.max()) == (0, 1)
    assert "by zoedepth-tiny" in report
    assert "flicker: 0.00% of the depth" in report  # nothing in the clip moves
    by_geometry, by_model = host.probed("by_geometry"), host.probed("by_model")
    assert by_geometry["depth_unit"] == by_model["depth_unit"] == "metric"
    assert torch.allclose(by_geometry["uvd"][..., 2], by_model["uvd"][..., 2], rtol=1e-5)
    assert by_geometry["camera"] == pytest.approx(Camera.from_fov((HEIGHT, WIDTH), 60.0).intrinsics, rel=1e-5)
    assert "depth flicker: 0.00%" in host.probed("by_model_report")
    assert result["progress_events"] > 2 * FRAMES // 2


def test_disparity_is_relative_and_its_range_can_be_set(host, models):
    graph = Graph()
    model = load(graph, "somebody/depth-anything-tiny", near=2.0, far=4.0)
    clip = image(graph)
    graph.probe("relative", graph.add("PointVid_EstimateDepth", depth_model=model, image=clip, fov=0.0))
    graph.probe("relative_clip", clip[0])
    assert host.run(graph)["ok"]
    geometry = host.probed("relative")
    found = expected(models / "somebody" / "depth-anything-tiny", host.probed("relative_clip"), near=2.0, far=4.0)
    assert torch.allclose(geometry["depth"], found.maps, rtol=1e-4)
    assert geometry["depth_unit"] == "relative"
    assert "intrinsics" not in geometry


def test_the_camera_that_depth_pro_estimates_goes_with_the_tracks(host, models):
    graph = Graph()
    clip = image(graph)
    estimate = graph.add("PointVid_EstimateDepth", depth_model=load(graph, "depth-pro-tiny"), image=clip, fov=0.0)
    graph.probe("pro", track(clip, graph, depth=(estimate, 0), track_everything=True, grid_size=4, random_points=0))
    graph.probe("pro_clip", clip[0])
    result = host.run(graph)
    assert result["ok"], result
    found = expected(models / "depth-pro-tiny", host.probed("pro_clip"))
    assert host.probed("pro")["camera"] == pytest.approx(found.camera.intrinsics, rel=1e-4)


def test_cancelling_interrupts(host, models):
    graph = Graph()
    model = load(graph, "zoedepth-tiny", frames_at_once=1)
    graph.probe("never", graph.add("PointVid_EstimateDepth", depth_model=model, image=image(graph), fov=1.0))
    assert host.run(graph, cancel_at=2)["interrupted"]
