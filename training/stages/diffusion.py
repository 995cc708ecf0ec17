"""What both stages share: the model they train, its data, validation and the exported checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import parse_flag_from_env
from torch import Tensor, nn

from pointvid.diffusion.bases import base_model
from pointvid.diffusion.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, wants_float32
from pointvid.diffusion.conditions import Known
from pointvid.diffusion.encoders import load_encoders
from pointvid.diffusion.generator import Generated, Generator
from pointvid.diffusion.latents import join
from pointvid.errors import PointVidError

from ..config import Run, load_config
from ..data.batch import Batch
from ..data.cache import Latents, build_cache
from ..data.shards import Order, Shards
from ..loop import Stage
from ..model.denoiser import Denoiser, mean_errors
from ..model.lora import add_lora, merged_weights
from ..model.small_model import load_vae, make_small_model
from ..model.small_model_config import SmallModel
from ..state import seed_step
from .samples import write_sample_files

log = logging.getLogger("training")


class DiffusionStage(Stage):
    """Builds everything a stage needs from its config; the stage itself adds the loss.

    Args:
        config: Augment or Regularize.
        stage: what the exported checkpoint calls itself.
        points: whether batches hold the true points.
    """

    def __init__(self, config: Run, stage: str, points: bool):
        self.config, self.stage_name = config, stage
        self.extra: dict[str, Any] = {}
        self.start = self._starting_checkpoint()
        info = self.start.info
        self.base, self.process, self.range = base_model(info.base), info.process, info.point_range
        # Whoever asks first decides: without this the processes of a CPU run would not know of each other.
        device = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU")).device
        self.encoders = load_encoders(self.start, device, torch.float32)
        codecs = (self.encoders.video.model, self.encoders.points.model)
        for network in (*self.encoders.networks().values(), *codecs):
            network.requires_grad_(False)
        self.dataset = self._latents(config.data.shards, points, device)
        self.entries = self.dataset.shards.entries
        self.val = self._latents(config.data.val_shards, points, device) if config.data.val_shards else None
        self.model = self._denoiser(device)

    def collate(self, items: list[dict[str, Tensor]]) -> Batch:
        """Stacked."""
        return Batch.stack(items)

    @torch.no_grad()
    def known(self, model: nn.Module, batch: Batch) -> Known | None:
        """What of the clips' latents their conditions give."""
        if not self.base.gives_known:
            return None
        denoiser: Denoiser = getattr(model, "module", model)  # DDP's
        return self.base.known(denoiser.conditions(batch, batch.inputs))

    @torch.no_grad()
    def validate(self, model: nn.Module, accelerator: Accelerator, step: int, folder: Path) -> dict[str, float]:
        """The denoising loss on held-out clips at fixed timesteps and noise, by half; and samples to look at."""
        if self.val is None:
            return {}
        config = self.config
        order = Order(self.val.shards.entries, min(config.batch_size, len(self.val)), 1, seed=0)
        sums = torch.zeros(2)
        count = min(config.validation.batches, order.batches_in_epoch)
        for n in range(count):
            seed_step(0, n, purpose="validation")
            batch = Batch.stack([self.val[i] for i in order.batch(n)]).to(accelerator.device)
            z = join(batch.video, batch.points)
            # evenly spread over what training sees, the same for every step and run
            t = self.process.spread_out(len(z)).to(z.device)
            noise = torch.randn(z.shape).to(z.device)
            with accelerator.autocast():
                output = model(self.process.add_noise(z, noise, t), t, batch)
            error = (output.float() - self.process.target(z, noise, t)).square()
            halves = mean_errors(error, self.known(model, batch))
            sums += torch.stack([half.mean() for half in halves]).cpu() / count
        if accelerator.is_main_process and config.validation.samples:
            self.write_samples(model, accelerator, folder)
        return {"video_loss": sums[0].item(), "point_loss": sums[1].item()}

    def write_samples(self, model: nn.Module, accelerator: Accelerator, folder: Path) -> None:
        """Videos and point clouds of the first held-out clips, from the same noise every time."""
        assert self.val is not None
        count = min(self.config.validation.samples, len(self.val))
        batch = Batch.stack([self.val[i] for i in range(count)]).to(accelerator.device)
        with accelerator.autocast():
            clips = self.generate(accelerator.unwrap_model(model), batch, seed=0)
        for clip, entry in zip(clips, self.val.shards.entries):
            write_sample_files(folder / entry.key, clip)

    def generate(self, model: Denoiser, batch: Batch, seed: int) -> list[Generated]:
        """Clips for a batch's conditions, with guidance."""
        settings, info, count = self.config.validation, self.start.info, len(batch.video)
        generator = Generator(info, model.unet, self.encoders)
        plan = generator.plan_encoded(
            model.encoded(batch, batch.inputs),
            model.encoded_empty(),
            frames=info.frames,
            image_size=info.resolution,
            fps=batch.fps.tolist(),
            seeds=range(seed, seed + count),
            steps=settings.sample_steps,
            guidance=settings.guidance,
        )
        return generator.run(plan, batch=count)

    def export(self, weights: dict[str, Tensor], path: Path, step: int) -> None:
        """The joint checkpoint, all-in-one where the starting one was; `dtype` fp16, as others load it."""
        self.model.load_state_dict(weights, strict=False)
        network = merged_weights(self.model.unet)
        parts = dict(self.start.parts) | (self.encoders.weights() if self.config.model.train_encoders else {})
        training = {
            "config": _without_folders(self.config.model_dump()),
            "data": self.dataset.shards.manifest.get("settings", {}),
            **self.extra,
        }
        info = self.start.info.replace(stage=self.stage_name, step=step, training=training)
        # what a checkpoint keeps in float32 (a refitted decoder) stays so
        parts = {name: part if wants_float32(part) else _half(part) for name, part in parts.items()}
        save_checkpoint(Checkpoint(info, _half(network), parts), path)

    def _starting_checkpoint(self) -> Checkpoint:
        model = self.config.model
        if model.checkpoint:
            return load_checkpoint(model.checkpoint)
        if model.vae is None:
            raise PointVidError("model.tiny makes a model from scratch, expected model.vae: the folder train_vae wrote")
        small = load_config(SmallModel, model.tiny)
        return make_small_model(small, load_vae(model.vae), self.config.seed)

    def _latents(self, folder: Path, points: bool, device: torch.device) -> Latents:
        shards, info, state = Shards(folder, self.config.data.skip_damaged), self.start.info, PartialState()
        sizes = {entry.size for entry in shards.entries}
        wanted = (info.frames, *info.resolution)
        if sizes != {wanted}:
            odd = sorted(sizes - {wanted})[0]
            raise PointVidError(
                f"shards {folder}: hold clips of {odd[0]}x{odd[1]}x{odd[2]}, the model is for "
                f"{wanted[0]}x{wanted[1]}x{wanted[2]} (TxHxW)"
            )
        root, trained = self.config.data.cache or self.config.out / "latents", self.config.model.train_encoders
        cache = build_cache(
            shards,
            root,
            encoders=self.encoders,
            point_range=self.range,
            trained_encoders=trained,
            device=device,
            rank=state.process_index,
            ranks=state.num_processes,
            workers=self.config.data.workers,
        )
        state.wait_for_everyone()
        return Latents(shards, cache, points)

    def _denoiser(self, device: torch.device) -> Denoiser:
        settings, trained = self.config.model, self.config.model.train_encoders
        network = self.base.build(self.start.info.config, **self.base.training_options(device))
        network.load_state_dict(self.start.weights)
        network.enable_checkpointing(settings.gradient_checkpointing)
        if settings.lora_rank:
            network = add_lora(
                network,
                settings.lora_rank,
                settings.lora_alpha or settings.lora_rank,
                targets=self.base.lora_targets,
                whole=self.base.new_names(self.start.info.config),
            )
        return Denoiser(network, self.base, self.process, self.encoders, trained)


def _half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.half() if value.is_floating_point() else value for key, value in weights.items()}


def _without_folders(settings: Any) -> Any:
    """As JSON, with paths cut to their last part: a checkpoint is published, its author's folders need not be."""
    if isinstance(settings, dict):
        return {key: _without_folders(value) for key, value in settings.items()}
    if isinstance(settings, (list, tuple)):
        return [_without_folders(value) for value in settings]
    return settings.name if isinstance(settings, Path) else settings
