"""ModelScopeT2V (arXiv 2308.06571) as a base: text to video, noise prediction. The paper names it first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from ...conditions import Conditions
from ...process import Diffusion, Process
from .family import UNetBase


class ModelScope(UNetBase):
    """See `base.BaseModel`. Takes no image: the points are of whatever first frame it makes up."""

    name: ClassVar[str] = "modelscope"
    process: ClassVar[Process] = Diffusion(
        prediction_type="epsilon", beta_schedule="scaled_linear", zero_terminal_snr=False, set_alpha_to_one=False
    )
    fps: ClassVar[float] = 8.0
    resolution: ClassVar[tuple[int, int]] = (256, 256)
    frames: ClassVar[int] = 16
    takes_image: ClassVar[bool] = False
    parts: ClassVar[tuple[str, ...]] = ("text_encoder", "vae", "tokenizer")
    text_layers_skipped: ClassVar[int] = 0
    unet_class: ClassVar[str] = "UNet3DConditionModel"
    pipeline_class: ClassVar[str] = "TextToVideoSDPipeline"

    def conditions(self, encoded: Mapping[str, Tensor], latent_frames: int, fps: Tensor) -> Conditions:
        """Text only; fps and image are ignored, so that callers need not know."""
        return Conditions(context=encoded["text"])
