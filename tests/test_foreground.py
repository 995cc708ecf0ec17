import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.trackers.foreground import mask_from_tracks, moving_foreground, texture_at
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


def test_the_masks_edges_follow_the_picture():
    tracks, _ = scene(objects=BOXES)
    truth = torch.zeros(SIZE, dtype=torch.bool)
    for u0, v0, u1, v1, _, _ in BOXES:
        truth[v0 : v1 + 1, u0 : u1 + 1] = True
    frame = torch.where(truth[..., None], 200, 60).to(torch.uint8).expand(-1, -1, 3)
    marked = moving_foreground(tracks).moving
    overlap = [
        ((mask & truth).sum() / (mask | truth).sum()).item()
        for mask in (mask_from_tracks(tracks, marked), mask_from_tracks(tracks, marked, frame))
    ]
    assert overlap[1] > overlap[0]
    assert overlap[1] > 0.97


def test_texture_is_the_slope_along_the_weaker_direction():
    v, u = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    ramp = 100 + 10 * torch.sin(u / 3)  # slopes along u alone
    both = ramp + 10 * torch.sin(v / 3)
    queries = torch.tensor([[40.0, 30.0]])

    def texture(grey):
        return texture_at(grey[..., None].expand(-1, -1, 3), queries).item()

    assert texture(ramp) < 0.1
    # The mean square of cos is a half; central differences see sin(1 / 3) of a slope of 1 / 3.
    assert texture(both) == pytest.approx(10 * torch.tensor(1 / 3).sin().item() * 0.5**0.5, rel=0.2)


def test_tracks_on_a_plain_wall_are_no_object():
    tracks, label = scene(objects=BOXES[:1])
    u, v = tracks.queries.unbind(-1)
    wall = (u > 110) & (v < 50)
    drift = tracks.uvd.clone()
    drift[1:, wall, :2] += 4.0
    texture = torch.where(wall, 0.3, 5.0)
    tracks = tracks.replace(uvd=drift)
    assert moving_foreground(tracks).moving[wall].any()
    found = moving_foreground(tracks, texture=texture)
    assert not found.moving[wall].any()
    assert (found.moving == (label > 0))[~wall].float().mean() > 0.97
