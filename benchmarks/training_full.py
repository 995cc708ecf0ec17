"""Full-size training on a GPU: step time and peak memory of both stages, random weights, 448x256x16, batch 4, bf16."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL

from pointvid.diffusion.bases import base_model
from pointvid.diffusion.bases.unet.config import UNetConfig
from pointvid.diffusion.bases.unet.i2vgen import I2VGenXL
from pointvid.diffusion.bases.unet.joint import JointConfig
from pointvid.diffusion.latents import FrameCodec
from pointvid.diffusion.process import Diffusion
from pointvid.points.point_range import PointRange
from training.config import Augment, Regularize, load_config
from training.data.batch import Batch
from training.loop import make_optimizer
from training.model.denoiser import Denoiser
from training.model.ema import Ema
from training.stages.augment import AugmentStage
from training.stages.calibrate import Calibration
from training.stages.diffusion import DiffusionStage
from training.stages.regularize import RegularizeStage

from .figure import Figure
from .timing import gpu_seconds

CONFIGS = Path(__file__).resolve().parent.parent / "training" / "configs"
BATCH, FRAMES, HEIGHT, WIDTH = 4, 16, 256, 448
LIMIT = 80.0  # GB of the card the configs are for


class Frozen:
    """Encoders that were run once: only their codec is still there."""

    def __init__(self, codec: FrameCodec, device: torch.device):
        self.video = self.points = codec
        self.device = device

    def prepare(self, prompts: list[str], images: None = None) -> dict[str, torch.Tensor]:
        """What the text encoder would say of them."""
        return {"text": torch.randn(len(prompts), 77, 1024, device=self.device)}

    def encode(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """As it is."""
        return inputs


def figures() -> list[Figure]:
    """Step seconds and peak GiB of the two stages as their paper configs set them."""
    size = f"{WIDTH}x{HEIGHT}x{FRAMES}, batch {BATCH}, bf16, random weights, {torch.cuda.get_device_name()}"
    device = torch.device("cuda")
    encoders = Frozen(FrameCodec(_vae().to(device).eval().requires_grad_(False)), device)
    base = base_model(I2VGenXL.name)
    with device:
        unet = base.build(JointConfig(UNetConfig()))
    torch.nn.init.normal_(unet.conv_out.weight, std=0.02)
    unet.enable_checkpointing(True)
    model = Denoiser(unet, base, Diffusion(), encoders, False)
    found = []
    for name, stage in (
        ("stage1", _stage(AugmentStage, load_config(Augment, CONFIGS / "paper_stage1_8gpu.yaml"), encoders)),
        ("stage2", _stage(RegularizeStage, load_config(Regularize, CONFIGS / "paper_stage2_1gpu.yaml"), encoders)),
    ):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        step = _step(stage, model, _batch(device))
        step()
        seconds = min(gpu_seconds(step) for _ in range(3))
        peak = torch.cuda.max_memory_allocated() / 1e9
        found += [
            Figure(f"training.full_{name}_step", seconds, "s", context=size),
            Figure.at_most(
                f"training.full_{name}_memory", peak, "GB", LIMIT, f"peak, optimizer and EMA included; {size}"
            ),
        ]
    return found


def _step(stage: DiffusionStage, model: Denoiser, batch: Batch) -> Callable[[], None]:
    """What `training.loop` does in a step."""
    accelerator = Accelerator(mixed_precision="bf16")
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    wrapped, optimizer = accelerator.prepare(model.train(), make_optimizer(trained, stage.config.optimizer))
    ema, count = Ema(trained, stage.config.ema_decay), iter(range(1, 1000))

    def step() -> None:
        n = next(count)
        accelerator.backward(stage.losses(wrapped, batch, n)["loss"])
        accelerator.clip_grad_norm_(trained, stage.config.optimizer.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        ema.update(n)

    return step


def _stage(kind: type[DiffusionStage], config: Augment | Regularize, encoders: Frozen) -> DiffusionStage:
    """A stage without its data and checkpoint: only what `losses` reads."""
    stage = kind.__new__(kind)
    stage.config, stage.process, stage.encoders, stage.extra = config, Diffusion(), encoders, {}
    stage.base = base_model(I2VGenXL.name)
    stage.range = PointRange(near=0.3, far=30.0)
    if isinstance(config, Regularize):
        stage.calibration = Calibration(config.weights, stage.extra)
    return stage


def _vae() -> AutoencoderKL:
    """Stable Diffusion's shape."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
    )


def _batch(device: torch.device) -> Batch:
    """Random clips; the points are the pixels of an unmoving plane."""
    latents = (BATCH, 4, FRAMES, HEIGHT // 8, WIDTH // 8)
    v, u = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    uvd = torch.stack((u, v, torch.full_like(u, 3)), -1).float()
    return Batch(
        video=torch.randn(latents),
        points=torch.randn(latents),
        fps=torch.full((BATCH,), 8.0),
        inputs={"text": torch.randn(BATCH, 77, 1024), "image": torch.randn(BATCH, 1, 1024)},
        uvd=uvd.expand(BATCH, FRAMES, -1, -1, -1).clone(),
        mask=torch.ones(BATCH, HEIGHT, WIDTH, dtype=torch.bool),
        intrinsics=torch.tensor([400.0, 400.0, WIDTH / 2, HEIGHT / 2]).expand(BATCH, 4),
        objects=torch.ones(BATCH, HEIGHT, WIDTH, dtype=torch.int32),
    ).to(device)
