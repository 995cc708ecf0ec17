import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.trackers.base import Tracked
from pointvid.trackers.pipeline import acceleration, track_clip
from pointvid.trackers.settings import TrackSettings
from pointvid.tracks import PointTracks

SIZE = (64, 96)


class Oracle:
    """A tracker that knows: the box of columns 30-50, rows 20-40 moves 2 px a frame to the right."""

    def track(self, video, queries, depth=None, progress=None):
        u, v = queries.unbind(-1)
        box = (u >= 30) & (u <= 50) & (v >= 20) & (v <= 40)
        t = torch.arange(video.shape[0]).float()[:, None]
        uv = torch.stack((u + 2 * t * box, v.expand(len(t), -1)), -1)
        return Tracked(uv, torch.ones(uv.shape[:2], dtype=torch.bool))


def clip(frames=6):
    return torch.randint(0, 255, (frames, *SIZE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_foreground_found_from_motion():
    result = track_clip(clip(), tracker=Oracle(), settings=TrackSettings(grid=24, extra=300))
    truth = torch.zeros(SIZE, dtype=torch.bool)
    truth[20:41, 30:51] = True
    assert result.found_by == "motion"
    assert (result.mask & truth).sum() / (result.mask | truth).sum() > 0.8
    u, v = result.tracks.queries.long().unbind(-1)
    assert result.mask[v, u].all()
    assert torch.equal(result.tracks.color, clip()[0][v, u])
    assert set(result.tracks.object_id.tolist()) == {1}
    assert result.objects[30, 40] == 1


def test_a_mask_of_objects_is_kept():
    mask = torch.zeros(SIZE, dtype=torch.int64)
    mask[20:41, 30:51] = 7
    mask[0:10, 0:20] = 3
    result = track_clip(clip(), mask=mask, tracker=Oracle(), settings=TrackSettings(grid=24, extra=100))
    u, v = result.tracks.queries.long().unbind(-1)
    assert result.found_by == "mask"
    assert torch.equal(result.tracks.object_id.long(), mask[v, u])
    assert set(result.tracks.object_id.tolist()) == {3, 7}
    assert torch.equal(result.mask, mask != 0)
    assert len(result.tracks.queries.unique(dim=0)) == result.tracks.num_points == result.quality.points


def test_the_papers_queries_lie_in_the_mask_and_want_one():
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[20:41, 30:51] = True
    result = track_clip(clip(), mask=mask, tracker=Oracle(), settings=TrackSettings(queries="paper", smooth=False))
    u, v = result.tracks.queries.round().long().unbind(-1)
    assert mask[v, u].all()
    # 80 x 80 points between margins of 8 on 512 x 384, scaled to the clip: 1.18 px by 0.78 px apart.
    assert result.tracks.num_points == pytest.approx(21 / 1.177 * 21 / 0.776, rel=0.1)
    assert (result.tracks.object_id == 1).all()
    with pytest.raises(PointVidError, match="queries is 'paper' and mask is not given"):
        track_clip(clip(), tracker=Oracle(), settings=TrackSettings(queries="paper"))
    with pytest.raises(PointVidError, match="queries is 'all', expected one of auto, grid, dense, paper"):
        track_clip(clip(), tracker=Oracle(), settings=TrackSettings(queries="all"))


def test_a_tracker_that_follows_every_pixel_is_asked_for_all():
    class Dense(Oracle):
        default_queries = "dense"

    result = track_clip(clip(), tracker=Dense())
    assert result.tracks.num_points == result.mask.sum()
    assert abs(result.tracks.num_points - 21 * 21) < 40
    assert (
        track_clip(
            clip(), mask="everything", tracker=Dense(), settings=TrackSettings(queries="grid", grid=10, extra=0)
        ).tracks.num_points
        == 100
    )


def test_of_many_tracks_some_are_judged_and_the_others_follow_them(monkeypatch):
    monkeypatch.setattr("pointvid.trackers.pipeline._JUDGED", 1500)
    result = track_clip(clip(), tracker=Oracle(), settings=TrackSettings(queries="dense"))
    truth = torch.zeros(SIZE, dtype=torch.bool)
    truth[20:41, 30:51] = True
    assert (result.mask & truth).sum() / (result.mask | truth).sum() > 0.8
    assert result.tracks.num_points == result.mask.sum()
    u, v = result.tracks.queries.long().unbind(-1)
    assert torch.equal(result.tracks.object_id, result.objects[v, u])
    assert torch.equal(result.tracks.object_id != 0, result.mask[v, u])


def test_everything():
    result = track_clip(clip(), mask="everything", tracker=Oracle(), settings=TrackSettings(grid=10, extra=0))
    assert result.mask.all()
    assert result.tracks.num_points == 100


def test_smoothing_lowers_jitter_and_keeps_queries():
    class Shaky(Oracle):
        def track(self, *args, **kwargs):
            found = super().track(*args, **kwargs)
            shake = torch.randn(found.uv.shape, generator=torch.Generator().manual_seed(1)) * 0.5
            return found._replace(uv=found.uv + shake)

    mask = torch.ones(SIZE, dtype=torch.bool)
    result = track_clip(clip(12), mask=mask, tracker=Shaky(), settings=TrackSettings(grid=10, extra=0, tau=1.25))
    raw = track_clip(clip(12), mask=mask, tracker=Shaky(), settings=TrackSettings(grid=10, extra=0, smooth=False))
    assert result.quality.acceleration < 0.5 * raw.quality.acceleration
    assert torch.equal(result.tracks.queries, raw.tracks.queries)
    assert result.quality.survival == result.quality.valid == 1


def test_jitter_by_hand():
    # Second differences of 0, 1, 4, 4 are 2 and -3; the second triple holds a hidden frame.
    uvd = torch.tensor([0.0, 1.0, 4.0, 4.0])[:, None, None] * torch.tensor((1.0, 0.0, 0.0))
    visible = torch.tensor([True, True, True, False])[:, None]
    assert acceleration(PointTracks(uvd, visible, SIZE, Camera.default(SIZE))) == 2


def test_the_embedded_tracker_end_to_end_without_depth():
    generator = torch.Generator().manual_seed(0)
    world = torch.randint(0, 255, (64, 160, 3), dtype=torch.uint8, generator=generator).float()
    world = torch.nn.functional.avg_pool2d(world.movedim(-1, 0), 3, 1, 1).movedim(0, -1).to(torch.uint8)
    video = world[None, :, :96].repeat(5, 1, 1, 1)
    for t in range(5):
        video[t, 20:44, 20 + 3 * t : 50 + 3 * t] = world[20:44, 110:140]
    result = track_clip(video, settings=TrackSettings(grid=20, extra=100))
    u, v = result.tracks.queries.unbind(-1)
    core = (u > 24) & (u < 45) & (v > 24) & (v < 40)
    moved = result.tracks.uvd[-1, core, :2] - result.tracks.queries[core]
    assert core.sum() > 20
    assert (moved - torch.tensor((12.0, 0.0))).norm(dim=-1).median() < 0.2
    assert result.tracks.depth_unit == "relative"


def test_bad_masks():
    with pytest.raises(PointVidError, match="mask is 32x32, clip is 64x96"):
        track_clip(clip(), mask=torch.ones(32, 32, dtype=torch.bool))
    with pytest.raises(PointVidError, match="mask is all zero"):
        track_clip(clip(), mask=torch.zeros(SIZE, dtype=torch.bool))
    with pytest.raises(PointVidError, match="expected bool or an integer map"):
        track_clip(clip(), mask=torch.ones(SIZE))
