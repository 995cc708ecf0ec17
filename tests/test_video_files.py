"""Which frames a file has, when they are shown, which of its tracks and whose file is read, and what is let go."""

import gc
import io
import os
import shutil
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from pointvid.errors import PointVidError
from pointvid.files.video import VideoFile, encode_mp4, read_clip, write_video
from pointvid.files.video.timing import constant_rate, times_in_order

from .small_videos import encode, ffmpeg, grey_ramp, level, levels, ramp_level

THREADS = Path("/proc/self/task")


def rate(times, base=Fraction(1, 1000), header=None):
    return constant_rate(np.array(times), base, header, "v")


# -- times


def test_the_rate_is_that_of_the_times_and_the_header_only_rounds_it():
    ms = [round(k * 1001 / 30) for k in range(300)]
    assert rate(ms, header=Fraction(30000, 1001)).fps == Fraction(30000, 1001)
    assert float(rate(ms, header=Fraction(1000, 33)).fps) == pytest.approx(29.97, abs=1e-3)
    assert rate([0, 100]).fps == 10  # two frames have a rate
    assert rate([0, 1_800_000, 3_600_000]).fps == Fraction(1, 1800)
    assert rate([5], header=Fraction(24)).fps == 24
    assert rate([5], header=Fraction(90000)).fps == 25


def test_a_dropped_frame_is_seen_also_where_a_tick_is_a_frame():
    found = rate([0, 1, 2, 4, 5], Fraction(1, 25), Fraction(25))
    assert found.fps == 25
    assert found.shown.tolist() == [0, 1, 2, 2, 3, 4]


def test_a_rate_that_drifts_is_not_constant():
    gaps = np.linspace(38, 42, 200)
    found = rate([0, *np.cumsum(gaps).round().astype(int)])
    moments = np.arange(len(found.shown)) / float(found.fps) * 1000
    shown = found.times[found.shown]
    assert (shown <= moments + 1).all()
    assert (moments - shown).max() < 43


def test_times_that_cannot_be_are_bounded():
    assert len(rate([0, 1, 2, 3, 4, 10**10]).shown) == 6  # a clock that jumps by months
    assert len(rate([0, 33, 66, 100, 133, 36_000_000]).shown) == 6  # by ten hours
    assert len(rate([0, 33, 66, 100, 133, 60_133]).shown) == pytest.approx(1805, abs=10)  # a minute's still is a still
    assert len(rate([0, 40, 80, 2**62], Fraction(1, 10**9)).shown) == 4
    with pytest.raises(PointVidError, match=r"v: its 80001 frames are spread over .* expected at most 10000000"):
        rate([*range(40001), *(40000 + 500_000 * k for k in range(1, 40001))])


def test_times_are_put_in_order():
    def order(shown, decoded=()):
        return times_in_order(shown, list(decoded) or [None] * len(shown)).tolist()

    assert order([5, 9, 13, 17]) == [0, 4, 8, 12]
    assert order([0, 4, 8, 4, 8, 20, 24]) == [0, 4, 8, 12, 16, 20, 24]  # two that went astray
    assert order([0, 4, None, None, 16, 20]) == [0, 4, 8, 12, 16, 20]
    assert order([*range(100, 200, 4), *range(100, 200, 4)]) == list(range(0, 200, 4))  # joined
    assert order([0, 4, 8, 28, 32]) == [0, 4, 8, 28, 32]  # a still
    assert order([1, 4, 2, 3, 9, 5], [0, 1, 2, 3, 8, None]) == [0, 1, 2, 3, 8, 9]  # times of decoding
    assert order([None] * 3) == [0, 1, 2]


@pytest.mark.parametrize("last", [10**10, 36_000_000])
def test_a_far_time_stamp_makes_no_memory(tmp_path, last):
    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        packets = [
            packet
            for frame in levels(6)
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame.numpy(), format="rgb24"))
        ]
        for packet, moment in zip([*packets, *stream.encode()], [0, 33, 67, 100, 133, last], strict=True):
            packet.pts = packet.dts = moment
            packet.time_base = Fraction(1, 1000)
            container.mux(packet)
    assert [level(frame) for frame in read_clip(tmp_path / "v.mkv").frames] == list(range(6))
    assert len(read_clip(tmp_path / "v.mkv", frames=4).frames) == 4


def test_a_missing_default_duration_does_not_shift_the_start(tmp_path):
    path = tmp_path / "v.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=gray:s=64x64:r=30000/1001:d=60", "-c:v", "mpeg4", "-g", "60", path)
    data = bytearray(path.read_bytes())
    at = data.index(b"\x23\xe3\x83\x84")  # DefaultDuration, made a void
    data[at : at + 8] = b"\xec\x86" + bytes(6)
    path.write_bytes(data)
    with VideoFile(path, frames=2, start=55) as video:
        assert video.fps == pytest.approx(30000 / 1001, abs=2e-3)
        assert video.first_frame == pytest.approx(55 * 30000 / 1001, abs=1)


