"""Training: our step against a plain diffusers + accelerate loop, the loader's rate, stage 2's memory. On this machine.

What a trained checkpoint is worth is measured by `python -m training.evaluate`, which needs the checkpoint.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import DDIMScheduler, I2VGenXLUNet

from training.config import Augment, Regularize, load_config
from training.loop import make_optimizer
from training.model.small_model import make_vae
from training.model.small_model_config import SmallModel
from training.stages.augment import AugmentStage
from training.stages.regularize import RegularizeStage
from training.synthesize import synthesize

from . import training_full
from .figure import Figure

BATCH, CLIPS = 4, 8
ROOT = Path(__file__).resolve().parent.parent


def run() -> list[Figure]:
    """All figures of the suite, on the small model's config with random weights."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = load_config(SmallModel, ROOT / "training/configs/tiny_model.yaml")
        synthesize(folder / "shards", CLIPS, small.resolution, "train", scenes=("simple",))
        settings = {
            "out": folder / "run",
            "data": {"shards": folder / "shards", "workers": 0},
            "model": {"tiny": ROOT / "training/configs/tiny_model.yaml", "vae": folder / "vae"},
            "steps": 1,
            "batch_size": BATCH,
            "precision": "fp32",
            "trackers": [],
            "validation": {"every": 0},
        }
        stage = _stage_one(settings, folder)
        figures = [*_step_and_loader(stage), _memory(stage, settings)]
    return figures + (training_full.figures() if torch.cuda.is_available() else [])


def _stage_one(settings: dict, folder: Path) -> AugmentStage:
    small = load_config(SmallModel, settings["model"]["tiny"])
    make_vae(small.vae).save_pretrained(folder / "vae")
    return AugmentStage(Augment(**settings))


def _step_and_loader(stage: AugmentStage) -> list[Figure]:
    accelerator = Accelerator(cpu=True)
    batch = stage.collate([stage.dataset[i] for i in range(BATCH)])
    trained = [parameter for parameter in stage.model.parameters() if parameter.requires_grad]
    model, optimizer = accelerator.prepare(stage.model.train(), make_optimizer(trained, stage.config.optimizer))

    def ours() -> None:
        accelerator.backward(stage.losses(model, batch, 0)["loss"])
        optimizer.step()
        optimizer.zero_grad()

    config = stage.start.info.config.unet.to_diffusers()
    plain = I2VGenXLUNet.from_config(config).train()
    plain, plain_optimizer = accelerator.prepare(plain, torch.optim.AdamW(plain.parameters(), lr=1e-4))
    scheduler = DDIMScheduler.from_config(stage.process.to_diffusers())
    width = config["cross_attention_dim"]
    text, image = torch.randn(BATCH, batch.inputs["text"].shape[1], width), torch.randn(BATCH, 1, width)
    frames = torch.zeros_like(batch.video)
    frames[:, :, 0] = batch.video[:, :, 0]

    def diffusers() -> None:
        t, noise = torch.randint(0, 1000, (BATCH,)), torch.randn_like(batch.video)
        z_t, v = scheduler.add_noise(batch.video, noise, t), scheduler.get_velocity(batch.video, noise, t)
        output = plain(
            z_t, t, fps=batch.fps, image_latents=frames, image_embeddings=image, encoder_hidden_states=text
        ).sample
        accelerator.backward((output - v).square().mean())
        plain_optimizer.step()
        plain_optimizer.zero_grad()

    our_ms, plain_ms, load_ms = _best_cpu_ms(
        ours, diffusers, lambda: stage.collate([stage.dataset[i] for i in range(BATCH)])
    )
    threads = torch.get_num_threads()
    context = f"small model, batch {BATCH}, fp32, CPU, {threads} threads, processor time; ours trains points too"
    return [
        Figure.at_least("training.step_vs_plain", plain_ms / our_ms, "x", 1.0, context),
        Figure("training.step", our_ms, "ms", context=context),
        Figure.at_least("training.loader_vs_step", our_ms / load_ms, "x", 3.0, "one process, latents from the cache"),
    ]


def _best_cpu_ms(*actions: Callable[[], object], repeats: int = 5) -> list[float]:
    """Processor milliseconds of each action, the best of some rounds: steps are long, and the machine may be shared."""
    best = [float("inf")] * len(actions)
    for _ in range(repeats):
        for n, action in enumerate(actions):
            started = time.process_time()
            action()
            best[n] = min(best[n], (time.process_time() - started) * 1e3)
    return best


def _memory(stage: AugmentStage, settings: dict) -> Figure:
    """What autograd keeps of a stage-2 step, for 8 DDIM steps against 1."""
    torch.nn.init.normal_(stage.model.unet.conv_out.weight, std=0.02)
    checkpoint = settings["out"] / "model.safetensors"
    stage.export(stage.model.state_dict(), checkpoint, 1)
    model = {"checkpoint": checkpoint}
    out = settings["out"].with_name("stage2")
    second = RegularizeStage(
        Regularize(**{**settings, "out": out, "model": model, "grad_step": "last", "start": (1.0, 1.0)})
    )
    batch, kept = second.collate([second.dataset[i] for i in range(2)]), []
    for steps in (1, 8):
        second.config = second.config.model_copy(update={"ddim_steps": steps})
        saved: dict[int, int] = {}

        def pack(tensor: torch.Tensor, saved: dict[int, int] = saved) -> torch.Tensor:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            second.losses(second.model, batch, 1)
        kept.append(sum(saved.values()))
    context = f"bytes kept for the backward pass, 8 steps against 1 ({kept[0] / 2**20:.0f} MB)"
    return Figure.at_most("training.stage2_memory_8_vs_1", kept[1] / kept[0], "x", 1.05, context)
