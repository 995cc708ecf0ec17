import io

import numpy as np
import pytest
import torch
from PIL import Image

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.files.tapvid3d import read_tapvid3d, read_tapvid3d_video
from pointvid.tracks import PointTracks

H, W, T = 24, 32, 3


def jpeg(color):
    buffer = io.BytesIO()
    Image.new("RGB", (W, H), color).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def write(tracks, video, path):
    """Tracks from frame 0 and their clip as such a file."""
    images = []
    for frame in video:
        buffer = io.BytesIO()
        Image.fromarray(frame.numpy()).save(buffer, format="JPEG", quality=95)
        images.append(buffer.getvalue())
    fx, fy, cx, cy = tracks.camera.intrinsics
    u, v, z = tracks.uvd.double().numpy().transpose(2, 0, 1)
    np.savez(
        path,
        images_jpeg_bytes=images,
        queries_xyt=np.stack((u[0] + 0.5, v[0] + 0.5, 0 * u[0]), -1),
        tracks_XYZ=np.stack(((u - cx) / fx * z, (v - cy) / fy * z, z), -1),
        visibility=tracks.visible.numpy(),
        fx_fy_cx_cy=np.array([fx, fy, cx + 0.5, cy + 0.5]),
    )
    return path


def by_hand(path, **changes):
    """A file as the benchmark's own generator makes it: a list of JPEGs, float64 tracks, np.savez."""
    arrays = {
        "images_jpeg_bytes": [jpeg((200, 40, 40)), jpeg((40, 200, 40)), jpeg((40, 40, 200))],
        "queries_xyt": np.array([[16.0, 12.0, 0], [26.0, 12.0, 1]]),
        "tracks_XYZ": np.array([[[0, 0, 2.0], [1, 0, 2]], [[0.2, 0, 2], [2, 0, 4]], [[0, 0.4, 4], [9, 9, 2]]]),
        "visibility": np.array([[True, True], [True, True], [True, False]]),
        "fx_fy_cx_cy": np.array([20.0, 40.0, 16.0, 12.0]),
    }
    arrays.update(changes)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_reads_a_file_made_by_hand(tmp_path):
    tracks = read_tapvid3d(by_hand(tmp_path / "a.npz"), fps=10)
    # x/z fx + cx - 0.5: the centre of the image at (16, 12) is between our pixels 15 and 16, at 15.5
    expected = [
        [[15.5, 11.5, 2], [25.5, 11.5, 2]],
        [[17.5, 11.5, 2], [25.5, 11.5, 4]],
        [[15.5, 15.5, 4], [105.5, 191.5, 2]],
    ]
    assert torch.allclose(tracks.uvd, torch.tensor(expected), atol=1e-5)
    assert tracks.visible.tolist() == [[True, True], [True, True], [True, False]]
    assert tracks.image_size == (H, W)
    assert tracks.camera == Camera(20.0, 40.0, 15.5, 11.5)
    assert (tracks.depth_unit, tracks.fps) == ("metric", 10)
    assert np.abs(tracks.color.numpy().astype(int) - [200, 40, 40]).max() < 4
    video = read_tapvid3d_video(tmp_path / "a.npz")
    assert video.shape == (T, H, W, 3)
    assert np.abs(video[:, 5, 5].numpy().astype(int) - [[200, 40, 40], [40, 200, 40], [40, 40, 200]]).max() < 4


def test_points_that_are_nowhere_are_hidden_and_held(tmp_path):
    nan = float("nan")
    xyz = np.array(
        [[[nan, 0, 2], [1, 0, 2], [nan] * 3], [[0.2, 0, 2], [1, 0, -2], [0, 0, 0]], [[0, 0, 4], [2, 0, 2], [0, 0, -1]]]
    )
    tracks = read_tapvid3d(
        by_hand(tmp_path / "a.npz", tracks_XYZ=xyz, visibility=np.ones((T, 3), bool), queries_xyt=np.zeros((3, 3)))
    )
    assert tracks.num_points == 2
    assert tracks.visible.tolist() == [[False, True], [True, False], [True, True]]
    assert torch.equal(tracks.uvd[0, 0], tracks.uvd[1, 0])
    assert torch.equal(tracks.uvd[1, 1], tracks.uvd[0, 1])
    assert torch.isfinite(tracks.uvd).all()
    assert tracks.color[0].tolist() == [0, 0, 0]


def test_what_was_written_is_read(tmp_path):
    generator = torch.Generator().manual_seed(4)
    uvd = torch.rand(T, 7, 3, generator=generator) * 20 + 1
    visible = torch.rand(T, 7, generator=generator) > 0.4
    saved = PointTracks(uvd, visible, (H, W), Camera(30.0, 31.0, 15.0, 12.25), "metric", 30.0)
    ramp = torch.arange(W, dtype=torch.uint8).view(1, 1, W, 1) * 7
    video = ramp.expand(T, H, W, 3).contiguous()
    path = write(saved, video, tmp_path / "a.npz")
    loaded = read_tapvid3d(path)
    assert torch.allclose(loaded.uvd, saved.uvd, atol=1e-5)
    assert torch.equal(loaded.visible, saved.visible)
    assert loaded.camera == saved.camera
    assert (read_tapvid3d_video(path).int() - video.int()).abs().max() <= 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images_jpeg_bytes": None}, "lacks images_jpeg_bytes.*generate the files with video first"),
        ({"tracks_XYZ": np.zeros((3, 2))}, r"tracks_XYZ is float64 \[3, 2\], expected float \[T, N, 3\]"),
        ({"visibility": np.ones((2, 2), bool)}, r"visibility is bool \[2, 2\], expected bool \[3, 2\]"),
        ({"images_jpeg_bytes": [b"x", b"y"]}, "expected 3 byte strings"),
        ({"images_jpeg_bytes": [b"x", b"y", b"z"]}, "frame 0 cannot be read"),
        ({"fx_fy_cx_cy": np.zeros(3)}, r"fx_fy_cx_cy has shape \(3,\)"),
    ],
)
def test_wrong_content_is_named(tmp_path, changes, message):
    with pytest.raises(PointVidError, match=message):
        read_tapvid3d(by_hand(tmp_path / "a.npz", **changes))


def test_queries_are_part_of_the_format(tmp_path):
    with pytest.raises(PointVidError, match="lacks queries_xyt, it has fx_fy_cx_cy"):
        read_tapvid3d(by_hand(tmp_path / "a.npz", queries_xyt=None))
