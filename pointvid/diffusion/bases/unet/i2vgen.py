"""I2VGen-XL (arXiv 2311.04145) as a base: image and text to video, v-prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ....errors import PointVidError
from ...conditions import Conditions
from ...process import Diffusion, Process
from .family import UNetBase


class I2VGenXL(UNetBase):
    """See `base.BaseModel`."""

    name: ClassVar[str] = "i2vgen-xl"
    process: ClassVar[Process] = Diffusion()
    fps: ClassVar[float] = 8.0
    resolution: ClassVar[tuple[int, int]] = (256, 448)
    frames: ClassVar[int] = 16
    parts: ClassVar[tuple[str, ...]] = ("text_encoder", "image_encoder", "vae", "tokenizer")
    text_layers_skipped: ClassVar[int] = 1
    unet_class: ClassVar[str] = "I2VGenXLUNet"
    pipeline_class: ClassVar[str] = "I2VGenXLPipeline"

    def conditions(self, encoded: Mapping[str, Tensor], latent_frames: int, fps: Tensor) -> Conditions:
        """The image comes in twice: as a latent (structure) and as a CLIP embedding (meaning).

        Raises:
            PointVidError: the image is missing.
        """
        text = encoded["text"]
        if "image_latent" not in encoded or "image" not in encoded:
            raise PointVidError("I2VGen-XL got no image, expected the first frame's latent and CLIP embedding")
        return Conditions(
            context=text,
            image_latents=image_frames(encoded["image_latent"], latent_frames),
            image_embeds=encoded["image"].reshape(len(text), 1, -1),
            fps=fps,
        )

    def unconditional(self, conditions: Conditions, empty: Mapping[str, Tensor]) -> Conditions:
        """Empty text and a zeroed image embedding; the image's latent stays, as in the published pipeline."""
        without = super().unconditional(conditions, empty)
        return without.replace(image_embeds=torch.zeros_like(conditions["image_embeds"]))

    def without_image(self, conditions: Conditions, clips: Tensor) -> Conditions:
        """A zeroed embedding, as guidance compares with."""
        return conditions.replace(image_embeds=conditions["image_embeds"] * ~clips[:, None, None])


def image_frames(latent: Tensor, frames: int) -> Tensor:
    """The image's latent [B,C,h,w] -> [B,C,T,h,w]: itself in frame 0, then frames of the constant k / (T-1)."""
    time = torch.arange(frames, device=latent.device, dtype=latent.dtype) / max(frames - 1, 1)
    repeated = time.view(1, 1, -1, 1, 1).expand(*latent.shape[:2], -1, *latent.shape[2:]).clone()
    repeated[:, :, 0] = latent
    return repeated
