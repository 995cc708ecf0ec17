"""Nodes between POINT_TRACKS and POINT_TRACKS, POINT_MAP, files and core's TRACKS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from pointvid.camera import Camera
from pointvid.files.track_file import load_tracks, save_tracks
from pointvid.points.densify import densify
from pointvid.points.smoothing import smooth_tracks
from pointvid.tracks import PointTracks
from tests.host.graphs import Graph

pytestmark = pytest.mark.host

SIZE = (24, 32)


def some_tracks() -> PointTracks:
    """A grid of 6x8 points drifting to the right and away, with noise from frame 1 on."""
    generator = torch.Generator().manual_seed(0)
    v, u = torch.meshgrid(torch.arange(2.0, 24, 4), torch.arange(2.0, 32, 4), indexing="ij")
    start = torch.stack((u.flatten(), v.flatten(), torch.full((48,), 2.0)), -1)
    uvd = start + torch.arange(6.0).view(6, 1, 1) * torch.tensor([0.5, 0.0, 0.1])
    uvd[1:] += 0.2 * torch.randn(5, 48, 3, generator=generator)
    color = torch.randint(0, 256, (48, 3), generator=generator, dtype=torch.uint8)
    return PointTracks(uvd, torch.ones(6, 48, dtype=torch.bool), SIZE, Camera.default(SIZE), "metric", 12.0, color)


@pytest.fixture(scope="module")
def tracks(host) -> PointTracks:
    """The tracks, also lying in the host's input folder."""
    tracks = some_tracks()
    save_tracks(tracks, host.base / "input" / "given.npz")
    return tracks


def loaded() -> tuple[Graph, str]:
    graph = Graph()
    return graph, graph.add("PointVid_LoadTracks", file="given.npz")


def test_load_smooth_save(host, tracks):
    graph, load = loaded()
    smooth = graph.add("PointVid_SmoothTracks", tracks=(load, 0), mode="smoother", strength=2.0, depth_strength=3.0)
    save = graph.add("PointVid_SaveTracks", tracks=(smooth, 0), filename_prefix="pointvid/smooth")
    result = host.run(graph)
    assert result["ok"], result
    assert result["outputs"][save]["files"] == [
        {"filename": "smooth_00001_.npz", "subfolder": "pointvid", "type": "output"}
    ]
    found = load_tracks(host.base / "output" / "pointvid" / "smooth_00001_.npz")
    expected = smooth_tracks(tracks, tau=2.0, tau_depth=3.0)
    assert torch.allclose(found.uvd, expected.uvd, atol=1e-5)
    assert torch.equal(found.color, tracks.color)
    assert found.fps == 12.0
    assert found.depth_unit == "metric"


def test_saving_again_does_not_overwrite(host, tracks):
    for strength in (1.0, 2.0):  # something has to change, or the host takes the second run from its cache
        graph, load = loaded()
        smooth = graph.add(
            "PointVid_SmoothTracks", tracks=(load, 0), mode="filter", strength=strength, depth_strength=1.0
        )
        graph.add("PointVid_SaveTracks", tracks=(smooth, 0), filename_prefix="again")
        assert host.run(graph)["ok"]
    assert {path.name for path in (host.base / "output").glob("again*")} == {"again_00001_.npz", "again_00002_.npz"}


def test_saved_tracks_load_back(host, tracks):
    graph, load = loaded()
    graph.add("PointVid_SaveTracks", tracks=(load, 0), filename_prefix="pointvid/back")
    assert host.run(graph)["ok"]
    graph = Graph()
    graph.probe("back", graph.add("PointVid_LoadTracks", file="pointvid/back_00001_.npz [output]"))
    assert host.run(graph)["ok"]
    assert torch.equal(host.probed("back")["uvd"], tracks.uvd)


def test_a_changed_file_is_read_again(host, tracks):
    graph, load = loaded()
    graph.probe("changed", load)
    assert host.run(graph)["ok"]
    save_tracks(tracks.select(torch.arange(7)), host.base / "input" / "given.npz")
    assert host.run(graph)["ok"]
    assert host.probed("changed")["uvd"].shape == (6, 7, 3)
    save_tracks(tracks, host.base / "input" / "given.npz")


