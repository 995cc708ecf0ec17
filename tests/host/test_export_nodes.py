"""Export Point Tracks: what lands in the output folder, and what 3D nodes receive."""

from __future__ import annotations

import pytest
import torch

from pointvid.export.glb import encode_glb
from pointvid.export.registry import FORMATS
from pointvid.files.track_file import load_tracks, save_tracks
from tests.host.graphs import Graph
from tests.host.test_track_nodes import some_tracks

pytestmark = pytest.mark.host


def export(host, kind: str, **more) -> tuple[Graph, str]:
    save_tracks(some_tracks(), host.base / "input" / "exported.npz")
    graph = Graph()
    load = graph.add("PointVid_LoadTracks", file="exported.npz")
    node = graph.add(
        "PointVid_ExportTracks",
        tracks=(load, 0),
        format=kind,
        filename_prefix=f"exports/{kind}",
        hidden_points=False,
        **more,
    )
    return graph, node


def test_the_node_offers_what_the_library_writes(host):
    offered = host.report["nodes"]["PointVid_ExportTracks"]["input"]["required"]["format"][1]["options"]
    assert sorted(offered) == sorted(entry.name for entry in FORMATS if entry.name != "json")


def test_glb_reaches_preview_3d(host):
    graph, node = export(host, "glb")
    graph.probe("glb", node)
    preview = graph.add("Preview3D", model_file=(node, 0))
    result = host.run(graph)
    assert result["ok"], result
    saved = {"filename": "glb_00001_.glb", "subfolder": "exports", "type": "output"}
    assert result["outputs"][node]["3d"] == [saved]
    expected = encode_glb(some_tracks())
    assert (host.base / "output" / "exports" / "glb_00001_.glb").read_bytes() == expected
    assert host.probed("glb") == {"format": "glb", "bytes": expected}
    shown = result["outputs"][preview]["result"][0]
    assert (host.base / "output" / shown).read_bytes() == expected
    assert result["progress_events"] > 0


def test_ply_is_a_folder_with_a_file_a_frame(host):
    graph, node = export(host, "ply")
    result = host.run(graph)
    assert result["ok"], result
    saved = {"filename": "frame_0000.ply", "subfolder": "exports/ply_00001_", "type": "output"}
    assert result["outputs"][node]["3d"] == [saved]
    folder = host.base / "output" / "exports" / "ply_00001_"
    assert sorted(path.name for path in folder.iterdir()) == [f"frame_{frame:04d}.ply" for frame in range(6)]


@pytest.mark.parametrize(("kind", "start"), [("usda", b"#usda 1.0"), ("csv", b"frame,track,u,v,depth")])
def test_text_formats(host, kind, start):
    graph, node = export(host, kind)
    graph.probe(f"{kind}_path", node, 1)
    result = host.run(graph)
    assert result["ok"], result
    path = host.base / "output" / "exports" / f"{kind}_00001_.{kind}"
    assert path.read_bytes().startswith(start)
    assert host.probed(f"{kind}_path") == str(path)


def test_npz_is_the_public_track_file(host):
    graph, _ = export(host, "npz")
    result = host.run(graph)
    assert result["ok"], result
    found = load_tracks(host.base / "output" / "exports" / "npz_00001_.npz")
    assert torch.equal(found.uvd, some_tracks().uvd)


def test_npz_as_a_scene_says_why_not(host):
    graph, node = export(host, "npz")
    graph.add("Preview3D", model_file=(node, 0))
    result = host.run(graph)
    assert "npz is not a 3D scene, choose glb" in result["error"]


@pytest.mark.parametrize(
    ("kind", "name", "count"),
    [
        ("blender", "blender_00001_", 2),
        ("nuke", "nuke_00001_.nk", 0),
        ("after_effects", "after_effects_00001_", 1),
    ],
)
def test_formats_of_one_program(host, kind, name, count):
    graph, node = export(host, kind, max_tracks=1, width=640, first_frame=1001)
    graph.probe(f"{kind}_path", node, 1)
    result = host.run(graph)
    assert result["ok"], result
    path = host.base / "output" / "exports" / name
    assert host.probed(f"{kind}_path") == str(path)
    assert result["outputs"][node]["files"] == [{"filename": name, "subfolder": "exports", "type": "output"}]
    if count:
        assert len(list(path.iterdir())) == count
    else:
        text = path.read_text(encoding="ascii")
        assert "reference_frame 1001" in text
        assert text.count('"track ') == 1
        assert 'label "640x' in text


def test_cancel_stops_an_export_and_leaves_no_file(host):
    graph, _ = export(host, "glb")
    graph["2"]["inputs"]["filename_prefix"] = "cancelled/glb"
    result = host.run(graph, cancel_at=2)
    assert result["interrupted"]
    assert not list((host.base / "output" / "cancelled").iterdir())
