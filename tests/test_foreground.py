import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.trackers.foreground import mask_from_tracks, moving_foreground
from pointvid.trackers.queries import grid_queries
from pointvid.tracks import PointTracks

SIZE = (120, 160)


def scene(camera_motion=None, objects=(), noise=0.2, frames=8):
    """Tracks of a grid on a plane seen by a moving camera, with boxes (u0, v0, u1, v1, du, dv) that move on it."""
    queries = grid_queries(SIZE, 30)
    homography = torch.eye(3) if camera_motion is None else camera_motion
    uv, current = [queries], queries
    label = torch.zeros(len(queries), dtype=torch.int64)
    for i, (u0, v0, u1, v1, _, _) in enumerate(objects):
        u, v = queries.unbind(-1)
        label[(u >= u0) & (u <= u1) & (v >= v0) & (v <= v1)] = i + 1
    own = torch.zeros(len(objects) + 1, 2)
    for t in range(1, frames):
        h = torch.cat((current, torch.ones(len(current), 1)), 1) @ homography.T
        current = h[:, :2] / h[:, 2:]
        for i, box in enumerate(objects):
            own[i + 1] = torch.tensor(box[4:]) * t
        uv.append(current + own[label] + noise * torch.randn(current.shape, generator=torch.Generator().manual_seed(t)))
    uvd = torch.cat((torch.stack(uv), torch.ones(frames, len(queries), 1)), -1)
    visible = torch.ones(frames, len(queries), dtype=torch.bool)
    return PointTracks(uvd, visible, SIZE, Camera.default(SIZE)), label


BOXES = ((20, 20, 60, 60, 3.0, 1.0), (90, 60, 140, 100, -2.0, 0.0))


@pytest.mark.parametrize(
    "motion",
    [None, torch.tensor([[1.01, 0.02, 1.5], [-0.015, 1.005, -2.0], [4e-5, -3e-5, 1.0]])],
    ids=["still camera", "moving camera"],
)
def test_finds_what_moves_by_itself(motion):
    tracks, label = scene(motion, BOXES)
    found = moving_foreground(tracks)
    assert ((found.moving) == (label > 0)).float().mean() > 0.97
    assert set(found.object_id.tolist()) == {0, 1, 2}
    for i in (1, 2):
        ids = found.object_id[label == i]
        assert (ids == ids.mode().values).float().mean() > 0.95


def test_nothing_moves_by_itself():
    with pytest.raises(PointVidError, match="no foreground"):
        moving_foreground(scene()[0])
    with pytest.raises(PointVidError, match="no foreground"):
        moving_foreground(scene(torch.tensor([[1.0, 0.0, 3.0], [0.0, 1.0, -2.0], [0.0, 0.0, 1.0]]))[0])


def test_same_answer_twice():
    tracks, _ = scene(objects=BOXES)
    assert torch.equal(moving_foreground(tracks).object_id, moving_foreground(tracks).object_id)


def test_the_mask_covers_what_the_tracks_mark():
    tracks, _ = scene(objects=BOXES)
    mask = mask_from_tracks(tracks, moving_foreground(tracks).moving)
    truth = torch.zeros(SIZE, dtype=torch.bool)
    for u0, v0, u1, v1, _, _ in BOXES:
        truth[v0 : v1 + 1, u0 : u1 + 1] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.85
