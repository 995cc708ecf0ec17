"""What every base with the video UNet shares: how it is built, widened and cut back, and which clips it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ..base import check_clip
from .joint import JointConfig, JointUNet, expand_base, extract_base


class UNetBase:
    """The part of `base.BaseModel` that does not depend on which UNet base it is."""

    lora_targets: ClassVar[tuple[str, ...]] = ("to_q", "to_k", "to_v", "to_out.0")

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
