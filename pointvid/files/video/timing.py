"""From the display times that frames have in a file to frames at a constant rate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from ...errors import PointVidError

MAX_PAUSE = 600.0  # seconds; a longer one is a jump of the clock, no still
MAX_RATE = 1000.0  # frames a second, where times vary
MAX_FRAMES = 10_000_000  # after resampling: 92 hours at 30 fps
DEFAULT_RATE = Fraction(25)
_MOST_ASTRAY = 16  # frames in a row whose times may be wrong before it is the clock that jumped
USUAL_RATES = [Fraction(rate) for rate in (24, 25, 30, 48, 50, 60, 120)]
USUAL_RATES += [Fraction(1000 * rate, 1001) for rate in (24, 30, 60, 120)]


@dataclass(frozen=True, eq=False)
class Index:
    """Which frame of the file each output frame shows.

    Attributes:
        times: int64 [n], display times of the file's frames, in units of its time base; rising.
        shown: int64 [T], output frame -> index into times.
        fps: of the output.
    """

    times: np.ndarray
    shown: np.ndarray
    fps: Fraction


def constant_rate(times: np.ndarray, time_base: Fraction, header: Fraction | None, name: str) -> Index:
    """Frames at a constant rate; where the file's own is not, each shows what was on screen then.

    Args:
        times: int64 [n], n >= 1, strictly rising, in units of `time_base` seconds.
        header: the rate that the file says it has. It is believed as far as the times agree: they are what is true,
            but often rounded, and 30000/1001 is then nicer than 29.96.
        name: of the file, for errors.
    Raises:
        PointVidError: times so far apart that more than MAX_FRAMES would be made.
    """
    everything = np.arange(len(times))
    if len(times) < 2:
        return Index(times, everything, header if header and 0.01 <= header <= MAX_RATE else DEFAULT_RATE)
    gaps = np.diff(times.astype(np.float64))  # whose difference cannot overflow
    middle = (len(gaps) - 1) // 2
    median = float(np.partition(gaps, middle)[middle])
    jumps = gaps * float(time_base) > max(MAX_PAUSE, 2 * median * float(time_base))
    if jumps.any():
        gaps[jumps] = max(round(median), 1)
        times = np.concatenate([times[:1], times[0] + np.cumsum(gaps).astype(np.int64)])
    # Coarse time bases round the gaps of a constant rate up and down by one; with a gap of one tick nothing is rounded.
    rounding = 1.0 if median >= 2 else 0.0
    usual = np.abs(gaps - median) <= max(0.1 * median, rounding)
    gap = float(gaps[usual].mean())
    line = times[0] + np.arange(len(times)) * float(gaps.mean())
    if usual.all() and np.abs(times - line).max() <= 0.5 * gap + rounding:
        rate = _simple(Fraction(len(gaps), int(times[-1] - times[0])) / time_base)
        tick = float(time_base)
        if header and _frames_off(header, times, tick) <= 0.1 + tick * float(header):
            rate = header
        else:
            usual_rate = min(USUAL_RATES, key=lambda candidate: abs(candidate - rate))
            if _frames_off(usual_rate, times, tick) <= tick * float(usual_rate):
                rate = usual_rate
        return Index(times, everything, rate)
    gap = max(gap, 1 / (MAX_RATE * float(time_base)))
    count = round((int(times[-1]) - int(times[0])) / gap) + 1
    if count > MAX_FRAMES:
        seconds = float((times[-1] - times[0]) * time_base)
        raise PointVidError(
            f"{name}: its {len(times)} frames are spread over {seconds:.0f} s, which is {count} frames at a constant "
            f"rate, expected at most {MAX_FRAMES}; its times are broken, encode it again"
        )
    steps = np.arange(count) * gap + times[0]
    shown = np.searchsorted(times, steps + 0.5, side="right") - 1
    return Index(times, shown, _simple(1 / (Fraction(gap) * time_base)))


def times_in_order(shown: list[int | None], decoded: list[int | None]) -> np.ndarray:
    """Rising times for frames in the order in which they come, where the file's own are missing or do not rise.

    Args:
        shown, decoded: what the file says of when each frame is shown and decoded. Times of decoding that rise are
            right; times of showing are then missing, or guesses of FFmpeg.
    Returns:
        int64 [n], from 0. A few times that fit nowhere are put between their neighbours; where the clock jumps, or
        files were joined, the next frame comes after the usual step.
    """
    stamps = [time for time in decoded if time is not None]  # the decoder's last frames have none
    known = decoded if len(stamps) > 1 and all(a < b for a, b in pairwise(stamps)) else shown
    rising = [b - a for a, b in pairwise(known) if a is not None and b is not None and b > a]
    usual = float(np.median(rising)) if rising else 1.0
    times, at = [0.0], 1
    while at < len(known):
        before = known[at - 1]
        count, step = 1, usual
        for ahead, time in enumerate(known[at : at + _MOST_ASTRAY], start=1):
            if before is None or time is None or time <= before:
                continue
            if ahead == 1 or abs(time - before - usual * ahead) <= usual / 2:
                count, step = ahead, (time - before) / ahead
                break
        times += [times[-1] + step * (k + 1) for k in range(count)]
        at += count
    return np.round(times[: len(known)]).astype(np.int64)


def _frames_off(rate: Fraction, times: np.ndarray, tick: float) -> float:
    """How many frames more or fewer than there are would be shown in this time at `rate`."""
    return abs(float(times[-1] - times[0]) * tick * float(rate) - (len(times) - 1))


def _simple(rate: Fraction) -> Fraction:
    return rate.limit_denominator(1001) if rate >= 1 else rate.limit_denominator(10**6) or rate
