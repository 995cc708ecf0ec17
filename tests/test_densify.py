import numpy as np
import pytest
import torch
from scipy.spatial import KDTree

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.point_map import UNKNOWN
from pointvid.points.densify import densify
from pointvid.points.nearest import nearest_tracks
from pointvid.tracks import PointTracks

SIZE = (24, 32)
T = 5


def algorithm_1(tracked, mask):
    """The paper's pseudocode, line by line, on numpy arrays; Interp weighs by inverse distance. P is [T, H, W, 3]."""
    p = np.zeros((len(tracked), *mask.shape, 3))  # line 3
    p0 = tracked[0, :, 0:2]  # line 5
    foreground = [j for j, (u, v) in enumerate(p0) if mask[int(v), int(u)]]  # line 6
    p1 = p0[foreground]
    tree = KDTree(p1)  # line 7
    for v, u in np.argwhere(mask):  # line 8
        found = np.flatnonzero((p1 == (u, v)).all(1))  # line 9
        if len(found):
            p[:, v, u, :] = tracked[:, foreground[found[0]], :]  # line 10
        else:
            distance, index = tree.query((u, v), k=3)  # line 12
            weight = (1 / distance) / (1 / distance).sum()
            neighbours = tracked[:, [foreground[i] for i in index], :]
            p[:, v, u, :] = (neighbours * weight[:, None]).sum(1)  # line 13
    return p


def make_tracks(queries, motion=None, **fields):
    """Tracks from queries [N, 2]; `motion(u, v, t) -> (u, v, d)`."""
    queries = torch.as_tensor(queries, dtype=torch.float32).view(-1, 2)
    motion = motion or (lambda u, v, t: (u + 2 * t, v - t, torch.full_like(u, 3.0) + 0.1 * t))
    uvd = torch.stack([torch.stack(motion(*queries.unbind(-1), t), -1) for t in range(T)])
    visible = torch.ones(uvd.shape[:2], dtype=torch.bool)
    return PointTracks(uvd, visible, SIZE, Camera.default(SIZE), **fields)


