"""Distance from a reference: the position term of Eq. 1, and which points of two files belong together."""

from __future__ import annotations

import torch

from ..errors import PointVidError
from ..point_map import PointMap
from ..tracks import PointTracks
from .measurement import Measurement
from .trajectories import Points, frame_means, num_frames, overall_mean, share, trajectories

SAME_QUERY = 0.5  # pixels


def reconstruction(points: Points, reference: Points, space: str = "camera") -> Measurement:
    """The position term of Eq. 1, |P~_t - P_t|, mean over points that count in both.

    Args:
        points: tracks or a point map.
        reference: of the same clip; see `matched` for what may be compared with what.
        space: "camera" measures in 3D, "image" in pixels.
    Returns:
        "recon" in m (rel), or "recon_px" in px.
    Raises:
        PointVidError: the two do not belong together; in 3D also where one depth is metric and the other relative.
    """
    points, reference = matched(points, reference)
    if space == "camera" and points.depth_unit != reference.depth_unit:
        raise PointVidError(
            f"points have {points.depth_unit} depth, the reference {reference.depth_unit}: no common unit; "
            "compare them in the image"
        )
    found, target = trajectories(points), trajectories(reference)
    here, there = (found.xyz, target.xyz) if space == "camera" else (found.uv, target.uv)
    counted = found.counted & target.counted
    distance = (here - there).norm(dim=-1)
    return Measurement(
        "recon" if space == "camera" else "recon_px",
        found.unit if space == "camera" else "px",
        overall_mean(distance, counted),
        frame_means(distance, counted),
        coverage=share(counted),
    )


def matched(points: Points, reference: Points) -> tuple[PointTracks, PointTracks]:
    """The same points of both, as tracks in the same order.

    Two point maps share the pixels in both masks; tracks look up a point map at their nearest pixel, moved by what they
    are beside it; tracks and tracks must have the same queries.

    Raises:
        PointVidError: frames, sizes or queries differ, or nothing is common to both.
    """
    for what, one, other in (
        ("frames", num_frames(points), num_frames(reference)),
        ("HxW", _size(points), _size(reference)),
    ):
        if one != other:
            raise PointVidError(f"points have {one} {what}, the reference has {other}; expected the same clip")
    if isinstance(points, PointMap) and isinstance(reference, PointMap):
        common = points.mask & reference.mask.to(points.mask.device)
        if not common.any():
            raise PointVidError("points and reference have no foreground pixel in common, expected the same clip")
        return tuple(one.restricted(common).replace(visible=None).to_tracks() for one in (points, reference))
    if isinstance(reference, PointMap):
        return _looked_up(points, reference)
    if isinstance(points, PointMap):
        target, found = _looked_up(reference, points)
        return found, target
    if points.uvd.shape != reference.uvd.shape or (points.queries - reference.queries).abs().max() > SAME_QUERY:
        raise PointVidError(
            f"points are {points.num_points} tracks, the reference {reference.num_points}, from other pixels of "
            "frame 0; expected the same queries, or a sample as the reference"
        )
    return points, reference


def _looked_up(tracks: PointTracks, dense: PointMap) -> tuple[PointTracks, PointTracks]:
    """The tracks that start in the mask, and what the point map says of their pixels."""
    height, width = dense.image_size
    column, row = tracks.queries.round().long().unbind(-1)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    inside &= dense.mask[row.clamp(0, height - 1), column.clamp(0, width - 1)]
    if not inside.any():
        raise PointVidError("no track starts in the foreground of the point map, expected the same clip")
    tracks, column, row = tracks.select(inside), column[inside], row[inside]
    beside = tracks.queries - torch.stack((column, row), -1)
    uvd = dense.points[:, row, column].clone()
    uvd[..., :2] += beside
    counted = torch.isfinite(uvd).all(-1) & (uvd[..., 2] > 0)
    return tracks, PointTracks(uvd, counted, dense.image_size, dense.camera, dense.depth_unit, dense.fps)


def _size(points: Points) -> str:
    height, width = points.image_size
    return f"{height}x{width}"
