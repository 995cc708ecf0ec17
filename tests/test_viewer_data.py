import json
import struct
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.cube_clip import cube_clip
from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.export.html import html_page, viewer_folder, write_html
from pointvid.export.viewer_data import viewer_bytes, write_viewer_file
from pointvid.points.rigidity import point_rigidity
from pointvid.tracks import PointTracks


def read(data):
    """A reader written from docs/viewer-format.md alone."""
    assert data[:4] == b"PVT1"
    (length,) = struct.unpack_from("<I", data, 4)
    header = json.loads(data[8 : 8 + length])
    start = 8 + length
    assert start % 8 == 0

    def section(place, dtype, *shape):
        offset, size = place
        assert offset % 8 == 0
        return np.frombuffer(data[start + offset : start + offset + size], dtype).reshape(shape)

    return header, section


def decode(header, section, which=0):
    entry = header["sets"][which]
    q = section(entry["samples"], "<u2", header["frames"], entry["points"], 4)
    value = np.array(entry["low"]) + np.array(entry["span"]) * q[..., :3] / 65535
    value[..., 2] = np.exp(value[..., 2])
    index = section(entry["index"], "<u4", entry["points"])
    return entry, index, value, q[..., 3] >> 15 == 1, (q[..., 3] >> 14) & 1 == 1, q[..., 3] & 0x3FFF


def tracks_of(uvd, **fields):
    uvd = torch.as_tensor(uvd, dtype=torch.float32)
    visible = torch.ones(uvd.shape[:2], dtype=torch.bool)
    return PointTracks(uvd, visible, (256, 448), Camera.default((256, 448)), **fields)


def test_decoded_samples_are_within_the_stated_error():
    tracks, _ = cube_clip(3000, 7)
    entry, index, value, valid, visible, _ = decode(*read(viewer_bytes(tracks)))
    truth = tracks.uvd[:, index.astype(np.int64)].double().numpy()
    error = np.abs(value - truth)
    assert valid.all()
    assert sorted(index) == list(range(3000))
    assert error[..., 0].max() <= entry["error"]["u_px"] * 1.001 <= 0.004
    assert error[..., 1].max() <= entry["error"]["v_px"] * 1.001 <= 0.004
    assert (error[..., 2] / truth[..., 2]).max() <= entry["error"]["depth_ratio"] * 1.001 <= 2e-5
    np.testing.assert_array_equal(visible, tracks.visible[:, index.astype(np.int64)].numpy())


def test_colours_and_objects_follow_their_points():
    tracks, _ = cube_clip(500, 2)
    header, section = read(viewer_bytes(tracks))
    entry, index, *_ = decode(header, section)
    index = index.astype(np.int64)
    color = section(entry["color"], np.uint8, 500, 4)
    np.testing.assert_array_equal(color[:, :3], tracks.color[index].numpy())
    assert (color[:, 3] == 255).all()
    np.testing.assert_array_equal(section(entry["object"], "<i4", 500), tracks.object_id[index].numpy())


def test_a_sample_costs_eight_bytes():
    tracks, _ = cube_clip(20_000, 16)
    entry, *_ = decode(*read(viewer_bytes(tracks)))
    assert entry["samples"][1] == 8 * 20_000 * 16


def test_every_prefix_is_an_even_sample():
    grid = np.stack(np.meshgrid(np.arange(100), np.arange(100)), -1).reshape(1, -1, 2)
    uvd = np.concatenate((grid, np.ones((1, 10_000, 1))), -1)
    _, _, value, *_ = decode(*read(viewer_bytes(tracks_of(uvd))))
    quadrant = (value[0, :1000, 0] > 49.5) * 2 + (value[0, :1000, 1] > 49.5)
    # 1000 draws over 4 equal parts: 250 +- 5 standard deviations (13.7)
    assert np.abs(np.bincount(quadrant.astype(int), minlength=4) - 250).max() < 69


def test_unusable_samples_are_marked_and_do_not_stretch_the_grid():
    uvd = torch.tensor([[[10.0, 20, 2], [30, 40, 3], [50, 60, 4]]]).repeat(3, 1, 1)
    uvd[1, 0, 0] = float("nan")
    uvd[2, 1, 2] = -1.0
    uvd[1, 2, 0] = 1e7
    header, section = read(viewer_bytes(tracks_of(uvd)))
    entry, index, value, valid, visible, _ = decode(header, section)
    place = {int(n): i for i, n in enumerate(index)}
    expected = np.ones((3, 3), bool)
    expected[1, place[0]] = expected[2, place[1]] = expected[1, place[2]] = False
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(visible, expected)
    assert entry["undrawable"] == 3
    assert entry["span"][0] == 40
    np.testing.assert_allclose(value[0, place[1]], (30, 40, 3), rtol=1e-4)


@pytest.mark.parametrize("points", [0, 1])
def test_empty_and_single_tracks(points):
    header, section = read(viewer_bytes(tracks_of(np.full((4, points, 3), 5.0))))
    entry, _, value, valid, *_ = decode(header, section)
    assert (entry["points"], header["frames"]) == (points, 4)
    np.testing.assert_allclose(value, 5, rtol=1e-6)
    assert valid.all()


def test_all_nan_is_written_with_finite_numbers():
    entry, _, _, valid, *_ = decode(*read(viewer_bytes(tracks_of(np.full((2, 5, 3), np.nan)))))
    assert not valid.any()
    assert entry["undrawable"] == 10
    assert np.isfinite([*entry["low"], *entry["center"], entry["radius"]]).all()


