import io

import av
import numpy as np
import pytest
import torch
from PIL import Image

from pointvid.camera import Camera
from pointvid.errors import PointVidError
from pointvid.files.depth_file import read_depth
from pointvid.files.mask_file import read_mask
from pointvid.files.video import VideoFile, decode_mp4, encode_mp4, read_clip, write_video
from pointvid.framing import Framing

from .small_videos import BLUE, GREEN, RED, WHITE, corners, encode, level, levels, near, quadrants


def test_written_clip_reads_back(tmp_path):
    write_video(tmp_path / "clip.mp4", levels(), fps=24000 / 1001)
    clip = read_clip(tmp_path / "clip.mp4")
    assert clip.frames.shape == (12, 32, 48, 3)
    assert clip.frames.dtype == torch.uint8
    assert clip.fps == pytest.approx(23.976, abs=1e-3)
    assert (clip.frames.int() - levels().int()).abs().max() <= 2


@pytest.mark.parametrize("height", [32, 720])
def test_colours_survive(height):
    frames = torch.from_numpy(quadrants()).repeat_interleave(height // 32, 0)[None]
    clip = decode_mp4(encode_mp4(frames, 8))
    assert near(corners(clip.frames[0]), [RED, GREEN, BLUE, WHITE])


def test_odd_sizes_are_padded_and_cut_back():
    frames = levels(4, (33, 47))
    data = encode_mp4(frames, 8)
    assert decode_mp4(data).frames.shape == (4, 34, 48, 3)
    assert (decode_mp4(data, (33, 47)).frames.int() - frames.int()).abs().max() <= 2
    with pytest.raises(PointVidError, match="34x48, expected at least 64x64"):
        decode_mp4(data, (64, 64))


def test_full_chroma_keeps_odd_sizes_as_they_are():
    assert decode_mp4(encode_mp4(levels(2, (33, 47)), 8, pix_fmt="yuv444p")).frames.shape == (2, 33, 47, 3)


def test_start_and_frames_pick_a_range(tmp_path):
    write_video(tmp_path / "clip.mp4", levels(), fps=10)
    clip = read_clip(tmp_path / "clip.mp4", frames=3, start=0.5)
    assert [level(frame) for frame in clip.frames] == [5, 6, 7]


def test_stream_agrees_with_clip_in_any_order(tmp_path):
    write_video(tmp_path / "clip.mp4", levels(), fps=10)
    with VideoFile(tmp_path / "clip.mp4") as video:
        assert video.shape == (12, 32, 48, 3)
        assert [level(video[t]) for t in (0, 1, 5, 5, 11, 2, -1)] == [0, 1, 5, 5, 11, 2, 11]
        with pytest.raises(IndexError):
            video[12]


def test_variable_rate_is_resampled_by_time(tmp_path):
    # Steps of 100 ms, but frame 2 stays on screen for 300 ms.
    times = [0, 100, 200, 500, 600, 700, 800]
    path = encode(tmp_path / "vfr.mp4", [f.numpy() for f in levels(7)], times=times)
    clip = read_clip(path)
    assert clip.fps == pytest.approx(10)
    assert [level(frame) for frame in clip.frames] == [0, 1, 2, 2, 2, 3, 4, 5, 6]


def test_millisecond_rounding_is_not_a_variable_rate(tmp_path):
    times = [0, 33, 67, 100, 133, 167, 200]
    path = encode(tmp_path / "ms.mkv", [f.numpy() for f in levels(7)], times=times, rate=30)
    clip = read_clip(path)
    assert [level(frame) for frame in clip.frames] == list(range(7))
    assert clip.fps == pytest.approx(30, rel=0.01)


def test_rotation_of_the_display_matrix_is_applied(tmp_path):
    path = tmp_path / "phone.mp4"
    write_video(path, torch.from_numpy(quadrants())[None].repeat(3, 1, 1, 1), fps=10)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # a quarter turn clockwise, as phones write it
    turned = np.array([0, 0x10000, 0, -0x10000, 0, 0, 32 << 16, 0, 0x40000000], ">i4")
    data[matrix : matrix + 36] = turned.tobytes()
    path.write_bytes(data)
    clip = read_clip(path)
    assert clip.frames.shape == (3, 48, 32, 3)
    assert near(corners(clip.frames[0]), [BLUE, RED, WHITE, GREEN])


def test_alpha_is_put_on_black(tmp_path):
    image = np.full((16, 16, 4), 200, np.uint8)
    image[:, :8, 3] = 0
    image[:, 8:, 3] = 255
    Image.fromarray(image).save(tmp_path / "alpha.png")
    frame = read_clip(tmp_path / "alpha.png").frames[0]
    assert frame[:, :8].max() == 0
    assert frame[:, 8:].unique().tolist() == [200]


def test_grey_and_ten_bit_become_rgb(tmp_path):
    grey = [np.full((32, 48), 20 * t, np.uint8) for t in range(4)]
    clip = read_clip(encode(tmp_path / "grey.mkv", grey, "ffv1", "gray", "gray"))
    assert [level(frame) for frame in clip.frames] == [0, 1, 2, 3]
    deep = read_clip(encode(tmp_path / "deep.mkv", [f.numpy() for f in levels(4)], "ffv1", "yuv420p10le"))
    assert [level(frame) for frame in deep.frames] == [0, 1, 2, 3]


def test_animated_gif(tmp_path):
    images = [Image.fromarray(frame.numpy()) for frame in levels(4)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=100)
    with VideoFile(tmp_path / "a.gif") as video:
        assert [level(frame) for frame in video] == [0, 1, 2, 3]
        assert level(video[1]) == 1


def test_framing_moves_pixels_masks_and_camera_alike():
    framing = Framing((40, 80), (10, 10))
    assert framing.box == (20, 0, 60, 40)
    spot = np.zeros((40, 80, 3), np.uint8)
    spot[16:20, 32:36] = 255  # becomes target pixel row 4, column 3
    assert np.unravel_index(framing.pixels(spot)[..., 0].argmax(), (10, 10)) == (4, 3)
    found = framing.nearest(torch.from_numpy(spot[..., 0]))
    assert found.nonzero().tolist() == [[4, 3]]
    camera = Camera(50.0, 60.0, 39.5, 19.5)
    ray = camera.unproject(torch.tensor([33.5, 17.5, 1.0]))  # the spot's centre
    assert torch.allclose(framing.camera(camera).unproject(torch.tensor([3.0, 4.0, 1.0])), ray)


def test_size_is_applied_while_reading(tmp_path):
    write_video(tmp_path / "clip.mp4", levels(3, (32, 48)), fps=10)
    clip = read_clip(tmp_path / "clip.mp4", size=(16, 16))
    assert clip.frames.shape == (3, 16, 16, 3)
    assert clip.framing == Framing((32, 48), (16, 16))


def test_mask_from_image_and_video(tmp_path):
    framing = Framing((32, 48), (32, 48))
    Image.fromarray(quadrants()).convert("L").point(lambda v: 255 * (v > 200)).save(tmp_path / "mask.png")
    wanted = torch.zeros(32, 48, dtype=torch.bool)
    wanted[16:, 24:] = True
    assert torch.equal(read_mask(tmp_path / "mask.png", framing, start=3), wanted)
    frames = [np.full((32, 48, 3), 0, np.uint8) for _ in range(4)]
    frames[2][8:, :8] = 255
    encode(tmp_path / "mask.mkv", frames, "ffv1", "bgr0")
    found = read_mask(tmp_path / "mask.mkv", framing, start=0.2)
    assert found[8:, :8].all()
    assert found.sum() == 24 * 8


def test_depth_from_every_format_is_the_same(tmp_path):
    depth = np.random.default_rng(0).integers(500, 6000, (4, 8, 12)).astype(np.float32) / 1000
    np.save(tmp_path / "d.npy", depth)
    np.savez(tmp_path / "d.npz", depth=depth, other=1)
    (tmp_path / "png").mkdir()
    for index, frame in enumerate(depth):
        Image.fromarray(np.round(frame * 1000).astype(np.uint16)).save(tmp_path / "png" / f"{index:03}.png")
    framing = Framing((8, 12), (8, 12))
    for name in ("d.npy", "d.npz", "png"):
        found = read_depth(tmp_path / name, 2, framing, first_frame=1)
        assert np.abs(found.maps.numpy() - depth[1:3]).max() < 1e-6
    assert read_depth(tmp_path / "d.npy", 4, framing, first_frame=7).maps.shape == (4, 8, 12)
    assert torch.equal(
        read_depth(tmp_path / "d.npy", 1, Framing((8, 12), (4, 4))).maps,
        Framing((8, 12), (4, 4)).nearest(torch.from_numpy(depth[:1])),
    )


def test_depth_may_name_its_camera(tmp_path):
    depth = np.ones((2, 8, 16), np.float32)
    np.savez(tmp_path / "with.npz", depth=depth, intrinsics=np.array([20.0, 21.0, 7.5, 3.5]))
    np.savez(tmp_path / "without.npz", depth=depth)
    np.savez(tmp_path / "wrong.npz", depth=depth, intrinsics=np.eye(3))
    half = Framing((8, 16), (4, 4))  # cuts 4 columns off each side, then halves
    assert read_depth(tmp_path / "with.npz", 2, half).camera == Camera(10.0, 10.5, 1.5, 1.5)
    assert read_depth(tmp_path / "without.npz", 2, half).camera is None
    with pytest.raises(PointVidError, match=r"intrinsics is float64 \[3, 3\], expected \(fx, fy, cx, cy\)"):
        read_depth(tmp_path / "wrong.npz", 2, half)


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        (np.nan, (4, 8, 12), "NaN, infinite or not above 0"),
        (np.inf, (4, 8, 12), "NaN, infinite or not above 0"),
        (0, (4, 8, 12), "1 of 384 depth values"),
        (1, (4, 6, 12), r"depth is 6x12, clip is 8x12 \(HxW\)"),
        (1, (3, 8, 12), "has 3 depth maps, clip uses frames 0 to 3"),
        (1, (8, 12), r"expected float metres \[T, H, W\]"),
    ],
)
def test_bad_depth(tmp_path, value, shape, message):
    depth = np.ones(shape, np.float32)
    depth.flat[5] = value
    np.save(tmp_path / "d.npy", depth)
    with pytest.raises(PointVidError, match=message):
        read_depth(tmp_path / "d.npy", 4, Framing((8, 12), (8, 12)))


