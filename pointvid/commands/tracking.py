"""What `track` and `demo` do once the clip is open."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from torch import Tensor

from ..camera import Camera
from ..densify import densify
from ..errors import PointVidError
from ..smoothing import smooth_tracks
from ..trackers.pipeline import track_clip
from ..tracks import PointTracks
from ..video import VideoFile
from .results import write_results
from .terminal import Bars, file_size, table


def track_and_write(
    video: VideoFile, mask: Tensor | None, depth: Tensor | None, camera: Camera | None, args: argparse.Namespace
) -> None:
    """Track the clip, write the results to `args.out` and say what was found.

    Args:
        video: the clip.
        mask: bool [H, W] foreground, or None to find what moves.
        depth: float32 [T, H, W] metres, or None.
        camera: of the framed clip, or None for the default.
        args: `out`, `all`, `tracker`, `no_smooth`.
    """
    if video.shape[0] < 2:
        raise PointVidError(f"{video.name} has 1 frame, expected at least 2: one frame has no motion to track")
    began = time.perf_counter()
    with Bars() as progress:
        tracks, foreground = track_clip(
            video,
            mask,
            depth,
            tracker=args.tracker,
            camera=camera,
            fps=video.fps,
            depth_unit="relative" if depth is None else "metric",
            progress=progress,
        )
        tracked = time.perf_counter()
        kept = tracks if args.all else tracks.select(_starts_in(tracks, foreground))
        if not kept.num_points:
            raise PointVidError(
                f"{video.name}: nothing in it moves apart from the camera; "
                "say what to track with --mask, or take everything with --all"
            )
        kept = kept if args.no_smooth else smooth_tracks(kept)
        cloud = kept if args.all else densify(kept, foreground).to_tracks(video[0])
        report = _report(video, kept, foreground, args, tracked - began)
        written = write_results(Path(args.out), video, kept, cloud, report, progress)
    print(table(_summary(report, written)))
    if depth is None:
        print(
            "pointvid: note: no depth was given, so the tracks are flat (depth 1); "
            "pass --depth FILE for 3D, from any depth estimator or sensor",
            file=sys.stderr,
        )


def _starts_in(tracks: PointTracks, mask: Tensor) -> Tensor:
    u, v = tracks.queries.round().long().unbind(-1)
    return mask[v.clamp(0, mask.shape[0] - 1), u.clamp(0, mask.shape[1] - 1)]


def _report(
    video: VideoFile, tracks: PointTracks, foreground: Tensor, args: argparse.Namespace, seconds: float
) -> dict:
    frames, height, width, _ = video.shape
    step = (tracks.uvd[1:, :, :2] - tracks.uvd[:-1, :, :2]).norm(dim=-1)
    moving = step[tracks.visible[1:] & tracks.visible[:-1]]
    return {
        "clip": {
            "file": Path(video.name).name,
            "frames": frames,
            "first_frame": video.first_frame,
            "fps": round(video.fps, 4),
            "width": width,
            "height": height,
            "file_width": video.source_size[1],
            "file_height": video.source_size[0],
        },
        "camera": dict(zip(("fx", "fy", "cx", "cy"), tracks.camera.intrinsics)),
        "depth_unit": tracks.depth_unit,
        "tracker": args.tracker,
        "smoothed": not args.no_smooth,
        "tracks": tracks.num_points,
        "foreground_pixels": int(foreground.sum()),
        "visible_share": round(tracks.visible.float().mean().item(), 4),
        "visible_share_last_frame": round(tracks.visible[-1].float().mean().item(), 4),
        "median_motion_px_per_frame": round(moving.median().item(), 3) if len(moving) else 0.0,
        "tracking_seconds": round(seconds, 2),
    }


def _summary(report: dict, written: list[Path]) -> list[tuple[str, object]]:
    clip = report["clip"]
    share = report["visible_share_last_frame"]
    rows: list[tuple[str, object]] = [
        ("clip", f"{clip['file']}, {clip['frames']} frames of {clip['width']}x{clip['height']} at {clip['fps']:g} fps"),
        ("tracks", f"{report['tracks']}, {100 * share:.0f} % still visible at the end"),
        ("foreground", f"{report['foreground_pixels']} pixels"),
        ("depth", report["depth_unit"]),
        ("tracked in", f"{report['tracking_seconds']:.1f} s"),
    ]
    return [*rows, *((path.name, _where(path)) for path in written)]


def _where(path: Path) -> str:
    if path.is_dir():
        return f"{path}  ({len(list(path.iterdir()))} files)"
    return f"{path}  ({file_size(path.stat().st_size)})"
