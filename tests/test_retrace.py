import pytest
import torch

from pointvid.trackers.base import Tracked
from pointvid.trackers.pipeline import track_points
from pointvid.trackers.retrace import retrace
from tests.moving_clips import FRAMES, STEP, Oracle, box_clip

QUERIES = torch.tensor([[24.0, 26.0], [30.0, 25.0], [40.0, 30.0], [28.0, 38.0]])


class Away:
    """Backwards, half of the points drift off."""

    def track(self, video, queries, depth=None, progress=None):
        uv = queries - STEP * torch.arange(video.shape[0]).float()[:, None, None] * torch.tensor((1.0, 0.0))
        uv[-1, :2] += 3.0
        return Tracked(uv, torch.ones(uv.shape[:2], dtype=torch.bool))


def tracks():
    return track_points(box_clip(), QUERIES, tracker=Oracle())


def test_the_share_that_comes_back():
    found = retrace(box_clip(), tracks(), Away())
    assert found.points == 4
    assert found.share == pytest.approx(0.5)
    assert found.cut is None
    assert found.warnings() == []


def test_good_tracks_come_back_and_tracks_of_something_else_do_not():
    true = tracks()
    assert retrace(box_clip(), true).share == 1
    # Left behind on the still background, they stay there.
    left = true.replace(
        uvd=true.uvd[:1].expand(FRAMES, -1, -1)
        + torch.tensor((0.0, 22.0, 0.0)) * torch.linspace(0, 1, FRAMES)[:, None, None]
    )
    found = retrace(box_clip(), left)
    assert found.share == 0
    assert "0 %" in found.warnings()[0]


def test_nothing_left_at_the_end():
    true = tracks()
    visible = true.visible.clone()
    visible[-1] = False
    found = retrace(box_clip(), true.replace(visible=visible))
    assert found.share is None
    assert "no track" in found.warnings()[0]


def test_a_hard_cut_is_named_and_motion_is_none():
    video = box_clip(frames=12)
    video[5:] = box_clip(seed=9, frames=12)[5:] // 2 + 100
    found = retrace(video, track_points(box_clip(frames=12), QUERIES, tracker=Oracle()))
    assert found.cut == 5
    assert "before frame 5" in found.warnings()[0]
    assert retrace(box_clip(), tracks()).cut is None


def test_a_file_is_read_forwards_in_blocks():
    class Stream:
        def __init__(self, video):
            self.video, self.shape, self.asked = video, video.shape, []

        def __getitem__(self, t):
            self.asked.append(t)
            return self.video[t]

    stream = Stream(box_clip(frames=20))
    retrace(stream, track_points(box_clip(frames=20), QUERIES, tracker=Oracle()))
    stream.asked = list(dict.fromkeys(stream.asked))  # the first is asked for twice
    assert stream.asked == [*range(12, 20), *range(4, 12), *range(4)]