# -- which frames


def test_transport_and_program_streams_give_the_frames_asked_for(tmp_path):
    for name, codec in (("a.ts", ("libx264", "-g", "13")), ("a.mpg", ("mpeg2video", "-q:v", "2", "-g", "12"))):
        path = grey_ramp(tmp_path / name, "-c:v", *codec, "-bf", "2")
        assert [ramp_level(frame) for frame in read_clip(path).frames] == list(range(50))
        for first in (0, 5, 25, 47):
            clip = read_clip(path, frames=3, start=first / 25)
            assert [ramp_level(frame) for frame in clip.frames] == [first, first + 1, first + 2]


def test_frames_that_an_edit_list_hides_are_not_missed(tmp_path):
    path = grey_ramp(tmp_path / "whole.mp4", "-c:v", "libx264", "-g", "20", "-bf", "2")
    ffmpeg("-ss", "1.1", "-i", path, "-c", "copy", tmp_path / "cut.mp4")
    found = [ramp_level(frame) for frame in read_clip(tmp_path / "cut.mp4").frames]
    assert found == list(range(found[0], 50))
    assert found[0] in (27, 28)


def test_joined_streams_follow_each_other(tmp_path):
    path = grey_ramp(tmp_path / "one.ts", "-c:v", "libx264", "-g", "13", "-bf", "2")
    (tmp_path / "two.ts").write_bytes(path.read_bytes() * 2)  # the clock goes back in the middle
    with VideoFile(tmp_path / "two.ts") as video:
        assert [ramp_level(frame) for frame in video] == [*range(50), *range(50)]
        assert video.fps == 25
        assert ramp_level(video[12]) == 12


def test_a_file_that_ends_at_a_packet_is_still_cut(tmp_path):
    data = encode_mp4(torch.randint(0, 255, (16, 64, 64, 3), dtype=torch.uint8), fps=8)
    front = data.index(b"mdat") - 4
    moov = data.index(b"moov") - 4
    assert moov > front
    # as with faststart: the index first, its offsets moved on
    index = bytearray(data[moov:])
    offsets = index.index(b"stco") + 12
    for k in range(int.from_bytes(index[offsets - 4 : offsets], "big")):
        at = offsets + 4 * k
        moved = int.from_bytes(index[at : at + 4], "big") + len(index)
        index[at : at + 4] = moved.to_bytes(4, "big")
    whole = data[:front] + bytes(index) + data[front:moov]
    assert len(read_clip(io.BytesIO(whole)).frames) == 16
    with av.open(io.BytesIO(whole)) as container:
        ends = [packet.pos + packet.size for packet in container.demux(video=0) if packet.size]
    cut = io.BytesIO(whole[: sorted(ends)[9]])
    with pytest.raises(PointVidError, match="of 16 cannot be decoded"):
        read_clip(cut)
    assert len(read_clip(cut, frames=3).frames) == 3


def test_damage_in_the_middle_is_said_and_not_bridged(tmp_path):
    path = tmp_path / "v.mp4"
    frames = [torch.randint(0, 255, (64, 64, 3), dtype=torch.uint8).numpy() for _ in range(12)]
    encode(path, frames, codec="png", pix_fmt="rgb24")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        seventh = [packet.pos for packet in container.demux(video=0) if packet.size][7]
    data[seventh : seventh + 64] = bytes(64)
    path.write_bytes(data)
    with VideoFile(path) as video:
        assert len(video) == 12
        assert torch.equal(video[6], torch.from_numpy(frames[6]))
        with pytest.raises(PointVidError, match="frame 7 of 12 cannot be decoded"):
            video[7]
        assert torch.equal(video[8], torch.from_numpy(frames[8]))


def test_a_frame_far_ahead_is_sought(tmp_path, monkeypatch):
    path = grey_ramp(tmp_path / "long.mkv", "-c:v", "libx264", "-g", "10", count=200)
    decoded = []
    with VideoFile(path) as video:
        step = type(video._source)._next
        monkeypatch.setattr(type(video._source), "_next", lambda film: decoded.append(1) or step(film))
        assert torch.equal(video[150], read_clip(path).frames[150])
    assert len(decoded) < 50 + 210  # the clip itself takes 201


# -- which track, which file


