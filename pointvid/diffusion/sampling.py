"""Sampling without a host: the generator's, the trainer's rollout, the reference that the nodes agree with."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import PointVidError
from ..progress import Progress, silent
from .conditions import Conditions, Known
from .process import Process

Denoise = Callable[[Tensor, Tensor], Tensor]
"""`denoise(x [B,2C,T',h,w], t [B], levels of the process) -> what its prediction says, [B,2C,T',h,w]`."""
Network = Callable[..., Tensor]
"""`network(x, time [B], **conditions)`: what a base builds."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a rollout.

    Attributes:
        index: counted over the whole schedule of `steps`, so that a partial rollout starts above 0.
        t, next: the level it left and the one it went to.
        x: the latent at `next`.
        x0: the clean latent predicted at `t`.
    """

    index: int
    t: Any
    next: Any
    x: Tensor
    x0: Tensor


def rollout(
    denoise: Denoise,
    process: Process,
    x: Tensor,
    steps: int,
    *,
    start: int = 0,
    grad_steps: Container[int] = (),
    known: Known | None = None,
) -> Iterator[Step]:
    """From noise to none without new noise, step by step; the caller may stop when it has seen enough.

    Args:
        denoise: the network, guided or not.
        x: latent at level `process.levels(steps)[start]`, [B,2C,T',h,w].
        steps: of the whole schedule.
        start: index of the first step to take.
        grad_steps: indices of the steps that autograd records. All others run without. A gradient reaches the weights
            through the step it is recorded in only while no unrecorded step follows: to train on step k, take its x0
            and stop. `range(k, steps)` truncates backpropagation to the last steps (paper section 3.3: the last one).
        known: shown clean to the network in every step, and part of every result.
    Yields:
        Step, with index from `start` to `steps - 1`.
    """
    intervals = process.intervals(steps)
    if not 0 <= start < steps:
        raise PointVidError(f"start is step {start}, expected 0 to {steps - 1}")
    put = known.put if known else lambda value: value
    x = put(x)
    for index in range(start, steps):
        t, following = intervals[index]
        # Not around the yield: the caller's own code must not run in this block's grad mode.
        with torch.set_grad_enabled(index in grad_steps):
            output = denoise(x, torch.full((x.shape[0],), t, device=x.device))
            x0 = put(process.x0_from(output, x, t))
            x = put(process.add_noise(x0, process.noise_from(output, x, t), following))
        yield Step(index, t, following, x, x0)


def initial_noise(shape: tuple[int, ...], seed: int, device: torch.device | str = "cpu") -> Tensor:
    """Unit noise float32 [B,2C,T',h,w], drawn on the CPU so that a seed means the same on every device.

    The video half is drawn first: it is the noise that the base's pipeline draws from the same seed.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    half = (shape[0], shape[1] // 2, *shape[2:])
    return torch.cat([torch.randn(half, generator=generator) for _ in range(2)], 1).to(device)


def guided(
    network: Network, process: Process, positive: Conditions, negative: Conditions | None = None, guidance: float = 1.0
) -> Denoise:
    """Classifier-free guidance: u(negative) + guidance (u(positive) - u(negative)), both halves in one batch.

    Args:
        negative: from the base adapter's `unconditional`; None, or guidance 1, runs the positive half only.
    """
    if negative is None or guidance == 1:
        return lambda x, t: network(x, process.network_time(t), **positive)
    both = Conditions.cat([negative, positive])

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        outputs = network(torch.cat((x, x)), process.network_time(torch.cat((t, t))), **both)
        without, with_ = outputs.chunk(2)
        return without + guidance * (with_ - without)

    return denoise


def sample(
    denoise: Denoise,
    process: Process,
    noise: Tensor,
    steps: int = 50,
    *,
    start: int = 0,
    latents: Tensor | None = None,
    known: Known | None = None,
    progress: Progress = silent,
) -> Tensor:
    """A whole sampling run, no gradients.

    Args:
        denoise: see `guided`.
        noise: unit noise [B,2C,T',h,w], see `initial_noise`.
        steps: of the whole schedule.
        start: steps to skip; above 0 the run starts from `latents` with noise added.
        latents: clean latents of the same shape, needed when start is above 0.
        known: see `rollout`.
        progress: called before every step and at the end; may raise to cancel.
    Returns:
        clean latents, shape of `noise`.
    """
    if (latents is None) != (start == 0):
        raise PointVidError(
            f"start is step {start} and latents are {'missing' if latents is None else 'given'}, "
            "expected latents exactly when start is above 0"
        )
    x = noise
    if latents is not None:
        if latents.shape != noise.shape:
            raise PointVidError(f"latents are {list(latents.shape)}, noise is {list(noise.shape)}, expected equal")
        x = process.add_noise(latents, noise, process.levels(steps)[start])
    total = steps - start
    progress(0, total, "sampling")
    for step in rollout(denoise, process, x, steps, start=start, known=known):
        x = step.x
        progress(step.index - start + 1, total, "sampling")
    return x