def test_too_many_points_are_sampled_and_counted():
    tracks, _ = cube_clip(4000, 2)
    entry, index, value, *_ = decode(*read(viewer_bytes(tracks, max_points=1000)))
    assert (entry["points"], entry["total_points"]) == (1000, 4000)
    assert len(set(index)) == 1000
    truth = tracks.uvd[:, index.astype(np.int64)].numpy()
    assert np.abs(value - truth).max() < 0.01


def test_rigidity_error_by_hand():
    # A unit square; point 3 moves 1 along x in frame 1. Distances to 0, 1, 2 were sqrt(2), 1, 1.
    square = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]], float)
    moved = square.copy()
    moved[3, 0] = 2
    error = point_rigidity(np.stack((square, moved)), np.ones((2, 4), bool))
    change = np.array([5**0.5 - 2**0.5, 2**0.5 - 1, 2 - 1])
    np.testing.assert_allclose(error[1, 3], np.sqrt((change**2).mean()), rtol=1e-6)
    np.testing.assert_allclose(error[1, :3], np.sqrt(change**2 / 3), rtol=1e-6)
    assert (error[0] == 0).all()


def test_rigidity_ignores_rigid_motion_and_other_objects():
    tracks, _ = cube_clip(1500, 5)
    xyz = tracks.xyz.double().numpy()
    valid = np.ones(xyz.shape[:2], bool)
    apart = point_rigidity(xyz, valid, tracks.object_id.numpy())
    assert apart.max() < 1e-4
    # two objects at one place part, and only ids keep that from counting as deformation
    touching = np.zeros((2, 6, 3))
    touching[0, :, 0] = np.arange(6)
    touching[1] = touching[0] + np.array([[0, 0, 0]] * 3 + [[0, 5, 0]] * 3)
    everyone = np.ones((2, 6), bool)
    assert point_rigidity(touching, everyone, np.array([1, 1, 1, 2, 2, 2])).max() == 0
    assert point_rigidity(touching, everyone).max() > 1


def test_coincident_points_have_finite_rigidity():
    same = np.zeros((3, 20, 3))
    same[2, 4] = 1
    error = point_rigidity(same, np.ones((3, 20), bool), k=8)
    assert np.isfinite(error).all()
    np.testing.assert_allclose(error[2, 4], 3**0.5, rtol=1e-6)


def test_video_frames_come_back():
    tracks, video = cube_clip(400, 3, (64, 112))
    header, section = read(viewer_bytes(tracks, video, jpeg_quality=95))
    assert header["video"]["size"] == [64, 112]
    for t, place in enumerate(header["video"]["jpeg"]):
        frame = np.asarray(Image.open(BytesIO(section(place, np.uint8, -1).tobytes())))
        assert np.abs(frame.astype(int) - video[t].numpy()).mean() < 6


def test_large_video_is_shrunk():
    tracks, _ = cube_clip(10, 1)
    header, _ = read(viewer_bytes(tracks, torch.zeros(1, 1080, 1920, 3, dtype=torch.uint8)))
    assert header["video"]["size"] == [288, 512]


def test_disagreeing_inputs_name_both_sides():
    tracks, video = cube_clip(10, 4)
    shorter, _ = cube_clip(10, 3)
    with pytest.raises(PointVidError, match="compare has 3 frames, tracks have 4"):
        viewer_bytes(tracks, compare=shorter)
    with pytest.raises(PointVidError, match="video has 3 frames, tracks have 4"):
        viewer_bytes(tracks, video[:3])
    with pytest.raises(PointVidError, match=r"expected torch\.uint8"):
        viewer_bytes(tracks, video.float())
    with pytest.raises(PointVidError, match=r"expected \[T, H, W, 3\]"):
        viewer_bytes(tracks, video[..., :1])


def test_two_sets_are_both_there():
    tracks, _ = cube_clip(100, 2)
    header, section = read(viewer_bytes(tracks, compare=tracks.select(torch.arange(40)), names=("truth", "guess")))
    assert [(entry["name"], entry["points"]) for entry in header["sets"]] == [("truth", 100), ("guess", 40)]
    _, index, value, *_ = decode(header, section, 1)
    assert np.abs(value - tracks.uvd[:, index.astype(np.int64)].numpy()).max() < 0.01


def test_files_are_whole_or_absent(tmp_path):
    tracks, video = cube_clip(10, 4)
    write_viewer_file(tracks, tmp_path / "a.pvt", video)
    assert (tmp_path / "a.pvt").read_bytes() == viewer_bytes(tracks, video)
    with pytest.raises(PointVidError):
        write_html(tracks, tmp_path / "b.html", video[:2])
    assert [path.name for path in tmp_path.iterdir()] == ["a.pvt"]


def test_page_needs_nothing_from_elsewhere(tmp_path):
    tracks, _ = cube_clip(10, 2)
    write_html(tracks, tmp_path / "a.html", title="<b> & co")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<title>&lt;b&gt; &amp; co</title>" in page
    for reference in ("http:", "https:", "src=", "href="):
        assert reference not in page
    modules = json.loads(page.split('<script type="importmap">')[1].split("</script>")[0])["imports"]
    assert set(modules) == {f"pointvid/{path.name}" for path in viewer_folder().glob("*.mjs")}


def test_widget_weighs_at_most_a_megabyte():
    assert sum(path.stat().st_size for path in viewer_folder().glob("*.mjs")) <= 1_000_000
    assert len(html_page(b"")) <= 1_000_000