def test_the_default_track_is_read_and_a_cover_is_none(tmp_path):
    small, large = ("color=blue:s=32x32:r=10:d=1", "color=red:s=64x64:r=10:d=1")
    marks = ("-disposition:v:0", "0", "-disposition:v:1", "default")
    ffmpeg("-f", "lavfi", "-i", small, "-f", "lavfi", "-i", large, "-map", 0, "-map", 1, *marks, tmp_path / "two.mkv")
    assert VideoFile(tmp_path / "two.mkv").source_size == (64, 64)
    cover = ("-frames:v", "1", "-c:v", "png", "-id3v2_version", "3", "-disposition:v", "attached_pic")
    ffmpeg(
        "-f", "lavfi", "-i", "sine=d=1", "-f", "lavfi", "-i", small, "-map", 0, "-map", 1, *cover, tmp_path / "a.mp3"
    )
    with pytest.raises(PointVidError, match=r"a.mp3 has only a cover picture and no video stream"):
        VideoFile(tmp_path / "a.mp3")


@pytest.mark.parametrize(
    "name",
    ["10:30.mp4", "file:v.mp4", "concat:a.mp4", "%d.png", "frame%03d.mp4", "50%.mp4", "*.mp4", "a\nb.mp4", "ü漢.mp4"],
)
def test_any_name_is_just_a_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_video("v.mp4", levels(3), fps=8)
    shutil.copy("v.mp4", "plain.bin")
    (tmp_path / name).write_bytes((tmp_path / "plain.bin").read_bytes())
    assert len(read_clip(name).frames) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_name_that_is_no_text_can_be_read(tmp_path):
    write_video(tmp_path / "v.mp4", levels(3), fps=8)
    name = os.fsdecode(b"v\xff.mp4")
    shutil.copy(tmp_path / "v.mp4", tmp_path / name)
    assert len(read_clip(tmp_path / name).frames) == 3


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile secret.mp4\n",
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n",
    ],
)
@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.ffconcat"])
def test_a_playlist_reaches_no_other_file(tmp_path, monkeypatch, name, text):
    monkeypatch.chdir(tmp_path)
    write_video("secret.mp4", levels(3), fps=8)
    encode(tmp_path / "secret.ts", [frame.numpy() for frame in levels(3)])
    (tmp_path / name).write_text(text)
    with pytest.raises(PointVidError, match=rf"{name} is a playlist or another text.*give the file that it names"):
        read_clip(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "v.mp4")
    with pytest.raises(PointVidError, match="is a device or a pipe"):
        read_clip(tmp_path / "v.mp4")
    with pytest.raises(PointVidError, match=r"a\?b.mp4 cannot be read"):
        read_clip("a\0b.mp4")
    with pytest.raises(PointVidError, match="cannot be read"):
        read_clip("x" * 300 + ".mp4")


def test_wishes_have_bounds(tmp_path):
    write_video(tmp_path / "v.mp4", levels(3), fps=8)
    for wish, message in (
        ({"start": float("nan")}, "start is nan s"),
        ({"start": float("inf")}, "start is inf s"),
        ({"size": (100_000, 100_000)}, "size 100000x100000"),
        ({"size": (0, 8)}, "size 0x8"),
        ({"frames": 10**12}, "has 3 frames"),
    ):
        with pytest.raises(PointVidError, match=message):
            read_clip(tmp_path / "v.mp4", **wish)


# -- what is let go


@pytest.mark.skipif(not THREADS.is_dir(), reason="threads are counted in /proc")
def test_close_ends_the_threads_without_the_garbage_collector(tmp_path):
    write_video(tmp_path / "v.mp4", levels(), fps=10)
    read_clip(tmp_path / "v.mp4")  # libraries may start threads of their own, once
    gc.collect()
    gc.disable()
    try:
        before = len(list(THREADS.iterdir()))
        video = VideoFile(tmp_path / "v.mp4")
        video[3]
        during = len(list(THREADS.iterdir()))
        video.close()
        time.sleep(0.1)
        assert len(list(THREADS.iterdir())) <= before
        assert during > before or os.cpu_count() == 1
    finally:
        gc.enable()
    with pytest.raises(PointVidError, match="is closed"):
        video[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_reads_on_and_ends(tmp_path):
    write_video(tmp_path / "v.mp4", levels(), fps=10)
    closed, video = VideoFile(tmp_path / "v.mp4"), VideoFile(tmp_path / "v.mp4")
    closed[2], video[2]
    closed.close()
    child = os.fork()
    if child == 0:  # no assertion here: a child that raises would run the rest of the tests
        right = [level(video[t]) for t in (5, 1, 11)] == [5, 1, 11]
        video.close()
        del video, closed
        gc.collect()
        os._exit(0 if right else 1)
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    if not ended[0]:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert ended == (child, 0)
    assert level(video[3]) == 3
