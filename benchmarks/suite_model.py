"""Model suite: the joint UNet against diffusers' base UNet, in the same run and dtype.

On the CPU a half-width I2VGen-XL at 4 frames of 448x256, one thread, in CPU seconds: a busy machine does not change
the ratio. With CUDA also the full model at 16 frames in bf16.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from pointvid.diffusion.bases.unet.config import UNetConfig
from pointvid.diffusion.bases.unet.joint import JointConfig, JointUNet
from pointvid.diffusion.conditions import Conditions
from pointvid.diffusion.process import Diffusion
from pointvid.diffusion.sampling import guided, initial_noise, sample

from . import model_parity
from .figure import Figure

HALF = UNetConfig(block_out_channels=(160, 320, 640, 640), attention_head_dim=32, cross_attention_dim=512)
FULL = UNetConfig()
FRAMES = 4  # on the CPU
FORWARD_TFLOP = 8.74  # of the full base UNet at 448x256x16, batch 1


def inputs(config: UNetConfig, frames: int, device: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """What VideoUNet.forward takes, for one clip of 448x256."""
    generator = torch.Generator().manual_seed(0)

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    return {
        "x": randn(1, 8, frames, 32, 56),
        "timesteps": torch.tensor([501], device=device),
        "context": randn(1, 77, config.cross_attention_dim),
        "image_latents": randn(1, 4, frames, 32, 56),
        "image_embeds": randn(1, 1, config.cross_attention_dim),
        "fps": torch.tensor([8.0], device=device),
    }


def joint(config: UNetConfig, device: str, dtype: torch.dtype) -> nn.Module:
    """Ours, with entry attention, random weights."""
    torch.manual_seed(0)
    with torch.device(device):
        return JointUNet(JointConfig(config), dtype=dtype).eval()


def base(config: UNetConfig, device: str, dtype: torch.dtype) -> nn.Module:
    """diffusers' base, random weights."""
    from diffusers import I2VGenXLUNet

    options = {key: value for key, value in config.to_diffusers().items() if key != "_class_name"}
    with torch.device(device):
        return I2VGenXLUNet(**options).to(dtype).eval()


def run_joint(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """One forward of 8 channels."""
    return model(**batch)


def run_base(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """One forward of 4 channels."""
    return model(
        batch["x"][:, :4],
        batch["timesteps"],
        fps=batch["fps"],
        image_latents=batch["image_latents"],
        image_embeddings=batch["image_embeds"],
        encoder_hidden_states=batch["context"],
    ).sample


KINDS: dict[str, tuple[Callable, Callable]] = {"joint": (joint, run_joint), "base": (base, run_base)}


def seconds(call: Callable[[], object], device: str) -> float:
    """Time of one call: the wall's on a GPU, this process's own on a CPU."""
    if device == "cpu":
        start = time.process_time()
        call()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - start


@torch.no_grad()
def time_ratio(config: UNetConfig, frames: int, device: str, dtype: torch.dtype, rounds: int) -> tuple[float, float]:
    """Best seconds of a joint forward, and its ratio to the best base forward; rounds alternate between the two."""
    batch = inputs(config, frames, device, dtype)
    models = {kind: make(config, device, dtype) for kind, (make, _) in KINDS.items()}
    best = dict.fromkeys(KINDS, float("inf"))
    for i in range(rounds + 1):
        for kind, (_, run) in KINDS.items():
            taken = seconds(lambda run=run, kind=kind: run(models[kind], batch), device)
            if i:  # the first round warms up
                best[kind] = min(best[kind], taken)
    return best["joint"], best["joint"] / best["base"]


def cpu_peak(kind: str) -> float:
    """MiB by which one process's resident set grew to build `kind` and run it forward once."""
    words = subprocess.run(
        [sys.executable, "-m", "benchmarks.suite_model", kind], check=True, capture_output=True, text=True
    ).stdout
    return float(words.split()[-1])


@torch.no_grad()
def measure_growth(kind: str) -> float:
    """What `cpu_peak`'s process does: MiB of peak resident set beyond what imports took."""
    import diffusers  # noqa: F401 (both kinds pay for it)

    make, run = KINDS[kind]
    before = peak_resident()
    run(make(HALF, "cpu", torch.float32), inputs(HALF, FRAMES, "cpu", torch.float32))
    return peak_resident() - before


def peak_resident() -> float:
    """MiB, of this process so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux hands getrusage's peak on from parent to child, this one not
        (line,) = (line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@torch.no_grad()
def on_gpu() -> list[Figure]:
    """The full-size figures, random weights, bf16."""
    device, dtype = "cuda", torch.bfloat16
    name = torch.cuda.get_device_name()
    best, ratio = time_ratio(FULL, 16, device, dtype, rounds=5)
    square = torch.randn(8192, 8192, device=device, dtype=dtype)
    matmul = 2 * 8192**3 / 1e12 / min(seconds(lambda: square @ square, device) for _ in range(10))
    square = None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    model, batch = joint(FULL, device, dtype), inputs(FULL, 16, device, dtype)
    conditions = Conditions(**{key: batch[key] for key in ("context", "image_latents", "image_embeds", "fps")})
    noise = initial_noise((1, 8, 16, 32, 56), 0, device).to(dtype)
    sample(guided(model, Diffusion(), conditions, conditions, 9.0), Diffusion(), noise, steps=4)
    peak = torch.cuda.max_memory_allocated() / 2**30
    size = f"full size, 448x256x16, bf16, {name}"
    return [
        Figure.at_most("model.gpu_time_ratio", ratio, "x", 0.75, f"joint {best:.3f} s over diffusers eager; {size}"),
        Figure(
            "model.gpu_share_of_matmul", FORWARD_TFLOP / best / matmul, "x", context=f"of {matmul:.0f} TFLOP/s; {size}"
        ),
        Figure.at_most("model.gpu_sampling_memory", peak, "GiB", 8, f"weights included, guided; {size}"),
    ]


def run() -> list[Figure]:
    """All figures of the suite."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _, ratio = time_ratio(HALF, FRAMES, "cpu", torch.float32, rounds=2)
    finally:
        torch.set_num_threads(threads)
    peaks = {kind: cpu_peak(kind) for kind in KINDS}
    size = f"half-width I2VGen-XL, 448x256x{FRAMES}, fp32"
    figures = [
        Figure.at_most(
            "model.time_ratio", ratio, "x", 1.03, f"joint forward over diffusers' base, CPU seconds, one thread; {size}"
        ),
        Figure.at_most(
            "model.memory_ratio",
            peaks["joint"] / peaks["base"],
            "x",
            1.03,
            f"peak resident growth, {peaks['joint']:.0f} over {peaks['base']:.0f} MiB, weights included; {size}",
        ),
    ]
    return figures + model_parity.figures() + (on_gpu() if torch.cuda.is_available() else [])


if __name__ == "__main__":
    print(measure_growth(sys.argv[1]))
