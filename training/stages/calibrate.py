"""Loss weights that start the terms at the same scale, measured on the first batches and then fixed.

The paper says this of c0, c1, c2 ("selected so that each term are about the same scale initially"); the lambdas are not
given, so they are found the same way. Whatever the config sets is not touched.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ..config import Weights

_EPS = 1e-12


class Calibration:
    """Running means of the terms' values or gradient norms, and the weights that follow from them.

    Args:
        config: what is fixed, and how the rest is found.
        memory: kept in the training state: {"count", "means", "weights"}.
    """

    def __init__(self, config: Weights, memory: dict[str, Any]):
        self.config, self.memory = config, memory
        memory.setdefault("count", 0)
        memory.setdefault("means", {})

    @property
    def done(self) -> bool:
        """Whether the weights are final."""
        return self.memory["count"] >= self.config.calibration_batches

    def weights(self, terms: dict[str, Tensor], norms: dict[str, Tensor]) -> dict[str, float]:
        """The weight of every term. Until `done`, each call also takes the measurement of one more batch."""
        if not self.done:
            measured = norms if self.config.calibrate_by == "gradient" else terms
            count, means = self.memory["count"], self.memory["means"]
            for name, value in _mean_of_ranks(measured).items():
                means[name] = (means.get(name, 0.0) * count + value) / (count + 1)
            self.memory["count"] = count + 1
            self.memory["weights"] = self._solve(means)
        return {name: self.memory["weights"][name] for name in terms}

    def _solve(self, scale: dict[str, float]) -> dict[str, float]:
        config = self.config
        c = {"position": 1.0 if config.position is None else config.position}
        for name in ("velocity", "acceleration", "background"):
            given = getattr(config, name)
            c[name] = _ratio(scale["position"], scale[name]) if given is None else given
        recon = sum(c[name] * scale[name] for name in c)
        # Without a diffusion loss there is nothing to compare with: the terms are then brought to 1.
        reference = config.share * scale.get("ddim", 1.0)
        l_recon = _ratio(reference, recon) if config.recon is None else config.recon
        l_rigid = _ratio(reference, scale["rigid"]) if config.rigid is None else config.rigid
        return {"ddim": config.ddim, "rigid": l_rigid, **{name: l_recon * value for name, value in c.items()}}


def gradient_norm(term: Tensor, prediction: Tensor) -> Tensor:
    """L2 norm of d term / d prediction: how hard a term pulls at what the denoiser says."""
    (gradient,) = torch.autograd.grad(term, prediction, retain_graph=True)
    return gradient.norm()


def _ratio(a: float, b: float) -> float:
    return a / max(b, _EPS)


def _mean_of_ranks(values: dict[str, Tensor]) -> dict[str, float]:
    """The same numbers on every rank, so that all use the same weights."""
    stacked = torch.stack([value.detach().float() for value in values.values()])
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(stacked)
        stacked /= dist.get_world_size()
    return dict(zip(values, stacked.tolist()))
