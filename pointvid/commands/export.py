"""`pointvid export`: tracks in the formats that other programs read."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..export.registry import FORMATS, format_named
from .arguments import size, whole

HELP = "write tracks for 3D and compositing programs, as CSV, JSON or HTML"
DETAILS = "\n".join(
    (
        "Write tracks in other formats, beside the input or into --out, named as the input. An earlier export of that",
        "name is replaced; inputs of one call that would be written to the same name are refused.",
        "",
        *(f"  {entry.name:<15}{entry.what}" for entry in FORMATS),
    )
)
EXAMPLES = (
    "pointvid export demo/tracks.npz --format usda csv",
    "pointvid export demo/tracks.npz --format json --points 20 --frames 81 --out for_wan",
    "pointvid export clips/*.npz --format glb --hidden --out scenes",
    "pointvid export demo/tracks.npz --format nuke --points 32 --size 1920x1080 --first-frame 1001",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    names = [entry.name for entry in FORMATS]
    parser.add_argument("tracks", nargs="+", metavar="TRACKS", help="track files (.npz) or samples (.pointvid.tar)")
    parser.add_argument("--format", nargs="+", required=True, choices=names, metavar="FORMAT", help=", ".join(names))
    parser.add_argument("--out", metavar="DIR", help="folder for the results (default: beside TRACKS)")
    parser.add_argument(
        "--hidden", action="store_true", help="3D files: keep points where they are hidden or off screen"
    )
    parser.add_argument(
        "--points",
        type=whole(1, 10**6),
        default=64,
        metavar="N",
        help="json, nuke, after_effects: how many paths (default: 64)",
    )
    parser.add_argument(
        "--frames", type=whole(1, 10_000), metavar="N", help="json: stretch the motion to so many frames"
    )
    parser.add_argument(
        "--size", type=size, metavar="WxH", help="json, nuke, after_effects: scale positions to a picture of this size"
    )
    parser.add_argument(
        "--first-frame",
        type=whole(-(10**6), 10**7),
        default=1,
        metavar="N",
        help="nuke: number of frame 1 (default: 1)",
    )


def run(args: argparse.Namespace) -> None:
    """Read the tracks and write each format."""
    from .inputs import read_tracks
    from .terminal import Bars

    planned = _plan([Path(name) for name in args.tracks], args.format, args.out)
    options = {name: getattr(args, name) for name in ("hidden", "points", "frames", "size", "first_frame")}
    with Bars() as progress:
        for source, written in planned.items():
            tracks, video = read_tracks(str(source))
            for name, path in written:
                found = {"video": video, "title": source.name, "progress": progress}
                format_named(name).write(tracks, path, **options, **found)
                print(path)


def _plan(sources: list[Path], formats: list[str], out: str | None) -> dict[Path, list[tuple[str, Path]]]:
    """Which file is written from which: {source: [(format, path)]}.

    Raises:
        PointVidError: two of them have one name, or a result has that of a source.
    """
    from ..errors import PointVidError
    from .inputs import stem

    planned: dict[Path, list[tuple[str, Path]]] = {}
    owner = {source.absolute(): source for source in sources}
    for source in dict.fromkeys(sources):
        planned[source] = []
        for name in dict.fromkeys(formats):
            path = (Path(out) if out else source.parent) / format_named(name).path(stem(source))
            other = owner.setdefault(path.absolute(), source)
            if other != source or path.absolute() == source.absolute():
                raise PointVidError(
                    f"{source} as {name} would be written over {path}, which is "
                    f"{'the input itself' if path.absolute() == other.absolute() else f'already that of {other}'}; "
                    "say another --out"
                )
            planned[source].append((name, path))
    return planned
