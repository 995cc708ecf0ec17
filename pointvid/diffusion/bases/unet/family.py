"""What every base with the video UNet shares: how it is built, widened and cut back, its latents and its parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ....progress import Progress, silent
from ...checkpoint import Checkpoint
from ...conditions import Conditions
from ...encoders import Encoders
from ...latents import LatentSpace
from ..base import BaseModel, PublishedFolder, Weights
from .attention import cpu_attention
from .encoders import load_clip_encoders
from .folder import is_folder_of, read_unet_folder, write_unet_folder
from .joint import JointConfig, JointUNet, expand_base, extract_base

_STRIDE = 8  # of Stable Diffusion's autoencoder


class UNetBase(BaseModel):
    """The part of `base.BaseModel` that does not depend on which UNet base it is."""

    family: ClassVar[str] = "unet"
    config_type: ClassVar[type[JointConfig]] = JointConfig
    lora_targets: ClassVar[tuple[str, ...]] = ("to_q", "to_k", "to_v", "to_out.0")
    text_layers_skipped: ClassVar[int]
    """How many of the text encoder's last layers are not used."""
    unet_class: ClassVar[str]
    pipeline_class: ClassVar[str]
    """diffusers' names."""

    def build(self, config: JointConfig, **options: Any) -> JointUNet:
        """The joint UNet."""
        return JointUNet(config, **options)

    def training_options(self, device: torch.device) -> dict[str, Any]:
        """Attention written out on the CPU, where that is faster."""
        return {"attention": cpu_attention} if device.type == "cpu" else {}

    def expand(self, base: Weights, config: JointConfig) -> dict[str, Tensor]:
        """See `joint.expand_base`."""
        return expand_base(base, config)

    def extract(self, joint: Weights, config: JointConfig) -> dict[str, Tensor]:
        """See `joint.extract_base`."""
        return extract_base(joint, config)

    def new_names(self, config: JointConfig) -> tuple[str, ...]:
        """The first and the last convolution, and the entry attention."""
        return ("conv_in", "conv_out", "entry")

    def has_points(self, joint: Weights, config: JointConfig) -> bool:
        """Whether the rows of the last convolution that make points are not zero."""
        return bool(joint["conv_out.weight"][config.unet.latent_channels :].any())

    def recognises(self, names: Collection[str]) -> bool:
        """By the first convolution, as diffusers or as Stable Diffusion's own code calls it."""
        return any(name.endswith("conv_in.weight") or "input_blocks.0.0.weight" in name for name in names)

    def latent_space(self, config: JointConfig, configs: Mapping[str, Mapping[str, Any]]) -> LatentSpace:
        """Frame by frame; every level of the autoencoder but the last halves the sides."""
        levels = configs.get("vae", {}).get("block_out_channels")
        stride = 2 ** (len(levels) - 1) if levels else _STRIDE
        return LatentSpace(config.unet.latent_channels, (1, stride, stride))

    def load_encoders(
        self, checkpoint: Checkpoint, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
    ) -> Encoders:
        """CLIP and AutoencoderKL."""
        return load_clip_encoders(checkpoint, self.text_layers_skipped, device, dtype)

    def unconditional(self, conditions: Conditions, empty: Mapping[str, Tensor]) -> Conditions:
        """Empty text."""
        return conditions.replace(context=empty["text"].expand_as(conditions["context"]))

    def reads(self, folder: Path) -> bool:
        """By the class in unet/config.json."""
        return is_folder_of(folder, self.unet_class)

    def read_folder(
        self,
        folder: Path,
        *,
        entry_attention: str = "spatial",
        dtype: torch.dtype | None = None,
        all_in_one: bool = True,
        progress: Progress = silent,
    ) -> PublishedFolder:
        """unet/, scheduler/ and, for all-in-one files, the encoders."""
        parts = [name for name in self.parts if name != "tokenizer"] if all_in_one else []
        return read_unet_folder(folder, parts, entry_attention, dtype, progress)

    def write_folder(self, checkpoint: Checkpoint, folder: Path) -> None:
        """As diffusers' pipeline reads it."""
        write_unet_folder(
            checkpoint, self.extract(checkpoint.weights, checkpoint.info.config), self.pipeline_class, folder
        )

    def describe(self, config: JointConfig) -> list[tuple[str, object]]:
        """How the halves meet."""
        return [("entry attention", config.entry_attention)]
