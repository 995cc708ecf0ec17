"""The moving point cloud from a virtual camera: discs with a z-buffer, in plain torch on any device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..points.spread import spread_out
from ..progress import Progress, silent
from ..tracks import PointTracks
from .colors import track_colors

SUPERSAMPLING = 2
VIEW_FOV = 40.0  # degrees, vertical
MAX_RADIUS = 6.0  # supersampled pixels
BACKGROUND_TOP, BACKGROUND_BOTTOM = (38, 42, 54), (14, 15, 20)
LINE_COLOR = (120, 130, 150)
TRAILS = 300
TRAIL_STEPS = 10


@dataclass(frozen=True)
class Viewpoint:
    """A camera that looks at `target` from `distance`: rows of `rotation` are right, up and towards the eye."""

    target: Tensor
    rotation: Tensor
    distance: float
    focal: float
    size: tuple[int, int]

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """[..., 3] in y-up axes -> pixels [..., 2] and distance ahead of the eye [...]."""
        local = (points - self.target) @ self.rotation.T
        ahead = self.distance - local[..., 2]
        scale = self.focal / ahead.clamp(min=1e-6)
        height, width = self.size
        x = local[..., 0] * scale + width / 2
        y = -local[..., 1] * scale + height / 2
        return torch.stack((x, y), -1), ahead


@dataclass(frozen=True)
class Splats:
    """What is drawn in one frame: positions [M, 3], colours float [M, 3], radii [M] in the points' unit."""

    points: Tensor
    colors: Tensor
    radii: Tensor


def swing(frames: int, degrees: float = 28.0) -> list[float]:
    """Azimuths that sway once from side to side and end where they began, so that the clip loops."""
    return [degrees * math.sin(2 * math.pi * t / max(frames, 1)) for t in range(frames)]


def render_point_cloud(
    tracks: PointTracks,
    size: tuple[int, int] | None = None,
    azimuth: float | Sequence[float] | None = None,
    elevation: float = 14.0,
    zoom: float = 1.0,
    point_size: float = 1.0,
    trail: int = 6,
    frustum: bool = True,
    hidden: bool = False,
    frames: Sequence[int] | None = None,
    progress: Progress = silent,
) -> Tensor:
    """Render the tracks in 3D.

    Args:
        tracks: any tracks; points without a colour get a rainbow.
        size: (H, W) of the pictures, the clip's if None.
        azimuth: degrees around the vertical, 0 as the clip's camera looks, positive from its right; one value, one a
            frame, or None for a gentle `swing`.
        elevation: degrees above the clip camera's horizon.
        zoom: above 1 comes closer. At 1 the objects fill the picture, or everything where no objects are known.
        point_size: 1 lets neighbouring tracks just touch.
        trail: frames of past path drawn for some hundred points, 0 for none.
        frustum: draw the clip's camera as a wire pyramid.
        hidden: also draw hidden points.
        frames: which frames to render, all if None. The view is framed for the whole clip either way.
        progress: reports frames.
    Returns:
        uint8 [T, H, W, 3].
    """
    size = tracks.image_size if size is None else size
    azimuths = swing(tracks.num_frames) if azimuth is None else azimuth
    if isinstance(azimuths, (int, float)):
        azimuths = [float(azimuths)] * tracks.num_frames
    frames = range(tracks.num_frames) if frames is None else frames
    world = tracks.xyz * tracks.uvd.new_tensor([1.0, -1.0, -1.0])
    shown = torch.isfinite(world).all(-1) & (tracks.uvd[..., 2] > 0)
    visible = shown & tracks.visible
    shown = shown if hidden else visible
    colors = track_colors(tracks).to(world).float()
    radii = tracks.uvd[..., 2] / tracks.camera.fx * (_spacing(tracks) * 0.72 * point_size)
    seen = _seen(world, visible & _foreground(tracks))
    target = _middle(seen)
    axes = [_axes(target, angle, elevation) for angle in azimuths]
    distance = _distance(seen, target, axes, size) / zoom
    focal = size[0] * SUPERSAMPLING / 2 / math.tan(math.radians(VIEW_FOV) / 2)
    tailed = spread_out(tracks, TRAILS).to(world.device) if trail and tracks.num_points else None
    wires = _frustum(tracks, distance, target) if frustum else None
    pictures = []
    for done, frame in enumerate(frames, 1):
        view = Viewpoint(target, axes[frame], distance, focal, (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))
        splats = [Splats(world[frame][shown[frame]], colors[shown[frame]], radii[frame][shown[frame]])]
        if tailed is not None:
            splats.append(_trails(world[:, tailed], visible[:, tailed], colors[tailed], frame, trail, view))
        if wires is not None:
            splats.append(wires)
        pictures.append(_draw(splats, view))
        progress(done, len(frames), "rendering points")
    return torch.stack(pictures).cpu()


