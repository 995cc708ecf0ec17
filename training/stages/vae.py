"""The stage of `training.train_vae`, which says what it does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.utils.data import Dataset

from pointvid.errors import PointVidError
from pointvid.points.point_range import PointRange

from ..config import Vae, load_config
from ..data.shards import Shards
from ..loop import Stage
from ..model.small_model import load_vae, make_vae
from ..model.small_model_config import SmallModel


@dataclass
class FrameBatch:
    """Clips: `video` uint8 [B,T,3,H,W], `points` float32 [B,T,3,H,W] in their range, `mask` bool [B,H,W]."""

    video: Tensor
    points: Tensor
    mask: Tensor

    def to(self, device: torch.device | str) -> FrameBatch:
        """On another device."""
        return FrameBatch(self.video.to(device), self.points.to(device), self.mask.to(device))


class FrameDataset(Dataset):
    """Item i is clip i."""

    def __init__(self, shards: Shards, point_range: PointRange):
        self.shards, self.range = shards, point_range

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> FrameBatch:
        sample = self.shards[index]
        return FrameBatch(sample.video.permute(0, 3, 1, 2), self.range.encode(sample.point_map), sample.point_map.mask)


class Reconstruction(nn.Module):
    """The autoencoder as one call, so that DDP and FSDP see it."""

    def __init__(self, vae: AutoencoderKL):
        super().__init__()
        self.vae = vae

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[N,3,H,W] -> reconstruction, KL divergence a latent value."""
        posterior = self.vae.encode(images).latent_dist
        return self.vae.decode(posterior.sample()).sample, posterior.kl().mean() / posterior.mean[0].numel()


class TrainVae(Stage):
    """See the module."""

    def __init__(self, config: Vae):
        self.config = config
        self.small: SmallModel = load_config(SmallModel, config.model)
        shards = Shards(config.data.shards, config.data.skip_damaged)
        self.entries, self.extra = shards.entries, {}
        height, width = self.small.resolution
        if {entry.size[1:] for entry in self.entries} != {(height, width)}:
            raise PointVidError(
                f"shards {config.data.shards} hold other sizes than {height}x{width}, the model's (HxW)"
            )
        self.dataset = FrameDataset(shards, PointRange(**self.small.point_range.model_dump()))
        torch.manual_seed(config.seed)
        vae = load_vae(config.start_from).train() if config.start_from else make_vae(self.small.vae)
        self.model = Reconstruction(vae)

    def collate(self, items: list[FrameBatch]) -> FrameBatch:
        """Stacked."""
        return FrameBatch(
            *(torch.stack([getattr(item, name) for item in items]) for name in ("video", "points", "mask"))
        )

    def losses(self, model: nn.Module, batch: FrameBatch, step: int) -> dict[str, Tensor]:
        """Weighted L1 and L2, L1 of image gradients, and a whisper of KL, on a few frames of each clip and half."""
        images, weights = self._pick(batch)
        output, kl = model(images)
        error = output.float() - images
        l1 = (error.abs() * weights).sum() / (3 * weights.sum())
        square = (error.square() * weights).sum() / (3 * weights.sum())
        slope = (
            (error.diff(dim=2).abs() * weights[:, :, 1:]).mean() + (error.diff(dim=3).abs() * weights[..., 1:]).mean()
        ) / 2
        video, points = error.detach().abs().chunk(2)
        mask = weights.chunk(2)[1] > 1
        return {
            "loss": l1
            + self.config.square_weight * square
            + self.config.gradient_weight * slope
            + self.config.kl_weight * kl,
            "l1_video": video.mean(),
            "l1_foreground": (points * mask).sum() / (3 * mask.sum()),
            "kl": kl,
        }

    def export(self, weights: dict[str, Tensor], path: Path, step: int) -> None:
        """A diffusers folder, `vae/` beside `path`, with the factor that gives its latents unit variance."""
        self.model.load_state_dict(weights)
        model: Any = self.model
        vae = model.vae.eval()
        with torch.no_grad():
            items = [self.dataset[i] for i in range(0, len(self.dataset), max(1, len(self.dataset) // 32))]
            frames = [torch.cat((item.video[::5] / 127.5 - 1, item.points[::5])).to(vae.device) for item in items]
            latents = torch.cat([vae.encode(part).latent_dist.mean for part in frames])
        vae.register_to_config(scaling_factor=round(float(1 / latents.std()), 5))
        vae.save_pretrained(path.parent / "vae")

    def _pick(self, batch: FrameBatch) -> tuple[Tensor, Tensor]:
        """Images [2BF,3,H,W] in [-1,1], video, then points; weights [2BF,1,H,W]. Frames are drawn anew each step."""
        clips, frames = batch.video.shape[:2]
        chosen = torch.rand(clips, frames).argsort(1)[:, : self.config.frames_a_clip].to(batch.video.device)
        rows = torch.arange(clips, device=chosen.device)[:, None]
        video = batch.video[rows, chosen].flatten(0, 1) / 127.5 - 1
        points = batch.points[rows, chosen].flatten(0, 1)
        foreground = batch.mask[:, None].expand(-1, chosen.shape[1], -1, -1).flatten(0, 1)[:, None]
        weight = 1 + (self.config.foreground_weight - 1) * foreground.float()
        return torch.cat((video, points)), torch.cat((torch.ones_like(weight), weight))
