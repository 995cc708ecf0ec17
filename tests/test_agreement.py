import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.metrics.agreement import generation_figures
from pointvid.point_map import PointMap


def clip(step=2, frames=4, size=32, stretch=0.0):
    """A textured square that moves right by `step` pixels a frame over a black ground, and its exact points."""
    texture = torch.randint(0, 256, (10, 10, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    video = torch.zeros(frames, size, size, 3, dtype=torch.uint8)
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[8:18, 4:14] = True
    points = torch.zeros(frames, size, size, 3)
    v, u = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    for t in range(frames):
        video[t, 8:18, 4 + step * t : 14 + step * t] = texture
        where = torch.stack((u + step * t + stretch * t * (u - 9), v, torch.full_like(u, 2)), -1).float()
        points[t][mask] = where[mask]
    return video, PointMap(points, mask, Camera.default((size, size)), "metric", 8.0)


def test_exact_tracks_agree_perfectly_and_nulls_do_not():
    found = generation_figures(*clip())
    assert found.agreement == pytest.approx(1.0, abs=1e-6)
    # two independent uniform colours differ by a third on average
    assert found.agreement_shuffled == pytest.approx(1 - 1 / 3, abs=0.03)
    assert found.agreement_still < 0.75
    assert found.rigidity == pytest.approx(0.0, abs=1e-6)
    assert found.motion_px == pytest.approx(6.0)
    assert found.points == 100


def test_stretching_is_not_rigid():
    video, point_map = clip(step=0, stretch=0.1)
    found = generation_figures(video, point_map)
    # at depth 2 the xyz grid is even: horizontal distances grow by 10, 20 and 30 %, vertical ones do not
    assert 0.05 < found.rigidity < 0.25


def test_points_off_screen_do_not_count():
    video, point_map = clip()
    gone = point_map.points.clone()
    gone[1:, ..., 0] = 1000
    assert generation_figures(video, point_map.replace(points=gone)).agreement == 0.0


def test_wrong_sizes_and_empty_masks():
    video, point_map = clip()
    with pytest.raises(PointVidError, match="expected equal"):
        generation_figures(video[:, :8], point_map)
    with pytest.raises(PointVidError, match="no foreground"):
        generation_figures(video, point_map.replace(objects=torch.zeros_like(point_map.objects)))
