"""The stage of `training.augment`, which says what it does."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pointvid.diffusion.conditions import Known
from pointvid.diffusion.latents import join, split
from pointvid.diffusion.process import Process

from ..config import Augment, Conditioning
from ..data.batch import Batch
from ..model.denoiser import draw_drops, draw_noise, mean_errors
from .diffusion import DiffusionStage


class AugmentStage(DiffusionStage):
    """See the module."""

    config: Augment

    def __init__(self, config: Augment):
        super().__init__(config, "augment", points=False)

    def losses(self, model: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """The denoising loss of both halves, or, for the ablation's baseline, of the video alone."""
        config = self.config
        joint = config.mode == "joint"
        video, points, _ = denoising_losses(
            model,
            self.process,
            batch,
            config.conditioning,
            min_snr_gamma=config.min_snr_gamma,
            points=joint,
            known=self.known(model, batch),
        )
        loss = video + config.point_weight * points if joint else video
        return {"loss": loss, "video_loss": video, "point_loss": points}


def denoising_losses(
    model: nn.Module,
    process: Process,
    batch: Batch,
    conditioning: Conditioning,
    *,
    min_snr_gamma: float | None = None,
    points: bool = True,
    known: Known | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean squared error of the prediction at random levels of noise.

    Args:
        min_snr_gamma: weigh levels as `Process.min_snr_weight` says; None: all alike.
        points: False hides the point half from every clip.
        known: what is given, not predicted; it does not count.
    Returns:
        the video half's loss, the point half's (scalars), and the prediction [B,2C,T',h,w].
    """
    z = join(batch.video, batch.points)
    t = process.draw(len(z)).to(z.device)
    noise = draw_noise(z, conditioning.offset_noise)
    no_text, no_image, no_points = draw_drops(conditioning, len(z), z.device)
    if not points:
        no_points = torch.ones_like(no_points)

    # Inner guidance compares with a prediction that has not seen the points (VideoJAM, arXiv 2502.02492).
    seen = (~no_points).float()
    video_t, points_t = split(process.add_noise(z, noise, t))
    output = model(join(video_t, points_t * seen[:, None, None, None, None]), t, batch, no_text, no_image).float()

    error = (output - process.target(z, noise, t)).square()
    weight = torch.ones(len(t), device=t.device)
    if min_snr_gamma is not None:
        weight = process.min_snr_weight(t, min_snr_gamma).to(t.device)
    video_loss, point_loss = (half * weight for half in mean_errors(error, known))
    # Points that were not shown cannot be told from noise: their prediction does not count.
    return video_loss.mean(), (point_loss * seen).sum() / seen.sum().clamp(min=1), output
