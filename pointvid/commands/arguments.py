"""Arguments that several commands share, and how their text becomes values."""

from __future__ import annotations

import argparse


def size(text: str) -> tuple[int, int]:
    """`448x256` (width x height) -> (H, W)."""
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()) or min(int(width), int(height)) < 16:
        raise argparse.ArgumentTypeError(f"{text!r} is no size, expected WIDTHxHEIGHT of at least 16, like 448x256")
    return int(height), int(width)


def frame_count(text: str) -> int | None:
    """A number of frames; `all` is None."""
    if text == "all":
        return None
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of frames, expected 1 or more, or 'all'")
    return int(text)


def intrinsics(text: str) -> tuple[float, float, float, float]:
    """`fx,fy,cx,cy` -> four numbers, pixels of the clip file."""
    try:
        fx, fy, cx, cy = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no camera, expected fx,fy,cx,cy in pixels") from None
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
        type=int,
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
