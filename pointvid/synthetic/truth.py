"""Where each pixel of frame 0 goes, from the simulated poses, and when it can be seen."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..camera import Camera
from ..tracks import on_screen

_CENTRED = 1e-3
"""So near a pixel's centre a coordinate is at it: the rounding of the projection must decide nothing."""


class TruthView:
    """The fixed camera in world axes: `rotation` [3, 3] takes camera axes (x right, y down, z ahead) to the world's."""

    def __init__(self, camera: Camera, rotation: np.ndarray, position: np.ndarray) -> None:
        self.camera, self.rotation, self.position = camera, rotation, position

    def pixels(self, world: np.ndarray) -> np.ndarray:
        """World [..., 3] to (u, v, depth) [..., 3]."""
        return self.camera.project(torch.from_numpy((world - self.position) @ self.rotation)).numpy()

    def world(self, depth: np.ndarray) -> np.ndarray:
        """The surface seen by each pixel of a depth image [H, W], in world axes [H, W, 3]."""
        v, u = np.mgrid[: depth.shape[0], : depth.shape[1]]
        seen = self.camera.unproject(torch.from_numpy(np.stack((u, v, depth), -1)))
        return seen.numpy() @ self.rotation.T + self.position


def follow_rigid(points: np.ndarray, positions: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Points fixed to a body, [N, 3] in frame 0, through its poses [T, 3] and [T, 3, 3]: [T, N, 3]."""
    local = (points - positions[0]) @ rotations[0]
    return np.einsum("tij,nj->tni", rotations, local) + positions[:, None]


def follow_flex(points: np.ndarray, vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Points on a sheet of triangles, [N, 3] in frame 0, through its vertices [T, V, 3]: [T, N, 3].

    Each point keeps its barycentric coordinates in the triangle that it lies over, and its height above it: the sheet
    is drawn with a thickness, so what is seen lies a few millimetres off the triangles.
    """
    corners = vertices[0][triangles]
    k = min(8, len(triangles))
    _, near = cKDTree(corners.mean(1)).query(points, k=k)
    near = near.reshape(len(points), k)
    weights, height = _over(points[:, None], corners[near])
    # Of the triangles that the point lies over, the closest; of none, the one that it lies least beside.
    beside = np.maximum(-weights.min(-1), 0)
    best = np.argmin(np.where(beside < 1e-9, np.abs(height) * 1e-3, 1 + beside), axis=1)
    row = np.arange(len(points))
    chosen, weights, height = triangles[near[row, best]], weights[row, best], height[row, best]
    followed = np.empty((len(vertices), len(points), 3))
    for t, moved in enumerate(vertices):
        corner = moved[chosen]
        followed[t] = np.einsum("nk,nkc->nc", weights, corner) + height[:, None] * _normal(corner)
    return followed


def _over(points: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Barycentric coordinates [..., 3] of points' feet on triangles [..., 3, 3], and the signed heights [...]."""
    a, b, c = np.moveaxis(corners, -2, 0)
    ab, ac, ap = b - a, c - a, points - a
    dot = lambda x, y: (x * y).sum(-1)  # noqa: E731
    bb, bc, cc, pb, pc = dot(ab, ab), dot(ab, ac), dot(ac, ac), dot(ap, ab), dot(ap, ac)
    area = bb * cc - bc * bc
    v, w = (cc * pb - bc * pc) / area, (bb * pc - bc * pb) / area
    return np.stack((1 - v - w, v, w), -1), dot(ap, _normal(corners))


def _normal(corners: np.ndarray) -> np.ndarray:
    a, b, c = np.moveaxis(corners, -2, 0)
    normal = np.cross(b - a, c - a)
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def visibility(
    points: np.ndarray, ids: np.ndarray, depth: np.ndarray, segmentation: np.ndarray, focal: float
) -> np.ndarray:
    """Which points are seen: bool [T, H, W].

    A point is seen where one of the four pixels around it shows the same object, and the point is not behind the
    farthest of these by more than a millimetre plus the width of one pixel at its distance. The four pixels bracket
    the depth of the surface through the point; the allowance covers the silhouette, where only some of the four are
    on the object and a surface tilted by 45 degrees goes on for up to one pixel beyond them. For a point at a pixel's
    centre, as all that do not move are, the four are that one pixel.

    Args:
        points: [T, H, W, 3] (u, v, depth).  ids: int [H, W], the object at each pixel of frame 0.
        depth: [T, H, W] metres.  segmentation: int [T, H, W].  focal: of the camera, pixels.
    """
    frames, height, width = depth.shape
    seen = np.empty((frames, height, width), bool)
    for t in range(frames):
        u, v, d = np.moveaxis(points[t], -1, 0)
        in_view = (d > 0) & on_screen(u, v, (height, width))
        columns, rows = _neighbours(u, width), _neighbours(v, height)
        farthest = np.full((height, width), -np.inf)
        for row in rows:
            for column in columns:
                at = row, column
                np.maximum(farthest, np.where(segmentation[t][at] == ids, depth[t][at], -np.inf), out=farthest)
        seen[t] = in_view & (d <= farthest + 1e-3 + d / focal)
    return seen


def _neighbours(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixels before and after each coordinate, on screen; both the same one at its centre."""
    x = np.clip(np.nan_to_num(x), 0, count - 1)
    return np.floor(x + _CENTRED).astype(int), np.ceil(x - _CENTRED).astype(int)
