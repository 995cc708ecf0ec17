"""What `track` and `demo` do once the clip is open: the library's `Preprocessor`, with the command line's settings."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import torch

from ..depth_models.base import DepthModel
from ..depth_models.loading import FOLDER as DEPTH_FOLDER
from ..depth_models.loading import load_depth_model
from ..errors import PointVidError
from ..files.video import VideoFile
from ..preprocess import Footage, Gates, Preprocessor, PreprocessSettings, TrackSettings
from ..preprocess.report import FLAT, report_rows, track_report
from ..segmenters.base import Segmenter
from ..trackers.base import Tracker
from ..trackers.registry import TrackerKind, choose_tracker, create_tracker
from ..weights.folder import models_folder
from .results import write_results
from .terminal import Bars, file_size, table


def track_and_write(
    video: VideoFile,
    footage: Footage,
    args: argparse.Namespace,
    segmenter: Segmenter | None = None,
    depth_model: DepthModel | None = None,
) -> None:
    """Track the clip, write the results to `args.out` and say what was found.

    Args:
        video: the clip.
        footage: its frames, and what is known of it.
        args: what `arguments.add_out` and `add_tracking` declare.
        segmenter: finds the footage's labels.
        depth_model: the one called `args.depth_model`.
    """
    if video.shape[0] < 2:
        raise PointVidError(f"{video.name} has 1 frame, expected at least 2: one frame has no motion to track")
    began = time.perf_counter()
    kind, weights = choose_tracker(args.tracker, args.weights)
    tracks = TrackSettings(args.grid, args.grid**2 // 4, smooth=not args.no_smooth, queries=args.queries)
    settings = PreprocessSettings(tracks=tracks, gates=Gates.off(), need_caption=False)
    work = Preprocessor(settings, _tracker(kind, weights, args.queries), None, segmenter, depth_model)
    with Bars() as progress:
        tracked = work.track(footage, progress)
        smoothed = work.smooth(tracked)
        retraced = work.retrace(tracked, smoothed, progress)
        report = {
            "clip": _clip(video),
            **track_report(
                tracked,
                smoothed,
                tracker=kind.name,
                smoothed=tracks.smooth,
                retraced=retraced,
                depth_model=Path(args.depth_model).name if depth_model else "",
            ),
            "tracking_seconds": round(time.perf_counter() - began, 2),
        }
        cloud = smoothed
        if tracked.found_by != "everything":
            cloud = work.fill(tracked, smoothed).to_tracks(video[0])
        written = write_results(Path(args.out), video, smoothed, cloud, report, progress)
    print(table(_summary(report, written)))
    for warning in retraced.warnings():
        print(f"pointvid: warning: {warning}", file=sys.stderr)
    if tracked.named is not None and tracked.named.notice:
        print(f"pointvid: note: {tracked.named.notice}", file=sys.stderr)
    if footage.depth.maps is None and depth_model is None:
        print(
            f"pointvid: note: {FLAT}; "
            "pass --depth FILE for 3D, from any depth estimator or sensor, or --depth-model DIR",
            file=sys.stderr,
        )


def find_depth_model(model: str, kind: str) -> DepthModel:
    """A depth model in a folder, or of that name in the models folder.

    Raises:
        PointVidError: no such model.
    """
    folder = Path(model)
    if not folder.is_dir() and (models_folder() / DEPTH_FOLDER / model).is_dir():
        folder = models_folder() / DEPTH_FOLDER / model
    return load_depth_model(folder, kind, device=_device())


def _tracker(kind: TrackerKind, weights: Path | None, queries: str) -> Tracker:
    if not weights:
        return create_tracker(kind.name)
    preset = kind.paper if queries == "paper" else {}
    return create_tracker(kind.name, weights=weights, device=_device(), **preset)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _clip(video: VideoFile) -> dict[str, Any]:
    frames, height, width, _ = video.shape
    file_height, file_width = video.source_size
    return {
        "file": Path(video.name).name,
        "frames": frames,
        "first_frame": video.first_frame,
        "fps": round(video.fps, 4),
        "size": f"{width}x{height}",
        "file_size": f"{file_width}x{file_height}",
    }


def _summary(report: dict[str, Any], written: list[Path]) -> list[tuple[str, object]]:
    clip = report["clip"]
    return [
        ("clip", f"{clip['file']}, {clip['frames']} frames of {clip['size']} at {clip['fps']:g} fps"),
        *report_rows(report),
        ("time", f"{report['tracking_seconds']:.1f} s for tracking"),
        *((path.name, _where(path)) for path in written),
    ]


def _where(path: Path) -> str:
    if path.is_dir():
        return f"{path}  ({len(list(path.iterdir()))} files)"
    return f"{path}  ({file_size(path.stat().st_size)})"
