"""`pointvid measure`: figures of tracks, a sample or a video."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "measure rigidity, shape, motion and agreement of tracks or a video"
DETAILS = """Measure a track file (.npz), a sample (.pointvid.tar), TAPVid-3D tracks or a video, which is
tracked first. With the clip (--video; a sample has its own) also how well points and video agree;
with a reference (--against) also the distance from it. docs/metrics.md defines the figures.

Read every figure of constancy beside the motion: a still picture is perfectly constant."""
EXAMPLES = (
    "pointvid measure tracked/tracks.npz --video clip.mp4 --out report.html",
    "pointvid measure generated/sample.pointvid.tar --against truth.pointvid.tar --out report.html report.json",
    "pointvid measure clip.mp4",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="a track file, a sample, or a video")
    parser.add_argument("--video", metavar="VIDEO", help="the clip that the tracks belong to")
    parser.add_argument("--against", metavar="REF", help="tracks or a sample of the same clip to compare with")
    parser.add_argument("--no-retrack", action="store_true", help="leave out the re-tracking, which takes the longest")
    parser.add_argument(
        "--out", nargs="+", default=[], metavar="FILE", help="write the report: .html (curves), .json, .png (curves)"
    )


def run(args: argparse.Namespace) -> None:
    """Measure, print the table, write the files."""
    from ..errors import PointVidError
    from ..metrics import measure
    from ..metrics.page import write_metrics_report
    from .inputs import read_points
    from .terminal import Bars

    for path in map(Path, args.out):
        if path.suffix.lower() not in (".html", ".json", ".png"):
            raise PointVidError(f"report is {path.name!r}, expected a name that ends in .html, .json or .png")
    with Bars() as progress:
        found = read_points(args.file, args.video, progress)
        reference = read_points(args.against, None, progress) if args.against else None
        # Tracks of a tracker agree with that tracker by construction.
        retrack = not args.no_retrack and not found.tracked
        name, other = _names(args.file, args.against)
        reports = [
            measure(
                found.points,
                found.video,
                reference.points if reference else None,
                retrack=retrack,
                name=name,
                progress=progress,
            )
        ]
        if reference:
            reports.append(measure(reference.points, name=other))
    print("\n".join(report.text() for report in reports))
    for path in map(Path, args.out):
        if path.suffix.lower() == ".png":
            _write_picture(reports, path)
        else:
            write_metrics_report(reports, path)
        print(path)


def _write_picture(reports, path: Path) -> None:
    from PIL import Image

    from ..files.atomic import atomic_path
    from ..metrics.page import curves
    from ..report.chart import picture

    with atomic_path(path) as temporary:
        Image.fromarray(picture(curves(reports), [report.name for report in reports]).numpy()).save(temporary)


def _names(file: str, against: str | None) -> tuple[str, str]:
    """What the reports call the two: file names, or whole paths where those are equal."""
    one, other = Path(file), Path(against or "")
    return (one.name, other.name) if one.name != other.name else (file, against or "")
