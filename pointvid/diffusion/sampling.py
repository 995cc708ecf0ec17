"""DDIM sampling without a host: the command line's, the trainer's rollout, the reference that the nodes agree with."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import PointVidError
from ..progress import Progress, silent
from .bases.base import Conditions
from .process import Schedule

Denoise = Callable[[Tensor, Tensor], Tensor]
"""`denoise(x [B,C,T,h,w], t [B]) -> what the schedule's prediction type says, [B,C,T,h,w]`."""


@dataclass(frozen=True, eq=False)
class DDIMStep:
    """One step of a rollout.

    Attributes:
        index: counted over the whole schedule of `steps`, so that a partial rollout starts above 0.
        t, previous: the timestep it left and the one it went to (negative at the end).
        x: the latent at `previous`.
        x0: the clean latent predicted at `t`.
    """

    index: int
    t: int
    previous: int
    x: Tensor
    x0: Tensor


def ddim_rollout(
    denoise: Denoise,
    schedule: Schedule,
    x: Tensor,
    steps: int,
    start: int = 0,
    grad_steps: Container[int] = (),
) -> Iterator[DDIMStep]:
    """DDIM at eta 0, step by step; the caller may stop when it has seen enough.

    Args:
        denoise: the network, guided or not.
        schedule: the base model's.
        x: latent at timestep `schedule.timesteps(steps)[start]`, [B,C,T,h,w].
        steps: of the whole schedule.
        start: index of the first step to take.
        grad_steps: indices of the steps that autograd records. All others run without. A gradient reaches the weights
            through the step it is recorded in only while no unrecorded step follows: to train on step k, take its x0
            and stop. `range(k, steps)` truncates backpropagation to the last steps (paper section 3.3: the last one).
    Yields:
        DDIMStep, with index from `start` to `steps - 1`.
    """
    timesteps = schedule.timesteps(steps)
    if not 0 <= start < steps:
        raise PointVidError(f"start is step {start}, expected 0 to {steps - 1}")
    for index in range(start, steps):
        t = timesteps[index]
        previous = schedule.previous(t, steps)
        # Not around the yield: the caller's own code must not run in this block's grad mode.
        with torch.set_grad_enabled(index in grad_steps):
            output = denoise(x, torch.full((x.shape[0],), t, device=x.device))
            x0 = schedule.x0_from(output, x, t)
            x = schedule.ddim_step(output, x, t, previous)
        yield DDIMStep(index, t, previous, x, x0)


def initial_noise(shape: tuple[int, ...], seed: int, device: torch.device | str = "cpu") -> Tensor:
    """Unit noise float32 [B,2C,T,h,w], drawn on the CPU so that a seed means the same on every device.

    The video half is drawn first: it is the noise that the base's pipeline draws from the same seed.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    half = (shape[0], shape[1] // 2, *shape[2:])
    return torch.cat([torch.randn(half, generator=generator) for _ in range(2)], 1).to(device)


def guided(model: Callable[..., Tensor], positive: Conditions, negative: Conditions | None, guidance: float) -> Denoise:
    """Classifier-free guidance: u(negative) + guidance (u(positive) - u(negative)), both halves in one batch.

    Args:
        model: VideoUNet or JointUNet.
        negative: from the base adapter's `unconditional`; None, or guidance 1, runs the positive half only.
    """
    if negative is None or guidance == 1:
        return lambda x, t: model(x, t, **positive.inputs())
    both = Conditions.cat([negative, positive])

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        without, with_ = model(torch.cat((x, x)), torch.cat((t, t)), **both.inputs()).chunk(2)
        return without + guidance * (with_ - without)

    return denoise


def sample(
    denoise: Denoise,
    schedule: Schedule,
    noise: Tensor,
    steps: int = 50,
    start: int = 0,
    latents: Tensor | None = None,
    progress: Progress = silent,
) -> Tensor:
    """A whole sampling run, no gradients.

    Args:
        denoise: see `guided`.
        noise: unit noise [B,C,T,h,w], see `initial_noise`.
        steps: DDIM steps of the whole schedule.
        start: steps to skip; above 0 the run starts from `latents` with noise added.
        latents: clean latents of the same shape, needed when start is above 0.
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
        x = schedule.add_noise(latents, noise, schedule.timesteps(steps)[start])
    total = steps - start
    progress(0, total, "sampling")
    for step in ddim_rollout(denoise, schedule, x, steps, start):
        x = step.x
        progress(step.index - start + 1, total, "sampling")
    return x
