"""Published model folders -> the initial joint checkpoint, and back. How a folder is read, its base knows."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch

from ..errors import PointVidError
from ..files.atomic import atomic_folder
from ..points.point_range import PointRange
from ..progress import Progress, silent
from .bases import BASES, base_model, base_models
from .checkpoint import Checkpoint, CheckpointInfo


def from_published(
    folder: str | PathLike,
    *,
    entry_attention: str = "spatial",
    dtype: torch.dtype | None = None,
    all_in_one: bool = True,
    resolution: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    point_range: PointRange | None = None,
    progress: Progress = silent,
) -> Checkpoint:
    """The untrained joint checkpoint of a published base model: its video is the base's, its points are noise.

    Args:
        folder: as published, with the denoiser, its scheduler and, for all-in-one files, the encoders.
        entry_attention: how the halves meet; see the base's config.
        dtype: of every floating tensor; None keeps the files'. fp16 files are preferred for fp16.
        all_in_one: also take what stands beside the denoiser.
        resolution, frames, fps: what it will be trained at; None: what PointVid trains this base at.
        point_range: None: depths from 0.1 to 100; training fits it to its data.
    Raises:
        PointVidError: it is no base's folder, something is missing or not what it should be, or it makes no such clips.
    """
    folder = Path(folder)
    adapter = next((adapter for adapter in base_models() if adapter.reads(folder)), None)
    if adapter is None:
        raise PointVidError(f"{folder} is no published folder of {', '.join(BASES)}; expected one, in its own layout")
    found = adapter.read_folder(
        folder, entry_attention=entry_attention, dtype=dtype, all_in_one=all_in_one, progress=progress
    )
    info = CheckpointInfo(
        base=adapter.name,
        config=found.config,
        process=found.process,
        resolution=resolution or adapter.resolution,
        frames=frames or adapter.frames,
        fps=fps or adapter.fps,
        point_range=point_range or PointRange(0.1, 100.0),
        configs=found.configs,
    )
    info.latent.check_clip(info.frames, *info.resolution)
    return Checkpoint(info, adapter.expand(found.weights, found.config), found.parts)


def to_published(checkpoint: Checkpoint, folder: str | PathLike) -> None:
    """Write the base part of a joint model, and the encoders it holds, as a folder in the published layout.

    The published classes have no place for points: after training, what points told the pixels is lost on this way.

    Raises:
        PointVidError: `folder` is there already, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists():
        raise PointVidError(f"{folder} is there already, expected a new folder's name")
    with atomic_folder(folder) as temporary:
        base_model(checkpoint.info.base).write_folder(checkpoint, temporary)
