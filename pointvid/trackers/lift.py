"""From tracks in the image to tracks in depth: sampling a depth map where points are, past what hides them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..depth import DepthMaps
from ..errors import PointVidError

_EDGE = 0.03
"""Log-depth spread within 3x3 pixels above which they lie on more than one surface."""

_JUMP = 0.12
"""Log-depth by which a sample may miss what the track's past predicts, for each frame since it was last seen."""


def lift_tracks(uv: Tensor, visible: Tensor, depth: DepthMaps | None) -> Tensor:
    """Give tracks their depth.

    In log-depth: a point in the middle of a surface takes the bilinear sample; one at an edge takes, of the 3x3 pixels
    around it, the one closest to where its past leads. Samples of hidden points, and those that jump away from the
    track's own past, are of something else: time interpolates there between the good ones, and the nearest good one is
    held at the ends. Values that are NaN, infinite, zero or negative are no samples. A track without any good sample
    takes the depths of the nearest track that has some.

    Args:
        uv: float32 [T, N, 2], pixels of the clip.
        visible: bool [T, N].
        depth: [T, H, W] along the camera's axis; read a frame at a time. None gives depth 1.0 everywhere.
    Returns:
        float32 [T, N, 3], (u, v, depth).
    Raises:
        PointVidError: no track has any usable depth.
    """
    if depth is None:
        return torch.cat((uv, torch.ones_like(uv[..., :1])), -1)
    middle, around = zip(*(_sample(torch.as_tensor(depth[t]), uv[t]) for t in range(len(uv))))
    log, good = _follow(torch.stack(middle), torch.stack(around), visible)
    if not good.any():
        raise PointVidError(
            "depth has no usable value under any visible track, expected finite depths above 0; "
            "check the depth's file and scale, or give none"
        )
    log = _interpolate(log, good)
    lonely = ~good.any(0)
    if lonely.any():
        known = (~lonely).nonzero()[:, 0]
        nearest = torch.cdist(uv[0, lonely], uv[0, known]).argmin(-1)
        log[:, lonely] = log[:, known[nearest]]
    return torch.cat((uv, log.exp()[..., None]), -1)


def _sample(depth: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
    """Log-depth at [N] points: bilinear (NaN where the 3x3 pixels are not of one surface), and the 3x3 [N, 9]."""
    height, width = depth.shape
    depth = depth.to(uv.device, torch.float32)
    usable = torch.isfinite(depth) & (depth > 0)
    log = torch.where(usable, depth, torch.ones_like(depth)).log().masked_fill(~usable, torch.nan)
    step = torch.arange(-1, 2, device=uv.device)
    centre = uv.round().long()
    columns = (centre[:, 0, None] + step).clamp(0, width - 1)
    rows = (centre[:, 1, None] + step).clamp(0, height - 1)
    around = log[rows[:, :, None], columns[:, None, :]]  # N 3 3
    # Second differences, so that a steep but smooth surface is not taken for an edge.
    bend = torch.stack(
        (around[:, :, 0] - 2 * around[:, :, 1] + around[:, :, 2], around[:, 0] - 2 * around[:, 1] + around[:, 2])
    )
    smooth = (bend.abs().amax((0, 2)) < _EDGE) & torch.isfinite(around).all(-1).all(-1)
    offset = uv - centre
    slope_u = (around[:, 1, 2] - around[:, 1, 0]) / 2
    slope_v = (around[:, 2, 1] - around[:, 0, 1]) / 2
    middle = around[:, 1, 1] + slope_u * offset[:, 0] + slope_v * offset[:, 1]
    off_screen = (
        (offset.abs() > 0.5).any(-1) | (centre < 0).any(-1) | (centre[:, 0] >= width) | (centre[:, 1] >= height)
    )
    return middle.masked_fill(~smooth, torch.nan), around.flatten(1).masked_fill(off_screen[:, None], torch.nan)


def _follow(middle: Tensor, around: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Choose a sample for each point, frame by frame. Returns log-depth [T, N] and which of it to believe."""
    frames = len(middle)
    log = torch.zeros_like(middle)
    good = torch.zeros_like(visible)
    last, speed = torch.full_like(middle[0], torch.nan), torch.zeros_like(middle[0])
    age = torch.ones_like(middle[0])
    for t in range(frames):
        own = around[t, :, 4]
        if t == 0:
            value = own  # the query pixel is the point itself
        else:
            expected = torch.where(torch.isfinite(last), last + speed * age, own)
            miss = (around[t] - expected[:, None]).abs()
            pick = miss.masked_fill(~torch.isfinite(miss), torch.inf).argmin(-1, keepdim=True)
            value = torch.where(torch.isfinite(middle[t]), middle[t], around[t].gather(-1, pick)[:, 0])
        seen = visible[t] & torch.isfinite(value)
        if t:
            # Depth estimated frame by frame flickers as a whole: what most tracks do at once is no jump.
            change = (value - expected)[seen & torch.isfinite(last)]
            flicker = change.median() if len(change) else 0.0
            seen &= ~torch.isfinite(last) | ((value - expected - flicker).abs() < _JUMP * age)
            step = (value - last) / age
            speed = torch.where(seen & torch.isfinite(step), 0.5 * speed + 0.5 * step, speed)
        log[t] = torch.where(seen, value, log[t])
        good[t] = seen
        last = torch.where(seen, value, last)
        age = torch.where(seen, torch.ones_like(age), age + 1)
    return log, good


def _interpolate(log: Tensor, good: Tensor) -> Tensor:
    """Fill [T, N] where not good: linearly in time between good frames, held at the ends."""
    frames = len(log)
    time = torch.arange(frames, device=log.device)[:, None].expand_as(log)
    before = torch.where(good, time, -1).cummax(0).values
    after = torch.where(good, time, frames).flip(0).cummin(0).values.flip(0)
    before, after = torch.where(before < 0, after, before), torch.where(after == frames, before, after)
    before, after = before.clamp(0, frames - 1), after.clamp(0, frames - 1)
    share = (time - before) / (after - before).clamp(min=1)
    return torch.lerp(log.gather(0, before), log.gather(0, after), share.to(log.dtype))
