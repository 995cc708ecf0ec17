"""The shipped clip: its files are small, whole and agree with each other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pointvid
from pointvid.camera import Camera
from pointvid.files.track_file import load_tracks
from pointvid.files.video import read_clip

ASSETS = Path(pointvid.__file__).parent / "assets"


@pytest.fixture(scope="module")
def depth_file():
    with np.load(ASSETS / "demo_depth.npz") as file:
        return dict(file)


def test_files_are_small_and_of_one_size(depth_file):
    assert (ASSETS / "demo.mp4").stat().st_size < 400_000
    assert (ASSETS / "demo_depth.npz").stat().st_size < 1_000_000
    clip = read_clip(ASSETS / "demo.mp4")
    assert tuple(clip.frames.shape) == (24, 256, 448, 3)
    assert depth_file["depth"].shape == (24, 256, 448)
    with Image.open(ASSETS / "demo_mask.png") as mask:
        assert mask.size == (448, 256)


def test_true_tracks_start_on_the_mask_and_lie_on_the_depth(depth_file):
    tracks = load_tracks(ASSETS / "demo_tracks.npz")
    depth = torch.from_numpy(depth_file["depth"].astype(np.float32))
    assert tracks.depth_unit == "metric"
    assert tracks.num_points > 250
    assert tracks.camera == Camera(*map(float, depth_file["intrinsics"]))
    u, v = tracks.queries.long().unbind(-1)
    with Image.open(ASSETS / "demo_mask.png") as mask:
        assert torch.from_numpy(np.array(mask, dtype=bool))[v, u].all()
    # float16 metres: steps of 1 mm below 2 m, 2 mm above
    assert (tracks.uvd[0, :, 2] - depth[0, v, u]).abs().max() < 1.1e-3
    u, v = tracks.uvd[23, :, :2].round().long().unbind(-1)
    seen = tracks.visible[23]
    assert seen.float().mean() > 0.5
    assert (tracks.uvd[23, seen, 2] - depth[23, v[seen], u[seen]]).abs().median() < 2e-3
