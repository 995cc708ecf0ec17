"""The module that is trained: the joint denoiser and, for models made from scratch, its text and image encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pointvid.diffusion.bases.base import BaseModel
from pointvid.diffusion.conditions import Conditions, Known
from pointvid.diffusion.encoders import Encoders
from pointvid.diffusion.latents import split
from pointvid.diffusion.process import Process

from ..config import Conditioning
from ..data.batch import Batch


class Denoiser(nn.Module):
    """One forward call for everything with trained weights, so that DDP and FSDP see all of it.

    Args:
        unet: the joint denoiser, of any base; states of earlier runs know it by this name.
        base: its adapter; process: its noise law.
        encoders: where `train_encoders`, their networks become part of this one.
    """

    def __init__(self, unet: nn.Module, base: BaseModel, process: Process, encoders: Encoders, train_encoders: bool):
        super().__init__()
        self.unet, self.base, self.process = unet, base, process
        self._encoders, self._trained = [encoders], train_encoders  # in a list: not registered as a module
        if train_encoders:
            for name, network in encoders.trainable().items():
                setattr(self, name, network)
        with torch.no_grad():
            empty = encoders.prepare([""])
            empty = empty if train_encoders else encoders.encode(empty)
        self._empty = list(empty)
        for name, value in empty.items():
            self.register_buffer(f"empty_{name}", value, persistent=False)

    def forward(
        self, z: Tensor, t: Tensor, batch: Batch, drop_text: Tensor | None = None, drop_image: Tensor | None = None
    ) -> Tensor:
        """Predict at noisy latents z [B,2C,T',h,w], levels t [B]; clips in the bool [B] masks lose that condition."""
        inputs = batch.inputs
        if drop_text is not None:
            inputs = inputs | {name: _where(drop_text, self.empty(name), inputs[name]) for name in self._empty}
        conditions = self.conditions(batch, inputs)
        if drop_image is not None:
            conditions = self.base.without_image(conditions, drop_image)
        if known := self.base.known(conditions):
            z = known.put(z)
        return self.unet(z, self.process.network_time(t), **conditions)

    def encoded(self, batch: Batch, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the encoders say of a batch, and the first frame's latent."""
        encoded = self._encoders[0].encode(inputs) if self._trained else inputs
        return {"image_latent": batch.video[:, :, 0], **encoded}

    def conditions(self, batch: Batch, inputs: dict[str, Tensor]) -> Conditions:
        """What the network is told of a batch."""
        return self.base.conditions(self.encoded(batch, inputs), batch.video.shape[2], batch.fps)

    def empty(self, name: str) -> Tensor:
        """What the inputs of a prompt "" are called so, [1,...]."""
        return getattr(self, f"empty_{name}")

    def encoded_empty(self) -> dict[str, Tensor]:
        """What the encoders say of a prompt "" alone."""
        empty = {name: self.empty(name) for name in self._empty}
        return self._encoders[0].encode(empty) if self._trained else empty


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


def mean_errors(error: Tensor, known: Known | None) -> tuple[Tensor, Tensor]:
    """Means [B] of each half of `error` [B,2C,T',h,w], over what is not known."""
    if known is None:
        video, points = (half.mean((1, 2, 3, 4)) for half in split(error))
        return video, points
    unknown = (~known.mask).expand_as(error).float()
    pairs = zip(split(error * unknown), split(unknown))
    video, points = (half.sum((1, 2, 3, 4)) / counted.sum((1, 2, 3, 4)).clamp(min=1) for half, counted in pairs)
    return video, points


def _where(chosen: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Rows of `one` where bool [B] is true."""
    return torch.where(chosen.view(-1, *[1] * (other.ndim - 1)), one, other)
