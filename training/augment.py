"""Stage 1, point augmentation (paper section 3.2): `python -m training.augment CONFIG.yaml [key=value ...]`.

The video and its points are encoded to z = [video | points] and noised to z_t; the joint denoiser learns to predict
what its schedule says (v for I2VGen-XL), as any latent diffusion model does. The condition image is the first RGB
frame, repeated for the point half inside the denoiser, so no initial points are needed when generating.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pointvid.diffusion.bases.base import join, split
from pointvid.diffusion.process import Schedule

from .cli import run
from .config import Augment, Conditioning
from .data.batch import Batch
from .model.denoiser import draw_drops, draw_noise
from .stages.diffusion import DiffusionStage


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
            model, self.schedule, batch, config.conditioning, config.min_snr_gamma, points=joint
        )
        loss = video + config.point_weight * points if joint else video
        return {"loss": loss, "video_loss": video, "point_loss": points}


def denoising_losses(
    model: nn.Module,
    schedule: Schedule,
    batch: Batch,
    conditioning: Conditioning,
    min_snr_gamma: float | None,
    points: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean squared error of the prediction at random timesteps.

    Args:
        points: False hides the point half from every clip.
    Returns:
        the video half's loss, the point half's (scalars), and the prediction [B,8,T,h,w].
    """
    z = join(batch.video, batch.points)
    t = torch.randint(0, schedule.num_train_timesteps, (len(z),)).to(z.device)
    noise = draw_noise(z, conditioning.offset_noise)
    no_text, no_image, no_points = draw_drops(conditioning, len(z), z.device)
    if not points:
        no_points = torch.ones_like(no_points)

    # Inner guidance compares with a prediction that has not seen the points (VideoJAM, arXiv 2502.02492).
    seen = (~no_points).float()
    video_t, points_t = split(schedule.add_noise(z, noise, t))
    output = model(join(video_t, points_t * seen[:, None, None, None, None]), t, batch, no_text, no_image).float()

    error = (output - schedule.target(z, noise, t)).square()
    weight = snr_weight(schedule, t, min_snr_gamma)
    video_loss, point_loss = (half.mean((1, 2, 3, 4)) * weight for half in split(error))
    # Points that were not shown cannot be told from noise: their prediction does not count.
    return video_loss.mean(), (point_loss * seen).sum() / seen.sum().clamp(min=1), output


def snr_weight(schedule: Schedule, t: Tensor, gamma: float | None) -> Tensor:
    """Min-SNR-gamma (arXiv 2303.09556, section 3.4): min(SNR, gamma) / (SNR + 1) for v, / SNR for epsilon; [B]."""
    if gamma is None:
        return torch.ones(len(t), device=t.device)
    snr = schedule.snr(t).to(t.device)
    return snr.clamp(max=gamma) / (snr + 1 if schedule.prediction_type == "v_prediction" else snr)


def main() -> None:
    """Command line."""
    run(Augment, AugmentStage, __doc__)


if __name__ == "__main__":
    main()
