"""Shape constancy: how much each object changes its shape, its size and its surface over a clip.

Where rigidity looks at neighbours, this looks at the whole object: a slow morph that bends no neighbourhood much, or an
object that shrinks by a tenth, shows here at its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import Delaunay, QhullError
from torch import Tensor

from ..points.spread import spread_pixels
from .measurement import Measurement, mean
from .trajectories import Measurable, Trajectories, share, trajectories

LIMIT = 256
LONGEST = 4.0
"""Triangles with a side longer than so many times the median side bridge a gap between parts; they do not count."""


@dataclass(frozen=True)
class ObjectShape:
    """What became of one object since frame 0.

    Attributes:
        object_id: its number; 0 is the background.
        points: how many of its points were looked at.
        shape: "shape_change", %: the root mean square change of all pairwise 3D distances d between the object's
            points, relative to their root mean square in frame 0: sqrt(sum (d_t - d_0)^2 / sum d_0^2). Scaling
            the object by s scores |s - 1|, a rigid motion 0.
        size: "size_change", %, signed in its course: sqrt(sum d_t^2 / sum d_0^2) - 1, the change of the radius of
            gyration. Scaling by s gives s - 1; bending alone changes it little.
        area: "area_change", %, signed in its course: the change of the area of the surface spanned by the points,
            triangulated in the image of frame 0. Scaling by s gives s^2 - 1.
    """

    object_id: int
    points: int
    shape: Measurement
    size: Measurement
    area: Measurement


def shape_constancy(points: Measurable, limit: int = LIMIT, background: bool = False) -> tuple[ObjectShape, ...]:
    """Measure every object with at least 3 points.

    Args:
        points: tracks or a point map.
        limit: look at this many points an object, evenly spread over it; the pairs grow with its square.
        background: object 0 too. It is left out otherwise, unless there is nothing else.
    Returns:
        In the order of the ids. The values are root mean squares over frames 1...
    """
    found = trajectories(points)
    ids = [int(number) for number in found.object_id.unique()]
    if not background and len(ids) > 1:
        ids = [number for number in ids if number != 0]
    shapes = []
    for number in ids:
        own = found.select((found.object_id == number) & found.counted[0])
        if own.uv.shape[1] >= 3:
            shapes.append(_object_shape(number, own.select(spread_pixels(own.uv[0], limit))))
    return tuple(shapes)


def shape_change(points: Measurable, limit: int = LIMIT, background: bool = False) -> Measurement:
    """The mean of `shape_constancy`'s "shape_change" over the objects, %: every object counts alike."""
    found = trajectories(points)
    return mean_shape_change(shape_constancy(found, limit, background), len(found.uv))


def mean_shape_change(shapes: Sequence[ObjectShape], frames: int) -> Measurement:
    """`shape_change` of objects that are measured already; `frames` is T."""
    parts = [one.shape for one in shapes]
    courses = [part.per_frame for part in parts] or [(float("nan"),) * frames]
    return Measurement(
        "shape_change",
        "%",
        mean([part.value for part in parts]),
        tuple(mean(frame) for frame in zip(*courses)),
        coverage=mean([part.coverage for part in parts]),
    )


def _object_shape(number: int, own: Trajectories) -> ObjectShape:
    count = own.uv.shape[1]
    i, j = torch.triu_indices(count, count, 1)
    shape, size, judged = [], [], []
    rest = (own.xyz[0, i] - own.xyz[0, j]).norm(dim=-1)
    triangles = _triangles(own)
    rest_area = _areas(own.xyz[0], triangles)
    area = []
    for xyz, counted in zip(own.xyz, own.counted):
        both = counted[i] & counted[j]
        distance, before = (xyz[i[both]] - xyz[j[both]]).norm(dim=-1), rest[both]
        whole = before.square().sum()
        shape.append(100 * ((distance - before).square().sum() / whole).sqrt().item())  # 0 / 0 is NaN
        size.append(100 * ((distance.square().sum() / whole).sqrt().item() - 1))
        judged.append(share(both))
        seen = counted[triangles].all(-1)
        area.append(100 * ((_areas(xyz, triangles[seen]).sum() / rest_area[seen].sum()).item() - 1))
    coverage = mean(judged[1:])
    return ObjectShape(
        number,
        count,
        Measurement("shape_change", "%", _root_mean_square(shape[1:]), tuple(shape), coverage=coverage),
        Measurement("size_change", "%", _root_mean_square(size[1:]), tuple(size), coverage=coverage),
        Measurement("area_change", "%", _root_mean_square(area[1:]), tuple(area), coverage=coverage),
    )


def _triangles(own: Trajectories) -> Tensor:
    """int64 [M, 3]: Delaunay in the image of frame 0, without those that bridge gaps or steps in depth."""
    try:
        triangles = torch.from_numpy(Delaunay(own.uv[0].numpy()).simplices.astype(np.int64))
    except QhullError:  # all points on one line
        return torch.zeros(0, 3, dtype=torch.int64)
    corners = own.xyz[0, triangles]
    longest = (corners - corners.roll(1, dims=1)).norm(dim=-1).amax(1)
    return triangles[longest <= LONGEST * longest.median()]


def _areas(xyz: Tensor, triangles: Tensor) -> Tensor:
    a, b, c = xyz[triangles].unbind(1)
    return torch.linalg.cross(b - a, c - a).norm(dim=-1) / 2


def _root_mean_square(values: list[float]) -> float:
    return mean([value * value for value in values]) ** 0.5
