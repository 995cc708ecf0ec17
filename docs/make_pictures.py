"""Draws the pictures of the help pages, the registry's icon and its banner, all from the shipped clip.

    python docs/make_pictures.py

Needs nothing but the library. Run it again when what it shows has changed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pointvid.files.depth_file import read_depth  # noqa: E402
from pointvid.files.mask_file import read_mask  # noqa: E402
from pointvid.files.video import Clip, VideoFile  # noqa: E402
from pointvid.point_map import PointMap  # noqa: E402
from pointvid.points.densify import densify  # noqa: E402
from pointvid.points.spread import spread_out  # noqa: E402
from pointvid.render import compose_preview, draw_tracks, render_point_cloud  # noqa: E402
from pointvid.render.colors import depth_colors, position_colors  # noqa: E402
from pointvid.trackers.pipeline import track_clip  # noqa: E402
from pointvid.trackers.settings import TrackSettings  # noqa: E402
from pointvid.tracks import PointTracks  # noqa: E402

ASSETS = ROOT / "pointvid" / "assets"
HELP = ROOT / "web" / "docs" / "images"
DOCS = ROOT / "docs" / "images"
INK, QUIET = (236, 239, 244), (150, 160, 178)
LATE = 14  # late enough to show motion, early enough that most of what moves is still seen


@dataclass(frozen=True)
class Demo:
    """The shipped clip and what the tracker makes of it."""

    video: Tensor
    mask: Tensor
    depth: Tensor
    tracks: PointTracks
    points: PointMap


def track_demo() -> Demo:
    """As `pointvid demo` does."""
    with VideoFile(ASSETS / "demo.mp4") as source:
        video, fps, framing = torch.stack(list(source)), source.fps, source.framing
    mask = read_mask(ASSETS / "demo_mask.png", framing)
    depth = read_depth(ASSETS / "demo_depth.npz", len(video), framing)
    settings = TrackSettings(grid=56, extra=900)
    found = track_clip(Clip(video, fps), mask=mask, depth=depth, settings=settings)
    return Demo(video, mask, depth.maps, found.tracks, densify(found.tracks, found.objects))


def save(pixels: Tensor | Image.Image, path: Path) -> None:
    """Write a small file."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels.cpu().numpy())
    image.save(path, **({"quality": 82, "optimize": True} if path.suffix == ".jpg" else {"optimize": True}))


def help_pages(demo: Demo) -> None:
    """One picture a node that has something to show."""
    near, far = demo.depth[0].quantile(0.02), demo.depth[0].quantile(0.98)
    mask = (demo.mask[..., None] * torch.tensor([255, 255, 255])).to(torch.uint8)
    panels = [("image", demo.video[0]), ("mask", mask), ("depth", depth_colors(demo.depth[0], float(near), float(far)))]
    save(compose_preview(panels, 190), HELP / "demo_clip.jpg")
    overlay = draw_tracks(demo.video, demo.tracks)[LATE]
    save(
        compose_preview([("first frame", demo.video[0]), ("overlay", overlay)], 256), HELP / "tracking_preprocessor.jpg"
    )
    dense = demo.points.to_tracks(demo.video[0])
    views = [
        (f"{cloud.num_points} {what}", cloud_picture(cloud, (256, 448)))
        for cloud, what in ((demo.tracks, "tracks"), (dense, "pixels"))
    ]
    save(compose_preview(views, 256), HELP / "fill_tracks.jpg")


def cloud_picture(tracks: PointTracks, size: tuple[int, int], trail: int = 0, **view: float) -> Tensor:
    """The points at the late frame, from the clip camera's right."""
    options = {"azimuth": 20.0, "elevation": 16.0, "frustum": False, **view}
    return render_point_cloud(tracks, size, trail=trail, frames=[LATE], **options)[0]


def icon(demo: Demo) -> Image.Image:
    """400 x 400: the paths of some points that fall, bold enough to be told at 40 pixels."""
    size, over = 400, 3
    u, v = demo.tracks.queries.unbind(-1)
    blocks = demo.tracks.select(demo.tracks.visible[: LATE + 1].all(0) & (u > 112) & (u < 190) & (v < 150))
    tracks = blocks.select(spread_out(blocks, 44))
    paths = tracks.uvd[: LATE + 1, :, :2]
    low, high = paths.amin((0, 1)), paths.amax((0, 1))
    scale = 0.78 * size * over / float((high - low).max())
    paths = ((paths - (low + high) / 2) * scale + size * over / 2).tolist()
    canvas = Image.new("RGB", (size * over, size * over), (24, 27, 36))
    draw = ImageDraw.Draw(canvas)
    for n, color in enumerate(position_colors(tracks).tolist()):
        for t in range(LATE):
            strength = (t + 1) / LATE
            faded = tuple(round(back + (ink - back) * strength**1.5) for back, ink in zip((24, 27, 36), color))
            draw.line((*paths[t][n], *paths[t + 1][n]), faded, round(over * (1 + 5 * strength)))
    for (x, y), color in zip(paths[LATE], position_colors(tracks).tolist()):
        radius = 9 * over
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), tuple(color))
    return canvas.resize((size, size), Image.Resampling.LANCZOS)


def banner(demo: Demo) -> Image.Image:
    """21:9: from the frame at the left to the points at the right."""
    width, height = 1260, 540
    points = cloud_picture(demo.points.to_tracks(demo.video[0], 2), (height, width), trail=10, zoom=1.1, azimuth=30.0)
    frame = Image.fromarray(demo.video[0].numpy()).resize((height * 448 // 256, height), Image.Resampling.LANCZOS)
    canvas = Image.fromarray(points.numpy())
    fade = np.clip(1.15 - np.linspace(0, 1.6, frame.width), 0, 1) * 255
    canvas.paste(frame, (0, 0), Image.fromarray(np.broadcast_to(fade, (height, frame.width)).astype(np.uint8)))
    draw = ImageDraw.Draw(canvas)
    draw.text((width - 44, 118), "PointVid", INK, ImageFont.load_default(76), anchor="rs")
    draw.text((width - 46, 164), "every pixel's path in 3D", QUIET, ImageFont.load_default(30), anchor="rs")
    return canvas


if __name__ == "__main__":
    clip = track_demo()
    help_pages(clip)
    save(icon(clip), DOCS / "icon.png")
    save(banner(clip), DOCS / "banner.jpg")
