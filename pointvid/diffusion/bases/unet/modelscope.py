"""ModelScopeT2V (arXiv 2308.06571) as a base: text to video, noise prediction. The paper names it first."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from ...process import Schedule
from ..base import Conditions
from .family import UNetBase


class ModelScope(UNetBase):
    """See `base.BaseModel`. Takes no image: the points are of whatever first frame it makes up."""

    name: ClassVar[str] = "modelscope"
    schedule: ClassVar[Schedule] = Schedule(
        prediction_type="epsilon", beta_schedule="scaled_linear", zero_terminal_snr=False, set_alpha_to_one=False
    )
    fps: ClassVar[float] = 8.0
    resolution: ClassVar[tuple[int, int]] = (256, 256)
    frames: ClassVar[int] = 16
    text_layers_skipped: ClassVar[int] = 0

    def conditions(
        self,
        text: Tensor,
        frames: int,
        fps: float,
        image_latent: Tensor | None = None,
        image_embeds: Tensor | None = None,
    ) -> Conditions:
        """Text only; fps and image are ignored, so that callers need not know."""
        return Conditions(context=text)

    def unconditional(self, conditions: Conditions, empty_text: Tensor) -> Conditions:
        """Empty text."""
        return replace(conditions, context=empty_text.expand_as(conditions.context))
