"""`python -m training.train_vae CONFIG.yaml [key=value ...]`: a small AutoencoderKL for RGB frames and point frames.

The full-size models use Stable Diffusion's VAE as it is; only a model trained from scratch needs this. It has the layout
of that VAE (so hosts load it with its `ddconfig`), and sees both halves of the joint latent: as many frames of video as
frames of points in their range. Without a perceptual network the sharpness comes from an L1 loss on image gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import Dataset

from pointvid.files import atomic_path
from pointvid.point_range import PointRange
from pointvid.sample import Sample

from .cli import run
from .config import Vae
from .data import Shards
from .loop import Stage

_FRAMES_A_CLIP = 4


@dataclass
class Frames:
    """float32 [N,3,H,W] in [-1,1] and a weight [N,1,H,W] a pixel: the first half is RGB, the second points."""

    images: Tensor
    weights: Tensor

    def to(self, device: torch.device | str) -> Frames:
        """On another device."""
        return Frames(self.images.to(device), self.weights.to(device))


class FrameDataset(Dataset):
    """Frames of a clip, both halves: item i is clip i."""

    def __init__(self, shards: Shards, point_range: PointRange, foreground_weight: float):
        self.shards, self.range, self.weight = shards, point_range, foreground_weight

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> Sample:
        return self.shards[index]


class TrainVae(Stage):
    """See the module."""

    def __init__(self, config: Vae):
        self.config = config
        self.shards = Shards(config.data.shards)
        self.entries = self.shards.entries
        self.extra: dict[str, Any] = {}
        self.range = data_range(self.shards)
        self.dataset = FrameDataset(self.shards, self.range, config.foreground_weight)
        torch.manual_seed(config.seed)
        self.model = Autoencoder(AutoencoderKL(**vae_config(config.model)))

    def collate(self, samples: list[Sample]) -> Frames:
        """A few frames of each clip. Frame 0 always: it is the condition image, and the reference of the points."""
        images, weights = [], []
        for half in ("video", "points"):
            for sample in samples:
                count = sample.video.shape[0]
                # Spread by a number of the clip's own, so that a batch is a function of its indices alone.
                chance = torch.Generator().manual_seed(int(sample.video[0].sum()) + self._visits(sample))
                chosen = torch.cat((torch.zeros(1, dtype=torch.long), 1 + torch.randperm(count - 1, generator=chance)))
                chosen = chosen[:_FRAMES_A_CLIP]
                if half == "video":
                    frames = sample.video[chosen].permute(0, 3, 1, 2) / 127.5 - 1
                    weight = torch.ones_like(frames[:, :1])
                else:
                    frames = self.range.encode(sample.point_map)[chosen]
                    mask = sample.point_map.mask.expand(len(chosen), 1, -1, -1)
                    weight = 1 + (self.config.foreground_weight - 1) * mask.float()
                images.append(frames)
                weights.append(weight)
        return Frames(torch.cat(images), torch.cat(weights))

    def losses(self, model: nn.Module, batch: Frames, step: int) -> dict[str, Tensor]:
        """Weighted L1, L1 of gradients, and a whisper of KL."""
        output, kl = model(batch.images)
        error = output.float() - batch.images
        l1 = (error.abs() * batch.weights).sum() / batch.weights.sum() / 3
        slopes = sum((error.diff(dim=axis).abs() * batch.weights.narrow(axis, 1, error.shape[axis] - 1)).mean() for axis in (2, 3))
        half = len(error) // 2
        return {
            "loss": l1 + self.config.gradient_weight * slopes + self.config.kl_weight * kl,
            "l1_video": error[:half].abs().mean().detach(),
            "l1_points": error[half:].abs().mean().detach(),
            "kl": kl.detach(),
        }
