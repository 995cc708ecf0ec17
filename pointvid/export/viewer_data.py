"""The viewer's own file (.pvt): tracks quantised to 8 bytes a point a frame, beside small JPEG frames of the clip.

The layout is specified in docs/viewer-format.md; web/viewer/format.mjs reads it.
"""

from __future__ import annotations

import io
import json
import os
import struct
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import PointVidError
from ..files.atomic import atomic_path
from ..points.rigidity import point_rigidity
from ..progress import Progress, silent
from ..tracks import PointTracks

MAGIC = b"PVT1"
VERSION = 1
MAX_POINTS = 200_000
MAX_SAMPLES = 8_000_000  # points x frames of one set: 64 MB on the wire and in the graphics card
FAR_OUTSIDE = 4  # a sample further out than this many image sizes would stretch the grid for all others: not shown
STEPS = 65535
VALID, VISIBLE, RIGIDITY_STEPS = 1 << 15, 1 << 14, (1 << 14) - 1


def write_viewer_file(tracks: PointTracks, path: str | os.PathLike, video=None, compare=None, **options) -> None:
    """Write what the viewer widget and `preview.html` play, atomically.

    Takes what `viewer_bytes` takes, and raises what it raises.
    """
    data = viewer_bytes(tracks, video, compare, **options)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def viewer_bytes(
    tracks: PointTracks,
    video=None,
    compare: PointTracks | None = None,
    *,
    names: tuple[str, str] = ("A", "B"),
    title: str = "",
    max_points: int = MAX_POINTS,
    image_side: int = 512,
    jpeg_quality: int = 85,
    progress: Progress = silent,
) -> bytes:
    """The bytes of one .pvt file.

    Args:
        tracks: what is shown; any T >= 1, any N >= 0. Samples that are not finite, not in front of the camera or far
            off screen are kept in place and marked as not drawable.
        video: uint8 [T, H, W, 3] frames of the clip, of any size (anything with `.shape` and `video[t]`), or None.
        compare: a second set over the same T frames (ground truth, before smoothing ...), or None.
        names: how the viewer labels `tracks` and `compare`.
        title: shown above the viewer.
        max_points: where a set has more, an even sample of that many is kept and the viewer says so.
        image_side: frames are shrunk until the longer side is at most this many pixels.
        jpeg_quality: Pillow's, 1 to 95.
        progress: called once a video frame.

    Raises:
        PointVidError: the frame counts of tracks, video and comparison differ, or the video is not uint8 RGB.
    """
    frames = tracks.num_frames
    if compare is not None and compare.num_frames != frames:
        raise PointVidError(
            f"compare has {compare.num_frames} frames, tracks have {frames}: give two track sets of the same clip"
        )
    sections = _Sections()
    sets = [
        _pack_set(each, name, max_points, sections) for each, name in zip((tracks, compare), names) if each is not None
    ]
    header = {
        "version": VERSION,
        "title": title,
        "frames": frames,
        "fps": float(tracks.fps),
        "sets": sets,
        "video": None if video is None else _pack_video(video, frames, image_side, jpeg_quality, sections, progress),
    }
    text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((MAGIC, struct.pack("<I", len(text)), text, *sections.chunks))


