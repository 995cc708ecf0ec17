"""Making a study: a folder with the raters' page and, beside it, the key."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import PointVidError
from ..files.atomic import atomic_folder
from ..files.video import VideoFile, write_video
from ..progress import Progress, silent
from ..report.page import render
from .plan import CLIPS, KEY, PAGE, Study

CRF = 12  # nothing that a rater could see is lost


def make_study(
    study: Study,
    videos: Mapping[str, Mapping[str, Path]],
    out: str | os.PathLike,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    progress: Progress = silent,
) -> Path:
    """Write the study's folder; it appears whole or not at all.

    Every clip is encoded anew: raters get one codec and one quality, and no metadata that could give a method away.

    Args:
        study: from `plan_study`.
        videos: {method: {item: file}}, from `find_videos`.
        out: the folder, which must not exist or be empty.
        size: (H, W) that every clip is scaled and cropped to; None wants the sizes of each pair to agree.
        frames: only so many; None wants the numbers to agree.
        fps: the rate that all play at; None wants the rates to agree.
        progress: clip by clip.
    Raises:
        PointVidError: clips that raters could tell apart by size, length or rate; an unreadable clip; a folder in use.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PointVidError(f"{out} exists and is not empty, expected a new folder: answers must not be mixed")
    _check_alike(study, videos, size, frames, fps)
    with atomic_folder(out) as temporary:
        for number, (id, clip) in enumerate(study.clips.items()):
            progress(number, len(study.clips), "encoding clips")
            with VideoFile(videos[clip.method][clip.item], frames, size) as video:
                write_video(temporary / PAGE / CLIPS / f"{id}.mp4", video, fps or video.fps, CRF)
        progress(len(study.clips), len(study.clips), "encoding clips")
        (temporary / PAGE / "index.html").write_text(page(study), encoding="utf-8", newline="\n")
        key = json.dumps(study.as_dict(), indent=1, ensure_ascii=False)
        (temporary / KEY).write_text(key + "\n", encoding="utf-8")
    return out


def page(study: Study) -> str:
    """The raters' page: no network, no other file than the clips."""
    return render(Path(__file__).with_name("page.html"), plan=study.public())


def _check_alike(
    study: Study,
    videos: Mapping[str, Mapping[str, Path]],
    size: tuple[int, int] | None,
    frames: int | None,
    fps: float | None,
) -> None:
    """Raise PointVidError where raters would know the methods by how large, long or fast their clips are."""
    for item in dict.fromkeys(clip.item for clip in study.clips.values()):
        looks = {}
        for method in study.methods:
            with VideoFile(videos[method][item], frames, size) as video:
                count, height, width, _ = video.shape
                looks[method] = (count, height, width, round(fps or video.fps, 2))
        if len(set(looks.values())) > 1:
            seen = "; ".join(
                f"{count} frames of {height}x{width} at {rate:g} fps in {method}"
                for method, (count, height, width, rate) in looks.items()
            )
            raise PointVidError(
                f"study: {item!r} is {seen} (HxW): raters would tell them apart by that; "
                "make them alike with --size, --frames or --fps"
            )
