"""Metrics of motions whose scores are known beforehand: rigid ones, morphs of known size, noise of known size."""

import math

import numpy as np
import pytest
import torch

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.metrics import (
    acceleration,
    color_constancy,
    jitter,
    matched,
    motion,
    reconstruction,
    retracking,
    rigidity,
    shape_change,
    shape_constancy,
    speed,
    track_video,
)
from pointvid.point_map import PointMap
from pointvid.points.reconstruction import recon_terms
from pointvid.points.rigidity import rigidity_graph, rigidity_loss
from pointvid.tracks import PointTracks

SIZE = (96, 128)
CAMERA = Camera(150.0, 150.0, 63.5, 47.5)
FRAMES = 8


def surface(seed=0, count=400):
    """Points of a bumpy patch about 4 m from the camera, float64 [N, 3]."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-0.8, 0.8, (2, count))
    return np.stack((x, y, 4 + 0.3 * np.sin(3 * x) * np.cos(4 * y)), -1)


def turn(angle):
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def tracks(xyz, unit="metric", fps=8.0, **fields):
    uvd = CAMERA.project(torch.from_numpy(np.asarray(xyz))).float()
    visible = torch.ones(uvd.shape[:2], dtype=torch.bool)
    return PointTracks(uvd, fields.pop("visible", visible), SIZE, CAMERA, unit, fps, **fields)


def moved(change, points=None, frames=FRAMES):
    points = surface() if points is None else points
    return np.stack([change(points, t) for t in range(frames)])


def rigid(points, t):
    middle = points.mean(0)
    return (points - middle) @ turn(0.12 * t).T + middle + np.array([0.05, -0.02, 0.1]) * t


def scaled(points, t, rate=0.02):
    middle = points.mean(0)
    return (points - middle) * (1 + rate * t) + middle


def test_a_rigid_motion_has_no_error_but_motion():
    found = tracks(moved(rigid))
    # float32 pixels at 4 m: distances of centimetres are known to a micrometre
    assert rigidity(found).value < 1e-6
    assert rigidity(found, relative=True).value < 1e-2
    assert shape_change(found).value < 1e-4
    (one,) = shape_constancy(found)
    assert one.size.value < 1e-4
    assert one.area.value < 1e-3
    assert motion(found).value > 5
    assert rigidity(found).unit == "m"
    assert rigidity(tracks(moved(rigid), "relative")).unit == "rel"


def test_a_morph_scores_its_size():
    found = tracks(moved(scaled))
    grown = np.array([2.0 * t for t in range(FRAMES)])  # per cent
    (one,) = shape_constancy(found)
    assert np.allclose(one.shape.per_frame, grown, atol=1e-3)
    assert np.allclose(one.size.per_frame, grown, atol=1e-3)
    assert np.allclose(one.area.per_frame, 100 * ((1 + grown / 100) ** 2 - 1), atol=1e-3)
    overall = math.sqrt((grown[1:] ** 2).mean())
    assert one.shape.value == pytest.approx(overall, abs=1e-3)
    assert shape_change(found).value == pytest.approx(overall, abs=1e-3)


def test_shape_change_is_blind_to_the_number_of_points():
    few, many = (tracks(moved(scaled, surface(count=count))) for count in (60, 4000))
    assert shape_change(few).value == pytest.approx(shape_change(many).value, rel=1e-3)


def test_stretching_along_one_axis_against_plain_numpy():
    def stretch(points, t):
        return points * np.array([1 + 0.05 * t, 1, 1])

    xyz = moved(stretch, surface(count=100))
    i, j = np.triu_indices(100, 1)
    distance = np.linalg.norm(xyz[:, i] - xyz[:, j], axis=-1)
    expected = 100 * np.sqrt(((distance - distance[0]) ** 2).sum(1) / (distance[0] ** 2).sum())
    (one,) = shape_constancy(tracks(xyz))
    assert np.allclose(one.shape.per_frame, expected, atol=1e-3)


def test_area_of_a_plate_that_is_stretched():
    v, u = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9), indexing="ij")
    plate = np.stack((u.ravel(), v.ravel(), np.full(81, 4.0)), -1)
    xyz = moved(lambda points, t: points * np.array([1 + 0.1 * t, 1, 1]), plate)
    (one,) = shape_constancy(tracks(xyz))
    assert np.allclose(one.area.per_frame, [10.0 * t for t in range(FRAMES)], atol=1e-3)


def test_every_object_is_measured_by_itself_and_the_background_is_not():
    still, growing, melting = surface(1, 100), surface(2, 100), surface(3, 100)
    growing[:, 0] += 2
    melting[:, 1] += 2
    xyz = np.concatenate((moved(rigid, still), moved(scaled, growing), moved(lambda p, t: p * (1 - t / 9), melting)), 1)
    ids = torch.tensor([1] * 100 + [5] * 100 + [0] * 100, dtype=torch.int32)
    found = tracks(xyz, object_id=ids)
    shapes = {one.object_id: one for one in shape_constancy(found)}
    assert set(shapes) == {1, 5}
    assert shapes[1].shape.value < 1e-4
    assert shapes[5].shape.per_frame[-1] == pytest.approx(14, abs=1e-3)
    assert shape_change(found).per_frame[-1] == pytest.approx(7, abs=1e-3)  # each object counts alike
    assert {one.object_id for one in shape_constancy(found, background=True)} == {0, 1, 5}
    assert {one.object_id for one in shape_constancy(found.replace(object_id=ids * 0))} == {0}


def test_objects_that_part_are_rigid():
    left, right = surface(1, 150), surface(2, 150)
    xyz = np.concatenate((moved(lambda p, t: p, left), moved(lambda p, t: p + np.array([0.1 * t, 0, 0]), right)), 1)
    ids = torch.tensor([1] * 150 + [2] * 150, dtype=torch.int32)
    assert rigidity(tracks(xyz)).value > 0.01
    assert rigidity(tracks(xyz, object_id=ids)).value < 1e-6


@pytest.mark.parametrize("relative", [False, True])
def test_rigidity_is_the_root_of_the_loss(relative):
    found = tracks(moved(scaled))
    graph = rigidity_graph(found.xyz[0].double(), k=8)
    loss = rigidity_loss(found.xyz.double(), graph).item()
    rest = (found.xyz[0, graph.source] - found.xyz[0, graph.target]).norm(dim=-1).square().mean().sqrt().item()
    expected = 100 * math.sqrt(loss) / rest if relative else math.sqrt(loss)
    assert rigidity(found, relative=relative).value == pytest.approx(expected, rel=1e-5)


def test_temporal_terms_are_those_of_the_loss():
    rng = np.random.default_rng(0)
    found = tracks(moved(rigid) + rng.normal(0, 0.02, (FRAMES, 400, 3)), fps=10.0)
    terms = recon_terms(found.xyz.double(), found.xyz.double())
    assert speed(found).value == pytest.approx(terms.velocity.item() * 10, rel=1e-6)
    assert acceleration(found).value == pytest.approx(terms.acceleration.item() * 100, rel=1e-6)


def test_free_fall_accelerates_by_g_and_is_smooth():
    fps, g = 24.0, 9.81
    xyz = moved(lambda p, t: p + np.array([0.03 * t, 0.5 * g * (t / fps) ** 2, 0]))
    found = tracks(xyz, fps=fps)
    assert acceleration(found).value == pytest.approx(g, rel=1e-3)
    assert acceleration(found).unit == "m/s^2"
    assert jitter(found).value < 1e-5
    expected = [np.hypot(0.03 * fps, g * (t - 0.5) / fps) for t in range(1, FRAMES)]
    assert np.allclose(speed(found).per_frame[1:], expected, rtol=1e-3)
    assert math.isnan(speed(found).per_frame[0])


def test_noise_scores_its_size():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, (0.01, 0.02, 0.03), (40, 2000, 3))
    found = tracks(moved(rigid, surface(count=2000), 40) + noise)
    # all three axes together; the turn itself bends by 0.12^3 of the radius, far below
    assert jitter(found).value == pytest.approx(math.sqrt(0.01**2 + 0.02**2 + 0.03**2), rel=0.02)


def test_motion_counts_going_and_coming_back_and_not_standing():
    there = moved(lambda p, t: p + np.array([0.2 * min(t, FRAMES - 1 - t), 0, 0]))
    found = motion(tracks(there), "camera")
    assert found.value == pytest.approx(0.6, abs=1e-5)
    assert found.per_frame[-1] == pytest.approx(0, abs=1e-5)
    assert motion(tracks(moved(lambda p, t: p))).value == 0.0


def test_hidden_points_do_not_count():
    xyz = moved(rigid)
    visible = torch.ones(FRAMES, 400, dtype=torch.bool)
    visible[3:, 200:] = False
    xyz[3:, 200:] += np.random.default_rng(0).normal(0, 1, (FRAMES - 3, 200, 3))
    found = tracks(xyz, visible=visible)
    assert rigidity(found).value < 1e-6
    assert shape_change(found).value < 1e-4
    assert jitter(found).value < 5e-3
    assert rigidity(found).coverage < 0.8
    pairs = (200 * 199) / (400 * 399)  # both ends have to be seen
    assert shape_change(found, limit=400).coverage == pytest.approx((2 + 5 * pairs) / 7)


def test_points_that_are_not_finite_or_behind_the_camera_do_not_count():
    found = tracks(moved(rigid))
    uvd = found.uvd.clone()
    uvd[2:, :50] = torch.nan
    uvd[:, 50:60, 2] = -1
    broken = found.replace(uvd=uvd)
    for metric in (rigidity, shape_change):
        assert metric(broken).value < 1e-3
    for metric in (speed, acceleration, jitter, motion):
        assert math.isfinite(metric(broken).value)


def test_one_frame_and_one_point_say_nothing():
    one = tracks(moved(rigid, frames=1))
    for metric in (rigidity, shape_change, speed, acceleration, jitter):
        found = metric(one)
        assert math.isnan(found.value)
        assert len(found.per_frame) == 1
    alone = tracks(moved(rigid, surface(count=1)))
    assert math.isnan(rigidity(alone).value)
    assert math.isnan(shape_change(alone).value)
    assert len(shape_change(alone).per_frame) == FRAMES
    with pytest.raises(PointVidError, match="no point"):
        rigidity(tracks(np.zeros((FRAMES, 0, 3))))


def test_as_dict_has_no_nan():
    assert speed(tracks(moved(rigid))).as_dict()["per_frame"][0] is None


def test_reconstruction_in_metres_and_pixels():
    truth = tracks(moved(rigid))
    later = (torch.arange(FRAMES) > 0).view(-1, 1, 1)
    off = truth.replace(uvd=truth.uvd + later * torch.tensor([3.0, 4.0, 0.0]))
    assert reconstruction(off, truth, "image").per_frame == pytest.approx((0,) + (5,) * (FRAMES - 1), abs=1e-4)
    expected = (5 / 150 * later * truth.uvd[..., 2:]).mean().item()
    assert reconstruction(off, truth).value == pytest.approx(expected, rel=1e-5)
    assert reconstruction(truth, truth).value == 0
    with pytest.raises(PointVidError, match="no common unit"):
        reconstruction(off, truth.replace(depth_unit="relative"))


def textured(step=2, frames=FRAMES, noise=0):
    """A textured square of 32 px that moves right over a textured ground, its exact point map."""
    height, width = SIZE
    rng = np.random.default_rng(0)

    def texture(h, w):
        coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, h // 4, w // 4)))
        return torch.nn.functional.interpolate(coarse, (h, w), mode="bicubic").clamp(0, 255)[0].permute(1, 2, 0).byte()

    ground, square = texture(height, width), texture(32, 32)
    video = ground.repeat(frames, 1, 1, 1)
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[30:62, 20:52] = True
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = torch.zeros(frames, height, width, 3)
    for t in range(frames):
        video[t, 30:62, 20 + step * t : 52 + step * t] = square
        points[t][mask] = torch.stack((u + step * t, v, torch.full_like(u, 2)), -1).float()[mask]
    return video, PointMap(points, mask, CAMERA, "metric", 8.0)


def test_true_points_agree_with_their_video_and_shuffled_ones_do_not():
    video, points = textured()
    assert color_constancy(video, points).value == pytest.approx(1, abs=1e-6)
    shuffled = color_constancy(video, points, "shuffled").value
    # independent draws of the square's own colours
    colors = video[0][points.mask].double() / 255
    order = torch.randperm(len(colors), generator=torch.Generator().manual_seed(9))
    chance = 1 - (colors - colors[order]).abs().mean().item()
    assert shuffled == pytest.approx(chance, abs=0.01)
    assert color_constancy(video, points, "still").value < 0.9
    found = color_constancy(video, points)
    assert found.per_frame == pytest.approx((1,) * FRAMES)


def test_agreement_of_tracks_counts_visible_points_only():
    video, points = textured()
    given = points.to_tracks(video[0])
    uvd, visible = given.uvd.clone(), given.visible.clone()
    uvd[4:, ::2, :2] -= 17
    visible[4:, ::2] = False
    found = color_constancy(video, given.replace(uvd=uvd, visible=visible))
    assert found.value == pytest.approx(1, abs=1e-6)
    assert found.coverage == pytest.approx((3 + 4 * 0.5) / 7)


def inner(points, margin=7):
    """The same without its rim, where a patch sees the ground, too."""
    mask = torch.zeros_like(points.mask)
    mask[30 + margin : 62 - margin, 20 + margin : 52 - margin] = True
    return points.restricted(mask)


def test_retracking_the_truth_is_close_and_a_lie_is_as_far_as_it_lies():
    video, points = textured()
    points = inner(points)
    true = retracking(video, points)
    assert true.value < 0.1
    assert true.coverage > 0.9
    still = retracking(video, points.replace(points=points.points[:1].expand_as(points.points).contiguous()))
    # 2 px a frame, the median over frames 1..7 is that of frame 4
    assert still.value == pytest.approx(8, abs=0.2)
    assert still.per_frame[-1] == pytest.approx(14, abs=0.2)


def test_a_video_alone_gives_tracks_to_measure():
    video, points = textured()
    found = track_video(video, inner(points).mask, 64)
    assert 30 <= found.num_points <= 64
    assert motion(found).value == pytest.approx(14, abs=0.3)
    assert rigidity(found, relative=True).value < 2
    with pytest.raises(PointVidError, match="mask is all zero"):
        track_video(video, points.mask & False)


def test_what_belongs_together():
    _, points = textured()
    smaller = points.restricted(torch.arange(128) < 40)
    found, target = matched(points, smaller)
    assert found.num_points == target.num_points == 32 * 20
    queries = torch.tensor([[30.25, 40.0], [5.0, 5.0], [45.0, 61.4]])
    sparse = PointTracks(
        torch.cat((queries, torch.full((3, 1), 2.0)), -1).repeat(FRAMES, 1, 1),
        torch.ones(FRAMES, 3, dtype=torch.bool),
        SIZE,
        CAMERA,
        "metric",
    )
    found, target = matched(sparse, points)
    assert torch.equal(found.queries, queries[[0, 2]])
    assert torch.allclose(target.uvd[0, :, :2], queries[[0, 2]])
    assert torch.allclose(target.uvd[-1, :, 0], queries[[0, 2], 0] + 14)
    assert reconstruction(sparse, points, "image").per_frame[-1] == pytest.approx(14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.replace(points=p.points[:3]), "8 frames, the reference has 3"),
        (lambda p: PointMap(p.points[:, :48], p.mask[:48], CAMERA), "96x128 HxW, the reference has 48x128"),
        (lambda p: p.replace(objects=~p.mask), "no foreground pixel in common"),
        (lambda p: p.to_tracks(stride=3).replace(uvd=p.to_tracks(stride=3).uvd + 900), "no track starts"),
    ],
)
def test_what_does_not_belong_together(change, message):
    _, points = textured()
    with pytest.raises(PointVidError, match=message):
        reconstruction(points, change(points), "image")


def test_other_queries_and_other_sizes_are_told():
    video, points = textured()
    with pytest.raises(PointVidError, match="from other pixels"):
        reconstruction(points.to_tracks(stride=2), points.to_tracks(stride=4))
    with pytest.raises(PointVidError, match="video is 7 frames of 96x128, points are for 8 frames of 96x128"):
        color_constancy(video[:7], points)
    with pytest.raises(PointVidError, match="null is 'luck'"):
        color_constancy(video, points, "luck")


def warped(zoom=0.0, turn=0.0, frames=FRAMES):
    """A textured picture that grows by `zoom` and turns by `turn` radians a frame about its middle."""
    video, _ = textured(frames=1)
    picture = video[0].permute(2, 0, 1)[None].float()
    height, width = SIZE
    made = []
    for t in range(frames):
        c, s = math.cos(turn * t), math.sin(turn * t)
        # where each pixel comes from, in shares of half the width and half the height
        back = torch.tensor([[[c, -s * height / width, 0.0], [s * width / height, c, 0.0]]]) / (1 + zoom * t)
        grid = torch.nn.functional.affine_grid(back, picture.shape, align_corners=False)
        warp = torch.nn.functional.grid_sample(picture, grid, "bicubic", "border", align_corners=False)
        made.append(warp[0].permute(1, 2, 0).clamp(0, 255).round().byte())
    return torch.stack(made)


def test_a_morph_shows_in_the_video_alone():
    """What a model that generates no points is judged by: its pixels, tracked."""
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[24:72, 32:96] = True
    grown = shape_change(track_video(warped(zoom=0.01), mask, 64))
    assert grown.per_frame[-1] == pytest.approx(7, abs=0.3)
    turned = track_video(warped(turn=0.03), mask, 64)
    assert shape_change(turned).value < 0.5
    assert motion(turned).value > 3