def _spacing(tracks: PointTracks) -> float:
    """The median distance in pixels from a query to its nearest neighbour."""
    queries = tracks.queries
    if len(queries) < 2:
        return 4.0
    some = queries[:: max(1, len(queries) // 256)]
    distance = torch.cdist(some, queries)
    distance[distance < 1e-3] = math.inf  # itself, and duplicates
    nearest = distance.min(1).values
    nearest = nearest[nearest.isfinite()]
    return float(nearest.median()) if len(nearest) else 4.0


def _foreground(tracks: PointTracks) -> Tensor:
    """bool [N]: the points of objects; all where objects are unknown or there are none."""
    if tracks.object_id is None or not (tracks.object_id > 0).any():
        return tracks.visible.new_ones(tracks.num_points)
    return tracks.object_id > 0


def _seen(world: Tensor, visible: Tensor) -> Tensor:
    """[M, 3], at most about 50,000 of the visible positions of all frames; one before the camera where none is."""
    seen = world[visible]
    return seen[:: max(1, len(seen) // 50_000)] if len(seen) else world.new_tensor([[0.0, 0.0, -1.0]])


def _middle(seen: Tensor) -> Tensor:
    """Robust against a few stray points, as `_distance` is."""
    low, high = torch.quantile(seen, seen.new_tensor([0.02, 0.98]), dim=0)
    return (low + high) / 2


def _axes(like: Tensor, azimuth: float, elevation: float) -> Tensor:
    """[3, 3]: right, up and towards the eye."""
    a, e = math.radians(azimuth), math.radians(elevation)
    back = [math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)]
    right = [math.cos(a), 0.0, -math.sin(a)]
    up = [-math.sin(a) * math.sin(e), math.cos(e), -math.cos(a) * math.sin(e)]
    return like.new_tensor([right, up, back])


def _distance(seen: Tensor, target: Tensor, axes: list[Tensor], size: tuple[int, int]) -> float:
    """From how far 99 of 100 points lie within the middle 86 % of the picture, from every side."""
    half_height = math.tan(math.radians(VIEW_FOV) / 2) * 0.86
    half_width = half_height * size[1] / size[0]
    needed = []
    for rotation in axes:
        right, up, back = ((seen - target) @ rotation.T).unbind(-1)
        reach = torch.maximum(right.abs() / half_width, up.abs() / half_height)
        needed.append(float(torch.quantile(back + reach, 0.99)))
    # Points in a row straight ahead fit from anywhere: stay outside them.
    radius = float(torch.quantile((seen - target).norm(dim=-1), 0.98))
    return max(*needed, 1.5 * radius, 1e-3 * max(float(-target[2]), 1e-3))


def _trails(world: Tensor, visible: Tensor, colors: Tensor, frame: int, length: int, view: Viewpoint) -> Splats:
    """The last `length` steps as strings of small dots, fading into the background."""
    first = max(0, frame - length)
    steps = torch.arange(first, frame, device=world.device)
    mix = torch.arange(TRAIL_STEPS, device=world.device, dtype=world.dtype) / TRAIL_STEPS
    start, end = world[steps], world[steps + 1]
    points = torch.lerp(start[:, None], end[:, None], mix[:, None, None])  # [steps, mix, N, 3]
    both = (visible[steps] & visible[steps + 1])[:, None].expand(points.shape[:-1])
    age = (frame - steps - 1).to(world.dtype)[:, None] + 1 - mix
    strength = (1 - age / (length + 1)).clamp(0, 1)[..., None, None]
    faded = colors * 0.55 + 255 * 0.45  # lighter than the points they pass over
    tint = torch.lerp(world.new_tensor(BACKGROUND_BOTTOM), faded, strength).expand(points.shape)
    thickness = 0.8 * SUPERSAMPLING * view.distance / view.focal
    return Splats(points[both], tint[both], torch.full_like(points[both][:, 0], thickness))


def _frustum(tracks: PointTracks, distance: float, target: Tensor) -> Splats:
    """The clip's camera: a pyramid from the origin, as long as the gap to the scene allows."""
    height, width = tracks.image_size
    depth = max(min(0.12 * distance, 0.45 * float(-target[2])), 1e-6)
    corners = [(-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5)]
    uvd = target.new_tensor([(u, v, depth) for u, v in corners])
    base = tracks.camera.unproject(uvd) * target.new_tensor([1.0, -1.0, -1.0])
    starts = torch.cat((torch.zeros_like(base), base))
    ends = torch.cat((base, base.roll(-1, 0)))
    mix = torch.linspace(0, 1, 240, device=base.device)[:, None, None]
    points = torch.lerp(starts, ends, mix).reshape(-1, 3)
    color = target.new_tensor(LINE_COLOR).expand(len(points), 3)
    return Splats(points, color, torch.full_like(points[:, 0], 0.0014 * distance))


def _draw(splats: list[Splats], view: Viewpoint) -> Tensor:
    """uint8 [H, W, 3] after averaging the supersampled picture down."""
    points = torch.cat([part.points for part in splats])
    colors = torch.cat([part.colors for part in splats])
    radii = torch.cat([part.radii for part in splats])
    pixels, ahead = view.project(points)
    height, width = view.size
    radius = (radii * view.focal / ahead.clamp(min=1e-6)).clamp(0.7 * SUPERSAMPLING, MAX_RADIUS)
    winner = _z_buffer(pixels, ahead, radius, height, width)
    picture = _background(height, width, points)
    hit = winner >= 0
    # Nearer is brighter: without light, this is what makes a flat-coloured cloud readable.
    near, far = view.distance * 0.75, view.distance * 1.35
    light = 1.08 - 0.42 * ((ahead - near) / (far - near)).clamp(0, 1)
    picture[hit] = (colors * light[:, None]).clamp(max=255)[winner[hit]]
    picture = F.avg_pool2d(picture.view(1, height, width, 3).movedim(-1, 1), SUPERSAMPLING)
    return picture[0].movedim(0, -1).round().to(torch.uint8)


def _z_buffer(pixels: Tensor, ahead: Tensor, radius: Tensor, height: int, width: int) -> Tensor:
    """int64 [H * W]: the index of the nearest disc over each pixel, -1 for none."""
    count = len(pixels)
    keys = torch.full((height * width,), torch.iinfo(torch.int64).max, device=pixels.device)
    # A point's rank in depth says both which is nearest and, looked up, which point it is: one minimum does both.
    rank = torch.empty(count, dtype=torch.int64, device=pixels.device)
    nearest_first = torch.argsort(ahead, stable=True)
    rank[nearest_first] = torch.arange(count, device=pixels.device)
    # Large discs first, so that each offset touches only the discs that reach it.
    large_first = torch.argsort(radius, descending=True)
    large_first = large_first[ahead[large_first] > 1e-6]
    pixels, radius, rank = pixels[large_first], radius[large_first], rank[large_first]
    reach = math.ceil(float(radius[0])) if len(radius) else 0
    base, reach_of = pixels.floor(), -radius.contiguous()
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            near = math.hypot(max(abs(dx) - 0.5, 0), max(abs(dy) - 0.5, 0))
            some = slice(0, int(torch.searchsorted(reach_of, -near, right=True)))
            cell = base[some] + pixels.new_tensor([dx, dy])
            inside = (cell + 0.5 - pixels[some]).square().sum(-1) <= radius[some].square()
            inside &= (cell[:, 0] >= 0) & (cell[:, 0] < width) & (cell[:, 1] >= 0) & (cell[:, 1] < height)
            target = (cell[inside, 1] * width + cell[inside, 0]).long()
            keys.scatter_reduce_(0, target, rank[some][inside], "amin")
    hit = keys < count
    winner = torch.full_like(keys, -1)
    winner[hit] = nearest_first[keys[hit]]
    return winner


def _background(height: int, width: int, like: Tensor) -> Tensor:
    rows = torch.linspace(0, 1, height, device=like.device)[:, None]
    shade = torch.lerp(like.new_tensor(BACKGROUND_TOP), like.new_tensor(BACKGROUND_BOTTOM), rows)
    return shade[:, None].expand(height, width, 3).reshape(-1, 3).clone()
