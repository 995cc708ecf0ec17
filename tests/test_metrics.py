import math

import numpy as np
import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.metrics import tapvid3d_metrics
from pointvid.tracks import PointTracks

CAMERA = Camera(100.0, 100.0, 32.0, 24.0)


def tracks(uvd, visible=None, camera=CAMERA):
    uvd = torch.tensor(uvd, dtype=torch.float32)
    visible = torch.ones(uvd.shape[:2], dtype=torch.bool) if visible is None else torch.tensor(visible)
    return PointTracks(uvd, visible, (48, 64), camera, "metric")


def test_by_hand():
    # At depth 2 and f = 100 a threshold of n pixels is n * 0.02 m. Off by 0, 1.5, 3, 40 px; the fifth is hidden.
    truth = tracks([[[10.0, 10.0, 2.0]] * 5], [[True, True, True, True, False]])
    found = tracks(
        [[[10.0, 10.0, 2.0], [11.5, 10.0, 2.0], [10.0, 13.0, 2.0], [50.0, 10.0, 2.0], [10.0, 10.0, 2.0]]],
        [[True, True, False, True, True]],
    )
    scores = tapvid3d_metrics(found, truth)
    assert scores.within == (1 / 4, 2 / 4, 3 / 4, 3 / 4, 3 / 4)
    assert scores.apd == pytest.approx(3.0 / 5)
    # 1 px: one true positive; claimed but wrong: the second, the fourth and the hidden fifth.
    assert scores.jaccard[0] == 1 / (4 + 3)
    assert scores.jaccard[1:] == (2 / (4 + 2),) * 4
    assert scores.aj == pytest.approx((1 / 7 + 4 / 3) / 5)
    assert scores.oa == 3 / 5


def test_depth_errors_count_at_the_scale_of_depth():
    # At the principal point, 0.05 m off: 2.5 px worth at depth 2, 0.5 px worth at depth 10.
    truth = tracks([[[32.0, 24.0, 2.0], [32.0, 24.0, 10.0]]])
    found = tracks([[[32.0, 24.0, 2.05], [32.0, 24.0, 10.05]]])
    assert tapvid3d_metrics(found, truth).within == (0.5, 0.5, 1, 1, 1)


def test_median_scaling():
    generator = torch.Generator().manual_seed(0)
    uvd = torch.rand(4, 6, 3, generator=generator) * torch.tensor((60.0, 40.0, 3.0)) + torch.tensor((0.0, 0.0, 1.0))
    truth = tracks(uvd.tolist())
    half = tracks((uvd * torch.tensor((1.0, 1.0, 0.5))).tolist())
    assert tapvid3d_metrics(half, truth).apd < 0.2
    scores = tapvid3d_metrics(half, truth, "median")
    assert scores.scale == pytest.approx(2)
    assert scores.apd == scores.aj == scores.oa == 1


def test_against_a_plain_numpy_reading_of_the_definition():
    rng = np.random.default_rng(0)
    truth_uvd = rng.uniform((0, 0, 1), (64, 48, 5), (7, 30, 3))
    found_uvd = truth_uvd + rng.normal(0, (2, 2, 0.05), (7, 30, 3))
    seen, claimed = rng.random((7, 30)) < 0.7, rng.random((7, 30)) < 0.7
    scores = tapvid3d_metrics(tracks(found_uvd.tolist(), claimed.tolist()), tracks(truth_uvd.tolist(), seen.tolist()))
    for n, within, jaccard in zip((1, 2, 4, 8, 16), scores.within, scores.jaccard):
        right = both = wrong = 0
        for t in range(7):
            for i in range(30):
                (u, v, d), (a, b, c) = truth_uvd[t, i], found_uvd[t, i]
                gap = ((u - 32) / 100 * d - (a - 32) / 100 * c, (v - 24) / 100 * d - (b - 24) / 100 * c, d - c)
                near = math.hypot(*gap) < n * d / 100
                right += near and seen[t, i]
                both += near and seen[t, i] and claimed[t, i]
                wrong += claimed[t, i] and not (near and seen[t, i])
        assert within == pytest.approx(right / seen.sum())
        assert jaccard == pytest.approx(both / (seen.sum() + wrong))


def test_nothing_visible_is_not_a_number():
    truth = tracks([[[0.0, 0.0, 1.0]]], [[False]])
    assert math.isnan(tapvid3d_metrics(truth, truth).apd)


def test_shapes_must_agree():
    with pytest.raises(PointVidError, match="1 frames x 2 points, the truth is 2 x 1"):
        tapvid3d_metrics(tracks([[[0.0, 0.0, 1.0]] * 2]), tracks([[[0.0, 0.0, 1.0]]] * 2))
    with pytest.raises(PointVidError, match="scaling is 'mean'"):
        tapvid3d_metrics(tracks([[[0.0, 0.0, 1.0]]]), tracks([[[0.0, 0.0, 1.0]]]), "mean")