def random_tracks(count=60, seed=3, wild=True):
    rng = np.random.default_rng(seed)
    cells = rng.permutation(SIZE[0] * SIZE[1])[:count]
    made = make_tracks(np.stack((cells % SIZE[1], cells // SIZE[1]), -1))
    noise = torch.from_numpy(rng.normal(size=made.uvd.shape)).float() if wild else torch.zeros_like(made.uvd)
    noise[0, :, :2] = 0
    return made.replace(uvd=made.uvd + noise)


def disc():
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    return torch.from_numpy((u - 15.3) ** 2 / 1.7 + (v - 11.6) ** 2 < 70)


def full():
    return torch.ones(SIZE, dtype=torch.bool)


def without_ties(tracks, mask):
    """Foreground pixels whose three nearest tracks are the same whatever a tree does with equal distances."""
    query = tracks.queries.numpy()
    inside = mask.numpy()[query[:, 1].astype(int), query[:, 0].astype(int)]
    v, u = np.nonzero(mask.numpy())
    distance, _ = KDTree(query[inside]).query(np.stack((u, v), -1), k=4)
    clear = np.zeros(SIZE, bool)
    clear[v, u] = (distance[:, 3] - distance[:, 2] > 1e-6) | (distance[:, 0] == 0)
    return clear


@pytest.mark.parametrize("seed", [3, 4])
def test_absolute_is_the_papers_pseudocode(seed):
    tracks, mask = random_tracks(seed=seed), disc()
    found = densify(tracks, mask, "absolute")
    expected = algorithm_1(tracks.uvd.double().numpy(), mask.numpy())
    clear = without_ties(tracks, mask) | ~mask.numpy()
    assert clear.mean() > 0.8
    assert np.abs(found.points.numpy() - expected)[:, clear].max() < 1e-4
    assert torch.equal(found.mask, mask)


def test_displacement_is_the_pseudocode_on_displacements():
    tracks, mask = random_tracks(), disc()
    shifted = tracks.uvd.double().numpy()
    moved = shifted.copy()
    moved[..., :2] -= shifted[:1, :, :2]
    moved[0, :, :2] = shifted[0, :, :2]  # the tree needs the queries; frame 0 is checked apart
    expected = algorithm_1(moved, mask.numpy())
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    expected[1:, ..., :2] += np.stack((u, v), -1)
    expected[0, ..., :2] = np.stack((u, v), -1)
    expected *= mask.numpy()[..., None]
    found = densify(tracks, mask).points.numpy()
    clear = without_ties(tracks, mask) | ~mask.numpy()
    assert np.abs(found - expected)[:, clear].max() < 1e-4


def test_tracked_pixels_are_copied_bit_for_bit_and_background_is_zero():
    tracks, mask = random_tracks(), disc()
    points = densify(tracks, mask).points
    assert points.is_contiguous()
    for n, (u, v) in enumerate(tracks.queries.long().tolist()):
        if mask[v, u]:
            assert torch.equal(points[:, v, u], tracks.uvd[:, n])
    assert (points[:, ~mask] == 0).all()


def test_displacement_is_exact_for_translation_and_absolute_is_not():
    tracks, mask = random_tracks(wild=False), full()
    v, u = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    expected = torch.stack([torch.stack((u + 2 * t, v - t, torch.full_like(u, 3 + 0.1 * t)), -1) for t in range(T)])
    assert (densify(tracks, mask).points - expected).abs().max() < 1e-5
    assert (densify(tracks, mask, "absolute").points - expected)[0, ..., :2].abs().max() > 0.5


def test_by_hand_between_three_tracks():
    # Pixel (4, 0) lies 1, 2 and 4 from the tracks: weights 4/7, 2/7, 1/7. They move right by 7, 14 and 0 a frame.
    tracks = make_tracks([(3, 0), (6, 0), (8, 0)])
    step = torch.tensor([7.0, 14.0, 0.0])
    depth = torch.tensor([7.0, 7.0, 14.0])
    uvd = tracks.uvd.clone()
    uvd[..., 1] = 0
    for t in range(T):
        uvd[t, :, 0] = uvd[0, :, 0] + step * t
        uvd[t, :, 2] = depth
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[0, 3:9] = True
    points = densify(tracks.replace(uvd=uvd), mask).points
    for t in range(T):
        assert torch.allclose(points[t, 0, 4], torch.tensor([4 + 8.0 * t, 0, 8]), atol=1e-5)


def test_grid_ties_do_not_depend_on_the_order_of_tracks():
    v, u = torch.meshgrid(torch.arange(0, 24, 4), torch.arange(0, 32, 4), indexing="ij")
    tracks = make_tracks(torch.stack((u, v), -1).reshape(-1, 2).float())
    tracks = tracks.replace(uvd=tracks.uvd + torch.randn(tracks.uvd.shape) * torch.arange(T).view(T, 1, 1))
    expected = densify(tracks, full()).points
    for seed in range(3):
        order = torch.randperm(tracks.num_points, generator=torch.Generator().manual_seed(seed))
        assert torch.allclose(densify(tracks.select(order), full()).points, expected, atol=1e-4)


@pytest.mark.parametrize("count", [3, 40, 90, 300])
def test_nearest_tracks_are_those_of_an_exhaustive_search(count, monkeypatch):
    rng = np.random.default_rng(count)
    cells = rng.permutation(40 * 50)
    places, pixels = (np.stack((c % 50, c // 50), -1).astype(float) for c in (cells[:count], cells[count:]))
    index, distance = nearest_tracks(places, pixels, 3)
    offset = places[None] - pixels[:, None]
    exact = (offset**2).sum(-1)
    # Of equally near tracks the one farther to the right comes first, then the lower one.
    rank = np.lexsort((-(offset[..., 0] + 0.618 * offset[..., 1]), exact), axis=-1)[:, :3]
    assert np.array_equal(index, rank)
    assert np.abs(distance - np.sqrt(np.take_along_axis(exact, rank, 1))).max() < 1e-6
    monkeypatch.setattr("pointvid.points.nearest._DENSE", 2.0)  # the tree alone
    assert np.array_equal(nearest_tracks(places, pixels, 3)[0], rank)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_tracks_than_neighbours(count):
    tracks = make_tracks([(10, 5), (20, 15)][:count])
    points = densify(tracks, full()).points
    assert torch.allclose(points[3, 20, 30], torch.tensor([36.0, 17, 3.3]), atol=1e-5)
    assert torch.isfinite(points).all()


def test_duplicate_tracks_count_once_and_the_first_wins():
    tracks = make_tracks([(10, 5), (20, 15), (12, 20), (25, 3)])
    duplicated = tracks.select(torch.tensor([0, 1, 2, 3, 0, 0, 0]))
    spoilt = duplicated.uvd.clone()
    spoilt[1:, 4:] = 99
    found = densify(duplicated.replace(uvd=spoilt), full()).points
    assert torch.equal(found, densify(tracks, full()).points)


def test_every_pixel_tracked():
    v, u = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    tracks = make_tracks(torch.stack((u, v), -1).reshape(-1, 2))
    assert torch.equal(densify(tracks, full()).points.view(T, -1, 3), tracks.uvd)


def test_queries_between_pixels():
    tracks = make_tracks([(10.25, 5.5), (20.5, 15.25), (12.75, 20.5)])
    points = densify(tracks, full()).points
    v, u = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    assert torch.allclose(points[4, ..., 0], u + 8, atol=1e-5)
    assert torch.allclose(points[4, ..., 1], v - 4, atol=1e-5)


def test_tracks_outside_the_mask_or_the_image_are_not_used():
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[4:10, 4:10] = True
    inner = make_tracks([(5, 5), (8, 8), (5, 8)])
    outer = make_tracks(
        [(11, 5), (2, 2), (-3, 5), (200, 9), (float("nan"), 3)], lambda u, v, t: (u + 50 * t, v, u * 0 + 9)
    )
    both = inner.replace(uvd=torch.cat((inner.uvd, outer.uvd), 1), visible=torch.ones(T, 8, dtype=torch.bool))
    assert torch.equal(densify(both, mask).points, densify(inner, mask).points)


def test_a_track_with_a_nan_is_as_if_it_were_not_there():
    whole = make_tracks([(5, 5), (20, 8), (9, 18), (25, 20)])
    broken = whole.uvd.clone()
    broken[3, 0, 0] = float("nan")
    found = densify(whole.replace(uvd=broken), full()).points
    assert torch.equal(found, densify(whole.select(torch.tensor([1, 2, 3])), full()).points)
    few = whole.replace(uvd=broken).select(torch.tensor([0, 1]))  # fewer than k: what is missing weighs nothing
    assert torch.isfinite(densify(few, full()).points).all()


def two_objects(**fields):
    """Left half moves right, right half moves down; queries crowd at the border."""
    queries = [(14, 3), (15, 12), (13, 20), (16, 4), (17, 11), (18, 21)]
    tracks = make_tracks(queries, **fields)
    uvd = tracks.uvd[:1].expand(T, -1, -1).clone()
    for t in range(T):
        uvd[t, :3, 0] += 3 * t
        uvd[t, 3:, 1] += 5 * t
    object_map = torch.ones(SIZE, dtype=torch.int32)
    object_map[:, 16:] = 2
    return tracks.replace(uvd=uvd), object_map


@pytest.mark.parametrize("known", ["map", "tracks", "both"])
def test_never_across_two_objects(known):
    tracks, object_map = two_objects()
    if known != "map":
        tracks = tracks.replace(object_id=torch.tensor([1, 1, 1, 2, 2, 2], dtype=torch.int32))
    found = densify(tracks, full() if known == "tracks" else object_map).points
    v, u = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    moved = torch.stack((found[4, ..., 0] - u, found[4, ..., 1] - v), -1)
    right, down = torch.tensor([12.0, 0]), torch.tensor([0, 20.0])
    is_right = torch.isclose(moved, right, atol=1e-4).all(-1)
    is_down = torch.isclose(moved, down, atol=1e-4).all(-1)
    assert (is_right ^ is_down).all()  # no pixel moves a bit of both
    if known != "tracks":
        assert torch.equal(is_down, object_map == 2)
    mixed = densify(tracks.replace(object_id=None), full()).points[4, ..., 0] - u
    assert ((mixed > 0.5) & (mixed < 11.5)).any()  # without ids they do mix


def test_object_without_tracks_leaves_the_mask():
    tracks, object_map = two_objects()
    object_map[:5, :5] = 7
    found = densify(tracks, object_map)
    assert torch.equal(found.mask, object_map != 7)
    assert torch.equal(found.objects, torch.where(object_map == 7, 0, object_map))
    assert (found.points[:, :5, :5] == 0).all()


def test_a_track_on_another_objects_pixel_is_not_copied_there():
    tracks, object_map = two_objects(object_id=torch.tensor([1, 1, 1, 2, 2, 2], dtype=torch.int32))
    object_map[3, 14] = 2  # the pixel of track 0, which says it belongs to object 1
    points = densify(tracks, object_map).points
    assert torch.allclose(points[4, 3, 14, :2], torch.tensor([14.0, 23.0]), atol=1e-4)


def test_objects_are_of_the_map_or_of_the_tracks_or_unknown():
    tracks, object_map = two_objects()
    assert torch.equal(densify(tracks, object_map).objects, object_map)
    assert (densify(tracks, full()).objects == UNKNOWN).all()
    known = densify(tracks.replace(object_id=torch.tensor([1, 1, 1, 0, 0, 0], dtype=torch.int32)), full())
    assert known.mask.all()
    assert set(known.objects.unique().tolist()) == {1, UNKNOWN}  # 0 would be background


def test_a_pixel_is_seen_while_the_nearest_track_of_its_object_is():
    tracks, object_map = two_objects()
    visible = torch.rand(tracks.visible.shape, generator=torch.Generator().manual_seed(0)) > 0.5
    tracks = tracks.replace(visible=visible)
    found = densify(tracks, object_map)
    for label, own in ((1, slice(0, 3)), (2, slice(3, 6))):
        v, u = (object_map == label).nonzero(as_tuple=True)
        away = torch.cdist(torch.stack((u, v), -1).double(), tracks.queries[own].double())
        clear = away.sort(1).values.diff(dim=1)[:, 0] > 1e-6
        expected = visible[:, own][:, away.argmin(1)]
        assert torch.equal(found.visible[:, v, u][:, clear], expected[:, clear])
    seen = found.to_tracks()
    assert torch.equal(seen.object_id, object_map[found.mask])
    assert not (seen.visible & ~found.visible[:, found.mask]).any()


def test_wrong_input_is_named():
    tracks = random_tracks()
    with pytest.raises(PointVidError, match="foreground is 48x64, clip is 24x32"):
        densify(tracks, torch.ones(48, 64, dtype=torch.bool))
    with pytest.raises(PointVidError, match="mask is all zero"):
        densify(tracks, torch.zeros(SIZE, dtype=torch.bool))
    with pytest.raises(PointVidError, match=r"foreground is torch\.float32"):
        densify(tracks, torch.ones(SIZE))
    with pytest.raises(PointVidError, match="none of the 0 tracks starts inside the mask"):
        densify(tracks.select(torch.tensor([], dtype=torch.long)), full())
    corner = torch.zeros(SIZE, dtype=torch.bool)
    corner[0, 0] = True
    with pytest.raises(PointVidError, match=r"none of the 3 tracks starts inside the mask \(1 pixels\)"):
        densify(make_tracks([(10, 5), (20, 15), (3, 3)]), corner)
    with pytest.raises(PointVidError, match="interpolation is 'cubic'"):
        densify(tracks, full(), "cubic")
    with pytest.raises(PointVidError, match="k is 0"):
        densify(tracks, full(), k=0)
