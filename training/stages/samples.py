"""What a validation leaves to look at: the generated video and its tracks."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from pointvid.camera import Camera
from pointvid.diffusion.checkpoint import CheckpointInfo
from pointvid.diffusion.pixels import to_pixels
from pointvid.files.video import write_video
from pointvid.points.point_range import PointRange


def write_sample_files(
    folder: Path, video: Tensor, points: Tensor, point_range: PointRange, info: CheckpointInfo
) -> None:
    """Write video.mp4 and, where any foreground was generated, tracks.npz (the public track file).

    Args:
        video: [3,T,H,W] in [-1,1]; points: [3,T,H,W] in their range.
    """
    from pointvid.files.track_file import save_tracks

    frames = to_pixels(video.transpose(0, 1))
    write_video(folder / "video.mp4", frames, info.fps)
    camera = Camera.default(tuple(frames.shape[1:3]))
    point_map = point_range.decode(points.transpose(0, 1), camera, fps=info.fps)
    if point_map.mask.any():
        save_tracks(point_map.to_tracks(frames[0]), folder / "tracks.npz")
