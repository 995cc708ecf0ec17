"""What stands between prompts, pictures, clips and what a denoiser sees. Each base has its own, behind this protocol.

Inside ComfyUI its own loaders serve the same parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from ..errors import PointVidError
from .bases import base_model
from .latents import Codec

if TYPE_CHECKING:
    from .checkpoint import Checkpoint


class Encoders(Protocol):
    """The networks beside the denoiser."""

    video: Codec
    points: Codec
    """Of the two halves; often one and the same."""

    def networks(self) -> dict[str, nn.Module]:
        """Those that read prompts and pictures, by the name of their part in a checkpoint."""
        ...

    def prepare(self, prompts: Sequence[str], images: Tensor | None = None) -> dict[str, Tensor]:
        """Prompts, and first frames uint8 [B,H,W,3], as tensors [B,...] that `encode` takes; no network is run.

        Without images, what it gives is the text's alone.
        """
        ...

    def encode(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What `prepare` gave, run through the networks: tensors [B,...] for the base's `conditions`."""
        ...

    def trainable(self) -> dict[str, nn.Module]:
        """`networks`, with gradient in every layer that is used and in no other."""
        ...

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """State dicts of `networks` as a checkpoint holds them."""
        ...


def load_encoders(
    checkpoint: Checkpoint, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> Encoders:
    """Build the encoders that an all-in-one checkpoint holds, in eval mode. Codecs are float32 throughout.

    Raises:
        PointVidError: the file lacks one, its weights do not fit its config, or a library is missing.
    """
    adapter = base_model(checkpoint.info.base)
    missing = sorted(set(adapter.parts) - set(checkpoint.parts))
    if missing:
        raise PointVidError(
            f"checkpoint holds no {', '.join(missing)}; expected an all-in-one file: convert without --denoiser-only"
        )
    return adapter.load_encoders(checkpoint, device, dtype)
