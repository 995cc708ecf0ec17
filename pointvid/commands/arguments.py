"""Arguments that several commands share, and how their text becomes values."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

MOST_PIXELS, MOST_FRAMES, MOST_FPS, LARGEST_SEED = 16384, 100_000, 10_000, 2**63 - 1
"""Limits of what is asked for (docs/limits.md): a side, a clip, a rate, a generator of random numbers."""


def whole(low: int, high: int) -> Callable[[str], int]:
    """The type of a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        digits = text.removeprefix("-").removeprefix("+")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 20 or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is wrong, expected a whole number from {low} to {high}")
        return int(text)

    return parse


def number(low: float, high: float, above: bool = False) -> Callable[[str], float]:
    """The type of a finite number from `low` to `high`; `above`: low itself is out."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value if above else low <= value) or not value <= high:
            start = "above" if above else "from"
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is wrong, expected a number {start} {low:g} to {high:g}")
        return value

    return parse


def size(text: str) -> tuple[int, int]:
    """`448x256` (width x height) -> (H, W)."""
    try:
        width, height = map(whole(16, MOST_PIXELS), text.lower().split("x"))
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is no size, expected WIDTHxHEIGHT of 16 to {MOST_PIXELS}, like 448x256"
        ) from None
    return height, width


def frame_count(text: str) -> int | None:
    """A number of frames; `all` is None."""
    try:
        return None if text == "all" else whole(1, MOST_FRAMES)(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is no number of frames, expected 1 to {MOST_FRAMES}, or 'all'"
        ) from None


def intrinsics(text: str) -> tuple[float, float, float, float]:
    """`fx,fy,cx,cy` -> four numbers, pixels of the clip file."""
    try:
        fx, fy, cx, cy = map(number(-1e9, 1e9), text.split(","))
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no camera, expected fx,fy,cx,cy in pixels") from None
    return fx, fy, cx, cy


def field_of_view(text: str) -> float:
    """Degrees."""
    try:
        degrees = float(text)
    except ValueError:
        degrees = 0.0
    if not 0 < degrees < 180:
        raise argparse.ArgumentTypeError(f"{text!r} is no field of view, expected degrees between 0 and 180")
    return degrees


def pair(text: str) -> tuple[float, float]:
    """`5,3` -> two numbers from 0 on."""
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        first = second = -1.0
    if not (0 <= first < 1000 and 0 <= second < 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is no pair of weights, expected two numbers from 0, like 5,3")
    return first, second


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share, expected a number from 0 to 1")
    return value


def add_tracking(parser: argparse.ArgumentParser) -> None:
    """What `track` and `demo` have in common."""
    parser.add_argument("--all", action="store_true", help="keep the tracks of the background too")
    parser.add_argument(
        "--tracker",
        default="auto",
        metavar="NAME",
        help="lucas_kanade (needs no weights), alltracker, spatracker (weights are CC BY-NC: no commercial use), or "
        "auto (default): alltracker where its weights are there, else lucas_kanade",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="the tracker's published weights (default: what `pointvid download` fetched)",
    )
    parser.add_argument(
        "--queries",
        choices=("auto", "grid", "dense", "paper"),
        default="auto",
        help="which points to follow: grid (see --grid), dense (every pixel), paper (its preset for spatracker, needs "
        "--mask), or auto (default): dense with alltracker, else grid",
    )
    parser.add_argument(
        "--grid",
        type=whole(1, 2000),
        default=80,
        metavar="N",
        help="follow NxN points, and a quarter more at random in the foreground (default: 80, the paper's)",
    )
    parser.add_argument(
        "--no-smooth", action="store_true", help="keep the tracker's jitter (default: Kalman + RTS smoothing)"
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """The folder that results go to."""
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results, made if missing")
