"""ModelScopeT2V (arXiv 2308.06571) as a base: text to video, noise prediction. The paper names it first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor

from ..diffusion import Schedule
from .base import Conditions, check_clip
from .joint import JointConfig, JointUNet, expand_base, extract_base


class ModelScope:
    """See `base.BaseModel`. Takes no image: the points are of whatever first frame it makes up."""

    name: ClassVar[str] = "modelscope"
    schedule: ClassVar[Schedule] = Schedule(
        prediction_type="epsilon", beta_schedule="scaled_linear", zero_terminal_snr=False, set_alpha_to_one=False
    )
    fps: ClassVar[float] = 8.0
    resolution: ClassVar[tuple[int, int]] = (256, 256)
    frames: ClassVar[int] = 16
    lora_targets: ClassVar[tuple[str, ...]] = ("to_q", "to_k", "to_v", "to_out.0")
    text_layers_skipped: ClassVar[int] = 0

    def build(self, config: JointConfig, **options: Any) -> JointUNet:
        """The joint UNet."""
        return JointUNet(config, **options)

    def expand(self, base: Mapping[str, Tensor], config: JointConfig) -> dict[str, Tensor]:
        """See `joint.expand_base`."""
        return expand_base(base, config)

    def extract(self, joint: Mapping[str, Tensor], config: JointConfig) -> dict[str, Tensor]:
        """See `joint.extract_base`."""
        return extract_base(joint, config)

    def check_clip(self, frames: int, height: int, width: int) -> None:
        """Any number of frames; sides are multiples of 8, the VAE's factor."""
        check_clip(frames, height, width)

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
