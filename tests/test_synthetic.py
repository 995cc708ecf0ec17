"""Synthetic clips against independent readings of what was rendered: the truth must be true."""

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from pointvid.errors import PointVidError

pytest.importorskip("mujoco", reason="synthetic clips need mujoco")

from pointvid.synthetic import SCENES, ClipGenerator
from pointvid.synthetic.gl import open_context
from pointvid.synthetic.truth import follow_flex

SIZE = (80, 128)
CASES = [*((scene, 0) for scene in SCENES), ("pushing", 3)]


@pytest.fixture(scope="module")
def generator():
    try:
        open_context(16, 16).free()
    except PointVidError as error:
        pytest.skip(str(error))
    with ClipGenerator(SIZE) as generator:
        yield generator


@pytest.fixture(scope="module")
def clips(generator):
    made = {}

    def make(scene, seed):
        if (scene, seed) not in made:
            made[scene, seed] = generator(seed, "test", scene=scene)
        return made[scene, seed]

    return make


def around(clip, t):
    """Of each point at frame t: is it on screen, and the ids, depths and weights of the pixels that surround it."""
    height, width = clip.image_size
    u, v, d = clip.points[t].double().unbind(-1)
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1) & (d > 0)
    u, v = (torch.where(inside, x, torch.zeros(())) for x in (u, v))
    rows = (v + 1e-3).floor().long(), (v - 1e-3).ceil().long()
    columns = (u + 1e-3).floor().long(), (u - 1e-3).ceil().long()
    corners = [(row, column) for row in rows for column in columns]
    ids = torch.stack([clip.segmentation[t][at] for at in corners])
    depths = torch.stack([clip.depth[t][at] for at in corners]).double()
    weights = torch.stack([(1 - (v - row).abs()) * (1 - (u - column).abs()) for row, column in corners])
    return inside, ids, depths, weights / weights.sum(0)


@pytest.mark.parametrize(("scene", "seed"), CASES)
def test_frame_0_is_the_pixel_grid_at_the_rendered_depth(clips, scene, seed):
    clip = clips(scene, seed)
    height, width = SIZE
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    assert (clip.points[0, ..., 0] - u).abs().max() < 1e-3
    assert (clip.points[0, ..., 1] - v).abs().max() < 1e-3
    assert (clip.points[0, ..., 2] - clip.depth[0]).abs().max() < 1e-5
    assert clip.visible[0].all()
    assert torch.equal(clip.object_map, clip.segmentation[0])
    assert torch.equal(clip.mask, clip.object_map > 0)


@pytest.mark.parametrize(("scene", "seed"), CASES)
def test_later_frames_lie_on_the_rendered_surface(clips, scene, seed):
    clip = clips(scene, seed)
    errors = []
    for t in range(1, len(clip.video)):
        inside, ids, depths, weights = around(clip, t)
        # On a plane 1/depth is linear in the image, so a smooth surface between four pixels is their weighted mean.
        surface = 1 / (weights / depths).sum(0)
        smooth = depths.amax(0) - depths.amin(0) < 0.02
        sure = inside & clip.visible[t] & clip.mask & smooth & (ids == clip.object_map).all(0)
        errors.append((clip.points[t, ..., 2].double() - surface)[sure].abs())
    errors = torch.cat(errors)
    assert len(errors) > 1000
    assert errors.median() < 0.0005
    assert errors.quantile(0.95) < 0.002


@pytest.mark.parametrize(("scene", "seed"), CASES)
def test_visible_is_what_the_segmentation_shows(clips, scene, seed):
    clip = clips(scene, seed)
    for t in range(1, len(clip.video)):
        inside, ids, depths, _ = around(clip, t)
        d = clip.points[t, ..., 2].double()
        elsewhere = (ids != clip.object_map).all(0)
        buried = d > depths.amax(0) + 0.02
        assert not (clip.visible[t] & inside & elsewhere).any()
        assert not (clip.visible[t] & inside & buried).any()
        in_front = (ids == clip.object_map).all(0) & (d < depths.amin(0) + 0.0005)
        assert clip.visible[t][inside & in_front].all()
    height, width = clip.image_size
    u, v, _ = clip.points.unbind(-1)
    off = (u < -0.5) | (u > width - 0.5) | (v < -0.5) | (v > height - 0.5)
    assert not (clip.visible & off).any()


