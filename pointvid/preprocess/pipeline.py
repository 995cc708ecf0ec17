"""Clip + caption -> sample, in three steps that can run in different threads or on different machines.

read    CPU and network: decode, trim, scale; labels from the caption
track   the models: masks, depth, tracks
finish  CPU: smoothing, dense fill, the sample
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..depth_models.base import DepthModel
from ..errors import PointVidError
from ..files.sample import Sample
from ..labels.base import LabelSource
from ..memory import free_cached, is_out_of_memory
from ..points.densify import densify
from ..points.smoothing import smooth_tracks
from ..progress import Progress, silent
from ..segmenters.base import Segmenter
from ..trackers.base import Tracker, create_tracker
from ..trackers.foreground import NothingMoves
from ..trackers.pipeline import track_clip
from ..tracks import PointTracks
from .clip import ClipSource, Footage, read_footage
from .gates import Reason, Rejected, check, frame_figures, track_figures
from .settings import PreprocessSettings

_Result = TypeVar("_Result")

_OUT_OF_MEMORY = (
    "out of memory, also with smaller chunks: choose a smaller clip.size, fewer clip.frames, a smaller tracks.grid, "
    "or fewer workers a device"
)


@dataclass(frozen=True, eq=False)
class TrackedFootage:
    """What `Preprocessor.track` gives to `finish`, all on the CPU.

    Attributes:
        footage: the frames and what came with them.
        tracks: of the foreground, as tracked.
        mask: bool [H, W], the foreground of frame 0.
        object_map: int32 [H, W], or None.
        figures: what the gates measured so far.
        facts: for the provenance: how the foreground was found.
    """

    footage: Footage
    tracks: PointTracks
    mask: Tensor
    object_map: Tensor | None
    figures: Mapping[str, float]
    facts: Mapping[str, Any]


@dataclass(eq=False)
class Preprocessor:
    """Makes samples. Everything is optional: without any model it takes what moves, tracks it and leaves it flat.

    Attributes:
        settings: what can be chosen.
        tracker: follows the points.
        labels: finds the moving objects' names in the caption; None: only labels that are given are kept.
        segmenter: finds those names in the first frame; None: the foreground is what moves by itself.
        depth_model: None: depth is what comes with the clip, else flat (1.0, relative).
        device: where frames are put for the models.
        about: goes into the provenance: names, settings and hashes of the models.
    """

    settings: PreprocessSettings = field(default_factory=PreprocessSettings)
    tracker: str | Tracker = "lucas_kanade"
    labels: LabelSource | None = None
    segmenter: Segmenter | None = None
    depth_model: DepthModel | None = None
    device: str | torch.device = "cpu"
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.tracker, str):
            self.tracker = create_tracker(self.tracker)

    def __call__(self, source: ClipSource | Footage, progress: Progress = silent) -> Sample:
        """All three steps.

        Raises:
            Rejected: a gate, or a step that could not be done; `reasons` says which.
        """
        return self.finish(self.track(self.read(source), progress))

    def read(self, source: ClipSource | Footage) -> Footage:
        """Frames of the right number and size, with labels; uses no model but `labels`.

        Raises:
            Rejected: unreadable, short, small, blank, still, cut, no caption.
        """
        footage = source if isinstance(source, Footage) else read_footage(source, self.settings.clip)
        if self.settings.need_caption and not footage.caption:
            raise Rejected([Reason("no_caption", "the clip has no caption, expected one to train on")])
        footage = replace(footage, figures=frame_figures(footage.frames))
        check(footage.figures, self.settings.gates)
        if self.labels is None or footage.labels:
            return footage
        try:
            return replace(footage, labels=tuple(self.labels.labels(footage.caption)))
        except PointVidError as error:
            return replace(footage, unlabelled=str(error))  # fatal only where a segmenter needs them

    @torch.no_grad()
    def track(self, footage: Footage, progress: Progress = silent) -> TrackedFootage:
        """Masks, depth and tracks. Where memory runs out it is tried once more with the models' `chunk` quartered.

        Raises:
            Rejected: no labels, nothing found, too many objects, too few or too poor tracks, out of memory.
        """
        try:
            return _with_less_memory(
                lambda: self._track(footage, progress), (self.tracker, self.segmenter, self.depth_model)
            )
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise Rejected([Reason("memory", _OUT_OF_MEMORY)]) from error
            raise

    @torch.no_grad()
    def finish(self, tracked: TrackedFootage) -> Sample:
        """Smooth, fill, and put together.

        Raises:
            Rejected: objects without tracks, or tracks that cannot be filled from.
        """
        settings, footage = self.settings.tracks, tracked.footage
        tracks = tracked.tracks
        if settings.smooth and tracks.num_frames > 2:
            tracks = smooth_tracks(tracks, tau=settings.tau, tau_depth=settings.tau_depth)
        try:
            point_map = densify(tracks, tracked.mask, settings.interpolation, settings.k, tracked.object_map)
        except PointVidError as error:
            raise Rejected([Reason("unfilled", str(error))], tracked.figures) from error
        filled = (point_map.mask.sum() / tracked.mask.sum()).item()
        figures = {**tracked.figures, "filled": filled}
        check(figures, self.settings.gates)
        objects = tracked.object_map
        return Sample(
            footage.frames.cpu(),
            point_map,
            footage.caption,
            footage.labels,
            None,
            {
                **footage.provenance,
                **tracked.facts,
                **self.about,
                "tracks": asdict(settings),
                "quality": {name: float(f"{value:.4g}") for name, value in figures.items()},
            },
            None if objects is None else torch.where(point_map.mask, objects, 0).to(torch.int32),
        )

    def _track(self, footage: Footage, progress: Progress) -> TrackedFootage:
        settings = self.settings
        frames = footage.frames.to(self.device)
        figures = dict(footage.figures)
        mask, facts = self._mask(footage, frames, progress)
        if mask is not None:
            figures |= {"foreground": _share(mask), "objects": len(mask.unique()) - bool((mask == 0).any())}
            check(figures, settings.gates)
        depth, unit, camera = footage.depth, footage.depth_unit, footage.camera
        if depth is None and self.depth_model is not None:
            try:
                estimate = self.depth_model.estimate(frames, progress, camera)
            except PointVidError as error:
                raise Rejected([Reason("no_depth", str(error))], figures) from error
            depth, unit, camera = estimate.maps, estimate.unit, estimate.camera or camera
            if estimate.flicker is not None:
                figures["depth_flicker"] = estimate.flicker
        try:
            clip = track_clip(
                frames,
                None if mask is None else mask.to(frames.device),
                depth,
                camera,
                unit if depth is not None else "relative",
                self.tracker,
                grid=settings.tracks.grid,
                extra=settings.tracks.extra,
                smooth=False,  # a step of `finish`, which must not hold the models up
                seed=settings.tracks.seed,
                fps=footage.fps,
                progress=progress,
            )
        except NothingMoves as error:
            raise Rejected([Reason("nothing_found", str(error))], figures) from error
        except PointVidError as error:
            raise Rejected([Reason("not_tracked", str(error))], figures) from error
        found = clip.mask.cpu()
        tracks = clip.tracks.to("cpu")
        figures |= {"foreground": _share(found), **track_figures(tracks)}
        if mask is None:
            figures["objects"] = len(tracks.object_id.unique())
        check(figures, settings.gates)
        objects = None if clip.object_map is None else clip.object_map.cpu()
        facts = {"found_by": clip.found_by, "depth_unit": tracks.depth_unit, **facts}
        return TrackedFootage(footage, tracks, found, objects, figures, facts)

    def _mask(self, footage: Footage, frames: Tensor, progress: Progress) -> tuple[Tensor | None, dict[str, Any]]:
        """An object map or mask of frame 0 where there is one, and how it was found."""
        if footage.mask is not None:
            return footage.mask, {"found_by": "mask"}
        if self.segmenter is None:
            return None, {}
        if not footage.labels:
            why = footage.unlabelled or "no labels are known, expected names of objects to look for"
            raise Rejected([Reason("no_labels", why)])
        try:
            found = self.segmenter.segment(frames[0], footage.labels, progress)
        except PointVidError as error:
            short = error.__cause__ is not None and is_out_of_memory(error.__cause__)
            raise Rejected([Reason("memory" if short else "nothing_found", str(error))]) from error
        objects = found.object_map
        if not (objects > 0).any():
            asked = ", ".join(footage.labels)
            raise Rejected([Reason("nothing_found", f"the segmenter gave empty masks for {asked}")])
        scored = [[label, round(score, 4)] for label, score in zip(found.labels, found.scores.tolist())]
        return objects, {"found_by": "labels", "objects": scored}


def _share(mask: Tensor) -> float:
    return (mask != 0).float().mean().item()


def _with_less_memory(work: Callable[[], _Result], models: tuple[object, ...]) -> _Result:
    """`work()`, and once more with a quarter of every model's `chunk` where memory runs out."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Outside of the except block: the error would keep the failed run's tensors alive.
    for model in models:
        if isinstance(getattr(model, "chunk", None), int):
            model.chunk = max(model.chunk // 4, 1)
    free_cached()
    return work()
