"""What a denoiser is told beside the noisy latent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


class Conditions(Mapping[str, Tensor]):
    """Named tensors [B,...]: keyword arguments of a base's network beside latent and time. Never changed in place."""

    def __init__(self, tensors: Mapping[str, Tensor] | None = None, **more: Tensor):
        self._tensors = {**(tensors or {}), **more}

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def replace(self, **changes: Tensor) -> Conditions:
        """The same with some changed."""
        return Conditions(self._tensors, **changes)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Conditions:
        """The same on another device; floating ones in another dtype."""
        return Conditions({k: v.to(device, dtype if v.is_floating_point() else None) for k, v in self._tensors.items()})

    def clips(self, chosen: slice) -> Conditions:
        """Those of some clips of the batch."""
        return Conditions({name: value[chosen] for name, value in self._tensors.items()})

    @staticmethod
    def cat(parts: Sequence[Conditions]) -> Conditions:
        """Several as one batch; all must have the same conditions."""
        return Conditions({name: torch.cat([part[name] for part in parts]) for name in parts[0]})


@dataclass(frozen=True, eq=False)
class Known:
    """What of the joint latent is given, not generated: a first frame, a half.

    Attributes:
        mask: bool, broadcastable to [B,2C,T',h,w]: true where it is given. Of one frame it means all frames.
        values: clean latents, broadcastable alike; what they say elsewhere does not matter.
    """

    mask: Tensor
    values: Tensor

    def put(self, x: Tensor) -> Tensor:
        """`x` [B,2C,T',h,w] with what is known in its place."""
        return torch.where(self.mask.to(x.device), self.values.to(x), x)
