"""Tracks drawn over their video: a dot where the point is, a fading trail where it was, a ring where it is hidden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..errors import PointVidError
from ..points.spread import spread_out
from ..progress import Progress, silent
from ..tracks import PointTracks
from .colors import depth_colors, position_colors

SUPERSAMPLING = 2
COLORINGS = ("position", "depth")


class Frames(Protocol):
    """A video: frames uint8 [H, W, 3] by index. A uint8 tensor [T, H, W, 3] is one, a `VideoFile` is another."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W, 3)."""
        ...

    def __getitem__(self, t: int, /) -> Tensor:
        """Frame `t`."""
        ...


def draw_tracks(video: Frames, tracks: PointTracks, **options: Any) -> Tensor:
    """uint8 [T, H, W, 3]: all of `overlay_frames`, in memory."""
    return torch.stack(list(overlay_frames(video, tracks, **options)))


def overlay_frames(
    video: Frames,
    tracks: PointTracks,
    trail: int = 8,
    max_tracks: int | None = 800,
    coloring: str = "position",
    dim: float = 0.3,
    frames: Sequence[int] | None = None,
    progress: Progress = silent,
) -> Iterator[Tensor]:
    """Draw the tracks frame by frame.

    Args:
        video: the tracks' clip.
        tracks: of the clip's size and length.
        trail: length of the trails in frames, 0 for none.
        max_tracks: draw at most this many, spread over the image; None for all.
        coloring: "position" (a rainbow over frame 0, so that neighbours keep together) or "depth".
        dim: how much to darken the video, 0 to 1.
        frames: which frames to draw, all if None.
        progress: reports frames.
    Yields:
        uint8 [H, W, 3].
    Raises:
        PointVidError: clip and tracks differ in size or length.
    """
    if tuple(video.shape[:3]) != (tracks.num_frames, *tracks.image_size):
        found, wanted = "x".join(map(str, video.shape[:3])), (tracks.num_frames, *tracks.image_size)
        raise PointVidError(f"clip is {found}, tracks are {'x'.join(map(str, wanted))} (frames x height x width)")
    if coloring not in COLORINGS:
        raise PointVidError(f"coloring is {coloring!r}, expected one of {COLORINGS}")
    if max_tracks is not None and tracks.num_points > max_tracks:
        tracks = tracks.select(spread_out(tracks, max_tracks))
    tracks = tracks.to("cpu")
    colors = _colors(tracks, coloring)
    # Coordinates of the supersampled layer, edges at integers as Pillow counts them.
    uv = ((tracks.uvd[..., :2].double() + 0.5) * SUPERSAMPLING).numpy()
    finite = torch.isfinite(tracks.uvd[..., :2]).all(-1).numpy()
    visible = tracks.visible.numpy()
    radius = max(1.2, tracks.image_size[0] / 170) * SUPERSAMPLING
    frames = range(tracks.num_frames) if frames is None else frames
    for done, frame in enumerate(frames, 1):
        layer = Image.new("RGBA", (tracks.image_size[1] * SUPERSAMPLING, tracks.image_size[0] * SUPERSAMPLING))
        draw = ImageDraw.Draw(layer)
        for step in range(max(1, frame - trail + 1), frame + 1):
            seen = visible[step] & visible[step - 1] & finite[step] & finite[step - 1]
            alpha = round(210 * (1 - (frame - step) / max(trail, 1)) ** 1.5)
            for n in np.flatnonzero(seen):
                line = (*uv[step - 1, n], *uv[step, n])
                draw.line(line, (*colors[frame, n], alpha), round(radius * 0.7))
        for n in np.flatnonzero(finite[frame] & ~visible[frame]):
            draw.ellipse(_circle(uv[frame, n], radius), outline=(*colors[frame, n], 110), width=SUPERSAMPLING // 2)
        for n in np.flatnonzero(finite[frame] & visible[frame]):
            draw.ellipse(_circle(uv[frame, n], radius), fill=(*colors[frame, n], 255))
        yield _blend(video[frame], layer, dim)
        progress(done, len(frames), "drawing tracks")


def _colors(tracks: PointTracks, coloring: str) -> np.ndarray:
    """uint8 [T, N, 3]."""
    if coloring == "position":
        return position_colors(tracks).expand(tracks.num_frames, -1, -1).numpy()
    depth = tracks.uvd[..., 2]
    known = depth[tracks.visible & torch.isfinite(depth) & (depth > 0)]
    if not len(known):
        known = torch.ones(1)
    # Every 64th at most: quantile refuses more than 16 million values.
    near, far = torch.quantile(known[:: max(1, len(known) // 100_000)], torch.tensor([0.02, 0.98])).tolist()
    return depth_colors(depth.nan_to_num(far), near, far).numpy()


def _circle(centre: np.ndarray, radius: float) -> tuple[float, float, float, float]:
    x, y = centre
    return x - radius, y - radius, x + radius, y + radius


def _blend(frame: Tensor, layer: Image.Image, dim: float) -> Tensor:
    # Reducing premultiplied colour keeps transparent pixels from bleeding in at the edges.
    size = (layer.width // SUPERSAMPLING, layer.height // SUPERSAMPLING)
    small = layer.convert("RGBa").resize(size, Image.Resampling.BOX).tobytes()
    small = np.frombuffer(small, np.uint8).reshape(size[1], size[0], 4).astype(np.float32)
    under = frame.cpu().numpy().astype(np.float32) * (1 - dim)
    return torch.from_numpy((small[..., :3] + under * (1 - small[..., 3:] / 255)).round().astype(np.uint8))
