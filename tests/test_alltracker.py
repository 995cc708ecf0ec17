"""AllTracker computes what the authors' implementation computes, and tracks as every tracker here does."""

import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from pointvid.depth import Depth
from pointvid.errors import PointVidError
from pointvid.files.video import write_video
from pointvid.trackers.alltracker.correlation import Correlation
from pointvid.trackers.alltracker.model import AllTrackerConfig, AllTrackerNet
from pointvid.trackers.alltracker.tracker import AllTracker
from pointvid.trackers.alltracker.update import upsample
from pointvid.trackers.pipeline import track_points
from pointvid.trackers.registry import create_tracker

from . import alltracker_reference as reference
from .command_line import fails, moving_square

TINY = AllTrackerConfig(small=True, window=4, dim=16, hidden=8, levels=2, radius=1, blocks=1)


def net_like_reference(small):
    config = AllTrackerConfig(small=small, window=reference.WINDOW, levels=reference.LEVELS, blocks=reference.BLOCKS)
    net = AllTrackerNet(config)
    net.load_state_dict(reference.seeded_state(net))
    return net


def relative_error(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.fixture(scope="module")
def golden():
    with np.load(reference.GOLDEN) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}


@pytest.mark.parametrize("small", [False, True], ids=["large", "small"])
def test_published_layout(golden, small):
    with torch.device("meta"):
        net = AllTrackerNet(AllTrackerConfig(small=small))
    name = "small" if small else "large"
    assert sum(p.numel() for p in net.parameters()) == golden[f"{name}_parameters"]
    assert reference.layout(net) == golden[f"{name}_layout"]


@pytest.mark.parametrize("frames", [2, reference.FRAMES])
@pytest.mark.parametrize("small", [False, True], ids=["large", "small"])
def test_numbers_of_the_reference(golden, small, frames):
    found = list(net_like_reference(small)(reference.seeded_clip(frames)))
    assert len(found) == frames
    for part, name in enumerate(("flow", "trust")):
        expected = golden[f"{'small' if small else 'large'}_{frames}_{name}"]
        values = torch.stack([frame[part] for frame in found])[-len(expected) :]
        values = values[..., :: reference.EVERY, :: reference.EVERY]
        assert relative_error(values, expected) < 1e-4


@pytest.mark.parametrize("small", [False, True], ids=["large", "small"])
def test_numbers_of_the_reference_live(small):
    checkout = os.environ.get("ALLTRACKER_REFERENCE")
    if not checkout:
        pytest.skip("ALLTRACKER_REFERENCE names no checkout of aharley/alltracker")
    net = reference.reference_net(checkout, small)
    net.load_state_dict(reference.seeded_state(net))
    clip = reference.seeded_clip(9, 96, 72)
    flow, trust = reference.reference_tracks(net, clip)
    found = list(net_like_reference(small)(clip))
    assert relative_error(torch.stack([frame[0] for frame in found]), flow) < 1e-4
    assert relative_error(torch.stack([frame[1] for frame in found]), trust) < 1e-4


def test_windows_of_the_correlation():
    generator = torch.Generator().manual_seed(0)
    anchor, frames = (torch.randn(*shape, 6, 14, 10, generator=generator) for shape in ((), (3,)))
    uv = 16 * torch.rand(3, 2, 14, 10, generator=generator) - 3  # some of it off the map
    found = Correlation(anchor, frames, 3, 2).look_up(uv)
    sizes = [(14, 10), (7, 5), (3, 2)]
    offset = torch.arange(-2.0, 3)
    for level, size in enumerate(sizes):
        maps = (
            F.adaptive_avg_pool2d(frames, size)
            if level < 2
            else F.adaptive_avg_pool2d(F.adaptive_avg_pool2d(frames, sizes[1]), size)
        )
        for t, row, column in ((0, 0, 0), (1, 5, 7), (2, 13, 9)):
            volume = torch.einsum("c,chw->hw", anchor[:, row, column], maps[t]) / 6**0.5
            centre = uv[t, :, row, column] / 2**level
            u, v = torch.meshgrid(centre[0] + offset, centre[1] + offset, indexing="ij")
            limits = torch.tensor([size[1] - 1, size[0] - 1])
            grid = torch.stack((u, v), -1) / limits * 2 - 1
            expected = F.grid_sample(volume[None, None], grid[None], padding_mode="border", align_corners=True)
            values = found[t, 25 * level : 25 * (level + 1), row, column]
            assert torch.allclose(values, expected.flatten(), atol=1e-5)


def test_upsampling_mixes_the_neighbours_it_is_told_to():
    values = torch.arange(12.0).view(1, 1, 3, 4)
    logits = torch.full((1, 9, 64, 3, 4), -1e4)
    logits[:, 4] = 1e4  # the middle one
    logits[:, 4, 9, 1, 1], logits[:, 5, 9, 1, 1] = 0, 0  # new pixel (1, 1) of old (1, 1): half its right neighbour
    found = upsample(values, logits.flatten(1, 2))
    expected = values.repeat_interleave(8, -1).repeat_interleave(8, -2)
    expected[0, 0, 9, 9] = 5.5
    assert torch.equal(found, expected)


def constant_weights(flow=(0.5, 0.25), trust=4.0):
    """A state dict that moves everything by 4 steps x 8 pixels x `flow`, whatever it sees."""
    state = {name: torch.zeros(value.shape) for name, value in AllTrackerNet(TINY).state_dict().items()}
    state["flow_head.2.bias"] = torch.tensor(flow)
    state["visconf_head.2.bias"] = torch.full((2,), trust)
    state["upsample_weight.2.bias"][64 * 4 : 64 * 5] = 400.0  # only the pixel itself
    return state


