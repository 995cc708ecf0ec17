"""Opening a film file with FFmpeg: that file and no other, its right track, and what its packets promise."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import av
import av.container
import av.error
import av.video.stream
import numpy as np

from ...errors import PointVidError
from ..pictures import MAX_PIXELS, first_bytes, picture_kind, printable

# Playlists, patterns, devices and scripts: what they name would be read too.
_REACHING = {
    "concat",
    "concatf",
    "dash",
    "hls",
    "image2",
    "image2pipe",
    "imf",
    "rtp",
    "rtp_mpegts",
    "rtsp",
    "sap",
    "sdp",
}
_REACHING |= {"avisynth", "rtsp", "sdp", "lavfi", "tedcaptions", "vapoursynth", "vobsub", "webm_dash_manifest"}
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"v=0", b"[playlist]", b"<MPD", b"<?xml")
_PICTURE_CODECS = {"mjpeg", "png", "bmp", "gif", "webp", "tiff"}
_UNTIMED = ("avi", "mxf")  # their files hold no display times: FFmpeg guesses them, wrongly for H.264 with B-frames
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own leave the transparency out


@dataclass(frozen=True, eq=False)
class Packets:
    """What demuxing alone says of a track.

    Attributes:
        order: (pts, size) of every packet with data, in the file's order, to know them again.
        places: display time of a key frame -> where its packet is in `order`.
        times: int64 [n], display times of what should become visible, sorted; None where some have none.
        keys: int64 [k], sorted display times of its key frames, hidden ones too.
        count: how many packets should become visible, each one frame.
        doubtful: why only decoding tells which frames there are; empty if the times can be believed.
    """

    order: list[tuple[int | None, int]]
    places: dict[int | None, int]
    times: np.ndarray | None
    keys: np.ndarray
    count: int
    doubtful: str


@contextmanager
def decodable(name: str) -> Iterator[None]:
    """Turn FFmpeg's errors into one line that names the file."""
    try:
        yield
    except (av.error.FFmpegError, EOFError, OSError, UnicodeError, ValueError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise PointVidError(
            f"{printable(name)} cannot be read ({reason}), expected a whole video file in a format FFmpeg knows; "
            "copy or encode it again"
        ) from error


def open_container(source: str | io.BytesIO, name: str) -> av.container.InputContainer:
    """Open the file itself: whatever its name or its text say, no protocol, pattern or playlist is followed.

    Raises:
        PointVidError: unreadable, or a playlist.
    """
    options = {"format_whitelist": _formats(), "protocol_whitelist": "file"}
    if isinstance(source, io.BytesIO):
        source.seek(0)
        file = source
    else:
        path = Path(source).absolute()
        file = f"file:{path}"
        if not file.isprintable() or "%" in file:  # names that are no UTF-8, or that FFmpeg takes for a pattern
            file = _Nameless(path)
    try:
        with decodable(name):
            return av.open(file, container_options=options)  # "options" ends PyAV before 17 at a program stream
    except PointVidError:
        if first_bytes(source, 64).lstrip().startswith(_PLAYLISTS):
            raise PointVidError(
                f"{printable(name)} is a playlist or another text, expected a video file; give the file that it names"
            ) from None
        raise


class _Nameless:
    """An open file whose name FFmpeg does not learn. It is closed when the container lets go of it."""

    def __init__(self, path: Path) -> None:
        file = path.open("rb")
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


@lru_cache
def _formats() -> str:
    return ",".join(sorted(set(av.formats_available) - _REACHING))


def choose_track(
    container: av.container.InputContainer, source: str | io.BytesIO, name: str
) -> av.video.stream.VideoStream:
    """The default video track, or the first; a cover picture or a thumbnail is none.

    Raises:
        PointVidError: no video, one that FFmpeg cannot decode, or frames that are too large.
    """
    tracks = [track for track in container.streams.video if not _is_cover(track, container)]
    if not tracks:
        found = "only a cover picture and no video stream" if container.streams.video else "no video stream"
        raise PointVidError(f"{printable(name)} has {found}, expected a whole video file")
    if len(tracks) > 1 and picture_kind(source) == "HEIF":
        raise PointVidError(
            f"{printable(name)} is a HEIF picture of {len(tracks)} parts, which cannot be put together here; "
            "expected a video or picture file; save it as JPEG or PNG"
        )
    track = next((track for track in tracks if "default" in _disposition(track)), tracks[0])
    if not hasattr(track, "disposition"):  # PyAV 14.0: FFmpeg knows it, and chooses
        track = container.streams.best("video") or track
    if track.codec_context is None:
        raise PointVidError(f"{printable(name)}: FFmpeg has no decoder for its video; encode it again, as H.264")
    height, width = track.codec_context.height, track.codec_context.width
    if height * width > MAX_PIXELS:
        raise PointVidError(
            f"{printable(name)} is {height}x{width}, expected at most {MAX_PIXELS} pixels a frame; scale it down"
        )
    return track


def _disposition(track: av.video.stream.VideoStream) -> str:
    value = getattr(track, "disposition", None)
    return str(getattr(value, "name", value) or "").lower()


def _is_cover(track: av.video.stream.VideoStream, container: av.container.InputContainer) -> bool:
    if hasattr(track, "disposition"):
        return any(word in _disposition(track) for word in ("attached_pic", "timed_thumbnails"))
    codec = track.codec_context.name if track.codec_context else ""
    return codec in _PICTURE_CODECS and bool(container.streams.audio) and not track.average_rate


def alpha_decoder(track: av.video.stream.VideoStream, name: str) -> av.VideoCodecContext | None:
    """A decoder that keeps the transparency, where the file has some that the usual decoder drops; else None.

    Raises:
        PointVidError: this FFmpeg has none.
    """
    metadata = {key.lower(): value for key, value in track.metadata.items()}
    codec = track.codec_context.codec.canonical_name if hasattr(track.codec_context.codec, "canonical_name") else ""
    decoder = _ALPHA_DECODERS.get(codec or track.codec_context.name)
    if metadata.get("alpha_mode") != "1" or decoder is None:
        return None
    try:
        return av.CodecContext.create(decoder, "r")
    except (ValueError, av.error.FFmpegError) as error:
        raise PointVidError(
            f"{printable(name)} is transparent, which only {decoder} can read, and this FFmpeg lacks it; "
            "expected PyAV's own wheel, or a video without transparency"
        ) from error


def read_packets(container: av.container.InputContainer, track: av.video.stream.VideoStream, name: str) -> Packets:
    """Read through the file without decoding.

    Frames that an edit list hides and VP8's frames for reference only are left out.
    """
    is_vp8 = track.codec_context.name == "vp8"
    order: list[tuple[int | None, int]] = []
    places: dict[int | None, int] = {}
    pts: list[int | None] = []
    last, doubtful = None, ""
    with decodable(name):
        for packet in container.demux(track):
            size = packet.size
            if not size:
                continue
            time, decoding = packet.pts, packet.dts
            is_key = packet.is_keyframe
            if not order and not is_key:
                doubtful = "it does not begin with a key frame"
            if last is not None and decoding is not None and decoding <= last:
                doubtful = "its clock goes back"
            last = decoding
            if packet.is_corrupt:
                doubtful = "some of it is damaged"
            if is_key:  # a hidden one too: what is visible may build on it
                places[time] = len(order)
            order.append((time, size))
            if not (packet.is_discard or (is_vp8 and not bytes(packet)[0] >> 4 & 1)):
                pts.append(time)
    if None in pts or None in places:
        return Packets(order, places, None, np.zeros(0, np.int64), len(pts), doubtful or "frames have no times")
    shown = np.array(pts, np.int64)
    times = np.unique(shown)
    if len(times) < len(pts):
        doubtful = doubtful or "frames have one time"
    if track.codec_context.has_b_frames and container.format.name in _UNTIMED and (shown == times).all():
        doubtful = doubtful or "its times are of decoding"
    keys = np.array(sorted(places), np.int64)
    if len(times) and (not len(keys) or keys[0] > times[0]):
        doubtful = doubtful or "it begins with frames that need earlier ones"
    return Packets(order, places, times, keys, len(pts), doubtful)


def is_cut_short(source: str | io.BytesIO, name: str) -> bool:
    """Whether an MP4, MOV or AVI ends before the end that its boxes state: a broken download, a full disk."""
    if isinstance(source, io.BytesIO):
        source.seek(0)
        return _ends_early(source, len(source.getbuffer()))
    with decodable(name), Path(source).open("rb") as file:
        return _ends_early(file, os.fstat(file.fileno()).st_size)


def _ends_early(file: BinaryIO, size: int) -> bool:
    at = 0
    for _ in range(100_000):
        file.seek(at)
        head = file.read(16)
        if at == 0 and head[:4] == b"RIFF":
            return len(head) >= 8 and 8 + struct.unpack("<I", head[4:8])[0] > size
        if len(head) < 8 or (at == 0 and head[4:8] not in _FIRST_BOXES):
            return False
        length = struct.unpack(">I", head[:4])[0]
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        if length < 8:  # 0: to the end of the file
            return False
        at += length
        if at > size:
            return True
    return False
