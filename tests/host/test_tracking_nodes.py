"""Track Points in 3D, and core's tracks brought into 3D: against known motion, and from bad inputs."""

from __future__ import annotations

import pytest
import torch

from pointvid.files.video import write_video
from tests.host.graphs import Graph

pytestmark = pytest.mark.host

SETTINGS = {
    "fps": 24.0,
    "tracker": "lucas_kanade",
    "grid_size": 20,
    "random_points": 50,
    "track_everything": False,
    "smooth": True,
}


def track(image: tuple[str, int], graph: Graph, **inputs) -> str:
    return graph.add("PointVid_TrackingPreprocessor", image=image, **(SETTINGS | inputs))


FRAMES, HEIGHT, WIDTH, SIDE = 6, 96, 144, 48
STEP = torch.tensor([3.0, 1.0])  # the square's motion, pixels a frame


@pytest.fixture(scope="module")
def clip(host) -> None:
    """input/square.mp4: a noisy square moves over noisy ground, so what is right is known."""
    generator = torch.Generator().manual_seed(0)

    def noise(height: int, width: int) -> torch.Tensor:
        coarse = torch.rand(1, 3, height // 4, width // 4, generator=generator)
        fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
        return fine[0].permute(1, 2, 0).mul(255).to(torch.uint8)

    video, square = noise(HEIGHT, WIDTH).repeat(FRAMES, 1, 1, 1), noise(SIDE, SIDE)
    for frame in range(FRAMES):
        u, v = (20 + STEP * frame).long().tolist()
        video[frame, v : v + SIDE, u : u + SIDE] = square
    write_video(host.base / "input" / "square.mp4", video, 12.0)


def loaded() -> tuple[Graph, str]:
    """The clip as a user gets it: outputs are images, audio, fps."""
    graph = Graph()
    return graph, graph.add("GetVideoComponents", video=(graph.add("LoadVideo", file="square.mp4"), 0))


def test_moving_square_is_found_and_tracked(host, clip):
    graph, load = loaded()
    node = track((load, 0), graph, fps=(load, 2))
    for output, name in enumerate(("tracks", "map", "overlay", "mask", "report")):
        graph.probe(f"square_{name}", node, output)
    result = host.run(graph)
    assert result["ok"], result
    tracks, points, mask = (host.probed(f"square_{name}") for name in ("tracks", "map", "mask"))
    truth = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    truth[20 : 20 + SIDE, 20 : 20 + SIDE] = True
    found = mask[0] > 0
    assert (truth & found).sum() / (truth | found).sum() > 0.7
    assert tracks["fps"] == 12.0
    # Where a template lies wholly on the square; those across its border follow either side.
    inner = torch.zeros_like(truth)
    inner[28 : 12 + SIDE, 28 : 12 + SIDE] = True
    u, v = tracks["uvd"][0, :, :2].long().unbind(-1)
    moved = (tracks["uvd"][-1, :, :2] - tracks["uvd"][0, :, :2])[inner[v, u]]
    assert (moved - STEP * (FRAMES - 1)).norm(dim=-1).median() < 0.3
    assert torch.equal(points["objects"] != 0, found)
    v, u = (found & inner).nonzero().unbind(-1)
    dense = points["points"][:, v, u, :2]
    assert torch.allclose(dense[0], torch.stack((u, v), -1).float(), atol=1e-3)
    assert ((dense[-1] - dense[0]) - STEP * (FRAMES - 1)).norm(dim=-1).median() < 0.3
    assert host.probed("square_overlay").shape == (FRAMES, HEIGHT, WIDTH, 3)
    report = host.probed("square_report")
    assert f"tracks: {tracks['uvd'].shape[1]}, " in report
    assert "found by its motion" in report
    assert "the tracks are flat" in report
    assert result["progress_events"] > 0


def test_mask_and_everything(host, clip):
    graph, load = loaded()
    mask = graph.add("SolidMask", value=1.0, width=WIDTH, height=HEIGHT)
    graph.probe("by_mask", track((load, 0), graph, mask=(mask, 0)))
    graph.probe("by_all", track((load, 0), graph, track_everything=True))
    result = host.run(graph)
    assert result["ok"], result
    by_mask, by_all = host.probed("by_mask"), host.probed("by_all")
    assert by_mask["uvd"].shape == (FRAMES, 450, 3)  # the grid, and random pixels
    assert by_mask["depth_unit"] == "relative"
    assert (by_all["uvd"][..., 2] == 1).all()  # no depth was given


def test_depth_image_is_read_as_told(host, clip):
    graph, load = loaded()
    depth = graph.add("EmptyImage", width=WIDTH, height=HEIGHT, batch_size=FRAMES, color=0x404040)
    mapping = {"depth_mapping": "depth", "depth_near": 2.0, "depth_far": 4.0, "depth_unit": "metric"}
    graph.probe("grey_depth", track((load, 0), graph, depth=(depth, 0), **mapping, fov=60.0))
    result = host.run(graph)
    assert result["ok"], result
    found = host.probed("grey_depth")
    assert torch.allclose(found["uvd"][..., 2], torch.tensor(2 + 2 * 0x40 / 255), atol=1e-3)
    assert found["camera"] == pytest.approx((83.14, 83.14, 71.5, 47.5), abs=0.01)  # 48 / tan(30 degrees)
    assert found["depth_unit"] == "metric"


def test_core_tracks_are_lifted(host, clip):
    """Out to core's 2D TRACKS and back: the same pixels, now at the depth of an image."""
    graph, load = loaded()
    tracked = track((load, 0), graph, track_everything=True)
    core = graph.add("PointVid_TracksToCore", tracks=(tracked, 0), max_points=0)
    depth = graph.add("EmptyImage", width=WIDTH, height=HEIGHT, batch_size=FRAMES, color=0xFFFFFF)
    mapping = {"depth_mapping": "disparity", "depth_near": 3.0, "depth_far": 9.0}
    lifted = graph.add(
        "PointVid_TracksFromCore", tracks=(core, 0), image=(load, 0), fps=12.0, depth=(depth, 0), **mapping
    )
    graph.probe("flat", tracked)
    graph.probe("lifted", lifted)
    result = host.run(graph)
    assert result["ok"], result
    flat, found = host.probed("flat"), host.probed("lifted")
    assert torch.equal(found["uvd"][..., :2], flat["uvd"][..., :2])
    assert torch.allclose(found["uvd"][..., 2], torch.tensor(3.0), atol=1e-3)
    assert torch.equal(found["visible"], flat["visible"])
    assert torch.equal(found["color"], flat["color"])
    assert found["fps"] == 12.0


def test_core_tracks_of_another_length_are_one_line(host, clip):
    graph, load = loaded()
    core = graph.add("WanMoveTracksFromCoords", track_coords='[[{"x": 5, "y": 5}, {"x": 6, "y": 5}]]')
    graph.probe("never", graph.add("PointVid_TracksFromCore", tracks=(core, 0), image=(load, 0), fps=12.0))
    result = host.run(graph)
    assert result["error"] == f"tracks have 2 frames, image has {FRAMES}; expected the clip that was tracked"


def errors() -> dict[str, tuple[dict, str]]:
    """name -> (what to wire up, how the one line starts)."""
    return {
        "one frame": ({"frames": 1}, "image has 1 frame, expected at least 2"),
        "empty mask": ({"mask": (32, 24), "value": 0.0}, "mask selects no pixel above 0.5"),
        "depth frames": ({"depth": (32, 24, 3)}, "depth has 3 frames, the clip has 4; expected as many"),
        "near and far": (
            {"depth": (32, 24, 4), "depth_near": 5.0, "depth_far": 2.0},
            "depth_near is 5 and depth_far 2",
        ),
        "nothing moves": ({}, "no foreground: none of 450 tracks departs from the camera's motion"),
    }


@pytest.mark.parametrize("case", errors())
def test_bad_input_is_one_line(host, case):
    wiring, start = errors()[case]
    graph = Graph()
    image = graph.add("EmptyImage", width=32, height=24, batch_size=wiring.get("frames", 4), color=0x808080)
    inputs = {key: value for key, value in wiring.items() if key.startswith("depth_")}
    if "mask" in wiring:
        width, height = wiring["mask"]
        mask = graph.add("SolidMask", value=wiring.get("value", 1.0), width=width, height=height)
        inputs["mask"] = (mask, 0)
    if "depth" in wiring:
        width, height, frames = wiring["depth"]
        inputs["depth"] = (graph.add("EmptyImage", width=width, height=height, batch_size=frames, color=255), 0)
    graph.probe("never", track((image, 0), graph, **inputs))
    result = host.run(graph)
    assert not result["ok"]
    assert result["error_type"].endswith(("PointVidError", "Rejected")), result
    assert result["error"].startswith(start)
    assert "\n" not in result["error"]


def test_cancelling_interrupts(host, clip):
    graph, load = loaded()
    graph.probe("never", track((load, 0), graph, seed=7))
    result = host.run(graph, cancel_at=2)
    assert result["interrupted"]
