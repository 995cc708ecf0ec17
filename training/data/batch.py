"""What a step of either stage learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from pointvid.errors import PointVidError


@dataclass
class Batch:
    """B clips of one size.

    Attributes:
        video, points: clean latents [B,C,T',h,w] of the two halves.
        fps: float32 [B].
        inputs: tensors [B,...] of prompts and first frames: what the base's `Encoders.encode` gives where they are
            frozen and were run once, what their `prepare` gives where they are trained.
        uvd: float32 [B,T,H,W,3] true (u, v, depth); mask: bool [B,H,W]; intrinsics: float32 [B,4];
            objects: int32 [B,H,W], as in PointMap. Stage 2 only.
    """

    video: Tensor
    points: Tensor
    fps: Tensor
    inputs: dict[str, Tensor] = field(default_factory=dict)
    uvd: Tensor | None = None
    mask: Tensor | None = None
    intrinsics: Tensor | None = None
    objects: Tensor | None = None

    def to(self, device: torch.device | str) -> Batch:
        """On another device."""
        return self._each(lambda value: value.to(device, non_blocking=True))

    def truth(self) -> tuple[Tensor, Tensor, Tensor]:
        """uvd, mask and intrinsics, of a dataset that was asked for them.

        Raises:
            PointVidError: it was not.
        """
        if self.uvd is None or self.mask is None or self.intrinsics is None:
            raise PointVidError("the batch holds latents alone, expected true points too")
        return self.uvd, self.mask, self.intrinsics

    @staticmethod
    def stack(items: list[dict[str, Tensor]]) -> Batch:
        """From one dict a clip: the fields, and whatever else as inputs."""
        stacked = {name: torch.stack([item[name] for item in items]) for name in items[0]}
        own = {f.name for f in fields(Batch)}
        inputs = {name: value for name, value in stacked.items() if name not in own}
        return Batch(**{name: value for name, value in stacked.items() if name in own}, inputs=inputs)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        changed = {name: change(value) for name, value in self.inputs.items()}
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "inputs"}
        return Batch(**{k: change(v) for k, v in rest.items() if v is not None}, inputs=changed)