@pytest.mark.parametrize(("scene", "seed"), CASES)
def test_what_cannot_move_does_not(clips, scene, seed):
    clip = clips(scene, seed)
    still = clip.points[:, ~clip.mask]
    assert (still - still[:1]).abs().max() < 1e-3


@pytest.mark.parametrize(("scene", "seed"), CASES)
def test_the_caption_is_true_of_the_pixels(clips, scene, seed):
    clip = clips(scene, seed)
    action = clip.action
    assert action.target in clip.caption
    assert all(label in clip.caption for label in clip.labels)
    own = clip.points[:, clip.object_map == action.target_id]
    assert own.shape[1] > 30
    right, down, away = (own[-1] - own[0]).median(0).values / torch.tensor([SIZE[0], SIZE[0], 1.0])
    way = {"right": right, "left": -right, "down": down, "up": -down, "away": away}[action.direction]
    assert way > 0.08
    if action.direction in ("left", "right"):
        assert action.direction in clip.caption
        assert action.verb == "topple" or abs(down) < way
    if action.subject:
        assert clip.caption.startswith(f"a {action.subject} ")


def test_nothing_shows_through_the_cloth(clips):
    clip = clips("draping", 1)
    assert clip.caption.endswith("can")
    below = clip.object_map == clip.object_names.index("below") + 1
    rows = below.any(1).nonzero()
    top = below.clone()
    top[rows[0] + (rows[-1] - rows[0]) // 4 :] = False
    assert top.sum() > 50
    assert clip.visible[-1, top].float().mean() < 0.05


def test_textures_are_of_the_named_colour(clips):
    import colorsys

    hues = {"red": 0, "orange": 30, "yellow": 52, "green": 128, "blue": 223, "purple": 279}
    for case in CASES:
        clip = clips(*case)
        own = clip.video[0][clip.object_map == clip.action.target_id].float().mean(0) / 255
        hue = 360 * colorsys.rgb_to_hsv(*own.tolist())[0]
        nearest = min(hues, key=lambda name: abs((hues[name] - hue + 180) % 360 - 180))
        assert nearest == clip.action.target.split()[0], (case, hue)


@pytest.mark.parametrize("scene", ["rolling", "draping"])
def test_texture_travels_with_the_points(scene):
    """The depth of a ball or a cloth would not betray points that slide along it; the texture does."""
    with ClipGenerator((144, 252)) as large:
        clip = large(3, "test", scene=scene)
    t, own = 5, clip.object_map == clip.action.target_id
    grey = clip.video[[0, t]].float().mean(-1)[:, None]
    detail = (grey - avg_pool2d(grey, 9, 1, 4, count_include_pad=False))[:, 0]  # what is left without the light
    seen = own & clip.visible[t]

    def likeness(points):
        u, v, _ = points[seen].round().long().unbind(-1)
        u, v = u.clamp(0, 251), v.clamp(0, 143)
        return torch.corrcoef(torch.stack((detail[0][seen], detail[1][v, u])))[0, 1]

    slid = clip.points[0] + (clip.points[t] - clip.points[0])[own].mean(0)
    assert likeness(clip.points[t]) > 0.4
    assert likeness(clip.points[t]) > likeness(slid) + 0.25


def test_points_on_a_sheet_turn_and_stretch_with_it():
    grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(3.0), [0.0], indexing="ij"), -1).reshape(-1, 3)
    quads = [(3 * i + j, 3 * i + j + 1, 3 * i + j + 3, 3 * i + j + 4) for i in range(3) for j in range(2)]
    triangles = np.array([t for a, b, c, d in quads for t in ((a, b, d), (a, d, c))])
    points = np.array([[0.2, 0.3, 0.0], [2.9, 1.1, 0.01], [1.5, 1.5, -0.01], [3.002, 2.001, 0.01]])
    turn = np.array([[0.0, -1.0, 0.0], [0.6, 0.0, -0.8], [0.8, 0.0, 0.6]])  # a rotation
    stretch = np.array([2.0, 0.5, 1.0])  # in its plane: what stands off the sheet keeps its distance
    vertices = np.stack((grid, grid @ turn.T + (1.0, 2.0, 3.0), grid * stretch))
    followed = follow_flex(points, vertices, triangles)
    np.testing.assert_allclose(followed[0], points, atol=1e-12)
    np.testing.assert_allclose(followed[1], points @ turn.T + (1.0, 2.0, 3.0), atol=1e-12)
    np.testing.assert_allclose(followed[2], points * stretch, atol=1e-12)


