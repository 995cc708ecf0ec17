"""The stage of `training.regularize`, which says what it does."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pointvid.camera import Camera
from pointvid.diffusion.bases import base_model
from pointvid.diffusion.checkpoint import Checkpoint
from pointvid.diffusion.latents import join, split
from pointvid.diffusion.sampling import rollout
from pointvid.errors import PointVidError
from pointvid.points.point_range import BACKGROUND
from pointvid.points.reconstruction import recon_terms
from pointvid.points.rigidity import rigidity_graph, rigidity_loss

from ..config import Regularize
from ..data.batch import Batch
from ..loop import is_logged
from .augment import denoising_losses
from .calibrate import Calibration, gradient_norm
from .diffusion import DiffusionStage


class RegularizeStage(DiffusionStage):
    """See the module.

    Raises:
        PointVidError: the checkpoint has not been through stage 1.
    """

    config: Regularize

    def __init__(self, config: Regularize):
        super().__init__(config, "regularize", points=True)
        self.calibration = Calibration(config.weights, self.extra)

    def losses(self, model: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """Equation 3 and its parts; every log step also each part's gradient with respect to the prediction."""
        config = self.config
        terms: dict[str, Tensor] = {}
        predictions: dict[str, Tensor] = {}
        if config.weights.ddim > 0:
            known = self.known(model, batch)
            video, points, output = denoising_losses(model, self.process, batch, config.conditioning, known=known)
            terms["ddim"], predictions["ddim"] = video + points, output

        uvd, in_mask, intrinsics = batch.truth()
        z0, output, trust = self.denoise(model, batch)
        decoded = self.decode_points(split(z0)[1])
        predicted = self.to_space(self.range.decode_uvd(decoded), intrinsics)
        target = self.to_space(uvd, intrinsics)
        mask = thinned(in_mask, config.max_points)
        recon = recon_terms(predicted, target, mask)
        graph = rigidity_graph(target[:, 0], mask, config.neighbours, batch.objects)
        parts = dict(zip(("position", "velocity", "acceleration"), recon))
        parts |= {"background": background(decoded, in_mask), "rigid": rigidity_loss(predicted, graph)}
        for name, value in parts.items():
            terms[name], predictions[name] = trust * value, output

        norms = {}
        # each norm goes back through the decoder once more, so only where somebody reads them
        calibrating = config.weights.calibrate_by == "gradient" and not self.calibration.done
        if is_logged(config, step + 1) or calibrating:
            norms = {name: gradient_norm(value, predictions[name]) for name, value in terms.items()}
        weights = self.calibration.weights(terms, norms)
        loss: Tensor = sum(weights[name] * value for name, value in terms.items())  # type: ignore[assignment]
        logged = {name: value.detach() for name, value in terms.items()}
        logged |= {f"weight/{name}": loss.new_tensor(value) for name, value in weights.items()}
        logged |= {f"gradient/{name}": weights[name] * value for name, value in norms.items()}
        return {"loss": loss, **logged}

    def denoise(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, float]:
        """z_t -> z_0 with gradient in one step.

        Returns:
            z_0 [B,2C,T',h,w]; the prediction of the step that carries the gradient; how much to trust z_0, 0 to 1.
        """
        config, process = self.config, self.process
        z, known = join(batch.video, batch.points), self.known(model, batch)
        low, high = config.start
        share = low + (high - low) * torch.rand(()).item()  # one level a batch
        model.eval()  # dropout would make z_0 a different one at every step
        outputs: list[Tensor] = []

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            outputs[:] = [model(x, t, batch).float()]
            return outputs[0]

        try:
            if config.grad_step == "x0_at_t":
                # One prediction at t, no rollout. Weighed by the share of signal in z_t: at high noise z_0 is a mean.
                t = process.level_at(share)
                x = process.add_noise(z, torch.randn_like(z), t)
                x = known.put(x) if known else x
                output = denoise(x, torch.full((len(z),), t, device=z.device))
                z0 = process.x0_from(output, x, t)
                return known.put(z0) if known else z0, output, process.signal_share(t).item()
            steps = config.ddim_steps
            start = process.step_at(share, steps)
            chosen = steps - 1 if config.grad_step == "last" else int(torch.randint(start, steps, ()))
            x = process.add_noise(z, torch.randn_like(z), process.levels(steps)[start])
            for step in rollout(denoise, process, x, steps, start=start, grad_steps={chosen}, known=known):
                if step.index == chosen:
                    # Later steps would run without gradient and cut it off: the clean latent this one predicts is z_0.
                    return step.x0, outputs[0], 1.0
        finally:
            model.train()
        raise AssertionError("the rollout ends with its chosen step")

    def decode_points(self, latents: Tensor) -> Tensor:
        """[B,C,T',h,w] -> channels of the point range [B,T,3,H,W]."""
        frames = self.encoders.points.decode(latents, gradient=True, chunk=self.config.decode_chunk)
        return frames.transpose(1, 2)

    def to_space(self, uvd: Tensor, intrinsics: Tensor) -> Tensor:
        """(u, v, depth) [B,T,H,W,3] -> the space of the losses: (x, y, z) by each clip's camera, or as is."""
        if self.config.space == "uvd":
            return uvd
        return Camera(*intrinsics.unbind(-1)).unproject(uvd)

    def _starting_checkpoint(self) -> Checkpoint:
        model = self.config.model
        if model.checkpoint is None:
            raise PointVidError(
                "stage 2 starts from what stage 1 made, expected model.checkpoint: its model.safetensors"
            )
        start = super()._starting_checkpoint()
        points = base_model(start.info.base).has_points(start.weights, start.info.config)
        if start.info.stage == "initial" or not points:
            raise PointVidError(
                f"{model.checkpoint} has not been through stage 1: its point half is still at its initialisation, "
                "where zeros stop the geometric losses from reaching the network; run python -m training.augment first"
            )
        return start


def background(channels: Tensor, mask: Tensor) -> Tensor:
    """How far what should be background is from it: mean square over channels, frames and pixels outside the mask.

    Squared, unlike equation 1: nearly all of the background is far from every object and nearly right; what counts is
    the rim.

    Args:
        channels: of the point range [B,T,3,H,W]; mask: bool [B,H,W], the true foreground.
    """
    outside = (~mask)[:, None, None].float()
    squares = (channels - BACKGROUND).square().mean((1, 2), keepdim=True)
    return (squares * outside).sum() / outside.sum().clamp(min=1)


def thinned(mask: Tensor, most: int) -> Tensor:
    """bool [B,H,W] with at most `most` pixels a clip, picked at random."""
    chance = torch.rand(mask.shape).to(mask.device).masked_fill(~mask, 2.0).flatten(1)
    limit = chance.sort(1).values[:, min(most, chance.shape[1]) - 1].clamp(max=1.0)
    return (chance <= limit[:, None]).view_as(mask) & mask
