"""What a frame looks like: colours, transparency, orientation, pixel aspect, fields."""

import io
from itertools import product

import av
import numpy as np
import pytest
import torch

from pointvid.errors import PointVidError
from pointvid.files.video import read_clip, write_video
from pointvid.files.video.color import HLG, PQ, Converter, tone_mapped
from pointvid.files.video.orientation import deinterlaced

from .small_videos import corners, ffmpeg, near, quadrants

WEIGHTS = {
    1: (0.2126, 0.0722),
    5: (0.299, 0.114),
    9: (0.2627, 0.0593),
}  # AVColorSpace -> weights of red and blue in luma
COLOURS = np.array(list(product((30, 128, 220), repeat=3)))


def coded(colours, matrix, full, bits=8):
    """YUV code values of R'G'B' colours, by the definition in ITU-R BT.601, 709 and 2020."""
    red, blue = WEIGHTS[matrix]
    r, g, b = colours.T / 255
    luma = red * r + (1 - red - blue) * g + blue * b
    chroma = (b - luma) / (2 - 2 * blue), (r - luma) / (2 - 2 * red)
    unit = 2 ** (bits - 8)
    scale, offset, spread = (2**bits - 1, 0, 2**bits - 1) if full else (219 * unit, 16 * unit, 224 * unit)
    return [np.round(luma * scale + offset), *(np.round(c * spread + 128 * unit) for c in chroma)]


