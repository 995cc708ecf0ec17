"""Constant-velocity Kalman filter and RTS smoother over all tracks at once (paper section 3.1, Algorithm 1 line 4).

Each coordinate follows an integrated random walk: velocity changes by white acceleration of density q, positions are
measured with variance r. Only r / q matters, and it is given as a time constant

    tau = (r / q) ** (1/4)   frames,

the period at which the smoother halves the power being 2 pi tau: wiggles faster than that go, slower motion stays.
The prior is diffuse (nothing is assumed about where a point is or how fast it moves), handled exactly rather than by a
large number; the smoother then equals the cubic smoothing spline with lambda = r / q.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import PointVidError
from ..tracks import PointTracks, on_screen

MODES = ("smoother", "filter")


def smooth_tracks(
    tracks: PointTracks,
    mode: str = "smoother",
    tau: float = 0.0,
    tau_depth: float = 0.5,
    occlusion_inflation: float = 10.0,
) -> PointTracks:
    """Remove the temporal noise of tracking and bridge occlusions.

    By default positions stay as they were tracked: they bend as the truth does, and even tau = 0.4 rounds a stop from
    8 px a frame by half a pixel. Depth is steadied slightly.

    (u, v) and log-depth are smoothed on their own. Frame 0 is where the query is, exactly: its (u, v) is a measurement
    without noise, so a track starts at its query without a jump. Depth of frame 0 is as noisy as any other.

    Args:
        mode: "smoother" uses past and future (RTS); "filter" only the past, the literal reading of the paper's
            "Kalman filter", and lags behind by about tau frames.
        tau: time constant of u and v, frames. 0 leaves them as they are.
        tau_depth: time constant of log-depth, frames. 0 leaves it as it is.
        occlusion_inflation: how many times the measurement variance of an invisible point is that of a visible one.
            The default trusts the tracker's own guess nearly as much; 1e6 lets what is seen before and after bridge
            the gap, and runs on in a straight line where a track never comes back. Depths that are not finite or not
            positive count as invisible.
    Returns:
        Tracks; what was moved off screen is no longer visible. `uvd[0, :, :2]` is bit for bit the input's.
    Raises:
        PointVidError: unknown mode, negative or non-finite constants.
    """
    if mode not in MODES:
        raise PointVidError(f"smoothing mode is {mode!r}, expected one of {MODES}")
    for name, value, least in (("tau", tau, 0), ("tau_depth", tau_depth, 0), ("inflation", occlusion_inflation, 1)):
        if not least <= value < float("inf"):
            raise PointVidError(f"smoothing {name} is {value}, expected a finite number of at least {least}")
    uvd = tracks.uvd.double()
    smoothed = tracks.uvd.clone()
    if tau > 0:
        uv, usable = _usable(uvd[..., :2], tracks.visible)
        r = _variances(usable, occlusion_inflation)
        r[0] = 0  # the query defines the track
        smoothed[..., :2] = kalman(uv, r, tau**-4, mode).float()
        smoothed[0, :, :2] = tracks.uvd[0, :, :2]
    if tau_depth > 0:
        depth = uvd[..., 2:]
        log_depth = torch.where(depth > 0, depth, torch.nan).log()
        log_depth, usable = _usable(log_depth, tracks.visible)
        # A point is looked at in frame 0 to be queried at all, so its depth there counts whatever `visible` says.
        usable[0] = torch.isfinite(depth[0, :, 0]) & (depth[0, :, 0] > 0)
        result = kalman(log_depth, _variances(usable, occlusion_inflation), tau_depth**-4, mode).exp().float()
        smoothed[..., 2:] = torch.where(torch.isfinite(result), result, smoothed[..., 2:])
    visible = tracks.visible & on_screen(*smoothed[..., :2].unbind(-1), image_size=tracks.image_size)
    visible[0] = tracks.visible[0]
    return tracks.replace(uvd=smoothed, visible=visible)


def kalman(values: Tensor, r: Tensor, q: float, mode: str = "smoother") -> Tensor:
    """Filter or smooth series sampled once a frame, under the constant-velocity model with a diffuse prior.

    Args:
        values: float [T, N, C], C series that share their noise for each of N points.
        r: float [T, N] or [T, 1], measurement variances; [T, 1] computes one covariance for all. `r[0]` may be 0.
        q: density of the white acceleration, unit of `values` squared per frame cubed.
        mode: as in `smooth_tracks`.
    Returns:
        [T, N, C] of the dtype of `values`.
    """
    frames = values.shape[0]
    if frames < 3 or values.shape[1] == 0:
        return values.clone()  # a line through one or two points meets them
    r = r.unsqueeze(-1)
    position, velocity = torch.empty_like(values), torch.empty_like(values)
    gains: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    # After two measurements the diffuse prior is spent: position y1, velocity y1 - y0, covariance [[a, b], [b, c]].
    position[0], velocity[0] = values[0], 0
    position[1], velocity[1] = values[1], values[1] - values[0]
    a, b, c = r[1], r[1], r[0] + r[1] + q / 3
    for t in range(2, frames):
        predicted_position = position[t - 1] + velocity[t - 1]
        pp, pv, vv = a + 2 * b + c + q / 3, b + c + q / 2, c + q
        gains.append(_smoother_gain(a, b, c, pp, pv, vv))
        total = pp + r[t]
        innovation = values[t] - predicted_position
        torch.addcmul(predicted_position, pp / total, innovation, out=position[t])
        torch.addcmul(velocity[t - 1], pv / total, innovation, out=velocity[t])
        a, b, c = pp * (r[t] / total), pv * (r[t] / total), vv - pv * pv / total
    if mode == "filter":
        return position

    for t in range(frames - 2, 0, -1):  # Rauch-Tung-Striebel, in place
        g_pp, g_pv, g_vp, g_vv = gains[t - 1]
        d_velocity = velocity[t + 1] - velocity[t]
        d_position = position[t + 1] - position[t] - velocity[t]
        position[t].addcmul_(g_pp, d_position).addcmul_(g_pv, d_velocity)
        velocity[t].addcmul_(g_vp, d_position).addcmul_(g_vv, d_velocity)
    # Frame 0: extrapolate frame 1 backwards (variance q / 3), weigh it against the measurement.
    back = position[1] - velocity[1]
    position[0] = back + (q / 3) / (r[0] + q / 3) * (values[0] - back)
    return position


def _smoother_gain(
    a: Tensor, b: Tensor, c: Tensor, pp: Tensor, pv: Tensor, vv: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """P F' inv(P_predicted), for P = [[a, b], [b, c]], F = [[1, 1], [0, 1]], P_predicted = [[pp, pv], [pv, vv]]."""
    determinant = pp * vv - pv * pv
    ab, bc = a + b, b + c
    return (
        (ab * vv - b * pv) / determinant,
        (b * pp - ab * pv) / determinant,
        (bc * vv - c * pv) / determinant,
        (c * pp - bc * pv) / determinant,
    )


def _usable(values: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Fill what is not finite with the track's median; bool [T, N] of what is finite and visible."""
    finite = torch.isfinite(values)
    usable = visible & finite.all(-1)
    if not finite.all():
        median = torch.where(finite, values, torch.nan).nanmedian(0).values
        values = torch.where(finite, values, median)
    return values, usable


def _variances(usable: Tensor, inflation: float) -> Tensor:
    """1 where usable, else `inflation`: float64 [T, N], or [T, 1] where all points agree."""
    if usable.shape[1] and (usable == usable[:, :1]).all():
        usable = usable[:, :1]
    return torch.where(usable, 1.0, inflation).double()
