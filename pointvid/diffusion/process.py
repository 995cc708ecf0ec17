"""The noise law a base model was trained with: what a noisy latent is made of, and how one goes from noise to none.

    x_t    = signal x0 + spread noise
    output = a noise + b x0            a, b: epsilon 1, 0; v signal, -spread; flow 1, -1

All else follows from these two lines, for diffusion and for rectified flow alike: x0 and noise are their solution, and
a step is the same noise and x0 at the next level. That is DDIM at eta 0 (arXiv 2010.02502), and with signal 1 - s and
spread s the Euler step of rectified flow, x + (s' - s) v (arXiv 2209.03003). Pure functions: nothing here remembers a
sampling run.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..errors import PointVidError

Prediction = Literal["epsilon", "v", "flow"]
BetaSchedule = Literal["squaredcos_cap_v2", "scaled_linear", "linear"]
Spacing = Literal["leading", "trailing", "linspace"]
Level = int | float | Tensor
"""How noisy: one number, or one a clip [B], in the units of the process."""

_FLOW_CLASSES = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")


class Process(ABC):
    """See the module. Levels are the process's own numbers: steps of a training schedule, or shares of noise."""

    @property
    @abstractmethod
    def prediction(self) -> Prediction:
        """What the denoiser's output is."""

    @abstractmethod
    def coefficients(self, t: Level, like: Tensor) -> tuple[Tensor, Tensor]:
        """Signal and spread at `t`, shaped to multiply `like` [B,...]."""

    @abstractmethod
    def levels(self, steps: int) -> list[Any]:
        """The levels that `steps`-step sampling visits, descending, and the end: steps + 1 numbers.

        Raises:
            PointVidError: an impossible number of steps.
        """

    def intervals(self, steps: int) -> list[tuple[Any, Any]]:
        """Where each step of `steps`-step sampling starts, and where it goes to."""
        return list(pairwise(self.levels(steps)))

    @abstractmethod
    def draw(self, count: int) -> Tensor:
        """Levels [count] as training meets them, on the CPU."""

    @abstractmethod
    def spread_out(self, count: int) -> Tensor:
        """Levels [count] evenly over what training meets, always the same."""

    @abstractmethod
    def level_at(self, share: float) -> Any:
        """The level at a share of the way from no noise (0) to noise alone (1)."""

    @abstractmethod
    def step_at(self, share: float, steps: int) -> int:
        """Index of the first of `levels(steps)` to take from where `level_at(share)` is."""

    def snr(self, t: Level) -> Tensor:
        """Signal to noise ratio, (signal / spread)^2, float32."""
        known = self.signal_share(t)
        return known / (1 - known)

    @abstractmethod
    def signal_share(self, t: Level) -> Tensor:
        """SNR / (1 + SNR), float32: how much of x_t is known, so how far to trust the x0 that is predicted there."""

    @abstractmethod
    def network_time(self, t: Level) -> Level:
        """What the denoiser is told: 0 to about 1000."""

    @abstractmethod
    def to_diffusers(self) -> dict[str, Any]:
        """The `scheduler_config.json` of an equal scheduler of diffusers."""

    @abstractmethod
    def describe(self) -> str:
        """In a few words, for people."""

    def add_noise(self, x0: Tensor, noise: Tensor, t: Level) -> Tensor:
        """x_t of clean latents `x0` [B,...]."""
        signal, spread = self.coefficients(t, x0)
        return signal * x0 + spread * noise

    def target(self, x0: Tensor, noise: Tensor, t: Level) -> Tensor:
        """What the denoiser learns to predict at x_t."""
        _, _, a, b, _ = self._law(t, x0)
        return a * noise + b * x0

    def x0_from(self, output: Tensor, x: Tensor, t: Level) -> Tensor:
        """The clean latent that the denoiser's `output` at `x` = x_t implies."""
        _, spread, a, _, determinant = self._law(t, x)
        return (a * x - spread * output) / determinant

    def noise_from(self, output: Tensor, x: Tensor, t: Level) -> Tensor:
        """The noise that the denoiser's `output` at `x` = x_t implies."""
        if self.prediction == "epsilon":
            return output  # dividing by the signal again would only round
        signal, _, _, b, determinant = self._law(t, x)
        return (signal * output - b * x) / determinant

    def output_from(self, x0: Tensor, x: Tensor, t: Level) -> Tensor:
        """The denoiser's output that would imply `x0`: the inverse of `x0_from`, for guidance that edits x0."""
        _, spread, a, _, determinant = self._law(t, x)
        return (a * x - determinant * x0) / spread

    def step(self, output: Tensor, x: Tensor, t: Level, next: Level) -> Tensor:
        """x at level `next`, from x_t and the denoiser's output there."""
        return self.add_noise(self.x0_from(output, x, t), self.noise_from(output, x, t), next)

    def min_snr_weight(self, t: Tensor, gamma: float) -> Tensor:
        """Weights [B] of a squared error of the output: x0's then counts min(SNR, gamma) (arXiv 2303.09556, 3.4)."""
        snr = self.snr(t)
        own = {"epsilon": lambda: snr, "v": lambda: snr + 1, "flow": lambda: (snr.sqrt() + 1).square()}
        return snr.clamp(max=gamma) / own[self.prediction]()

    def _law(self, t: Level, like: Tensor) -> tuple[Tensor, Tensor, Any, Any, Any]:
        """Signal, spread, a, b of the module, and a signal - b spread; exact where it is 1 by identity."""
        signal, spread = self.coefficients(t, like)
        laws = {"epsilon": (1, 0, signal), "v": (signal, -spread, 1), "flow": (1, -1, 1)}
        return signal, spread, *laws[self.prediction]


