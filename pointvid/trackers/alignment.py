"""Lucas-Kanade alignment of many patches at once, inverse compositional and blind to gain and bias.

A template is a patch of one image; its counterpart is sampled from another through p + A d, where d are the offsets
of the patch, A is a known 2x2 warp and p is sought. Both are normalised (each channel's mean removed, energy 1), so
changes of light cancel. The steepest-descent images are the template's, computed once (Baker & Matthews 2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .patches import lookup, scaled

_ARRIVED = 0.02
"""Pixels of the level: a patch whose step is shorter has converged."""


@dataclass(frozen=True, eq=False)
class Templates:
    """N patches of one pyramid level.

    Attributes:
        kernel: float32 [N, C P, 3]: products with a patch of unit energy give its correlation and, less `bias`, the
            shift (u, v) that explains what differs, pixels of the level.
        bias: float32 [N, 2].
        slope: float32 [N, C P, 2], weighted, of the patch of energy 1: the derivatives along u and v.
        strength: float32 [N], the smaller eigenvalue of the structure tensor: mean squared slope along the direction
            that is localised worst, in (1 / pixel) ** 2 of the image's own range.
        offsets: float32 [P, 2], pixels of the level.
        weight: float32 [P], sums to 1.
    """

    kernel: Tensor
    bias: Tensor
    slope: Tensor
    strength: Tensor
    offsets: Tensor
    weight: Tensor

    def select(self, index: Tensor | slice) -> Templates:
        """Some of the N."""
        parts = (values[index] for values in (self.kernel, self.bias, self.slope, self.strength))
        return Templates(*parts, offsets=self.offsets, weight=self.weight)

    def put(self, index: Tensor, new: Templates) -> None:
        """Replace the templates at `index`, in place."""
        for name in ("kernel", "bias", "slope", "strength"):
            getattr(self, name)[index] = getattr(new, name)

    @classmethod
    def cat(cls, parts: list[Templates]) -> Templates:
        """Many into one."""
        names = ("kernel", "bias", "slope", "strength")
        joined = (torch.cat([getattr(part, name) for part in parts]) for name in names)
        return cls(*joined, offsets=parts[0].offsets, weight=parts[0].weight)


def make_templates(image: Tensor, centre: Tensor, offsets: Tensor, weight: Tensor) -> Templates:
    """Cut templates at `centre` [N, 2] out of `image` [1, 3 C, H, W], a level `with_gradient`."""
    channels = image.shape[1] // 3
    patch = lookup(image, centre[:, None] + offsets)
    values, gain = _normalise(patch[:channels], weight)
    slope = patch[channels:].unflatten(0, (2, channels))
    slope = slope - (slope @ weight)[..., None]
    weighted = slope * weight
    uu, uv, vv = ((weighted[i] * slope[j]).sum((0, 2)) for i, j in ((0, 0), (0, 1), (1, 1)))
    strength = ((uu + vv) - ((uu - vv).square() + 4 * uv.square()).sqrt()) / 2
    uu, uv, vv = uu * gain.square(), uv * gain.square(), vv * gain.square()
    ridge = 1e-3 * (uu + vv) + 1e-4
    uu, vv = uu + ridge, vv + ridge
    inverse = gain / (uu * vv - uv * uv)
    solve_u = weighted[0] * (vv * inverse)[:, None] - weighted[1] * (uv * inverse)[:, None]
    solve_v = weighted[1] * (uu * inverse)[:, None] - weighted[0] * (uv * inverse)[:, None]
    bias = torch.stack(((solve_u * values).sum((0, 2)), (solve_v * values).sum((0, 2))), -1)
    kernel = torch.stack((values * weight, solve_u, solve_v), -1).transpose(0, 1).flatten(1, 2)
    slope = (weighted * gain[:, None]).movedim(0, -1).transpose(0, 1).flatten(1, 2)
    return Templates(kernel.contiguous(), bias, slope.contiguous(), strength, offsets, weight)


def align(
    image: Tensor, templates: Templates, start: Tensor, warp: Tensor | None = None, steps: int = 3, reach: float = 3.0
) -> tuple[Tensor, Tensor]:
    """Find the templates in `image`.

    Args:
        image: [1, C, H, W], the same level of another frame.
        start: float32 [N, 2], pixels of the level.
        warp: float32 [N, 2, 2], A; None is the identity.
        steps: Gauss-Newton steps at most, none longer than `reach` pixels. A patch that has converged takes no more.
    Returns:
        (uv [N, 2], correlation [N] in [-1, 1] there; of a converged patch, less than 0.02 px beside it)
    """
    uv, correlation = start.clone(), start.new_empty(len(start))
    offsets = templates.offsets if warp is None else templates.offsets @ warp.mT
    offsets = scaled(offsets, image)
    rows = None  # all of them
    for step in range(steps + 1):
        there = uv if rows is None else uv[rows]
        found = _compare(image, templates, there, offsets)
        if rows is None:
            correlation = found[:, 0]
        else:
            correlation[rows] = found[:, 0]
        if step == steps:
            break
        shift = found[:, 1:] - templates.bias
        length = shift.norm(dim=-1)
        shift = shift * (reach / length.clamp(min=1e-9)).clamp(max=1)[:, None]
        there = there - (shift if warp is None else (warp @ shift[..., None])[..., 0])
        if rows is None:
            uv = there
        else:
            uv[rows] = there
        going = (length > _ARRIVED).nonzero()[:, 0]
        if not len(going):
            break
        if len(going) < 0.8 * len(length):
            rows = going if rows is None else rows[going]
            templates = templates.select(going)
            warp = None if warp is None else warp[going]
            offsets = offsets[going] if offsets.ndim == 3 else offsets
    return uv, correlation


def align_affine(
    image: Tensor, templates: Templates, start: Tensor, warp: Tensor, steps: int = 4, stiff: float = 0.1
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the templates in `image` and their warps, from a start not far off; never worse than that.

    Args:
        start: float32 [N, 2], pixels of the level.
        warp: float32 [N, 2, 2].
        steps: Gauss-Newton steps.
        stiff: how the warp is held, relative to the position.
    Returns:
        (uv [N, 2], correlation [N], warp [N, 2, 2])
    """
    points = templates.offsets.repeat(templates.slope.shape[1] // len(templates.offsets), 1)
    reach = points.abs().amax()
    basis = torch.cat((torch.ones_like(points[:, :1]), points / reach), 1)  # 1, x, y
    descent = (templates.slope[..., None] * basis[:, None]).flatten(2)  # N P 6: u, ux, uy, v, vx, vy; weighted
    weight = templates.weight.repeat(len(points) // len(templates.weight))
    normal = torch.bmm(descent.mT, descent / weight[:, None])
    diagonal = normal.diagonal(dim1=1, dim2=2)
    held = diagonal.mean(1, keepdim=True) * descent.new_tensor((1e-3, stiff, stiff, 1e-3, stiff, stiff)) + 1e-4
    solve = torch.linalg.solve(normal + torch.diag_embed(held), descent.mT)
    kernel = torch.cat((templates.kernel[..., :1], solve.mT), -1)
    values = templates.kernel[..., 0] / weight
    bias = torch.bmm(values[:, None], solve.mT)[:, 0]
    best_uv, best_warp, best = start, warp, torch.full_like(start[:, 0], -2.0)
    uv = start
    for step in range(steps + 1):
        offsets = scaled(templates.offsets @ warp.mT, image)
        patch, _ = _normalise(lookup(image, uv[:, None], offsets), templates.weight)
        flat = patch[0] if len(patch) == 1 else patch.transpose(0, 1).flatten(1)
        found = torch.bmm(flat[:, None], kernel)[:, 0]
        better = found[:, 0] > best
        best = torch.where(better, found[:, 0], best)
        best_uv = torch.where(better[:, None], uv, best_uv)
        best_warp = torch.where(better[:, None, None], warp, best_warp)
        if step == steps:
            break
        change = (found[:, 1:] - bias).view(-1, 2, 3).clamp(-2, 2)
        uv = uv - (warp @ change[..., :1])[..., 0]
        warp = warp - warp @ change[..., 1:] / reach
    return best_uv, best, best_warp


def correlate(image: Tensor, templates: Templates, uv: Tensor, warp: Tensor | None = None) -> Tensor:
    """Zero-mean normalised cross-correlation of the templates with `image` at `uv`, over all channels: [N]."""
    offsets = templates.offsets if warp is None else templates.offsets @ warp.mT
    return _compare(image, templates, uv, scaled(offsets, image))[:, 0]


def _compare(image: Tensor, templates: Templates, uv: Tensor, offsets: Tensor) -> Tensor:
    """[N, 3]: correlation, and the shift before `bias` is taken off; `offsets` are `scaled`."""
    patch, _ = _normalise(lookup(image, uv[:, None], offsets), templates.weight)
    flat = patch[0] if len(patch) == 1 else patch.transpose(0, 1).flatten(1)
    return torch.bmm(flat[:, None], templates.kernel)[:, 0]


def _normalise(patch: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Remove each channel's mean from [C, N, P], scale to energy 1; also the scales [N]."""
    patch = patch - (patch @ weight)[..., None]
    gain = (patch.square().sum(0) @ weight + 1e-6).rsqrt()
    return patch * gain[:, None], gain
