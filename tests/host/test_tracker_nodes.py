"""Load Point Tracker inside the real host, on files in the published layout whose flow is known."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from pointvid.trackers.alltracker.model import AllTrackerConfig, AllTrackerNet
from pointvid.trackers.spatracker.model import SpaTrackerConfig, SpaTrackerNet
from tests.host.graphs import Graph
from tests.host.test_tracking_nodes import track

pytestmark = pytest.mark.host

FRAMES, HEIGHT, WIDTH = 2, 128, 128  # no smaller: AllTracker enlarges what is
FLOW = torch.tensor([0.5, 0.25])  # of every pixel, in cells of 8 pixels, at each of 4 steps


@pytest.fixture(scope="module")
def trackers(host):
    """models/pointvid_trackers with a file of each kind, both of published size."""
    folder = host.base / "models" / "pointvid_trackers"
    folder.mkdir(parents=True, exist_ok=True)
    net = AllTrackerNet(AllTrackerConfig(small=True))
    state = {name: torch.zeros(value.shape) for name, value in net.state_dict().items()}
    state["flow_head.2.bias"] = FLOW
    state["visconf_head.2.bias"] = torch.full((2,), 4.0)
    state["upsample_weight.2.bias"][64 * 4 : 64 * 5] = 400.0  # only the pixel itself
    save_file(state, folder / "tiny.safetensors")
    with torch.device("meta"):
        spatracker = SpaTrackerNet(SpaTrackerConfig())
    state = {name: torch.zeros(value.shape, dtype=torch.float16) for name, value in spatracker.state_dict().items()}
    torch.save({"model": state}, folder / "spaT_final.pth")
    yield folder
    for path in folder.iterdir():
        path.unlink()


def load(graph: Graph, name: str, **settings) -> tuple[str, int]:
    settings = {"longest_side": 768, "companions": 0} | settings
    return graph.add("PointVid_LoadTracker", name=name, **settings), 0


def image(graph: Graph) -> tuple[str, int]:
    return graph.add("EmptyImage", width=WIDTH, height=HEIGHT, batch_size=FRAMES, color=0x808080), 0


def expect_known_flow(tracks: dict) -> None:
    moved = tracks["uvd"][1, :, :2] - tracks["uvd"][0, :, :2]
    assert torch.allclose(moved, (4 * 8 * FLOW).expand_as(moved), atol=1e-3)


def test_an_empty_folder_names_the_command(host):
    (tracker,) = host.describe({"PointVid_LoadTracker"}).values()
    (only,) = tracker["input"]["required"]["name"][1]["options"]
    graph = Graph()
    graph.probe("never", track(image(graph), graph, point_tracker=load(graph, only)))
    assert "run `python -m pointvid download alltracker` in the pack's folder" in host.run(graph)["error"]


def test_alltracker_follows_every_pixel(host, trackers):
    graph = Graph()
    tracker = load(graph, "tiny.safetensors")
    node = track(image(graph), graph, point_tracker=tracker, track_everything=True, smooth=False)
    graph.probe("dense", node)
    graph.probe("dense_report", node, 4)
    result = host.run(graph)
    assert result["ok"], result
    tracks = host.probed("dense")
    assert tracks["uvd"].shape == (FRAMES, HEIGHT * WIDTH, 3)
    expect_known_flow(tracks)
    assert "tracker: alltracker" in host.probed("dense_report")


def test_auto_takes_alltracker_by_its_published_name_and_never_spatracker(host, trackers):
    for present, expected in ((False, "lucas_kanade"), (True, "alltracker")):
        graph = Graph()
        inputs = {"tracker": "auto", "queries": "grid", "track_everything": True, "smooth": False, "seed": int(present)}
        node = track(image(graph), graph, **inputs)
        graph.probe("auto", node)
        graph.probe("auto_report", node, 4)
        result = host.run(graph)
        assert result["ok"], result
        assert f"tracker: {expected}" in host.probed("auto_report")
        assert host.probed("auto")["uvd"].shape == (FRAMES, 450, 3)
        if not present:
            (trackers / "tiny.safetensors").rename(trackers / "alltracker_tiny.safetensors")
    expect_known_flow(host.probed("auto"))
    (trackers / "alltracker_tiny.safetensors").rename(trackers / "tiny.safetensors")


def test_spatracker_needs_depth(host, trackers):
    graph = Graph()
    graph.probe("never", track(image(graph), graph, point_tracker=load(graph, "spaT_final.pth"), track_everything=True))
    result = host.run(graph)
    assert result["error_type"].endswith("Rejected"), result
    assert result["error"].startswith("depth is not given, expected depth maps: spatracker tracks in 3D")


def test_a_file_of_something_else_is_one_line(host, trackers):
    save_file({"updateformer.weight": torch.zeros(1)}, trackers / "other.safetensors")
    graph = Graph()
    graph.probe("never", track(image(graph), graph, point_tracker=load(graph, "other.safetensors")))
    result = host.run(graph)
    assert result["failed_node"] == "PointVid_LoadTracker"
    assert result["error"].startswith("other.safetensors holds updateformer.weight, expected the published weights")
