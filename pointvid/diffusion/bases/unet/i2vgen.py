"""I2VGen-XL (arXiv 2311.04145) as a base: image and text to video, v-prediction."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from ....errors import PointVidError
from ...process import Schedule
from ..base import Conditions, image_frames
from .family import UNetBase


class I2VGenXL(UNetBase):
    """See `base.BaseModel`."""

    name: ClassVar[str] = "i2vgen-xl"
    schedule: ClassVar[Schedule] = Schedule()
    fps: ClassVar[float] = 8.0
    resolution: ClassVar[tuple[int, int]] = (256, 448)
    frames: ClassVar[int] = 16
    text_layers_skipped: ClassVar[int] = 1

    def conditions(
        self, text: Tensor, frames: int, fps: float, image_latent: Tensor | None, image_embeds: Tensor | None
    ) -> Conditions:
        """The image comes in twice: as a latent (structure) and as a CLIP embedding (meaning).

        Raises:
            PointVidError: the image is missing.
        """
        if image_latent is None or image_embeds is None:
            raise PointVidError("I2VGen-XL got no image, expected the first frame's latent and CLIP embedding")
        batch = text.shape[0]
        return Conditions(
            context=text,
            image_latents=image_frames(image_latent, frames),
            image_embeds=image_embeds.reshape(batch, 1, -1),
            fps=torch.full((batch,), float(fps), device=text.device),
        )

    def unconditional(self, conditions: Conditions, empty_text: Tensor) -> Conditions:
        """Empty text and a zeroed image embedding; the image's latent stays, as in the published pipeline."""
        return replace(
            conditions,
            context=empty_text.expand_as(conditions.context),
            image_embeds=torch.zeros_like(conditions.image_embeds),
        )
