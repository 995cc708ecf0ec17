"""Depth: what is known of the third dimension of a clip, in one value from whoever knows it to the tracks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from .camera import Camera
from .errors import PointVidError

DepthUnit = Literal["metric", "relative"]
DEPTH_UNITS = get_args(DepthUnit)


class DepthMaps(Protocol):
    """Depth that need not sit in memory: a float32 tensor [T, H, W] is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W)."""
        ...

    def __getitem__(self, t: int, /) -> Tensor:
        """The depth of frame `t`, float32 [H, W]; asked for once each, in rising t."""
        ...


@dataclass(frozen=True, eq=False)
class Depth:
    """The depth of a clip: a depth model's, a file's, another program's.

    Attributes:
        maps: [T, H, W] along the camera's axis, above 0; None where nothing is known but the camera: tracks then lie
            flat, at depth 1.
        unit: "metric" (metres) or "relative" (the scale is unknown, as it is without maps).
        camera: intrinsics in pixels of the clip; None where unknown.
        cameras: float [T, 4, 4], where known: world to camera, frame 0 is the identity.
    """

    maps: DepthMaps | None = None
    unit: DepthUnit = "relative"
    camera: Camera | None = None
    cameras: Tensor | None = None

    def __post_init__(self) -> None:
        if self.unit not in DEPTH_UNITS:
            raise PointVidError(f"depth: unit is {self.unit!r}, expected one of {DEPTH_UNITS}")
        if self.maps is None:
            if self.unit != "relative":
                raise PointVidError("depth: unit is 'metric' without maps, expected maps of metres or 'relative'")
        elif len(self.maps.shape) != 3:
            raise PointVidError(f"depth is {list(self.maps.shape)}, expected float32 [T, H, W]")
        if self.cameras is not None:
            found, frames = tuple(self.cameras.shape), None if self.maps is None else self.maps.shape[0]
            if found[1:] != (4, 4) or frames not in (None, found[0]) or not torch.isfinite(self.cameras).all():
                raise PointVidError(f"depth: cameras is {list(found)}, expected finite poses [{frames or 'T'}, 4, 4]")

    def replace(self, **changes: object) -> Depth:
        """A copy with some fields changed; the result is checked as a new one is."""
        return replace(self, **changes)
