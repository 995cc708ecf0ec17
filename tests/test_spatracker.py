"""SpaTracker computes what the authors' implementation computes, and tracks as every tracker here does."""

import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pointvid.depth import Depth
from pointvid.errors import PointVidError
from pointvid.files.video import write_video
from pointvid.trackers.pipeline import track_points
from pointvid.trackers.registry import create_tracker
from pointvid.trackers.spatracker.correlation import LocalCorrelation
from pointvid.trackers.spatracker.embedding import position
from pointvid.trackers.spatracker.model import UNUSED, SpaTrackerConfig, SpaTrackerNet
from pointvid.trackers.spatracker.planes import AXES, Planes, splat
from pointvid.trackers.spatracker.queries import paper_queries
from pointvid.trackers.spatracker.tracker import SpaTracker

from . import spatracker_reference as reference
from .command_line import fails, moving_square

TINY = SpaTrackerConfig(window=4, depth=1, dim=16, hidden=24, levels=4, radius=1)


def relative_error(found, expected):
    return ((found - expected).abs().amax((0, 1)) / expected.abs().amax((0, 1))).max().item()


def net_like_reference(gain):
    net = SpaTrackerNet(SpaTrackerConfig(window=reference.WINDOW, depth=reference.DEPTH))
    net.load_state_dict(reference.seeded_state(reference.shapes(net), gain))
    return net


PRECISIONS = [("double", reference.MOVING, torch.float64), ("single", reference.CALM, torch.float32)]


@pytest.fixture(scope="module")
def golden():
    with np.load(reference.GOLDEN) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}


def test_published_layout(golden):
    with torch.device("meta"):
        shapes = reference.shapes(SpaTrackerNet(SpaTrackerConfig()))
    for name, (rows, columns) in {
        "embedProj": (456, 63),
        "updateformer.RigidProj": (128, 384),
        "updateformer.Proj": (128, 384),
        "updateformer.se3_dec": (3, 384),
    }.items():
        assert f"{name}." in UNUSED
        shapes |= {f"{name}.weight": torch.Size((rows, columns)), f"{name}.bias": torch.Size((rows,))}
    assert len(shapes) == golden["tensors"]
    assert sum(shape.numel() for shape in shapes.values()) == golden["parameters"]
    assert reference.layout(shapes) == golden["layout"]


@pytest.mark.parametrize(("name", "gain", "dtype"), PRECISIONS)
def test_numbers_of_the_reference(golden, name, gain, dtype):
    uvd, visibility = net_like_reference(gain).to(dtype)(*reference.seeded_clip(dtype), steps=reference.STEPS)
    assert relative_error(uvd, golden[f"{name}_uvd"]) < 1e-4
    assert relative_error(visibility[..., None], golden[f"{name}_visibility"][..., None]) < 1e-4


@pytest.mark.parametrize(("gain", "dtype"), [case[1:] for case in PRECISIONS])
def test_numbers_of_the_reference_live(gain, dtype):
    checkout = os.environ.get("SPATRACKER_REFERENCE")
    if not checkout:
        pytest.skip("SPATRACKER_REFERENCE names no checkout of henry123-boy/SpaTracker")
    net = reference.reference_net(checkout)
    net.load_state_dict(reference.seeded_state(reference.shapes(net), gain))
    clip = reference.seeded_clip(dtype, 9)
    expected, seen = reference.reference_tracks(net.to(dtype), *clip)
    uvd, visibility = net_like_reference(gain).to(dtype)(*clip, steps=reference.STEPS)
    assert relative_error(uvd, expected) < 1e-4
    assert relative_error(visibility[..., None], seen[..., None]) < 1e-4


@pytest.mark.parametrize("across", [0, 1])
def test_splatting_averages_what_falls_into_a_cell(across):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 5, 4, generator=generator)
    z = 8 * torch.rand(2, 5, 4, generator=generator) - 1  # some of it before and behind the plane
    x, y = torch.meshgrid(torch.arange(4.0), torch.arange(5.0), indexing="xy")
    flow = torch.stack((((y if across else x) - x).expand_as(z), z - y), 1)
    expected = reference.average_splat(features, flow, 6, 5 if across else 4)
    assert torch.allclose(splat(features, z, 6, across), expected, atol=1e-5)


def test_correlation_of_features_with_windows_of_the_planes():
    generator = torch.Generator().manual_seed(0)
    planes = Planes(*(torch.randn(2, 5, *size, generator=generator) for size in ((6, 8), (10, 6), (10, 8))))
    features = torch.randn(3, 2, 4, 5, generator=generator)
    xyz = 12 * torch.rand(2, 4, 3, generator=generator) - 2
    found = LocalCorrelation(planes, 2, 1).look_up(features, xyz)
    assert found.shape == (2, 4, 18)
    expected = torch.zeros(9)
    for plane, axes, own in zip(planes, AXES, features[:, 1, 2]):
        u, v = xyz[1, 2, list(axes)]
        rows, columns = plane.shape[-2:]
        for n in range(9):
            x, y = u + n // 3 - 1, v + n % 3 - 1
            for column in range(columns):
                for row in range(rows):
                    weight = (1 - (x - column).abs()).clamp(min=0) * (1 - (y - row).abs()).clamp(min=0)
                    expected[n] += weight * (plane[1, :, row, column] @ own) / 5**0.5
    assert torch.allclose(found[1, 2, :9], expected, atol=1e-5)


