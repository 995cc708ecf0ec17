"""The folder of results that `track` and `demo` leave: one track file, and the same tracks as pictures and scenes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from PIL import Image

from .. import __version__
from ..export.glb import write_glb
from ..export.html import write_html
from ..export.ply import write_ply_sequence
from ..files.atomic import atomic_folder, atomic_path
from ..files.document import json_text
from ..files.track_file import save_tracks
from ..files.video import VideoFile, write_video
from ..progress import Progress
from ..render import compose_preview, draw_tracks, overlay_frames, render_point_cloud
from ..render.overlay import Frames
from ..tracks import PointTracks

TRAIL = 8
RESULTS = ("tracks.npz", "overlay.mp4", "tracks.glb", "ply", "preview.html", "preview.png", "report.json")


def write_results(
    out: Path, video: VideoFile, tracks: PointTracks, cloud: PointTracks, report: dict, progress: Progress
) -> list[Path]:
    """Write everything about a tracked clip: all of the files or, where one cannot be written, none.

    Args:
        out: the folder.
        video: the clip.
        tracks: what the tracker followed: goes to `tracks.npz` and over the video.
        cloud: what the 3D files show: every foreground pixel, or the tracks themselves.
        report: goes to `report.json`, with the version and the files added.
        progress: reports each file's frames.
    Returns:
        The paths written.
    """
    with atomic_folder(out, "|".join(map(re.escape, RESULTS))) as folder:
        save_tracks(tracks, folder / "tracks.npz")
        overlay = overlay_frames(video, tracks, trail=TRAIL, progress=progress)
        write_video(folder / "overlay.mp4", overlay, tracks.fps)
        write_glb(cloud, folder / "tracks.glb", progress=progress)
        write_ply_sequence(cloud, folder / "ply", progress=progress)
        write_html(cloud, folder / "preview.html", video, title=Path(video.name).name, progress=progress)
        write_preview(folder / "preview.png", video, tracks, cloud)
        write_track_report(folder / "report.json", report, [folder / name for name in RESULTS[:-1]])
    return [Path(out) / name for name in RESULTS]


def write_preview(path: Path, video: Frames, tracks: PointTracks, cloud: PointTracks) -> None:
    """The clip's first frame; the frame with the most to see, with its tracks; the points of that frame in 3D."""
    frame = _liveliest_frame(tracks)
    panels = [
        ("first frame", video[0]),
        (f"tracks, frame {frame}", draw_tracks(video, tracks, trail=TRAIL, frames=[frame])[0]),
        ("in 3D", render_point_cloud(cloud, azimuth=-24, point_size=1.6, frames=[frame])[0]),
    ]
    with atomic_path(path) as temporary:
        Image.fromarray(compose_preview(panels).numpy()).save(temporary)


def _liveliest_frame(tracks: PointTracks) -> int:
    """The frame whose visible points have come furthest within a trail's length; the later one of equals."""
    uv = tracks.uvd[..., :2].nan_to_num()
    came = torch.stack([(uv[t] - uv[max(0, t - TRAIL)]).norm(dim=-1) for t in range(tracks.num_frames)])
    motion = (came * tracks.visible).mean(1) if tracks.num_points else torch.zeros(tracks.num_frames)
    return tracks.num_frames - 1 - int(motion.flip(0).argmax())


def write_track_report(path: Path, report: dict, written: list[Path]) -> None:
    """`report.json`: what was done, what came out, and which files hold it."""
    files = {file.name: _bytes(file) for file in written}
    _write_json(path, {"pointvid": __version__, **report, "files": files})


def extend_report(path: Path, **entries: object) -> None:
    """Add entries to a `report.json` that is there."""
    _write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **entries})


def _write_json(path: Path, report: dict) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json_text(report, indent=2) + "\n", encoding="utf-8")


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size
