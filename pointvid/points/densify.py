"""Algorithm 1 (paper, Appendix A): from sparse tracks and a mask to P, a trajectory for every foreground pixel."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import PointVidError
from ..point_map import UNKNOWN, PointMap
from ..tracks import PointTracks
from .nearest import nearest_tracks

INTERPOLATIONS = ("displacement", "absolute")


def densify(
    tracks: PointTracks,
    objects: Tensor,
    interpolation: str = "displacement",
    k: int = 3,
) -> PointMap:
    """Give every foreground pixel of frame 0 the trajectory of its track, or one interpolated from the k nearest.

    Nearness is distance between (u, v) in frame 0, weights are inverse distances. Tracks that start outside the
    foreground, or hold a NaN or infinity, are not used; of several tracks that start at the same place the first is.
    Smoothing (line 4 of the algorithm) is `smoothing.smooth_tracks`, done before.

    No pixel is interpolated across two objects where objects are known, from `objects` or `tracks.object_id`. With
    ids on the tracks alone, a pixel belongs to the object of its nearest track. An object of `objects` on which no
    track starts has a motion nobody knows: its pixels leave the foreground. A pixel is visible while its track, or the
    nearest of its object, is.

    Args:
        tracks: queries need not lie on pixel centres; a pixel is copied from a track where a query meets its centre.
        objects: integer [H, W], the object of each pixel of frame 0, as in `PointMap`; or a mask, bool [H, W].
        interpolation: "displacement" interpolates how far tracks have moved since frame 0 and adds that to the pixel's
            own (u, v), so frame 0 is exact; "absolute" interpolates (u, v) themselves, the literal `Interp` of line 13,
            wrong by up to some pixels already in frame 0. Depth is interpolated as it is in both: a pixel between
            tracks has no depth of its own to displace.
        k: how many tracks to interpolate from; fewer where an object has fewer.
    Returns:
        PointMap on the device of the tracks; its foreground is that of `objects` less the objects without tracks.
    Raises:
        PointVidError: sizes differ, there is no foreground, no track starts in it, or a setting is unknown.
    """
    _check(tracks, objects, interpolation, k)
    mask = objects != 0
    object_map = None if objects.dtype == torch.bool or not (mask & (objects != UNKNOWN)).any() else objects
    height, width = tracks.image_size
    device = tracks.uvd.device
    pixels = np.flatnonzero(mask.cpu().numpy())
    centres = np.stack((pixels % width, pixels // width), -1).astype(np.float64)
    queries = tracks.queries.detach().cpu().double().numpy()
    whole = torch.isfinite(tracks.uvd).all(-1).all(0).cpu().numpy()
    used = _starting_inside(np.where(whole[:, None], queries, np.nan), mask.cpu().numpy())
    if len(used) == 0:
        raise PointVidError(
            f"none of the {tracks.num_points} tracks starts inside the mask ({len(pixels)} pixels); "
            "expected at least one, ask the tracker for queries on the foreground"
        )
    pixel_object, track_object = _objects(tracks, object_map, pixels, centres, queries, used)

    owner = _owners(queries, used, width, height)[pixels]
    tracked = owner >= 0
    tracked[tracked] = track_object[owner[tracked]] == pixel_object[tracked]
    untracked = np.flatnonzero(~tracked)
    nearest, weights = _nearest(centres, pixel_object, queries, track_object, used, untracked, k)
    known = weights[:, 0] > 0
    untracked, nearest, weights = untracked[known], nearest[known], weights[known]

    def on_device(array: NDArray) -> Tensor:
        return torch.from_numpy(array).to(device)

    frames = tracks.num_frames
    points = torch.zeros(frames, height * width, 3, device=device)
    visible = torch.zeros(frames, height * width, dtype=torch.bool, device=device)
    at, at_tracked, owner = on_device(pixels[untracked]), on_device(pixels[tracked]), on_device(owner[tracked])
    nearest, weights = on_device(nearest), on_device(weights)
    start, own = torch.zeros(tracks.num_points, 3, device=device), torch.zeros(len(untracked), 3, device=device)
    if interpolation == "displacement":
        start[:, :2], own[:, :2] = tracks.queries, on_device(centres[untracked])
    for t in range(frames):
        moved = torch.nn.functional.embedding_bag(
            nearest, tracks.uvd[t] - start, per_sample_weights=weights, mode="sum"
        )
        points[t].index_copy_(0, at, moved.add_(own))
        points[t].index_copy_(0, at_tracked, tracks.uvd[t].index_select(0, owner))
        visible[t].index_copy_(0, at, tracks.visible[t].index_select(0, nearest[:, 0]))
        visible[t].index_copy_(0, at_tracked, tracks.visible[t].index_select(0, owner))

    tracked[untracked] = True  # now: has a trajectory
    ids = np.zeros(height * width, np.int32)
    ids[pixels[tracked]] = np.where(pixel_object == 0, UNKNOWN, pixel_object)[tracked]
    return PointMap(
        points.view(frames, height, width, 3),
        on_device(ids).view(height, width),
        tracks.camera,
        tracks.depth_unit,
        tracks.fps,
        visible.view(frames, height, width),
    )


def _check(tracks: PointTracks, objects: Tensor, interpolation: str, k: int) -> None:
    height, width = tracks.image_size
    if interpolation not in INTERPOLATIONS:
        raise PointVidError(f"interpolation is {interpolation!r}, expected one of {INTERPOLATIONS}")
    if k < 1:
        raise PointVidError(f"k is {k}, expected at least 1 neighbour to interpolate from")
    if tuple(objects.shape) != (height, width):
        found = "x".join(map(str, objects.shape))
        raise PointVidError(f"foreground is {found}, clip is {height}x{width}; expected the size of the clip (HxW)")
    if objects.is_floating_point() or objects.is_complex():
        raise PointVidError(f"foreground is {objects.dtype}, expected a mask, torch.bool, or whole numbers of objects")
    if not (objects != 0).any():
        raise PointVidError("mask is all zero; expected some foreground pixels")


def _starting_inside(queries: NDArray, mask: NDArray) -> NDArray:
    """Indices of the tracks whose query falls on a pixel of the mask, one for each place, in rising order."""
    finite = np.isfinite(queries).all(1)
    cell = np.floor(np.where(finite[:, None], queries, -1) + 0.5)
    inside = ((cell >= 0) & (cell < mask.shape[::-1])).all(1) & finite
    index = np.flatnonzero(inside)
    column, row = cell[index].astype(np.int64).T
    index = index[mask[row, column]]
    _, first = np.unique(queries[index], axis=0, return_index=True)
    return index[np.sort(first)]


def _objects(
    tracks: PointTracks,
    object_map: Tensor | None,
    pixels: NDArray,
    centres: NDArray,
    queries: NDArray,
    used: NDArray,
) -> tuple[NDArray, NDArray]:
    """The object of each foreground pixel [F] and of each track [N] (meaningful for the used ones)."""
    if tracks.object_id is None and object_map is None:
        return np.zeros(len(pixels), np.int64), np.zeros(len(queries), np.int64)
    track_object = np.zeros(len(queries), np.int64)
    if tracks.object_id is not None:
        track_object = tracks.object_id.cpu().numpy().astype(np.int64)
    elif object_map is not None:
        column, row = np.floor(queries[used] + 0.5).astype(np.int64).T
        track_object[used] = object_map.cpu().numpy()[row, column]
    if object_map is not None:
        pixel_object = object_map.cpu().numpy().reshape(-1)[pixels].astype(np.int64)
    elif (track_object[used] == track_object[used[0]]).all():
        pixel_object = np.full(len(pixels), track_object[used[0]])
    else:
        index, _ = nearest_tracks(queries[used], centres, 1)
        pixel_object = track_object[used[index[:, 0]]]
    return pixel_object, track_object


def _owners(queries: NDArray, used: NDArray, width: int, height: int) -> NDArray:
    """For each pixel [H * W] the track whose query is exactly its centre, or -1."""
    owner = np.full(height * width, -1, np.int64)
    on_centre = used[(queries[used] == np.floor(queries[used])).all(1)]
    column, row = queries[on_centre].astype(np.int64).T
    owner[row * width + column] = on_centre
    return owner


def _nearest(
    centres: NDArray,
    pixel_object: NDArray,
    queries: NDArray,
    track_object: NDArray,
    used: NDArray,
    untracked: NDArray,
    k: int,
) -> tuple[NDArray, NDArray]:
    """Tracks int64 [U, k] of its own object nearest to each untracked pixel, and weights float32 [U, k] that sum to 1.

    Where an object has fewer than k tracks the rest weighs 0; where it has none, all does.
    """
    nearest = np.full((len(untracked), k), used[0])
    weights = np.zeros((len(untracked), k), np.float32)
    labels = pixel_object[untracked]
    for label in np.unique(labels):
        candidates = used[track_object[used] == label]
        count = min(k, len(candidates))
        if count == 0:
            continue
        rows = np.flatnonzero(labels == label)
        index, distance = nearest_tracks(queries[candidates], centres[untracked[rows]], count)
        inverse = 1 / distance
        inverse /= inverse.sum(1, keepdims=True)
        nearest[rows, :count] = candidates[index]
        weights[rows, :count] = inverse
    return nearest, weights