def test_fill(host, tracks):
    graph, load = loaded()
    mask = graph.add("SolidMask", value=1.0, width=32, height=24)
    fill = graph.add("PointVid_FillTracks", tracks=(load, 0), mask=(mask, 0), interpolation="displacement", neighbors=3)
    graph.probe("filled", fill)
    result = host.run(graph)
    assert result["ok"], result
    expected = densify(tracks, torch.ones(SIZE, dtype=torch.bool))
    found = host.probed("filled")
    assert torch.allclose(found["points"], expected.points, atol=1e-5)
    assert (found["objects"] != 0).all()


def test_core_tracks(host, tracks):
    graph, load = loaded()
    core = graph.add("PointVid_TracksToCore", tracks=(load, 0), max_points=5)
    graph.probe("core", core)
    blank = graph.add("EmptyImage", width=32, height=24, batch_size=6, color=0)
    drawn = graph.add(
        "WanMoveVisualizeTracks",
        images=(blank, 0),
        tracks=(core, 0),
        line_resolution=24,
        circle_size=3,
        opacity=0.75,
        line_width=2,
    )
    graph.probe("drawn", drawn)
    result = host.run(graph)
    assert result["ok"], result
    found = host.probed("core")
    path, visible = found["track_path"], found["track_visibility"]
    assert path.shape[0] == 6
    assert 1 < path.shape[1] <= 5
    assert visible.shape == path.shape[:2]
    for track in path.unbind(1):  # each is one of ours, whole
        assert (tracks.uvd[..., :2] == track[:, None]).all(-1).all(0).any()
    assert host.probed("drawn").std() > 0  # core's own node drew something


def test_coordinates_drive_core_wan_move(host, tracks):
    graph, load = loaded()
    text = graph.add("PointVid_TracksToCoordinates", tracks=(load, 0), max_points=6, num_frames=81, width=64, height=48)
    core = graph.add("WanMoveTracksFromCoords", track_coords=(text, 0))
    graph.probe("coordinates", text)
    graph.probe("from_coordinates", core)
    result = host.run(graph)
    assert result["ok"], result
    paths = json.loads(host.probed("coordinates"))
    assert {len(path) for path in paths} == {81}
    found = host.probed("from_coordinates")["track_path"]
    assert found.shape == (81, len(paths), 2)
    # Each path starts at a query, in an image twice as large; pixel centres are integers in both.
    start = (found[0].double() + 0.5) / 2 - 0.5
    assert torch.cdist(start, tracks.queries.double()).min(1).values.max() < 0.01


@pytest.mark.parametrize(
    "name", ["../secret.npz", "/etc/hosts", "C:\\secret.npz", "nothing.npz", "a/../../s.npz [output]"]
)
def test_load_stays_inside_the_folders(host, name):
    graph = Graph()
    graph.probe("never", graph.add("PointVid_LoadTracks", file=name))
    result = host.run(graph)
    assert not result["ok"]
    assert "expected a file in ComfyUI's input folder" in str(result["invalid"])


@pytest.mark.parametrize("prefix", ["../escape", "/tmp/escape", "C:escape", ""])
def test_save_stays_inside_the_output_folder(host, tracks, prefix):
    graph, load = loaded()
    graph.add("PointVid_SaveTracks", tracks=(load, 0), filename_prefix=prefix)
    result = host.run(graph)
    assert result["error_type"].endswith("PointVidError")
    assert result["error"].startswith("filename_prefix is")
    assert not list(host.base.glob("**/*escape*"))


def test_damaged_file_is_one_line(host):
    Path(host.base / "input" / "damaged.npz").write_bytes(b"PK\x03\x04 not really")
    graph = Graph()
    graph.probe("never", graph.add("PointVid_LoadTracks", file="damaged.npz"))
    result = host.run(graph)
    assert result["failed_node"] == "PointVid_LoadTracks"
    assert result["error"].startswith("tracks file ")
    assert "\n" not in result["error"]


def test_mask_of_another_size_is_resized(host, tracks):
    graph, load = loaded()
    mask = graph.add("SolidMask", value=1.0, width=64, height=48)
    fill = graph.add("PointVid_FillTracks", tracks=(load, 0), mask=(mask, 0), interpolation="absolute", neighbors=3)
    graph.probe("all_filled", fill)
    result = host.run(graph)
    assert result["ok"], result
    assert host.probed("all_filled")["objects"].shape == (24, 32)
    assert (host.probed("all_filled")["objects"] != 0).all()
