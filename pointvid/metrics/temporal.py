"""Temporal terms: speed and acceleration (Eq. 1 of the paper) and the jitter that is left when motion is taken away."""

from __future__ import annotations

import torch
from torch import Tensor

from .measurement import Measurement
from .trajectories import Measurable, frame_means, overall_mean, share, trajectories

THIRD_DIFFERENCE = 20.0  # the variance of n_t - 3 n_(t-1) + 3 n_(t-2) - n_(t-3) for white noise of variance 1


def speed(points: Measurable) -> Measurement:
    """The velocity term of Eq. 1, |P_t - P_(t-1)|, mean over points, times the frame rate.

    Returns:
        "speed" in m/s (rel/s), from frame 1 on. Divide by fps for the loss's metres a frame.
    """
    return _difference(points, 1, "speed", "/s")


def acceleration(points: Measurable) -> Measurement:
    """The acceleration term of Eq. 1, |P_t - 2 P_(t-1) + P_(t-2)|, mean over points, times the frame rate squared.

    Returns:
        "acceleration" in m/s^2 (rel/s^2), from frame 2 on: what falls freely scores 9.81. Divide by fps^2 for
        the loss's metres a frame^2.
    """
    return _difference(points, 2, "acceleration", "/s^2")


def jitter(points: Measurable) -> Measurement:
    """The jitter that is left where motion is taken away: how far points lie beside a smooth path, root mean square.

    Third differences know nothing of place, speed or acceleration; white noise of root mean square length r makes
    them sqrt(20) r long. So points in free fall score 0, and noise scores its size. A blow or a jump counts too.

    Returns:
        "jitter" in m (rel), from frame 3 on.
    """
    found = trajectories(points)
    bend, counted = _differences(found.xyz, found.counted, 3)
    squares = bend.square().sum(-1) / THIRD_DIFFERENCE
    course = tuple(value**0.5 for value in frame_means(squares, counted))
    return Measurement(
        "jitter",
        found.unit,
        overall_mean(squares, counted) ** 0.5,
        _late(course, 3, found.xyz),
        coverage=share(counted),
    )


def _difference(points: Measurable, order: int, name: str, per: str) -> Measurement:
    found = trajectories(points)
    change, counted = _differences(found.xyz, found.counted, order)
    length = change.norm(dim=-1) * found.fps**order
    return Measurement(
        name,
        found.unit + per,
        overall_mean(length, counted),
        _late(frame_means(length, counted), order, found.xyz),
        better="neither" if order == 1 else "lower",
        coverage=share(counted),
    )


def _differences(xyz: Tensor, counted: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """Differences of `order` in time, and where every frame that they are made of counts."""
    for _ in range(order):
        xyz, counted = xyz.diff(dim=0), counted[1:] & counted[:-1]
    return torch.where(counted[..., None], xyz, 0.0), counted


def _late(course: tuple[float, ...], order: int, xyz: Tensor) -> tuple[float, ...]:
    """One number a frame: NaN in the first `order` frames."""
    return ((float("nan"),) * order + course)[: len(xyz)]
