"""An exponential moving average of the trained weights, kept in float32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """average <- decay average + (1 - decay) weight, once an optimizer step.

    It follows whatever tensors the parameters are on this rank (whole ones, or FSDP's shards), so it needs no
    communication.

    Args:
        parameters: the trained ones.
        decay: what is kept each step; the first steps keep less, (1 + n) / (10 + n), so that a short run's average is
            not its initialisation.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float):
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self.decay = decay
        self.averages = [parameter.detach().float().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After optimizer step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        weights = [parameter.detach().float() for parameter in self.parameters]
        torch._foreach_lerp_(self.averages, weights, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model runs with the averages inside the block, and has its own weights back after it."""
        own = [parameter.detach().clone() for parameter in self.parameters]
        self._set(self.averages)
        try:
            yield
        finally:
            self._set(own)

    @torch.no_grad()
    def restart(self) -> None:
        """Take the parameters' present values as the averages (after an average has been loaded into the model)."""
        for average, parameter in zip(self.averages, self.parameters):
            average.copy_(parameter.detach())

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values):
            parameter.copy_(value)
