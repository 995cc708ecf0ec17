"""What a validation leaves to look at: the generated video and its tracks."""

from __future__ import annotations

from pathlib import Path

from pointvid.diffusion.generator import Generated
from pointvid.files.track_file import save_tracks
from pointvid.files.video import write_video


def write_sample_files(folder: Path, clip: Generated) -> None:
    """Write video.mp4 and, where any foreground was generated, tracks.npz (the public track file)."""
    found = clip.points()
    write_video(folder / "video.mp4", clip.video, found.fps)
    if found.mask.any():
        save_tracks(found.to_tracks(clip.video[0]), folder / "tracks.npz")
