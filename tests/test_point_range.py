import json
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation, binary_erosion

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.point_map import PointMap
from pointvid.points.point_range import PointRange

H, W, T = 24, 32, 16
RANGE = PointRange(near=0.5, far=8.0, margin=0.25)


def point_map(depth=2.0, seed=0, shift=1.0):
    generator = torch.Generator().manual_seed(seed)
    v, u = torch.meshgrid(torch.arange(float(H)), torch.arange(float(W)), indexing="ij")
    mask = (u - 15) ** 2 + (v - 12) ** 2 < 60
    t = torch.arange(float(T)).view(T, 1, 1)
    d = depth * torch.exp(0.3 * torch.rand(T, H, W, generator=generator)) if depth else torch.zeros(T, H, W)
    points = torch.stack((u + shift * t, v - 0.5 * shift * t, d), -1) * mask[..., None]
    return PointMap(points, mask, Camera.default((H, W)), "metric", 12.0)


def test_channels_by_hand():
    points = torch.zeros(1, H, W, 3)
    mask = torch.zeros(H, W, dtype=torch.bool)
    # u: -8.5 -> -1, 15.5 -> 0, 39.5 -> 1.  v: -6.5 -> -1, 11.5 -> 0.  d: 0.5 -> -0.8, 2 (half way in octaves) -> 0.
    for column, (point, _) in enumerate(CASES):
        points[0, 3, column] = torch.tensor(point)
        mask[3, column] = True
    channels = RANGE.encode(PointMap(points, mask, Camera.default((H, W))))
    for column, (_, expected) in enumerate(CASES):
        assert torch.allclose(channels[0, :, 3, column], torch.tensor(expected), atol=1e-6)
    assert (channels[:, :, ~mask] == -1).all()


CASES = [
    ((-8.5, -6.5, 0.5), (-1.0, -1.0, -0.8)),
    ((15.5, 11.5, 2.0), (0.0, 0.0, 0.1)),
    ((39.5, 29.5, 8.0), (1.0, 1.0, 1.0)),
    ((-99.0, 99.0, 0.1), (-1.0, 1.0, -0.8)),  # clamped
    ((27.5, 11.5, 99.0), (0.5, 0.0, 1.0)),
]


def test_round_trip():
    truth = point_map()
    assert truth.points[..., 0].max() > W  # some of it is off screen
    channels = RANGE.encode(truth)
    assert channels.shape == (T, 3, H, W)
    assert channels.dtype == torch.float32
    assert channels.min() == -1
    assert channels.max() <= 1
    assert (channels[:, 2][:, truth.mask] >= -0.8).all()
    found = RANGE.decode(channels, truth.camera, "metric", 12.0)
    assert torch.equal(found.mask, truth.mask)
    assert (found.depth_unit, found.fps) == ("metric", 12.0)
    assert (found.points[:, ~truth.mask] == 0).all()
    difference = (found.points - truth.points)[:, truth.mask]
    assert difference[..., :2].abs().max() < 1e-4
    assert (difference[..., 2] / truth.points[:, truth.mask][..., 2]).abs().max() < 1e-5


@pytest.mark.parametrize("depth", [0.5, 2.0])  # the nearest depth, so the closest to background, and one farther
def test_mask_survives_noise_and_a_ruined_frame(depth):
    truth = point_map(depth=depth)
    channels = RANGE.encode(truth)
    channels = channels + 0.06 * torch.randn(channels.shape, generator=torch.Generator().manual_seed(1))
    channels[5] = 1.0
    channels[9] = -1.0
    found = RANGE.decode_mask(channels)
    assert not (found & ~truth.mask).any()
    inner = torch.from_numpy(binary_erosion(truth.mask.numpy(), np.ones((5, 5)), border_value=1))
    assert inner.any()
    assert found[inner].all()
    # half of what little the nearest depth differs from background is within such noise: its outline may be lost
    if depth > 0.5:
        assert torch.equal(found, truth.mask)


@pytest.mark.parametrize("share", [0.2, 0.45, 0.55, 0.9])
def test_outline_blended_with_background_belongs_to_the_nearer(share):
    truth = point_map(depth=2.0)
    ring = torch.from_numpy(binary_dilation(truth.mask.numpy(), np.ones((3, 3)))) & ~truth.mask
    channels = RANGE.encode(truth)
    height = channels[:, 2][:, truth.mask].mean() + 1
    channels[:, 2][:, ring] = share * height - 1
    assert (channels[:, 2][:, ring] > -0.9).all()
    assert torch.equal(RANGE.decode_mask(channels), truth.mask | ring if share > 0.5 else truth.mask)
    # blended in one frame only: its trajectory has a hole there
    channels[1:, 2][:, ring] = height - 1
    assert torch.equal(RANGE.decode_mask(channels), truth.mask | ring if share > 0.5 else truth.mask)


