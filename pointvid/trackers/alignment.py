"""Lucas-Kanade alignment of many patches at once, inverse compositional and blind to gain and bias.

A template is a patch of one image; its counterpart is sampled from another through p + A d, where d are the offsets
of the patch, A is a known 2x2 warp and p is sought. Both are normalised (each channel's mean removed, energy 1), so
changes of light cancel. The steepest-descent images are the template's, computed once (Baker & Matthews 2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .patches import sample


@dataclass(frozen=True, eq=False)
class Templates:
    """N patches of one pyramid level.

    Attributes:
        values: float32 [C, N, P], normalised.
        solve: float32 [2, C, N, P]; its product with a residual is the shift that explains it, pixels of the level.
        offsets: float32 [P, 2], pixels of the level.
        weight: float32 [P], sums to 1.
    """

    values: Tensor
    solve: Tensor
    offsets: Tensor
    weight: Tensor

    def select(self, index: Tensor | slice) -> Templates:
        """Some of the N."""
        return Templates(self.values[:, index], self.solve[:, :, index], self.offsets, self.weight)

    def put(self, index: Tensor, new: Templates) -> None:
        """Replace the templates at `index`, in place."""
        self.values[:, index] = new.values
        self.solve[:, :, index] = new.solve

    @classmethod
    def cat(cls, parts: list[Templates]) -> Templates:
        """Many into one."""
        values = torch.cat([part.values for part in parts], 1)
        return cls(values, torch.cat([part.solve for part in parts], 2), parts[0].offsets, parts[0].weight)


def make_templates(image: Tensor, centre: Tensor, offsets: Tensor, weight: Tensor) -> Templates:
    """Cut templates at `centre` [N, 2] out of `image` [1, 3 C, H, W], a level `with_gradient`."""
    channels = image.shape[1] // 3
    patch = sample(image, centre[:, None] + offsets)
    values, gain = _normalise(patch[:channels], weight)
    slope = patch[channels:].unflatten(0, (2, channels)) * gain[..., None]
    slope = slope - (slope @ weight)[..., None]
    weighted = slope * weight
    uu, uv, vv = ((weighted[i] * slope[j]).sum((0, 2)) for i, j in ((0, 0), (0, 1), (1, 1)))
    ridge = 1e-3 * (uu + vv) + 1e-4
    uu, vv = uu + ridge, vv + ridge
    inverse = 1 / (uu * vv - uv * uv)
    solve_u = (weighted[0] * (vv * inverse)[:, None]) - weighted[1] * (uv * inverse)[:, None]
    solve_v = (weighted[1] * (uu * inverse)[:, None]) - weighted[0] * (uv * inverse)[:, None]
    return Templates(values, torch.stack((solve_u, solve_v)), offsets, weight)


def align(
    image: Tensor, templates: Templates, start: Tensor, warp: Tensor | None = None, steps: int = 3, reach: float = 3.0
) -> tuple[Tensor, Tensor]:
    """Find the templates in `image`.

    Args:
        image: [1, C, H, W], the same level of another frame.
        start: float32 [N, 2], pixels of the level.
        warp: float32 [N, 2, 2], A; None is the identity.
        steps: Gauss-Newton steps, none longer than `reach` pixels.
    Returns:
        (uv [N, 2], correlation [N] in [-1, 1] there)
    """
    offsets = templates.offsets if warp is None else templates.offsets @ warp.mT
    uv = start
    for _ in range(steps):
        patch, _ = _normalise(sample(image, uv[:, None] + offsets), templates.weight)
        shift = (templates.solve * (patch - templates.values)).sum((1, 3)).mT
        shift = shift * (reach / shift.norm(dim=-1, keepdim=True).clamp(min=1e-9)).clamp(max=1)
        uv = uv - (shift if warp is None else (warp @ shift[..., None])[..., 0])
    return uv, correlate(image, templates, uv, warp)


def correlate(image: Tensor, templates: Templates, uv: Tensor, warp: Tensor | None = None) -> Tensor:
    """Zero-mean normalised cross-correlation of the templates with `image` at `uv`, over all channels: [N]."""
    offsets = templates.offsets if warp is None else templates.offsets @ warp.mT
    patch, _ = _normalise(sample(image, uv[:, None] + offsets), templates.weight)
    return (patch * templates.values).sum(0) @ templates.weight


def _normalise(patch: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Remove each channel's mean from [C, N, P], scale to energy 1; also the scales [N]."""
    patch = patch - (patch @ weight)[..., None]
    gain = (patch.square().sum(0) @ weight + 1e-6).rsqrt()
    return patch * gain[:, None], gain
