"""How much estimated depth flickers: the part of its change from frame to frame that no motion explains.

Depth from single images is estimated anew for every frame, so the depth of a wall that stands still is not still. Here
the error of a frame is taken as independent of the next frame's, of standard deviation s in log-depth (s = 0.02 is 2 %
of the depth). Second differences in time remove what moves steadily, and have standard deviation sqrt(6) s:

    b[t, n] = log d[t + 1, n] - 2 log d[t, n] + log d[t - 1, n]
    whole[t] = median over n of b[t, n]
    scale    = sqrt(mean over t of whole[t]^2 / 6)                       a frame's depth changes as a whole
    shape    = 1.4826 median over t, n of |b[t, n] - whole[t]| / sqrt(6)   aligned for that, its parts still do
    flicker  = sqrt(scale^2 + shape^2)

n runs over places that are fixed in the image. Medians make what accelerates, or comes into sight, not
count as long as it is less than half of the places.
"""

from __future__ import annotations

import torch
from torch import Tensor

_PLACES = 64
"""Places along the shorter side of the image that are looked at."""


def measure_flicker(maps: Tensor) -> tuple[float, float] | None:
    """(flicker, scale) of depth maps at fixed places of the image; None below 3 frames.

    Args:
        maps: [T, H, W], finite and above 0.
    """
    step = max(1, min(maps.shape[1:]) // _PLACES)
    log = maps[:, step // 2 :: step, step // 2 :: step].flatten(1).double().log()
    bend = log[2:] - 2 * log[1:-1] + log[:-2]
    if not len(bend):
        return None
    whole = bend.quantile(0.5, dim=1)
    rest = (bend - whole[:, None]).abs()
    scale = (whole.square().mean() / 6).sqrt()
    shape = 1.4826 * rest.median() / 6**0.5
    return torch.hypot(scale, shape).item(), scale.item()
