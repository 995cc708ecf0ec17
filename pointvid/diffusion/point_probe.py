"""A linear look at a point latent: cheap enough to differentiate through at every sampling step.

An autoencoder's latent is close to linear in smooth images, and point frames are smooth. So instead of the decoder,
which a host may keep off the GPU, quantised, or in a mode without gradients, guidance reads points by one C -> 3 matrix
that is fitted to what the encoder does with random smooth frames. Frames that share a latent frame share their points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PointProbe:
    """Point latent -> point frames at the latent's resolution, in space and time.

    Attributes:
        weight: float32 [3, C]; bias: float32 [3].
        error: root mean square error on held-out smooth frames, in the range [-1, 1] of point frames.
    """

    weight: Tensor
    bias: Tensor
    error: float

    def __call__(self, latent: Tensor) -> Tensor:
        """[B,C,T',h,w] -> [B,3,T',h,w] in about [-1, 1], differentiable."""
        weight, bias = self.weight.to(latent), self.bias.to(latent)
        return torch.einsum("kc,bcthw->bkthw", weight, latent) + bias[:, None, None, None]


def fit_point_probe(
    encode: Callable[[Tensor], Tensor], clips: int = 24, size: int = 128, frames: int = 1, seed: int = 0
) -> PointProbe:
    """Least squares from latents to the local mean of the still clips they encode.

    Args:
        encode: float32 [B,3,frames,size,size] in [-1, 1] -> latents [B,C,T',h,w].
        clips: how many random clips to fit to; a quarter more are held out for `error`.
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(clips + max(clips // 4, 1), 3, 5, 5, generator=generator) * 2 - 1
    images = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True).clamp(-1, 1)
    latents = encode(images[:, :, None].expand(-1, -1, frames, -1, -1)).float().cpu()
    values = F.adaptive_avg_pool2d(images, latents.shape[-2:])[:, :, None].expand(-1, -1, latents.shape[2], -1, -1)

    def rows(tensor: Tensor) -> Tensor:
        return tensor.movedim(1, -1).flatten(0, -2).double()

    inputs = F.pad(rows(latents), (0, 1), value=1.0)
    targets = rows(values)
    fitted = len(inputs) // len(images) * clips
    solution = torch.linalg.lstsq(inputs[:fitted], targets[:fitted]).solution
    error = (inputs[fitted:] @ solution - targets[fitted:]).square().mean().sqrt()
    return PointProbe(solution[:-1].T.float().contiguous(), solution[-1].float(), float(error))