@pytest.mark.parametrize(("longest", "frames"), [(768, 2), (768, 3), (48, 7)])
def test_tracker_moves_queries_by_the_flow(tmp_path, longest, frames):
    save_file(constant_weights(), tmp_path / "weights.safetensors")
    tracker = AllTracker(tmp_path / "weights.safetensors", longest=longest, config=TINY)
    video = torch.zeros(frames, 64, 96, 3, dtype=torch.uint8)
    queries = torch.tensor([[0.0, 0.0], [40.5, 20.25], [95.0, 63.0]])
    depth = torch.full((frames, 64, 96), 3.0)
    tracks = track_points(video, queries, depth=Depth(depth, "metric"), tracker=tracker)
    assert torch.equal(tracks.uvd[0, :, :2], queries)
    # Each window adds to what the last one left, so the flow grows with the windows a frame has been through.
    steps = torch.tensor([4.0 * (1 + max(0, (t - 2) // 2)) for t in range(frames)])[1:]
    moved = tracks.uvd[1:, :, :2] - queries
    scale = 96 / min(longest, 96)
    expected = steps[:, None, None] * 8 * scale * torch.tensor([0.5, 0.25])
    assert torch.allclose(moved, expected.expand_as(moved), atol=1e-3)
    assert (tracks.uvd[..., 2] - 3).abs().max() < 1e-5
    assert tracks.visible[1:, 0].float().mean() == ((expected[:, 0, 0] < 96) & (expected[:, 0, 1] < 64)).float().mean()
    assert not tracks.visible[1:, 2].any()  # left the image
    assert tracks.depth_unit == "metric"


def test_what_is_not_trusted_is_hidden(tmp_path):
    torch.save({"model": constant_weights(trust=-4.0)}, tmp_path / "weights.pth")
    tracker = AllTracker(tmp_path / "weights.pth", config=TINY)
    tracks = track_points(torch.zeros(3, 64, 64, 3, dtype=torch.uint8), torch.tensor([[20.0, 20.0]]), tracker=tracker)
    assert tracks.visible[:, 0].tolist() == [True, False, False]
    assert tracks.depth_unit == "relative"


def test_out_of_memory_goes_on_frame_by_frame_with_the_same_result(monkeypatch):
    net = net_like_reference(True)
    clip = reference.seeded_clip(reference.FRAMES)
    expected = [torch.cat(frame) for frame in net(clip)]
    made, wanted = Correlation.__init__, []

    def limited(self, anchor, frames, *sizes):
        wanted.append(len(frames))
        if len(frames) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        made(self, anchor, frames, *sizes)

    monkeypatch.setattr(Correlation, "__init__", limited)
    found = [torch.cat(frame) for frame in net(clip)]
    assert wanted[0] > 1
    assert set(wanted[1:]) == {1}  # tried once, not for every window
    assert torch.allclose(torch.stack(found), torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_progress_may_cancel(tmp_path):
    save_file(constant_weights(), tmp_path / "weights.safetensors")
    tracker = AllTracker(tmp_path / "weights.safetensors", config=TINY)

    def stop(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracker.track(torch.zeros(3, 64, 64, 3, dtype=torch.uint8), torch.tensor([[20.0, 20.0]]), progress=stop)


def test_bad_weights(tmp_path):
    state = constant_weights()
    cases = {"missing": dict(state), "unknown": {**state, "extra.weight": torch.zeros(1)}, "shape": dict(state)}
    del cases["missing"]["flow_head.0.bias"]
    cases["shape"]["flow_head.0.bias"] = torch.zeros(3)
    messages = {
        "missing": "alltracker: 1 missing: flow_head.0.bias",
        "unknown": "alltracker: 1 unknown: extra.weight",
        "shape": "flow_head.0.bias is",
    }
    for name, wrong in cases.items():
        save_file(wrong, tmp_path / f"{name}.safetensors")
        with pytest.raises(PointVidError, match=messages[name]):
            AllTracker(tmp_path / f"{name}.safetensors", config=TINY)
    (tmp_path / "text.pth").write_text("no weights", encoding="ascii")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    torch.save([1, 2], tmp_path / "list.pth")
    for name, message in {
        "text.pth": "cannot be read",
        "cut.safetensors": "cannot be read",
        "list.pth": "holds no",
    }.items():
        with pytest.raises(PointVidError, match=message) as caught:
            AllTracker(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(PointVidError, match=r"weights is not given.*alltracker.pth.*aharley/alltracker"):
        create_tracker("alltracker")
    with pytest.raises(PointVidError, match=r"there is no file .*none\.pth"):
        create_tracker("alltracker", weights=tmp_path / "none.pth")
    with pytest.raises(PointVidError, match="lucas_kanade takes no weights"):
        create_tracker("lucas_kanade", weights="x")


def test_one_frame_is_refused(tmp_path):
    save_file(constant_weights(), tmp_path / "weights.safetensors")
    with pytest.raises(PointVidError, match="video has 1 frame"):
        AllTracker(tmp_path / "weights.safetensors", config=TINY).track(
            torch.zeros(1, 64, 64, 3, dtype=torch.uint8), torch.zeros(1, 2)
        )


def test_command_line_names_the_weights_it_lacks(tmp_path, capsys):
    write_video(tmp_path / "clip.mp4", moving_square(), fps=8)
    arguments = ["track", tmp_path / "clip.mp4", "--frames", "6", "--out", tmp_path / "out", "--tracker"]
    assert "alltracker.pth" in fails(capsys, *arguments, "alltracker")
    assert "there is no file" in fails(capsys, *arguments, "alltracker", "--weights", tmp_path / "none.pth")
    assert "lucas_kanade takes no" in fails(capsys, *arguments, "lucas_kanade", "--weights", tmp_path / "none.pth")
    assert not (tmp_path / "out").exists()