def test_bad_masks(tmp_path):
    Image.new("L", (20, 10), 255).save(tmp_path / "small.png")
    Image.new("L", (48, 32), 0).save(tmp_path / "empty.png")
    framing = Framing((32, 48), (32, 48))
    with pytest.raises(PointVidError, match=r"mask is 10x20, clip is 32x48 \(HxW\)"):
        read_mask(tmp_path / "small.png", framing)
    with pytest.raises(PointVidError, match="mask is empty"):
        read_mask(tmp_path / "empty.png", framing)


def bad_video(tmp_path, kind):
    path = tmp_path / f"{kind}.mp4"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    elif kind == "folder":
        path.mkdir()
    elif kind == "sound":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=8000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
            frame.rate = 8000
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
    elif kind in ("truncated", "headless", "unfinished"):
        frames = torch.randint(0, 255, (16, 64, 64, 3), dtype=torch.uint8)
        write_video(path, frames, fps=8)
        data = path.read_bytes()
        cut = {"truncated": data[: len(data) * 6 // 10], "headless": data[:200]}
        path.write_bytes(cut.get(kind, data.replace(b"moov", b"junk")))
    elif kind == "short":
        write_video(path, levels(5), fps=8)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "does not exist"),
        ("empty", r"is empty \(0 bytes\)"),
        ("folder", "is a folder"),
        ("noise", "cannot be read"),
        ("sound", "has no video stream"),
        ("headless", "no video stream"),
        ("unfinished", "cannot be read"),
        ("truncated", "of 16 cannot be decoded"),
        ("short", "has 5 frames, expected at least 16; use at most 5"),
    ],
)
def test_bad_video_is_one_line(tmp_path, kind, message):
    path = bad_video(tmp_path, kind)
    with pytest.raises(PointVidError, match=message) as caught:
        read_clip(path, frames=16)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_video_gives_what_is_whole(tmp_path):
    path = bad_video(tmp_path, "truncated")
    assert len(read_clip(path, frames=4).frames) == 4
    with pytest.raises(PointVidError, match="truncated"):
        read_clip(path)


def test_start_after_the_end(tmp_path):
    path = bad_video(tmp_path, "short")
    with pytest.raises(PointVidError, match=r"has 0 frames from 9 s on \(it lasts 0.62 s\)"):
        read_clip(path, start=9)
    with pytest.raises(PointVidError, match="start is -1 s"):
        read_clip(path, start=-1)


def test_nothing_is_left_of_a_failed_write(tmp_path):
    def failing():
        yield levels()[0]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_video(tmp_path / "clip.mp4", failing(), fps=8)
    with pytest.raises(PointVidError, match=r"\.xyz is no video format"):
        write_video(tmp_path / "clip.xyz", levels(), fps=8)
    with pytest.raises(PointVidError, match="0 frames"):
        write_video(tmp_path / "clip.mp4", levels(0), fps=8)
    with pytest.raises(PointVidError, match=r"frame to write is float32"):
        write_video(tmp_path / "clip.mp4", levels().float(), fps=8)
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_video():
    with pytest.raises(PointVidError, match="video cannot be read"):
        read_clip(io.BytesIO(b"not a video at all"))
