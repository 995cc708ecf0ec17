"""The module that is trained: the joint denoiser and, for models made from scratch, its text and image encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pointvid.diffusion.bases.base import BaseModel
from pointvid.diffusion.encoders import Encoders, TextEncoder

from ..config import Conditioning
from ..data.batch import Batch


class Denoiser(nn.Module):
    """One forward call for everything with trained weights, so that DDP and FSDP see all of it.

    Args:
        unet: the joint denoiser.
        base: its adapter.
        encoders: where `train_encoders`, their modules become part of this one.
        empty_text: [M,D], the frozen encoder's output for "", or int64 [M], its tokens where it is trained.
    """

    def __init__(self, unet: nn.Module, base: BaseModel, encoders: Encoders, empty_text: Tensor, train_encoders: bool):
        super().__init__()
        self.unet, self.base, self._encoders = unet, base, [encoders]  # in a list: not registered as a module
        if train_encoders:
            self.text_encoder = encoders.text.model.requires_grad_(True)
            self.image_encoder = encoders.image.model.requires_grad_(True)
            _freeze_skipped(encoders.text)
        self.register_buffer("empty_text", empty_text, persistent=False)

    def forward(
        self, z: Tensor, t: Tensor, batch: Batch, drop_text: Tensor | None = None, drop_image: Tensor | None = None
    ) -> Tensor:
        """Predict at noisy latents z [B,8,T,h,w], timesteps t [B]; clips in the bool [B] masks lose that condition."""
        encoders = self._encoders[0]
        if batch.tokens is not None:
            tokens = (
                batch.tokens if drop_text is None else torch.where(drop_text[:, None], self.empty_text, batch.tokens)
            )
            text = encoders.text.tokens(tokens)
        else:
            text = (
                batch.text if drop_text is None else torch.where(drop_text[:, None, None], self.empty_text, batch.text)
            )
        image = encoders.image(batch.pixels) if batch.pixels is not None else batch.image
        if drop_image is not None:
            image = image * ~drop_image[:, None, None]
        # the adapter's `conditions` takes one fps a batch; clips here may each have their own
        conditions = self.base.conditions(text, z.shape[2], 1.0, batch.video[:, :, 0], image).inputs()
        if "fps" in conditions:
            conditions["fps"] = batch.fps
        return self.unet(z, t, **conditions)


def draw_drops(config: Conditioning, count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Which clips lose text, image, points: bool [B] each, independent."""
    chances = (config.drop_text, config.drop_image, config.drop_points)
    return tuple(torch.rand(count).lt(chance).to(device) for chance in chances)


def draw_noise(like: Tensor, offset: float) -> Tensor:
    """Unit noise plus `offset` times noise that is constant over each channel of each frame (VGen's offset noise)."""
    noise = torch.randn_like(like)
    if offset:
        noise = noise + offset * torch.randn(*like.shape[:3], 1, 1, device=like.device, dtype=like.dtype)
    return noise


def _freeze_skipped(text: TextEncoder) -> None:
    """Layers that are left out get no gradient, which DDP would wait for."""
    layers = getattr(text.model, "text_model", text.model).encoder.layers
    for layer in list(layers)[len(layers) - text.layers_skipped :]:
        layer.requires_grad_(False)
