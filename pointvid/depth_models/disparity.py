"""Disparity of unknown scale and shift, as MiDaS and its successors give it, made into depth."""

from __future__ import annotations

from torch import Tensor

_EVERY = 100_000
"""How many values the quantiles are taken of."""


def depth_from_disparity(disparity: Tensor, near: float = 1.0, far: float = 10.0) -> Tensor:
    """Relative depth of a clip: the closest hundredth of all its values comes to `near`, the farthest to `far`.

        1 / d = 1 / far + g (1 / near - 1 / far),   g = (disparity - low) / (high - low)

    `low` and `high` (the hundredths) are the clip's, not each frame's, so a clip's depth does not jump with what comes
    into view. Values beyond go on by the same rule, to 2 far at most. What the true scale and shift are, no such model
    knows: distances come out in order, their ratios do not.

    Args:
        disparity: float32 [T, H, W], bright is near; changed in place.
        near, far: above 0; near < far.
    Returns:
        float32 [T, H, W] in about [near, far]; sqrt(near far) everywhere where all values are equal.
    """
    values = disparity.flatten()
    values = values[:: max(1, len(values) // _EVERY)]
    low, high = values.quantile(0.01), values.quantile(0.99)
    if high <= low:
        return disparity.fill_((near * far) ** 0.5)
    share = disparity.sub_(low).div_(high - low)
    return share.mul_(1 / near - 1 / far).add_(1 / far).clamp_(min=0.5 / far).reciprocal_()