@dataclass(frozen=True)
class Diffusion(Process):
    """x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise, t from 0 to num_train_timesteps - 1; below 0 lies the end.

    The numbers are those of diffusers' DDIMScheduler. Defaults: I2VGen-XL's.

    Attributes:
        prediction_type: "v_prediction" or "epsilon".
        beta_schedule, beta_start, beta_end: the cosine one ignores start and end.
        zero_terminal_snr: rescale so that the last step is pure noise (arXiv 2305.08891).
        timestep_spacing: which steps n-step sampling visits. "leading" is the published one: it starts at t=951 for 20
            steps and so leaks some of the latent's mean; "trailing" starts at the last step.
        steps_offset: added to leading timesteps.
        set_alpha_to_one: whether the end is abar = 1, or abar of step 0.
        num_train_timesteps: length of the training schedule.
    """

    prediction_type: Literal["v_prediction", "epsilon"] = "v_prediction"
    beta_schedule: BetaSchedule = "squaredcos_cap_v2"
    beta_start: float = 0.00085
    beta_end: float = 0.012
    zero_terminal_snr: bool = True
    timestep_spacing: Spacing = "leading"
    steps_offset: int = 1
    set_alpha_to_one: bool = True
    num_train_timesteps: int = 1000

    def __post_init__(self) -> None:
        choices = {"beta_schedule": get_args(BetaSchedule), "timestep_spacing": get_args(Spacing)}
        for name, allowed in ({"prediction_type": ("v_prediction", "epsilon")} | choices).items():
            if getattr(self, name) not in allowed:
                raise PointVidError(f"schedule: {name} is {getattr(self, name)!r}, expected one of {allowed}")
        if self.zero_terminal_snr and self.prediction_type == "epsilon":
            raise PointVidError(
                "schedule: zero_terminal_snr with prediction_type 'epsilon' cannot be sampled (x0 is undefined at the "
                "last step), expected 'v_prediction'"
            )

    @classmethod
    def from_diffusers(cls, config: Mapping[str, Any]) -> Diffusion:
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
        """Of a DDIMScheduler."""
        config = asdict(self)
        config["rescale_betas_zero_snr"] = config.pop("zero_terminal_snr")
        return {"_class_name": "DDIMScheduler", "clip_sample": False, **config}

    def describe(self) -> str:
        """Prediction, betas, spacing."""
        return f"{self.prediction_type}, {self.beta_schedule}, {self.timestep_spacing}"

    @property
    def prediction(self) -> Prediction:
        """By its short name."""
        return "v" if self.prediction_type == "v_prediction" else "epsilon"

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

    def levels(self, steps: int) -> list[int]:
        """By the schedule's spacing; the end is -1."""
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
        return [*chosen, -1]

    def intervals(self, steps: int) -> list[tuple[int, int]]:
        """As DDIMScheduler has it: every step goes the same way down, also where the spacing is not quite even."""
        way = self.num_train_timesteps // steps
        return [(t, max(t - way, -1)) for t in self.levels(steps)[:-1]]

    def draw(self, count: int) -> Tensor:
        """Every step alike."""
        return torch.randint(0, self.num_train_timesteps, (count,))

    def spread_out(self, count: int) -> Tensor:
        """The middles of `count` equal parts of the schedule."""
        return ((torch.arange(count) + 0.5) / count * self.num_train_timesteps).long()

    def level_at(self, share: float) -> int:
        """A share of the training steps."""
        return min(int(share * self.num_train_timesteps), self.num_train_timesteps - 1)

    def step_at(self, share: float, steps: int) -> int:
        """A share of the sampling steps."""
        return min(round((1 - share) * steps), steps - 1)

    def coefficients(self, t: Level, like: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(abar_t) and sqrt(1 - abar_t)."""
        alpha = self.signal_share(t).to(like.device)
        shape = (-1, *[1] * (like.ndim - 1)) if alpha.ndim else ()
        return alpha.sqrt().to(like.dtype).reshape(shape), (1 - alpha).sqrt().to(like.dtype).reshape(shape)

    def signal_share(self, t: Level) -> Tensor:
        """abar_t; between two steps, linear."""
        t, table = torch.as_tensor(t).cpu(), self.alphas_cumprod
        end = 1.0 if self.set_alpha_to_one else table[0]
        below = t.floor().long().clamp(0, len(table) - 1) if t.is_floating_point() else t.clamp(min=0)
        alpha = table[below]
        if t.is_floating_point():
            alpha = torch.lerp(alpha, table[(below + 1).clamp(max=len(table) - 1)], (t - below).clamp(0, 1).float())
        return torch.where(t < 0, end, alpha)

    def network_time(self, t: Level) -> Level:
        """The step itself."""
        return t


@dataclass(frozen=True)
class Flow(Process):
    """Rectified flow: x_s = (1 - s) x0 + s noise, the output is noise - x0; s from 0 to 1, 0 is the end.

    Attributes:
        shift: s = shift u / (1 + (shift - 1) u) for evenly spaced u: above 1, more steps are spent on much noise.
        uniform_share: of the levels that training draws, how many are even in s; the others are a shifted sigmoid of a
            normal variable (arXiv 2403.03206), which visits little noise, where positions are decided, too seldom.
        num_train_timesteps: what the denoiser is told at s = 1.
    """

    shift: float = 1.0
    uniform_share: float = 0.15
    num_train_timesteps: int = 1000

    def __post_init__(self) -> None:
        if not 0 < self.shift < math.inf or not 0 <= self.uniform_share <= 1:
            raise PointVidError(
                f"flow: shift is {self.shift}, expected above 0; uniform_share {self.uniform_share}, expected 0 to 1"
            )

    @classmethod
    def from_diffusers(cls, config: Mapping[str, Any]) -> Flow:
        """Read a `scheduler_config.json` of a flow scheduler.

        Raises:
            PointVidError: a shift that depends on the clip's size.
        """
        if config.get("use_dynamic_shifting", False):
            raise PointVidError("schedule: use_dynamic_shifting is on, expected a flow scheduler with a fixed shift")
        shift = float(config.get("flow_shift", config.get("shift", 1.0)))
        share = float(config.get("uniform_share", cls.uniform_share))
        return cls(shift, share, config.get("num_train_timesteps", 1000))

    def to_diffusers(self) -> dict[str, Any]:
        """Of a FlowMatchEulerDiscreteScheduler."""
        return {"_class_name": _FLOW_CLASSES[0], **asdict(self)}

    def describe(self) -> str:
        """Its shift."""
        return f"flow, shift {self.shift:g}"

    @property
    def prediction(self) -> Prediction:
        """Always the velocity."""
        return "flow"

    def levels(self, steps: int) -> list[float]:
        """Even in u, shifted; the end is 0."""
        if steps < 1:
            raise PointVidError(f"steps is {steps}, expected at least 1")
        return [self.shifted(1 - k / steps) for k in range(steps)] + [0.0]

    def shifted(self, u: Any) -> Any:
        """s of u, a number or a tensor."""
        return self.shift * u / (1 + (self.shift - 1) * u)

    def draw(self, count: int) -> Tensor:
        """See `uniform_share`."""
        bell = self.shifted(torch.randn(count).sigmoid())
        return torch.where(torch.rand(count) < self.uniform_share, torch.rand(count), bell)

    def spread_out(self, count: int) -> Tensor:
        """The middles of `count` equal parts of u."""
        return self.shifted((torch.arange(count) + 0.5) / count)

    def level_at(self, share: float) -> float:
        """The share of noise itself."""
        return share

    def step_at(self, share: float, steps: int) -> int:
        """The first level with no more noise than that."""
        return next((i for i, s in enumerate(self.levels(steps)[:-1]) if s <= share), steps - 1)

    def coefficients(self, t: Level, like: Tensor) -> tuple[Tensor, Tensor]:
        """1 - s and s."""
        s = torch.as_tensor(t, dtype=torch.float32).to(like.device)
        shape = (-1, *[1] * (like.ndim - 1)) if s.ndim else ()
        return (1 - s).to(like.dtype).reshape(shape), s.to(like.dtype).reshape(shape)

    def snr(self, t: Level) -> Tensor:
        """((1 - s) / s)^2."""
        s = torch.as_tensor(t, dtype=torch.float32)
        return ((1 - s) / s).square()

    def signal_share(self, t: Level) -> Tensor:
        """(1 - s)^2 / ((1 - s)^2 + s^2)."""
        s = torch.as_tensor(t, dtype=torch.float32)
        return (1 - s).square() / ((1 - s).square() + s.square())

    def network_time(self, t: Level) -> Level:
        """1000 s."""
        return self.num_train_timesteps * t


def process_from_diffusers(config: Mapping[str, Any]) -> Process:
    """The process of a `scheduler_config.json`: flow where its class or its settings say so, diffusion otherwise.

    Raises:
        PointVidError: a setting that is not supported.
    """
    flows = config.get("use_flow_sigmas", False) or config.get("prediction_type") == "flow_prediction"
    if config.get("_class_name") in _FLOW_CLASSES or flows:
        return Flow.from_diffusers(config)
    return Diffusion.from_diffusers(config)
