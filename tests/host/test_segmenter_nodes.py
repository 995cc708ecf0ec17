"""Caption to Labels, Load Object Segmenter and Segment Objects by Name in the real host, on tiny random models."""

from __future__ import annotations

import shutil

import pytest
import torch

from pointvid.files.video import write_video
from pointvid.segmenters.grounded_sam2 import load_grounded_sam2
from tests.host.graphs import Graph
from tests.host.test_tracking_nodes import track
from tests.sam2_reference import seeded_frame
from tests.tiny_segmenter import write_models

pytestmark = pytest.mark.host

HEIGHT, WIDTH = 60, 84
EVERYTHING = {"box_threshold": 0.0, "text_threshold": 0.0}


@pytest.fixture(scope="module")
def models(host):
    """models/grounding-dino/tiny and models/sam2/tiny, and a clip: input/still.mp4."""
    folder = host.base / "models"
    write_models(folder)
    write_video(host.base / "input" / "still.mp4", seeded_frame(HEIGHT, WIDTH).repeat(4, 1, 1, 1), 8.0)
    yield folder
    shutil.rmtree(folder / "grounding-dino")
    shutil.rmtree(folder / "sam2")


def clip(graph: Graph) -> tuple[str, int]:
    return graph.add("GetVideoComponents", video=(graph.add("LoadVideo", file="still.mp4"), 0)), 0


def load(graph: Graph, detector: str = "tiny", masker: str = "tiny") -> tuple[str, int]:
    return graph.add("PointVid_LoadSegmenter", detector=detector, masker=masker), 0


def segment(graph: Graph, labels: str | tuple = "man, red box", **settings) -> str:
    settings = {**EVERYTHING, **settings}
    return graph.add("PointVid_SegmentObjects", image=clip(graph), segmenter=load(graph), labels=labels, **settings)


def test_empty_folders_say_what_to_put_there(host):
    (node,) = host.describe({"PointVid_LoadSegmenter"}).values()
    chosen = {name: node["input"]["required"][name][1]["options"][0] for name in ("detector", "masker")}
    graph = Graph()
    graph.probe("never", *load(graph, **chosen))
    command = "`python -m pointvid download grounding-dino-tiny` in the pack's folder"
    expected = f"models/grounding-dino holds no model; run {command} and refresh"
    assert host.run(graph)["error"] == expected


def test_objects_are_those_of_the_library(host, models):
    (node,) = host.describe({"PointVid_LoadSegmenter"}).values()
    assert node["input"]["required"]["detector"][1]["options"] == ["tiny"]
    assert node["input"]["required"]["masker"][1]["options"] == ["tiny"]
    graph = Graph()
    found = segment(graph)
    for output, name in enumerate(("mask", "objects", "overlay", "report")):
        graph.probe(f"segment_{name}", found, output)
    graph.probe("segment_frame", clip(graph)[0])
    result = host.run(graph)
    assert result["ok"], result
    assert result["progress_events"] > 2
    frame = host.probed("segment_frame")[0].mul(255).round().to(torch.uint8)
    expected = load_grounded_sam2(models, **EVERYTHING).segment(frame, ["man", "red box"])
    objects = host.probed("segment_objects")
    assert objects.shape == (len(expected), HEIGHT, WIDTH)
    assert torch.equal(objects > 0, expected.masks)
    assert torch.equal(host.probed("segment_mask")[0] > 0, expected.mask)
    assert host.probed("segment_overlay").shape == (1, HEIGHT, WIDTH, 3)
    lines = host.probed("segment_report").splitlines()
    assert len(lines) == len(expected)
    assert lines[0].startswith(f"1: {expected.labels[0]}, score {expected.scores[0]:.2f}, ")


def test_caption_to_mask(host, models):
    graph = Graph()
    labels = graph.add("PointVid_CaptionToLabels", caption="A man in a suit throws a red box off the roof.")
    graph.probe("caption_labels", labels)
    graph.probe("caption_mask", segment(graph, labels=(labels, 0), max_objects=2), 1)
    result = host.run(graph)
    assert result["ok"], result
    assert host.probed("caption_labels") == "man, red box"
    assert len(host.probed("caption_mask")) == 2


def test_tracking_takes_labels(host, models):
    """The objects found become the foreground, and its tracks know their object; a mask goes before them."""
    graph = Graph()
    image = clip(graph)
    mask = graph.add("SolidMask", value=1.0, width=WIDTH, height=HEIGHT)
    inputs = {"segmenter": load(graph), "labels": "man, red box", "tracker": "lucas_kanade", "smooth": False}
    named = track(image, graph, **inputs)
    graph.probe("named_tracks", named)
    graph.probe("named_report", named, 4)
    graph.probe("named_frame", image[0])
    graph.probe("marked_report", track(image, graph, **inputs, mask=(mask, 0)), 4)
    result = host.run(graph)
    assert result["ok"], result
    frame = host.probed("named_frame")[0].mul(255).round().to(torch.uint8)
    found = load_grounded_sam2(models).segment(frame, ["man", "red box"])
    tracks = host.probed("named_tracks")
    u, v = tracks["uvd"][0, :, :2].long().unbind(-1)
    assert len(tracks["object_id"].unique()) > 1
    assert torch.equal(tracks["object_id"], found.object_map[v, u])
    named = [f"{label} {score:.2f}" for label, score in zip(found.labels, found.scores.tolist())]
    assert f"objects: {', '.join(named[:8])}" in host.probed("named_report")
    assert "marked by the mask" in host.probed("marked_report")


def test_labels_without_segmenter_are_one_line(host, models):
    graph = Graph()
    graph.probe("never", track(clip(graph), graph, labels="man"))
    assert host.run(graph)["error"] == (
        "labels is 'man' without a segmenter, connect Load Object Segmenter or clear labels"
    )


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        ("", {}, "labels is empty, expected at least one object to look for"),
        ("man, dog", {"box_threshold": 1.0}, "found none of: man, dog; lower the box threshold (1)"),
    ],
)
def test_bad_input_is_one_line(host, models, labels, settings, message):
    graph = Graph()
    graph.probe("never", segment(graph, labels=labels, **settings))
    result = host.run(graph)
    assert result["error"].startswith(message), result
    assert result["error_type"].endswith("PointVidError")


@pytest.mark.parametrize(
    ("caption", "server", "message"),
    [
        ("", "", "caption is empty"),
        ("Un homme joue de la guitare dans un parc", "", "is not English"),
        ("a man", "ftp://nowhere", "server url is 'ftp://nowhere'"),
    ],
)
def test_captions_without_labels(host, caption, server, message):
    graph = Graph()
    graph.probe("never", graph.add("PointVid_CaptionToLabels", caption=caption, server=server))
    assert message in host.run(graph)["error"]


def test_cancelling_interrupts(host, models):
    graph = Graph()
    graph.probe("never", segment(graph, labels="dog"))
    assert host.run(graph, cancel_at=2)["interrupted"]