def test_the_vote_is_each_pixels_own():
    channels = RANGE.encode(point_map())
    coarse = (..., slice(2, None, 8), slice(2, None, 8))
    assert RANGE.vote(channels[coarse]).any()
    assert torch.equal(RANGE.vote(channels[coarse]), RANGE.vote(channels)[coarse])


def test_something_near_before_something_far_and_thin_things_keep_their_pixels():
    depth = torch.full((24, 32), -1.0)
    depth[4:20, 4:28] = 1.0  # far
    depth[10:12, 4:28] = -0.75  # near, thin, before it
    depth[22, 2:30] = -0.75  # near, one pixel high, alone
    frames = depth.expand(5, 3, 24, 32)
    found = RANGE.decode_mask(frames)
    assert torch.equal(found[:, 6:26], depth[:, 6:26] > -0.9)


def test_decode_is_the_inverse_with_its_gradient():
    channels = RANGE.encode(point_map()).double()[:2, :, 8:14, 10:16].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: RANGE.decode_uvd(x, (H, W)), channels)
    uvd = RANGE.decode_uvd(channels.detach(), (H, W))
    again = RANGE.encode_uvd(uvd, torch.ones(6, 6, dtype=torch.bool), (H, W))
    assert torch.allclose(again, channels.detach(), atol=1e-12)


def test_batches_are_their_clips():
    maps = [point_map(seed=1), point_map(depth=1.0, seed=2)]
    points, masks = torch.stack([m.points for m in maps]), torch.stack([m.mask for m in maps])
    channels = RANGE.encode_uvd(points, masks)
    assert channels.shape == (2, T, 3, H, W)
    for clip, one in zip(channels, maps):
        assert torch.equal(clip, RANGE.encode(one))
    assert torch.equal(RANGE.decode_uvd(channels)[1], RANGE.decode_uvd(channels[1]))
    assert torch.equal(RANGE.decode_mask(channels), masks)


def test_coarser_grid_counts_pixels_of_the_clip():
    truth = point_map()
    coarse = RANGE.encode_uvd(truth.points[:, ::2, ::2], truth.mask[::2, ::2], truth.image_size)
    assert torch.equal(coarse, RANGE.encode(truth)[..., ::2, ::2])


def test_fit_holds_the_depths_but_no_outlier():
    maps = [point_map(depth=d, seed=s) for s, d in enumerate((1.0, 2.0, 4.0))]
    spoilt = maps[0].points.clone()
    spoilt[3, 12, 15, 2] = 1e6
    spoilt[4, 12, 15, 2] = float("nan")
    spoilt[5, 12, 15, 2] = -1
    found = PointRange.fit(iter([maps[0].replace(points=spoilt), *maps[1:]]))
    assert 0.85 < found.near < 1.0
    assert 4 * math.exp(0.3) < found.far < 4 * math.exp(0.3) * 1.12
    assert found.margin == 0.25
    flat = point_map()
    ones = flat.mask[..., None].float().expand(T, H, W, 1)
    flat = flat.replace(points=torch.cat((flat.points[..., :2], ones), -1))
    one = PointRange.fit([flat])
    assert math.isclose(one.near, 1 / 1.5, rel_tol=1e-6)
    assert math.isclose(one.far, 1.5, rel_tol=1e-6)


def test_metadata_round_trip():
    assert PointRange.from_dict(json.loads(json.dumps(RANGE.to_dict()))) == RANGE
    assert PointRange.from_dict({name: str(value) for name, value in RANGE.to_dict().items()}) == RANGE


def test_wrong_ranges_are_named():
    with pytest.raises(PointVidError, match=r"near 3.*far 1"):
        PointRange(3, 1)
    with pytest.raises(PointVidError, match="near -1"):
        PointRange(-1, 1)
    with pytest.raises(PointVidError, match="expected numbers near, far and margin"):
        PointRange.from_dict({"near": 1, "far": "x", "margin": 0})
    with pytest.raises(PointVidError, match="expected numbers near, far and margin"):
        PointRange.from_dict({"near": 1})
    with pytest.raises(PointVidError, match="no foreground point"):
        PointRange.fit([point_map(depth=0)])