def write_coded(path, planes, pix_fmt, matrix, full, transfer=None):
    """A lossless clip of two frames with these code values, one 8 pixels wide column for each colour."""
    kind = np.uint16 if "10" in pix_fmt or "16" in pix_fmt else np.uint8
    width = 8 * len(planes[0])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, 16, pix_fmt
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if full else 1
        if transfer:
            stream.codec_context.color_trc = transfer
        for _ in range(2):
            frame = av.VideoFrame(width, 16, pix_fmt)
            for plane, values in zip(frame.planes, planes, strict=True):
                rows = np.zeros((16, plane.line_size // np.dtype(kind).itemsize), kind)
                rows[:, :width] = np.repeat(values, 8)
                plane.update(rows.tobytes())
            frame.colorspace, frame.color_range = matrix, 2 if full else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv444p10le"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_every_matrix_and_range_gives_the_colours_back(tmp_path, matrix, full, pix_fmt):
    planes = coded(COLOURS, matrix, full, 10 if "10" in pix_fmt else 8)
    clip = read_clip(write_coded(tmp_path / "c.mkv", planes, pix_fmt, matrix, full))
    found = clip.frames[1, 8, 4::8].numpy().astype(int)
    assert np.abs(found - COLOURS).max() <= 3  # 8-bit codes of limited range are 1.2 to 2.2 levels apart


def test_a_matrix_that_is_not_known_is_said(tmp_path):
    path = write_coded(tmp_path / "ictcp.mkv", coded(COLOURS, 9, False, 10), "yuv444p10le", 14, False)
    with pytest.raises(PointVidError, match=r"ictcp.mkv: colours are coded as ICtCp, expected RGB, BT.601"):
        read_clip(path)


def pq(light):
    """Signal of light in cd/m2, by SMPTE ST 2084."""
    y = (np.asarray(light, np.float64) / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def test_hdr_keeps_dark_tones_and_brings_1000_candela_to_white(tmp_path):
    light = np.array([0, 1, 5, 20, 50, 90, 203, 400, 1000, 4000])
    grey = np.round(pq(light) * 65535).astype(np.uint16)
    found = tone_mapped(np.repeat(grey[None, :, None], 3, 2), PQ)[0]
    assert (found[:, 0] == found[:, 1]).all()
    assert np.abs(found[:6, 1] - 255 * (light[:6] / 203) ** (1 / 2.4)).max() <= 1
    assert (np.diff(found[:9, 1].astype(int)) > 0).all()
    assert found[8:, 1].tolist() == [255, 255]

    codes = np.round(pq(light) * 876 + 64)  # 10-bit limited range
    neutral = np.full(len(light), 512)
    path = write_coded(tmp_path / "hdr.mkv", [codes, neutral, neutral], "yuv444p10le", 9, False, transfer=PQ)
    assert np.abs(read_clip(path).frames[0, 8, 4::8].numpy().astype(int) - found).max() <= 2


def test_hlg_is_brought_to_the_same_light():
    # HLG's 75 % is 203 cd/m2 on a screen of 1000 (ITU-R BT.2408), 50 % is 50.7 by BT.2100's curve and gamma 1.2.
    hlg = np.repeat(np.round(np.array([[0.0, 0.5, 0.75, 1.0]]) * 65535).astype(np.uint16)[..., None], 3, 2)
    same = np.repeat(np.round(pq([[0, 50.7, 203, 1000]]) * 65535).astype(np.uint16)[..., None], 3, 2)
    assert np.abs(tone_mapped(hlg, HLG).astype(int) - tone_mapped(same, PQ)).max() <= 1


def test_wide_gamut_hdr_is_brought_into_range():
    light = np.array([[[100.0, 0.0, 0.0], [0.0, 100.0, 0.0]]])  # BT.2020's own red and green lie outside BT.709
    red, green = tone_mapped(np.round(pq(light) * 65535).astype(np.uint16), PQ)[0].tolist()
    assert red[0] > 180
    assert red[1:] == [0, 0]
    assert green[1] > 180
    assert green[0] == green[2] == 0


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparency_of_webm_is_put_on_black(tmp_path, codec):
    box = "color=red@0.0:s=64x64:r=10:d=1,format=yuva420p,drawbox=0:0:32:64:red@1.0:fill:replace=1"
    ffmpeg("-f", "lavfi", "-i", box, "-c:v", codec, "-auto-alt-ref", "0", "-b:v", "1M", tmp_path / "alpha.webm")
    clip = read_clip(tmp_path / "alpha.webm")
    assert len(clip.frames) == 10
    assert clip.frames[9, 32, 16, 0] > 240
    assert clip.frames[9, 32, 48].tolist() == [0, 0, 0]


def test_palettes_are_not_opaque_by_themselves():
    frame = av.VideoFrame(4, 4, "pal8")
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    frame.planes[1].update(bytes([200, 200, 200, 0]) + bytes(1020))  # colour 0: grey, and transparent
    assert Converter("p").rgb8(frame, 2).max() == 0


ORIENTATIONS = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_all_eight_orientations(tmp_path, matrix):
    a, b, c, d = matrix
    buffer = io.BytesIO()
    path = tmp_path / "turned.mp4"
    write_video(path, torch.from_numpy(quadrants())[None].repeat(3, 1, 1, 1), fps=10)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    buffer.write(data)
    frame = read_clip(buffer).frames[1]
    # QuickTime: a point (x, y) is shown at (ax + cy, bx + dy).
    wanted = {}
    for y, x in product((-1, 1), repeat=2):
        wanted[b * x + d * y, a * x + c * y] = quadrants()[4 if y < 0 else -5, 4 if x < 0 else -5]
    assert frame.shape == ((32, 48, 3) if a else (48, 32, 3))
    assert near(corners(frame), [wanted[y, x] for y, x in product((-1, 1), repeat=2)])


def test_pixels_become_square(tmp_path):
    for name, aspect, width in (("wide", "2/1", 96), ("narrow", "8/9", 43), ("rounded", "1279/1280", 48)):
        ffmpeg("-f", "lavfi", "-i", f"color=red:s=48x32:r=10:d=1,setsar={aspect}", tmp_path / f"{name}.mp4")
        clip = read_clip(tmp_path / f"{name}.mp4")
        assert clip.frames.shape[1:3] == (32, width)
        assert clip.framing.source == (32, width)


def test_combs_go_and_all_else_stays():
    rng = np.random.default_rng(0)
    still = np.repeat(np.repeat(rng.integers(0, 256, (9, 16, 3)), 4, 0), 4, 1).astype(np.uint8)[:35]
    assert np.array_equal(deinterlaced(still), still)
    thin = still.copy()
    thin[11] = 255  # a line of one pixel is detail, not a comb
    assert np.array_equal(deinterlaced(thin), thin)
    moved = [np.full((32, 64, 3), 20, np.uint8) for _ in range(2)]
    moved[0][8:24, 10:30], moved[1][8:24, 22:42] = 200, 200
    woven = moved[0].copy()
    woven[1::2] = moved[1][1::2]
    whole = deinterlaced(woven)
    middle = slice(10, 22)
    assert np.array_equal(whole[middle], moved[0][middle])
    assert np.abs(whole.astype(int) - moved[0]).mean() < 0.1 * np.abs(woven.astype(int) - moved[0]).mean()


def test_interlaced_video_has_no_combs(tmp_path):
    move = "color=black:s=64x64:r=50:d=1[a];color=white:s=16x32:r=50:d=1[b];[a][b]overlay=x=n:y=16"
    move += ",tinterlace=interleave_top"
    ffmpeg("-f", "lavfi", "-i", move, "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-q:v", "2", tmp_path / "i.mpg")
    frame = read_clip(tmp_path / "i.mpg").frames[10].int()
    rows = frame[20:44, :, 1]
    assert (rows[::2] - rows[1::2]).abs().max() < 90  # the fields are two pixels apart: combs differ by 219
