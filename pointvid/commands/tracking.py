"""What `track` and `demo` do once the clip is open."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..camera import Camera
from ..depth_models.base import EstimatedDepth
from ..depth_models.loading import FOLDER as DEPTH_FOLDER
from ..depth_models.loading import load_depth_model
from ..errors import PointVidError
from ..files.video import VideoFile
from ..points.densify import densify
from ..points.nearest import nearest_tracks
from ..segmenters.base import Objects
from ..trackers.base import Tracker, create_tracker
from ..trackers.pipeline import TrackedClip, track_clip
from ..tracks import PointTracks
from ..weights.folder import models_folder
from ..weights.known import find_weights, tracker_of
from .results import write_results
from .terminal import Bars, file_size, table

FOUND_BY = {
    "mask": "marked by the mask",
    "name": "found by name",
    "motion": "found by its motion",
    "everything": "the whole image",
}


def track_and_write(
    video: VideoFile,
    mask: Tensor | None,
    depth: Tensor | None,
    camera: Camera | None,
    args: argparse.Namespace,
    objects: Objects | None = None,
    estimate: EstimatedDepth | None = None,
) -> None:
    """Track the clip, write the results to `args.out` and say what was found.

    Args:
        video: the clip.
        mask: bool [H, W] foreground, or None to find what moves.
        depth: float32 [T, H, W], or None; metres, if it is not of `estimate`.
        camera: of the framed clip, or None for the default.
        args: what `arguments.add_out` and `add_tracking` declare.
        objects: what to track where there is no mask.
        estimate: where the depth comes from, when it was estimated.
    """
    if video.shape[0] < 2:
        raise PointVidError(f"{video.name} has 1 frame, expected at least 2: one frame has no motion to track")
    began = time.perf_counter()
    name, weights = choose_tracker(args.tracker, args.weights)
    unit = "relative" if depth is None else "metric" if estimate is None else estimate.unit
    with Bars() as progress:
        clip = track_clip(
            video,
            mask if objects is None else objects.object_map,
            depth,
            camera,
            depth_unit=unit,
            tracker=_tracker(name, weights, args.queries),
            everything=args.all,
            grid=args.grid,
            extra=args.grid**2 // 4,
            queries=args.queries,
            smooth=not args.no_smooth,
            progress=progress,
        )
        report = _report(video, clip, name, args, time.perf_counter() - began)
        if objects is not None:
            report["foreground"] |= {"found_by": "name", "objects": _listed(objects)}
        if estimate is not None:
            report["depth_model"] = {
                "name": Path(args.depth_model).name,
                "flicker": estimate.flicker,
                "scale_flicker": estimate.scale_flicker,
            }
        cloud = clip.tracks
        if clip.found_by != "everything":
            cloud = _every_pixel(clip, video[0])
        written = write_results(Path(args.out), video, clip.tracks, cloud, report, progress)
    print(table(_summary(report, written)))
    if objects is not None and objects.notice:
        print(f"pointvid: note: {objects.notice}", file=sys.stderr)
    if depth is None:
        print(
            "pointvid: note: no depth was given, so the tracks are flat (depth 1); "
            "pass --depth FILE for 3D, from any depth estimator or sensor, or --depth-model DIR",
            file=sys.stderr,
        )


def estimate_depth(video: VideoFile, model: str, kind: str, camera: Camera | None) -> EstimatedDepth:
    """The depth of a clip by a model in a folder, or of that name in the models folder.

    Raises:
        PointVidError: no such model, or not enough memory.
    """
    folder = Path(model)
    if not folder.is_dir() and (models_folder() / DEPTH_FOLDER / model).is_dir():
        folder = models_folder() / DEPTH_FOLDER / model
    device = "cuda" if torch.cuda.is_available() else "cpu"
    estimator = load_depth_model(folder, kind, device=device)
    with Bars() as progress:
        return estimator.estimate(video, progress, camera)


def choose_tracker(name: str, weights: str | Path | None) -> tuple[str, Path | None]:
    """The tracker that `name` and `weights` of the command line mean, and its file where it needs one.

    "auto" is AllTracker where its weights are named or lie in the models folder, else Lucas-Kanade. The licence of
    SpaTracker's weights forbids commercial use: it must be asked for by its name.

    Raises:
        PointVidError: "auto" with weights of SpaTracker, or of no tracker.
    """
    if name != "auto":
        needs = name in ("alltracker", "spatracker")
        return name, Path(weights) if weights else find_weights(name) if needs else None
    if weights:
        name = tracker_of(weights)
        if name != "alltracker":
            raise PointVidError(
                f"weights is {Path(weights).name}, which is of {name}: CC BY-NC 4.0, no commercial use; "
                f"say --tracker {name} where that fits"
            )
        return name, Path(weights)
    found = find_weights("alltracker")
    return ("alltracker", found) if found else ("lucas_kanade", None)


def _tracker(name: str, weights: Path | None, queries: str) -> Tracker:
    if not weights:
        return create_tracker(name)
    options = {"companions": 80} if name == "spatracker" and queries == "paper" else {}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return create_tracker(name, weights=weights, device=device, **options)


def _listed(objects: Objects) -> list[dict[str, object]]:
    pixels = objects.masks.flatten(1).sum(1).tolist()
    rows = zip(objects.labels, objects.scores.tolist(), pixels)
    return [{"label": label, "score": round(score, 4), "pixels": count} for label, score, count in rows]


def _every_pixel(clip: TrackedClip, frame0: Tensor) -> PointTracks:
    """A track for each foreground pixel. P does not know what is hidden: a pixel is where its nearest track is."""
    cloud = densify(clip.tracks, clip.mask, object_map=clip.object_map).to_tracks(frame0)
    places, first = np.unique(clip.tracks.queries.cpu().double().numpy(), axis=0, return_index=True)
    nearest, _ = nearest_tracks(places, cloud.queries.cpu().double().numpy(), 1)
    owner = torch.from_numpy(first[nearest[:, 0]])
    objects = clip.tracks.object_id
    return cloud.replace(
        visible=cloud.visible & clip.tracks.visible[:, owner], object_id=None if objects is None else objects[owner]
    )


def _report(video: VideoFile, clip: TrackedClip, tracker: str, args: argparse.Namespace, seconds: float) -> dict:
    frames, height, width, _ = video.shape
    file_height, file_width = video.source_size
    return {
        "clip": {
            "file": Path(video.name).name,
            "frames": frames,
            "first_frame": video.first_frame,
            "fps": round(video.fps, 4),
            "size": f"{width}x{height}",
            "file_size": f"{file_width}x{file_height}",
        },
        "camera": dict(zip(("fx", "fy", "cx", "cy"), clip.tracks.camera.intrinsics)),
        "depth_unit": clip.tracks.depth_unit,
        "tracker": tracker,
        "smoothed": not args.no_smooth,
        "foreground": {"found_by": clip.found_by, "pixels": int(clip.mask.sum())},
        "quality": {name: round(value, 4) for name, value in asdict(clip.quality).items()},
        "tracking_seconds": round(seconds, 2),
    }


def _summary(report: dict, written: list[Path]) -> list[tuple[str, object]]:
    clip, quality, foreground = report["clip"], report["quality"], report["foreground"]
    rows: list[tuple[str, object]] = [
        ("clip", f"{clip['file']}, {clip['frames']} frames of {clip['size']} at {clip['fps']:g} fps"),
        ("foreground", f"{foreground['pixels']} pixels, {FOUND_BY[foreground['found_by']]}"),
        ("tracker", report["tracker"]),
        ("tracks", f"{quality['points']}, {100 * quality['survival']:.0f} % visible in the last frame"),
        ("jitter", f"{quality['jitter']:.2f} px as tracked, {quality['jitter_smoothed']:.2f} px as written"),
        ("depth", _depth(report)),
        ("time", f"{report['tracking_seconds']:.1f} s for tracking"),
    ]
    if "objects" in foreground:
        names = [f"{row['label']} {row['score']:.2f}" for row in foreground["objects"]]
        rows.insert(2, ("objects", ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")))
    return [*rows, *((path.name, _where(path)) for path in written)]


def _depth(report: dict) -> str:
    model = report.get("depth_model")
    if model is None or model["flicker"] is None:
        return report["depth_unit"]
    return f"{report['depth_unit']}, estimated by {model['name']}, flickers by {100 * model['flicker']:.2f} %"


def _where(path: Path) -> str:
    if path.is_dir():
        return f"{path}  ({len(list(path.iterdir()))} files)"
    return f"{path}  ({file_size(path.stat().st_size)})"
