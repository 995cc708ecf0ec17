"""What a step of either stage learns from."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass
class Batch:
    """B clips of one size.

    Attributes:
        video, points: clean scaled latents [B,4,T,h,w] of the two halves.
        fps: float32 [B].
        tokens: int64 [B,M], the caption; `text` [B,M,D] instead where the text encoder is frozen and was run once.
        pixels: uint8 [B,H,W,3], frame 0 for the image encoder; `image` [B,1,D] instead where it is frozen.
        uvd: float32 [B,T,H,W,3] true (u, v, depth); mask: bool [B,H,W]; intrinsics: float32 [B,4];
            objects: int32 [B,H,W], as in PointMap. Stage 2 only.
    """

    video: Tensor
    points: Tensor
    fps: Tensor
    tokens: Tensor | None = None
    text: Tensor | None = None
    pixels: Tensor | None = None
    image: Tensor | None = None
    uvd: Tensor | None = None
    mask: Tensor | None = None
    intrinsics: Tensor | None = None
    objects: Tensor | None = None

    def to(self, device: torch.device | str) -> Batch:
        """On another device."""
        return Batch(**{name: value.to(device, non_blocking=True) for name, value in self._present().items()})

    @staticmethod
    def stack(items: list[dict[str, Tensor]]) -> Batch:
        """From one dict a clip."""
        return Batch(**{name: torch.stack([item[name] for item in items]) for name in items[0]})

    def _present(self) -> dict[str, Tensor]:
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
