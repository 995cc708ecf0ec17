"""Pictures, alone and as clips: upright, bounded, on black, in the order of their numbers."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, features

from pointvid.commands.generate import read_image
from pointvid.errors import PointVidError
from pointvid.files.depth_file import read_depth
from pointvid.files.mask_file import read_mask
from pointvid.files.pictures import natural_order, picture_kind, read_picture
from pointvid.files.video import VideoFile, read_clip
from pointvid.framing import Framing

from .small_videos import corners, level, levels, near, quadrants

# EXIF orientation -> what numpy does to the stored pixels to show them (TIFF 6.0: where row 0 and column 0 are).
EXIF = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p.transpose(1, 0, 2), 2),
    8: np.rot90,
}


def pictures(folder, names):
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        Image.fromarray(levels(12)[index].numpy()).save(folder / name)
    return folder


@pytest.mark.parametrize("orientation", EXIF)
def test_exif_orientation_is_applied_wherever_a_picture_is_read(tmp_path, orientation):
    image = Image.fromarray(quadrants())
    exif = image.getexif()
    exif[0x112] = orientation
    image.save(tmp_path / "phone.jpg", exif=exif, quality=95, subsampling=0)
    wanted = EXIF[orientation](quadrants())
    for found in (
        read_picture(tmp_path / "phone.jpg"),
        read_image(tmp_path / "phone.jpg").numpy(),
        read_clip(tmp_path / "phone.jpg").frames[0].numpy(),
    ):
        assert found.shape == wanted.shape
        assert near(corners(found), [wanted[y, x] for y in (4, -5) for x in (4, -5)])


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "tga", "webp"])
def test_stills_of_every_kind_are_clips_and_masks(tmp_path, suffix):
    mask = (np.random.default_rng(0).random((384, 640)) > 0.5).astype(np.uint8) * 255
    options = {"quality": 95} if suffix == "jpg" else {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(mask).convert("RGB").save(tmp_path / f"m.{suffix}", **options)
    clip = read_clip(tmp_path / f"m.{suffix}")
    assert clip.frames.shape == (1, 384, 640, 3)
    found = read_mask(tmp_path / f"m.{suffix}", Framing((384, 640), (384, 640)), start=2).numpy()
    assert (found != (mask > 127)).mean() < (0.01 if suffix == "jpg" else 1e-9)


def test_sixteen_bits_become_eight():
    grey = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    assert np.array_equal(read_picture(buffer, "g")[..., 1], np.round(grey / 257).astype(np.uint8))


def test_transparency_is_black_also_in_a_palette(tmp_path):
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.putpixel((3, 3), 0)
    for name, options in (("p.png", {"transparency": 1}), ("p.gif", {"transparency": 1})):
        palette.save(tmp_path / name, **options)
        assert read_clip(tmp_path / name).frames.max() == 0
    palette.save(tmp_path / "opaque.png")
    assert read_picture(tmp_path / "opaque.png")[0, 0].tolist() == [200, 100, 50]
    half = Image.new("LA", (4, 4), (200, 128))
    half.save(tmp_path / "half.png")
    assert read_picture(tmp_path / "half.png")[0, 0].tolist() == [100, 100, 100]


def bomb(side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("limit", ["pillow", "none"])
def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch, limit):
    if limit == "none":  # as some programs set it
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "b.png").write_bytes(bomb(14_000))
    for read in (read_picture, read_clip, read_image, lambda path: read_mask(path, Framing((8, 8), (8, 8)))):
        with pytest.raises(PointVidError, match=r"b.png is .*expected at most 178956970 pixels"):
            read(tmp_path / "b.png")


def test_damaged_pictures_are_one_line(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(quadrants()).save(buffer, "PNG")
    whole, rng = buffer.getvalue(), np.random.default_rng(0)
    refused = []
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(8, len(data), 3):
            data[at] ^= 1 << rng.integers(8)
        (tmp_path / "d.png").write_bytes(data[: rng.integers(20, len(data))] if rng.random() < 0.3 else data)
        try:
            read_picture(tmp_path / "d.png")
        except PointVidError as error:
            refused.append(str(error))
    assert len(refused) > 30
    assert all("d.png" in line and "\n" not in line for line in refused)
    for name, message in (("missing.png", "No such file"), ("text.png", "damaged, or of a format")):
        (tmp_path / "text.png").write_text("hello")
        with pytest.raises(PointVidError, match=rf"{name} cannot be read \({message}.*expected a whole picture"):
            read_picture(tmp_path / name)
    Image.new("F", (4, 4)).save(tmp_path / "f.tif")
    with pytest.raises(PointVidError, match=r"f.tif has pixels of 32 bit \(F\)"):
        read_picture(tmp_path / "f.tif")


def test_kinds_are_known_by_content():
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"):
        buffer = io.BytesIO()
        Image.fromarray(quadrants()).save(buffer, kind)
        assert picture_kind(buffer) == kind
    assert picture_kind(io.BytesIO(b"\0\0\0\x20ftypisom")) is None
    assert picture_kind(io.BytesIO(b"RIFF....AVI ")) is None


# -- clips of pictures


def test_a_folder_is_a_clip_in_the_order_of_its_numbers(tmp_path):
    folder = pictures(tmp_path / "frames", [f"f{number}.png" for number in range(12)])
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"")
    with VideoFile(folder) as video:
        assert video.fps == 25
        assert [level(frame) for frame in video] == list(range(12))
        assert [level(video[t]) for t in (3, 0, 11)] == [3, 0, 11]
    assert [level(frame) for frame in read_clip(folder, frames=2, start=0.2).frames] == [5, 6]
    Image.new("RGB", (5, 5)).save(folder / "f3.png")
    with pytest.raises(PointVidError, match="frame 3 is 5x5, the first is 32x48"):
        read_clip(folder)


def test_a_numbered_pattern_is_a_clip(tmp_path):
    pictures(tmp_path, [f"f_{number:03}.png" for number in range(995, 1005)])
    assert [level(frame) for frame in read_clip(tmp_path / "f_%03d.png").frames] == list(range(10))
    pictures(tmp_path, ["g1.png", "g2.png", "g10.png", "g007.png"])
    assert [level(frame) for frame in read_clip(tmp_path / "g%d.png").frames] == [0, 1, 2]
    with pytest.raises(PointVidError, match="does not exist"):
        read_clip(tmp_path / "h_%03d.png")


def test_natural_order(tmp_path):
    names = ["a10", "a9", "b1", "a09", "a1.5", "1", "10", "2"]
    paths = [tmp_path / name for name in names]
    assert [path.name for path in sorted(paths, key=natural_order)] == [
        "1",
        "2",
        "10",
        "a1.5",
        "a09",
        "a9",
        "a10",
        "b1",
    ]


def test_depth_maps_are_taken_in_the_order_of_their_numbers(tmp_path):
    for t in range(12):
        Image.fromarray(np.full((8, 12), 1000 + 100 * t, np.uint16)).save(tmp_path / f"depth_{t}.png")
    found = read_depth(tmp_path, 12, Framing((8, 12), (8, 12))).maps[:, 0, 0]
    assert torch.allclose(found, 1 + torch.arange(12) / 10)
    Image.fromarray(np.ones((4, 4), np.uint16)).save(tmp_path / "depth_5.png")
    with pytest.raises(PointVidError, match=r"depth_5.png is 4x4, depth_0.png is 8x12"):
        read_depth(tmp_path, 12, Framing((8, 12), (8, 12)))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_animations_keep_their_times(tmp_path, suffix):
    if suffix == "webp" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    images = [Image.fromarray(frame.numpy()) for frame in levels(5)]
    options = {"lossless": True} if suffix == "webp" else {}
    path = tmp_path / f"a.{suffix}"
    images[0].save(path, save_all=True, append_images=images[1:], duration=[40, 40, 120, 40, 40], **options)
    with VideoFile(path) as video:
        assert video.fps == 25
        assert [level(frame) for frame in video] == [0, 1, 2, 2, 2, 3, 4]
        assert [level(video[t]) for t in (6, 1, 5, 0)] == [4, 1, 3, 0]
    assert len(read_clip(io.BytesIO(path.read_bytes())).frames) == 7


def test_animated_frames_build_on_each_other(tmp_path):
    frames = [Image.new("RGBA", (16, 16), (0, 0, 0, 0)) for _ in range(3)]
    for index, image in enumerate(frames):
        image.paste((200, 0, 0, 255), (4 * index, 0, 4 * index + 4, 16))
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=100, disposal=1)
    clip = read_clip(tmp_path / "a.png").frames
    for index in range(3):
        columns = (clip[index, 8, :, 0] > 100).nonzero().flatten().tolist()
        assert columns == list(range(4 * index, 4 * index + 4))
