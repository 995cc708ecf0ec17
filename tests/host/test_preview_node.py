"""Point-Cloud Preview: the file for its player, the 3D file for core's, the rendered frames."""

from __future__ import annotations

import json
import struct

import pytest

from pointvid.files.track_file import save_tracks
from tests.host.graphs import Graph
from tests.host.test_track_nodes import some_tracks

pytestmark = pytest.mark.host


def preview(host, **inputs) -> tuple[Graph, str]:
    save_tracks(some_tracks(), host.base / "input" / "shown.npz")
    graph = Graph()
    load = graph.add("PointVid_LoadTracks", file="shown.npz")
    return graph, graph.add("PointVid_PointCloudPreview", points=(load, 0), **inputs)


def header(path) -> dict:
    """The JSON head of a .pvt file (docs/viewer-format.md)."""
    data = path.read_bytes()
    assert data[:4] == b"PVT1"
    return json.loads(data[8 : 8 + struct.unpack("<I", data[4:8])[0]])


def test_everything_lands_in_temp(host):
    before = set((host.base / "output").rglob("*"))
    graph, node = preview(host)
    graph.probe("preview_glb", node, 0)
    graph.probe("preview_image", node, 1)
    result = host.run(graph)
    assert result["ok"], result
    (viewer,) = result["outputs"][node]["pointvid"]
    assert viewer["type"] == "temp"
    head = header(host.base / "temp" / viewer["subfolder"] / viewer["filename"])
    assert (head["frames"], head["sets"][0]["points"], head["video"]) == (6, 48, None)
    assert host.probed("preview_glb")["bytes"][:4] == b"glTF"
    image = host.probed("preview_image")
    assert image.shape == (6, 24, 32, 3)
    assert image.std() > 0.02
    written = set((host.base / "output").rglob("*")) - before
    assert {path.name for path in written} <= {"preview_glb.pt", "preview_image.pt"}
    assert result["progress_events"] > 0


def test_clip_and_comparison_reach_the_player(host):
    graph, node = preview(host)
    smooth = graph.add("PointVid_SmoothTracks", tracks=("1", 0), mode="smoother", strength=1.0, depth_strength=1.0)
    image = graph.add("EmptyImage", width=32, height=24, batch_size=6, color=255)
    graph[node]["inputs"] |= {"image": [image, 0], "compare": [smooth, 0], "max_points": 10}
    result = host.run(graph)
    assert result["ok"], result
    (viewer,) = result["outputs"][node]["pointvid"]
    head = header(host.base / "temp" / viewer["subfolder"] / viewer["filename"])
    assert len(head["video"]["jpeg"]) == 6
    assert len(head["sets"]) == 2
    assert head["sets"][0]["points"] <= 10


def test_point_map_takes_colours_from_the_clip(host):
    graph, node = preview(host)
    mask = graph.add("SolidMask", value=1.0, width=32, height=24)
    fill = graph.add("PointVid_FillTracks", tracks=("1", 0), mask=(mask, 0), interpolation="displacement", neighbors=3)
    image = graph.add("EmptyImage", width=32, height=24, batch_size=6, color=0xFF0000)
    graph[node]["inputs"] |= {"points": [fill, 0], "image": [image, 0], "max_points": 200}
    graph.probe("red", node, 1)
    result = host.run(graph)
    assert result["ok"], result
    (viewer,) = result["outputs"][node]["pointvid"]
    assert 100 <= header(host.base / "temp" / viewer["subfolder"] / viewer["filename"])["sets"][0]["points"] <= 200
    red, green, _ = host.probed("red").flatten(0, 2).amax(0)
    assert red > 0.8
    assert green < 0.8


def test_clip_of_another_length_is_one_line(host):
    graph, node = preview(host)
    image = graph.add("EmptyImage", width=32, height=24, batch_size=4, color=255)
    graph[node]["inputs"]["image"] = [image, 0]
    result = host.run(graph)
    assert result["error"] == "image has 4 frames, points has 6; expected the clip that was tracked, or none"


def test_cancelling_interrupts(host):
    graph, _ = preview(host, swing=11.0)  # a value of its own, or the result would come from the cache
    result = host.run(graph, cancel_at=2)
    assert result["interrupted"]
    assert not result["ok"]