def test_same_arguments_same_clip(generator, clips):
    again = generator(0, "test", scene="pushing")
    once = clips("pushing", 0)
    for name in ("video", "depth", "segmentation", "points", "visible", "camera_pose"):
        assert torch.equal(getattr(again, name), getattr(once, name)), name
    assert again.caption == once.caption


def test_what_small_models_were_trained_on_stays(generator):
    """Numbers of the first version: with other physics a ball of this scene comes out two pixels elsewhere."""
    clip = generator(5, "train", scene="simple")
    assert clip.caption == "the green ball rolls to the right"
    own = clip.points[-1, clip.object_map == 1].median(0).values
    assert (own - torch.tensor([92.919, 56.792, 1.674])).abs().max() < 0.2


def test_splits_and_seeds_differ(generator):
    cases = [(0, "train"), (0, "val"), (0, "test"), (1, "train")]
    takes = [generator(*case, scene="simple") for case in cases]
    assert len({take.video.numpy().tobytes() for take in takes}) == len(takes)


def test_the_seed_chooses_among_all_varied_scenes(generator):
    chosen = {generator(seed).scene for seed in range(4)}
    assert len(chosen) >= 2
    assert "simple" not in chosen


def test_tracks_and_point_map_are_the_points(clips):
    clip = clips("pushing", 0)
    queries = torch.tensor([[3, 5], [100, 61]])
    tracks = clip.tracks(queries)
    assert torch.equal(tracks.uvd[:, 0], clip.points[:, 5, 3])
    assert torch.equal(tracks.visible[:, 1], clip.visible[:, 61, 100])
    assert tracks.depth_unit == "metric"
    assert torch.equal(tracks.object_id, clip.object_map[queries[:, 1], queries[:, 0]])
    assert clip.tracks(stride=8).uvd.shape == (16, 160, 3)
    dense = clip.point_map()
    assert torch.equal(dense.points[:, clip.mask], clip.points[:, clip.mask])
    assert not dense.points[:, ~clip.mask].any()
    with pytest.raises(PointVidError, match="whole pixels"):
        clip.tracks(torch.tensor([[0.5, 1.0]]))
    with pytest.raises(PointVidError, match="80x128"):
        clip.tracks(torch.tensor([[128, 1]]))


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"seed": 0, "split": "dev"}, "split is 'dev'"),
        ({"seed": 0, "scene": "flying"}, "scene is 'flying'"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 0, "frames": 0}, "frames 0"),
        ({"seed": 0, "fps": 0.0}, "fps 0"),
        ({"seed": 0, "scene": "rolling", "frames": 2}, "more frames or a lower fps"),
    ],
)
def test_bad_arguments_are_named(generator, arguments, names):
    with pytest.raises(PointVidError, match=names):
        generator(**arguments)


def test_bad_size_is_named():
    with pytest.raises(PointVidError, match="size is"):
        ClipGenerator((8, 9000))
