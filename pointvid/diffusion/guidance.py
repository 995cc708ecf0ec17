"""Guidance that uses the points: inner guidance (VideoJAM, arXiv 2502.02492) and training-free rigidity guidance.

Pure functions over tensors and denoisers: the generator wraps a network in them, nodes patch a host's MODEL with them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..camera import Camera
from ..points.point_range import PointRange
from ..points.rigidity import RigidityGraph, rigidity_graph, rigidity_loss
from .conditions import Conditions
from .latents import join, split
from .process import Process
from .sampling import Denoise, Network

PointDecoder = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Point latent [B,C,T,h,w] -> points [B,T,H,W,3], differentiably, in the space that should stay rigid; bool [B,H,W]:
which of them are foreground."""


def without_points(x: Tensor) -> Tensor:
    """The joint latent [B,2C,T,h,w] with its point half zeroed, as training's point dropout shows it."""
    video, points = split(x)
    return join(video, torch.zeros_like(points))


def blind(denoise: Denoise) -> Denoise:
    """A denoiser that never sees its own points: the other half of every with/without comparison."""
    return lambda x, t: denoise(without_points(x), t)


def inner_guidance(full: Tensor, without_text: Tensor, no_points: Tensor, w1: float, w2: float) -> Tensor:
    """(1 + w1 + w2) u(x, d, y) - w1 u(x, d, 0) - w2 u(x, 0, y): away from ignoring text, and points.

    Args:
        full: the denoiser's output for latent x, points d and text y.
        without_text: its output without the text; no_points: its output for `without_points` of the latent.
        w1, w2: weights; VideoJAM uses 5 and 3. w2 = 0 is classifier-free guidance with scale 1 + w1.
    """
    return (1 + w1 + w2) * full - w1 * without_text - w2 * no_points


def inner_guided(
    network: Network, process: Process, positive: Conditions, negative: Conditions, *, w1: float = 5.0, w2: float = 3.0
) -> Denoise:
    """`sampling.guided` with inner guidance: three forwards in one batch. Needs a model trained with point dropout."""
    conditions = Conditions.cat([positive, negative, positive])

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        time = process.network_time(torch.cat((t, t, t)))
        outputs = network(torch.cat((x, x, without_points(x))), time, **conditions)
        return inner_guidance(*outputs.chunk(3), w1, w2)

    return denoise


def rigidity_guidance(
    x0: Tensor,
    to_points: PointDecoder,
    *,
    strength: float = 1.0,
    graph: RigidityGraph | None = None,
    k: int = 8,
    limit: float = 0.1,
) -> Tensor:
    """Move the point half of a predicted clean latent against the gradient of L_rigid (Eq. 2).

    The step is Polyak's, strength * L / |g|^2 along -g: to first order it takes away `strength` of the loss, whatever
    the loss's scale, and it ends where the points move rigidly.

    Args:
        x0: joint latent [B,2C,T,h,w]; the clips of a batch share one loss.
        to_points: see PointDecoder.
        graph: neighbours; None: the k nearest among the predicted foreground of frame 0.
        limit: the largest root mean square by which the point latent may change.
    Returns:
        x0 with another point half; the video half is untouched.
    """
    video, points = split(x0.detach())
    points = points.clone().requires_grad_()
    with torch.enable_grad():
        decoded, foreground = to_points(points)
        if graph is None:
            graph = rigidity_graph(decoded[:, 0].detach(), foreground, k)
        loss = rigidity_loss(decoded, graph)
        (gradient,) = torch.autograd.grad(loss, points)
    squared = gradient.square().sum()
    if not squared > 0:
        return x0
    step = strength * loss.detach() / squared * gradient
    step = step * (limit / step.square().mean().sqrt()).clamp(max=1)
    return join(video, points.detach() - step)


def rigidity_guided(
    denoise: Denoise,
    process: Process,
    to_points: PointDecoder,
    *,
    strength: float = 1.0,
    below: float = 700,
    graph: RigidityGraph | None = None,
) -> Denoise:
    """A denoiser whose predicted x0 is moved by `rigidity_guidance` where the network's time (1000 is noise alone) is
    under `below`; before, x0 is too vague."""

    def guided(x: Tensor, t: Tensor) -> Tensor:
        output = denoise(x, t)
        if float(process.network_time(t).max()) >= below:
            return output
        x0 = rigidity_guidance(process.x0_from(output, x, t), to_points, strength=strength, graph=graph)
        return join(split(output)[0], split(process.output_from(x0, x, t))[1])

    return guided


def point_decoder(
    decode: Callable[[Tensor], Tensor], point_range: PointRange, camera: Camera | None = None, stride: int = 1
) -> PointDecoder:
    """Points in camera space, from anything that makes point frames of point latents.

    Args:
        decode: [B,C,T',h,w] -> [B,3,T,H,W] in about [-1,1], differentiably: a codec, or a `point_probe.PointProbe`.
        camera: of frames of that size; None: the default one.
        stride: every how many pixels a point is taken; rigidity does not need them all.
    """

    def to_points(latent: Tensor) -> tuple[Tensor, Tensor]:
        frames = decode(latent).float().transpose(1, 2)
        image_size = frames.shape[-2], frames.shape[-1]
        frames = frames[..., stride // 2 :: stride, stride // 2 :: stride]
        seen = camera or Camera.default(image_size)
        return seen.unproject(point_range.decode_uvd(frames, image_size)), point_range.vote(frames.detach())

    return to_points