class _Sections:
    """The binary parts behind the header, each starting at a multiple of 8 so that typed arrays can view it."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.length = 0

    def add(self, data: bytes) -> list[int]:
        """[offset, length], offset from the end of the header."""
        place = [self.length, len(data)]
        padding = bytes(-len(data) % 8)
        self.chunks += [data, padding]
        self.length += len(data) + len(padding)
        return place


def _pack_set(tracks: PointTracks, name: str, max_points: int, sections: _Sections) -> dict:
    """One set's header entry; its arrays go to `sections`."""
    tracks = tracks.to("cpu")
    total = tracks.num_points
    keep = min(total, max_points, MAX_SAMPLES // tracks.num_frames)
    # A scattered order makes every prefix an even sample of the cloud: the viewer draws trails for a prefix.
    index = torch.randperm(total, generator=torch.Generator().manual_seed(0))[:keep]
    tracks = tracks.select(index)

    height, width = tracks.image_size
    uvd = tracks.uvd.double().numpy()
    u, v, depth = np.moveaxis(uvd, -1, 0)
    with np.errstate(invalid="ignore"):
        valid = np.isfinite(uvd).all(-1) & (depth > 0)
        valid &= (np.abs(u - width / 2) <= FAR_OUTSIDE * width) & (np.abs(v - height / 2) <= FAR_OUTSIDE * height)
    xyz = tracks.camera.unproject(tracks.uvd).numpy()
    rigidity = point_rigidity(xyz, valid, None if tracks.object_id is None else tracks.object_id.numpy())

    coordinates = np.stack((u, v, np.log(np.where(valid, depth, 1.0))), -1)
    low = coordinates[valid].min(0) if valid.any() else np.zeros(3)
    span = coordinates[valid].max(0) - low if valid.any() else np.zeros(3)
    quantised = np.rint((coordinates - low) / np.where(span > 0, span, 1) * STEPS)
    rigidity_max = float(rigidity.max(initial=0))
    flags = np.rint(rigidity / (rigidity_max or 1) * RIGIDITY_STEPS).astype(np.uint16)
    flags |= np.where(tracks.visible.numpy() & valid, np.uint16(VISIBLE), np.uint16(0))
    flags |= np.where(valid, np.uint16(VALID), np.uint16(0))
    samples = np.empty((*valid.shape, 4), "<u2")
    samples[..., :3] = np.where(valid[..., None], quantised, 0)
    samples[..., 3] = flags

    entry = {
        "name": name,
        "points": keep,
        "total_points": total,
        "undrawable": int((~valid).sum()),
        "image_size": [height, width],
        "camera": list(tracks.camera.intrinsics),
        "depth_unit": tracks.depth_unit,
        "low": low.tolist(),
        "span": span.tolist(),
        "error": dict(zip(("u_px", "v_px", "depth_ratio"), (span / STEPS / 2).tolist())),
        "rigidity_max": rigidity_max,
        **_statistics(xyz, valid, rigidity, tracks.fps),
        "samples": sections.add(samples.tobytes()),
        "index": sections.add(index.numpy().astype("<u4").tobytes()),
        "color": None,
        "object": None,
    }
    if tracks.color is not None:
        opaque = torch.full((keep, 1), 255, dtype=torch.uint8)
        entry["color"] = sections.add(torch.cat((tracks.color, opaque), 1).numpy().tobytes())
    if tracks.object_id is not None:
        entry["object"] = sections.add(tracks.object_id.numpy().astype("<i4").tobytes())
    return entry


def _statistics(xyz: np.ndarray, valid: np.ndarray, rigidity: np.ndarray, fps: float) -> dict:
    """What colours and the first view are scaled by; percentiles, so that one stray point does not set the scale."""
    if not valid.any():
        return {
            "depth": [0.0, 1.0],
            "speed": [0.0, 1.0],
            "rigidity": [0.0, 1.0],
            "center": [0.0, 0.0, 1.0],
            "radius": 1.0,
        }
    shown = xyz[valid]
    center = np.median(shown, 0)
    moves = valid[1:] & valid[:-1]
    speed = np.linalg.norm(np.diff(xyz, axis=0)[moves], axis=-1) * fps
    return {
        "depth": [float(x) for x in np.percentile(shown[:, 2], (1, 99))],
        "speed": [0.0, float(np.percentile(speed, 99)) if len(speed) else 0.0],
        "rigidity": [0.0, float(np.percentile(rigidity[1:][valid[1:]], 99)) if valid[1:].any() else 0.0],
        "center": [float(x) for x in center],
        "radius": float(np.percentile(np.linalg.norm(shown - center, axis=-1), 95)),
    }


def _pack_video(
    video, frames: int, side: int, quality: int, sections: _Sections, progress: Progress
) -> dict[str, Sequence]:
    """JPEG frames: their size and places."""
    if len(video.shape) != 4 or video.shape[3] != 3:
        raise PointVidError(f"video is {list(video.shape)}, expected [T, H, W, 3] RGB frames")
    if video.shape[0] != frames:
        raise PointVidError(f"video has {video.shape[0]} frames, tracks have {frames}: give the clip that was tracked")
    height, width = video.shape[1:3]
    shrink = min(1.0, side / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    places = []
    for t in range(frames):
        progress(t, frames, "packing frames for the viewer")
        frame: Tensor = video[t]
        if frame.dtype != torch.uint8:
            raise PointVidError(f"video is {frame.dtype}, expected torch.uint8 frames with values 0 to 255")
        image = Image.fromarray(frame.cpu().contiguous().numpy())
        if shrink < 1:
            image = image.resize(size, Image.Resampling.BOX, reducing_gap=None)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        places.append(sections.add(buffer.getvalue()))
    progress(frames, frames, "packing frames for the viewer")
    return {"size": [size[1], size[0]], "jpeg": places}
