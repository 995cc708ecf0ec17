"""Samples written and read inside the host."""

from __future__ import annotations

import pytest
import torch

from pointvid.files.sample import read_sample
from pointvid.files.track_file import save_tracks
from pointvid.points.densify import densify
from tests.host.graphs import Graph
from tests.host.test_track_nodes import SIZE, some_tracks

pytestmark = pytest.mark.host


def save_sample_graph(host, prefix: str, batch_size: int = 6) -> Graph:
    save_tracks(some_tracks(), host.base / "input" / "sampled.npz")
    graph = Graph()
    load = graph.add("PointVid_LoadTracks", file="sampled.npz")
    mask = graph.add("SolidMask", value=1.0, width=32, height=24)
    fill = graph.add("PointVid_FillTracks", tracks=(load, 0), mask=(mask, 0), interpolation="displacement", neighbors=3)
    image = graph.add("EmptyImage", width=32, height=24, batch_size=batch_size, color=0x204060)
    graph.add(
        "PointVid_SaveSample",
        image=(image, 0),
        point_map=(fill, 0),
        caption=" a grid drifts to the right\n",
        labels="grid, , points",
        filename_prefix=prefix,
    )
    return graph


def test_sample_comes_back(host):
    result = host.run(save_sample_graph(host, "pointvid/sample"))
    assert result["ok"], result
    sample = read_sample(host.base / "output" / "pointvid" / "sample_00001_.pointvid.tar")
    assert sample.caption == "a grid drifts to the right"
    assert sample.labels == ("grid", "points")
    assert sample.provenance["comfyui_prompt"]["3"]["class_type"] == "PointVid_FillTracks"
    assert sample.point_map.fps == 12.0

    graph = Graph()
    load = graph.add("PointVid_LoadSample", file="pointvid/sample_00001_.pointvid.tar [output]")
    for output, name in enumerate(("image", "point_map", "mask", "caption", "fps")):
        graph.probe(f"sample_{name}", load, output)
    result = host.run(graph)
    assert result["ok"], result
    expected = densify(some_tracks(), torch.ones(SIZE, dtype=torch.bool))
    found = host.probed("sample_point_map")["points"]
    assert (found - expected.points)[..., :2].abs().max() < 0.01
    image = host.probed("sample_image")
    assert image.shape == (6, 24, 32, 3)
    assert (image - torch.tensor([0x20, 0x40, 0x60]) / 255).abs().max() < 0.03  # lossy, but close
    assert host.probed("sample_mask").shape == (1, 24, 32)
    assert host.probed("sample_caption") == "a grid drifts to the right"
    assert host.probed("sample_fps") == 12.0


def test_clip_of_another_length_is_one_line(host):
    result = host.run(save_sample_graph(host, "pointvid/wrong", batch_size=4))
    assert result["error"].startswith("image is 4x24x32, point_map 6x24x32 (TxHxW)")
    assert "\n" not in result["error"]
    assert not list((host.base / "output" / "pointvid").glob("wrong*"))


def test_disable_metadata_keeps_the_graph_out(host):
    result = host.run(save_sample_graph(host, "plain"), disable_metadata=True)
    assert result["ok"], result
    sample = read_sample(host.base / "output" / "plain_00001_.pointvid.tar")
    assert "comfyui_prompt" not in sample.provenance
    assert sample.provenance["software"].startswith("ComfyUI-PointVid")
