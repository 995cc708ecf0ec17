"""The noise schedule a base model was trained with, and DDIM over it (arXiv 2010.02502).

The same numbers as diffusers' DDIMScheduler at eta 0, as pure functions: nothing here remembers a sampling run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..errors import PointVidError

PREDICTIONS = ("v_prediction", "epsilon")
BETA_SCHEDULES = ("squaredcos_cap_v2", "scaled_linear", "linear")
SPACINGS = ("leading", "trailing", "linspace")


@dataclass(frozen=True)
class Schedule:
    """x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, t from 0 to num_train_timesteps - 1. Defaults: I2VGen-XL's.

    Attributes:
        prediction_type: what the denoiser predicts: "v_prediction" (sqrt(abar) noise - sqrt(1-abar) x0) or "epsilon".
        beta_schedule, beta_start, beta_end: one of BETA_SCHEDULES; the cosine one ignores start and end.
        zero_terminal_snr: rescale so that the last step is pure noise (arXiv 2305.08891).
        timestep_spacing: which steps n-step sampling visits. "leading" is the published one: it starts at t=951 for 20
            steps and so leaks some of the latent's mean; "trailing" starts at the last step.
        steps_offset: added to leading timesteps.
        set_alpha_to_one: whether the last DDIM step ends at abar = 1 or at abar of step 0.
        num_train_timesteps: length of the training schedule.
    """

    prediction_type: str = "v_prediction"
    beta_schedule: str = "squaredcos_cap_v2"
    beta_start: float = 0.00085
    beta_end: float = 0.012
    zero_terminal_snr: bool = True
    timestep_spacing: str = "leading"
    steps_offset: int = 1
    set_alpha_to_one: bool = True
    num_train_timesteps: int = 1000

    def __post_init__(self) -> None:
        for name, allowed in (
            ("prediction_type", PREDICTIONS),
            ("beta_schedule", BETA_SCHEDULES),
            ("timestep_spacing", SPACINGS),
        ):
            if getattr(self, name) not in allowed:
                raise PointVidError(f"schedule: {name} is {getattr(self, name)!r}, expected one of {allowed}")
        if self.zero_terminal_snr and self.prediction_type == "epsilon":
            raise PointVidError(
                "schedule: zero_terminal_snr with prediction_type 'epsilon' cannot be sampled (x0 is undefined at the "
                "last step), expected 'v_prediction'"
            )

    @classmethod
    def from_diffusers(cls, config: Mapping[str, Any]) -> Schedule:
        """Read a `scheduler_config.json`; missing keys have DDIMScheduler's defaults.

        Raises:
            PointVidError: a setting that changes samples and is not supported (clipping, thresholding, own betas).
        """
        for key in ("clip_sample", "thresholding", "trained_betas"):
            # clip_sample is on by default in diffusers; latents must not be clipped
            if config.get(key, key == "clip_sample"):
                raise PointVidError(f"schedule: {key} is on, expected a latent model's scheduler config with it off")
        return cls(
            prediction_type=config.get("prediction_type", "epsilon"),
            beta_schedule=config.get("beta_schedule", "linear"),
            beta_start=config.get("beta_start", 0.0001),
            beta_end=config.get("beta_end", 0.02),
            zero_terminal_snr=config.get("rescale_betas_zero_snr", False),
            timestep_spacing=config.get("timestep_spacing", "leading"),
            steps_offset=config.get("steps_offset", 0),
            set_alpha_to_one=config.get("set_alpha_to_one", True),
            num_train_timesteps=config.get("num_train_timesteps", 1000),
        )

    def to_diffusers(self) -> dict[str, Any]:
        """The `scheduler_config.json` of an equal DDIMScheduler."""
        config = asdict(self)
        config["rescale_betas_zero_snr"] = config.pop("zero_terminal_snr")
        return {"_class_name": "DDIMScheduler", "clip_sample": False, **config}

    def to_json(self) -> str:
        """The text a checkpoint's metadata holds: a scheduler config."""
        return json.dumps(self.to_diffusers())

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """Read `to_json`'s text."""
        return cls.from_diffusers(json.loads(text))

    @cached_property
    def alphas_cumprod(self) -> Tensor:
        """abar_t, float32 [num_train_timesteps]."""
        count = self.num_train_timesteps
        if self.beta_schedule == "squaredcos_cap_v2":
            level = [math.cos((i / count + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(count + 1)]
            betas = torch.tensor([min(1 - b / a, 0.999) for a, b in pairwise(level)], dtype=torch.float32)
        elif self.beta_schedule == "scaled_linear":
            betas = torch.linspace(self.beta_start**0.5, self.beta_end**0.5, count, dtype=torch.float32) ** 2
        else:
            betas = torch.linspace(self.beta_start, self.beta_end, count, dtype=torch.float32)
        alphas = torch.cumprod(1 - betas, 0)
        if not self.zero_terminal_snr:
            return alphas
        signal = alphas.sqrt()
        signal = (signal - signal[-1]) * (signal[0] / (signal[0] - signal[-1]))  # arXiv 2305.08891, algorithm 1
        # Back through the betas, as trained: the product of float32 ratios, not the square itself.
        return torch.cumprod(torch.cat((signal[:1] ** 2, signal[1:] ** 2 / signal[:-1] ** 2)), 0)

    def timesteps(self, steps: int) -> list[int]:
        """The timesteps that `steps`-step sampling visits, descending.

        Raises:
            PointVidError: fewer than 1 step, or more than the schedule has.
        """
        count = self.num_train_timesteps
        if not 1 <= steps <= count:
            raise PointVidError(f"steps is {steps}, expected 1 to {count}")
        if self.timestep_spacing == "leading":
            chosen = [i * (count // steps) + self.steps_offset for i in reversed(range(steps))]
        elif self.timestep_spacing == "trailing":
            chosen = [round(count - i * count / steps) - 1 for i in range(steps)]
        else:
            chosen = [round(t) for t in torch.linspace(0, count - 1, steps, dtype=torch.float64).tolist()][::-1]
        if chosen[0] >= count:
            raise PointVidError(f"steps is {steps}: leading spacing would start at t={chosen[0]}, expected fewer steps")
        return chosen

    def previous(self, t: int, steps: int) -> int:
        """The timestep that a step of `steps`-step DDIM goes to from `t`; negative after the last one."""
        return t - self.num_train_timesteps // steps

    def coefficients(self, t: int | Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(abar_t) and sqrt(1 - abar_t), shaped to multiply `like` [B,...]; `t` is one number or [B]."""
        t = torch.as_tensor(t)
        alpha = self.alphas_cumprod[t.cpu()].to(like.device)
        shape = (-1, *[1] * (like.ndim - 1)) if t.ndim else ()
        return alpha.sqrt().to(like.dtype).reshape(shape), (1 - alpha).sqrt().to(like.dtype).reshape(shape)

    def snr(self, t: int | Tensor) -> Tensor:
        """Signal to noise ratio abar / (1 - abar), float32."""
        alpha = self.alphas_cumprod[torch.as_tensor(t).cpu()]
        return alpha / (1 - alpha)

    def add_noise(self, x0: Tensor, noise: Tensor, t: int | Tensor) -> Tensor:
        """x_t of clean latents `x0` [B,...]; `t` is one number or [B]."""
        signal, spread = self.coefficients(t, x0)
        return signal * x0 + spread * noise

    def target(self, x0: Tensor, noise: Tensor, t: int | Tensor) -> Tensor:
        """What the denoiser learns to predict at x_t."""
        if self.prediction_type == "epsilon":
            return noise
        signal, spread = self.coefficients(t, x0)
        return signal * noise - spread * x0

    def x0_from(self, output: Tensor, x: Tensor, t: int | Tensor) -> Tensor:
        """The clean latent that the denoiser's `output` at `x` = x_t implies."""
        signal, spread = self.coefficients(t, x)
        if self.prediction_type == "epsilon":
            return (x - spread * output) / signal
        return signal * x - spread * output

    def noise_from(self, output: Tensor, x: Tensor, t: int | Tensor) -> Tensor:
        """The noise that the denoiser's `output` at `x` = x_t implies."""
        if self.prediction_type == "epsilon":
            return output
        signal, spread = self.coefficients(t, x)
        return signal * output + spread * x

    def output_from(self, x0: Tensor, x: Tensor, t: int | Tensor) -> Tensor:
        """The denoiser's output that would imply `x0`: the inverse of `x0_from`, for guidance that edits x0."""
        signal, spread = self.coefficients(t, x)
        if self.prediction_type == "epsilon":
            return (x - signal * x0) / spread
        return (signal * x - x0) / spread

    def ddim_step(self, output: Tensor, x: Tensor, t: int, previous: int) -> Tensor:
        """x at timestep `previous` (negative: the end) from x_t and the denoiser's output there; eta is 0."""
        x0, noise = self.x0_from(output, x, t), self.noise_from(output, x, t)
        if previous < 0 and self.set_alpha_to_one:
            return x0
        signal, spread = self.coefficients(max(previous, 0), x)
        return signal * x0 + spread * noise
