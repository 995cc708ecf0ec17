"""2D paths for compositing programs: which tracks, and in whose pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import PointVidError
from ..points.spread import spread_out
from ..tracks import PointTracks


@dataclass(frozen=True)
class Paths2D:
    """K of the N tracks, measured from the upper left corner of the picture, as compositing programs do.

    Attributes:
        index: int64 [K], which tracks, in rising order: the viewer's "Track 12" is 12 here too.
        xy: float64 [T, K, 2]: x right and y down in pixels of a picture of `image_size`. The corner of the first pixel
            is (0, 0) and its centre (0.5, 0.5), where `PointTracks` has (0, 0) at the centre. NaN where unknown.
        visible: bool [T, K].
        image_size: (H, W).
    """

    index: NDArray
    xy: NDArray
    visible: NDArray
    image_size: tuple[int, int]


def paths_2d(tracks: PointTracks, max_tracks: int | None = 32, image_size: tuple[int, int] | None = None) -> Paths2D:
    """The tracks that a person would work with: seen longest, spread over the picture.

    Args:
        tracks: any tracks; depth is dropped. Tracks that are never seen are left out.
        max_tracks: at most this many; None for all.
        image_size: (H, W) of the picture they are for, if the clip was tracked at another size.
    Raises:
        PointVidError: no track is ever visible, or `max_tracks` is below 1.
    """
    if max_tracks is not None and max_tracks < 1:
        raise PointVidError(f"max_tracks is {max_tracks}, expected at least 1")
    finite = torch.isfinite(tracks.uvd[..., :2]).all(-1)
    seen = (finite & tracks.visible).any(0) & finite[0]
    index = seen.nonzero()[:, 0].cpu()
    if len(index) == 0:
        raise PointVidError(
            f"tracks have {tracks.num_points} points of which none is ever visible, expected at least 1"
        )
    if max_tracks is not None and len(index) > max_tracks:
        index = index[spread_out(tracks.select(index), max_tracks)]
    index = index.sort().values
    chosen = tracks.select(index)
    height, width = image_size or tracks.image_size
    scale = np.array([width / tracks.image_size[1], height / tracks.image_size[0]])
    uv = chosen.uvd[..., :2].cpu().double().numpy()
    uv = np.where(finite[:, index].cpu().numpy()[..., None], uv, np.nan)
    return Paths2D(index.numpy(), (uv + 0.5) * scale, chosen.visible.cpu().numpy(), (height, width))