def test_position_is_mixed_from_whole_cells():
    cells = torch.tensor([[2.0, 1.0], [3.0, 1.0], [2.0, 2.0], [3.0, 2.0]])
    corners = position(cells, (6, 8), 16)
    found = position(torch.tensor([[2.25, 1.5]]), (6, 8), 16)
    shares = torch.tensor([0.375, 0.125, 0.375, 0.125])
    assert torch.allclose(found[0], shares @ corners, atol=1e-6)
    assert torch.equal(
        position(torch.tensor([[-3.0, 9.0]]), (6, 8), 16), position(torch.tensor([[0.0, 5.0]]), (6, 8), 16)
    )


def weights(tmp_path, unused=True, **changes):
    """A file of weights that leave every point where it is and call it visible."""
    state = {name: torch.zeros(shape) for name, shape in reference.shapes(SpaTrackerNet(TINY)).items()}
    state["vis_predictor.0.bias"] += 5
    if unused:
        state |= {f"{name}weight": torch.zeros(2, 2) for name in UNUSED}
    torch.save({"model": state | changes}, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def ramp(frames, height, width):
    """Depth from 1 at the left to 3 at the right."""
    return torch.linspace(1, 3, width).expand(frames, height, width)


@pytest.mark.parametrize("companions", [0, 3])
def test_tracker_gives_queries_back_with_their_depth(tmp_path, companions):
    tracker = SpaTracker(weights(tmp_path), steps=1, companions=companions, config=TINY)
    queries = torch.tensor([[0.0, 0.0], [40.5, 20.25], [95.0, 63.0]])
    video = torch.zeros(5, 64, 96, 3, dtype=torch.uint8)
    tracks = track_points(video, queries, depth=Depth(ramp(5, 64, 96), "metric"), tracker=tracker)
    assert torch.equal(tracks.uvd[0, :, :2], queries)
    assert torch.allclose(tracks.uvd[:, :, :2], queries.expand(5, -1, -1), atol=1e-3)
    expected = 1 + 2 * queries[:, 0] / 95
    assert torch.allclose(tracks.uvd[..., 2], expected.expand(5, -1), atol=0.03)  # depth is resized to nearest
    assert tracks.visible.all()
    assert tracks.depth_unit == "metric"


def test_tracker_needs_depth_with_a_range(tmp_path):
    tracker = SpaTracker(weights(tmp_path), steps=1, config=TINY)
    video, queries = torch.zeros(3, 32, 48, 3, dtype=torch.uint8), torch.tensor([[4.0, 5.0]])
    with pytest.raises(PointVidError, match="depth is not given"):
        tracker.track(video, queries)
    for value in (2.0, 0.0, float("nan")):
        with pytest.raises(PointVidError, match="depth has one value, or none"):
            tracker.track(video, queries, Depth(torch.full((3, 32, 48), value)))


def test_paper_queries_are_grid_points_of_the_mask():
    mask = torch.zeros(256, 448, dtype=torch.bool)
    mask[64:192, 112:336] = True
    queries = paper_queries(mask)
    assert len(queries) == 800  # of the about 1600 in a quarter of the image
    assert torch.equal(queries, paper_queries(mask))
    u, v = queries.round().long().unbind(-1)
    assert mask[v, u].float().mean() > 0.97  # the mask is resized to nearest
    assert len(queries.unique(dim=0)) == 800
    with pytest.raises(PointVidError, match="no point of the 80x80 grid"):
        paper_queries(torch.zeros(256, 448, dtype=torch.bool))


def test_weights_may_lack_what_is_unused_but_nothing_else(tmp_path):
    SpaTracker(weights(tmp_path, unused=False), config=TINY)
    with pytest.raises(PointVidError, match=r"spatracker: 1 unknown: extra\.weight"):
        SpaTracker(weights(tmp_path, **{"extra.weight": torch.zeros(1)}), config=TINY)
    state = {name: torch.zeros(shape) for name, shape in reference.shapes(SpaTrackerNet(TINY)).items()}
    del state["norm.bias"]
    save_file(state, tmp_path / "short.safetensors")
    with pytest.raises(PointVidError, match=r"spatracker: 1 missing: norm\.bias"):
        SpaTracker(tmp_path / "short.safetensors", config=TINY)


def test_licence_is_said_where_the_tracker_is_chosen(tmp_path, capsys):
    with pytest.raises(PointVidError, match=r"spaT_final.pth.*henry123-boy/SpaTracker.*CC BY-NC"):
        create_tracker("spatracker")
    write_video(tmp_path / "clip.mp4", moving_square(), fps=8)
    arguments = ["track", tmp_path / "clip.mp4", "--frames", "6", "--out", tmp_path / "out", "--tracker", "spatracker"]
    assert "no commercial use" in fails(capsys, *arguments)
