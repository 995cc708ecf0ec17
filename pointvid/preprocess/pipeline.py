"""Clip + caption -> sample, in three steps that can run in different threads or on different machines.

read    CPU and network: decode, trim, scale; labels from the caption
track   the models: masks, depth, tracks
finish  CPU: smoothing, dense fill, the sample
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..depth_models.base import DepthModel
from ..depth_models.flicker import measure_flicker
from ..errors import PointVidError
from ..files.sample import Sample
from ..files.video import Clip
from ..labels.base import LabelSource
from ..memory import free_cached, is_out_of_memory
from ..point_map import PointMap
from ..points.densify import densify
from ..progress import Progress, silent
from ..segmenters.base import Objects, Segmenter
from ..trackers.base import Frames, Tracker
from ..trackers.foreground import NothingMoves
from ..trackers.pipeline import smooth, track_clip
from ..trackers.registry import create_tracker
from ..trackers.retrace import Retraced, retrace
from ..tracks import PointTracks
from .clip import ClipSource, Footage, read_footage
from .gates import Reason, Rejected, check, frame_figures, track_figures
from .settings import PreprocessSettings

_Result = TypeVar("_Result")

_OUT_OF_MEMORY = (
    "out of memory, also with smaller chunks: choose a smaller or shorter clip, fewer points, or fewer workers a device"
)


@dataclass(frozen=True, eq=False)
class TrackedFootage:
    """What `Preprocessor.track` gives, all on the CPU.

    Attributes:
        footage: the frames and what came with them.
        tracks: of the foreground, as tracked.
        objects: int32 [H, W], as in `PointMap`: the foreground of frame 0.
        found_by: how it was found: "mask", "labels", "motion" or "everything".
        named: what the segmenter found; None where it was not asked.
        flicker: `measure_flicker` of depth that was estimated here.
        figures: what the gates measured so far.
    """

    footage: Footage
    tracks: PointTracks
    objects: Tensor
    found_by: str
    named: Objects | None = None
    flicker: tuple[float, float] | None = None
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def mask(self) -> Tensor:
        """bool [H, W], the foreground of frame 0."""
        return self.objects != 0

    def facts(self) -> dict[str, Any]:
        """For the provenance."""
        facts = {"found_by": self.found_by, "depth_unit": self.tracks.depth_unit}
        if self.named is not None:
            scored = zip(self.named.labels, self.named.scores.tolist())
            facts["objects"] = [[label, round(score, 4)] for label, score in scored]
        return facts


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

    def smooth(self, tracked: TrackedFootage) -> PointTracks:
        """The tracks, smoothed as the settings say."""
        return smooth(tracked.tracks, self.settings.tracks)

    def retrace(self, tracked: TrackedFootage, smoothed: PointTracks, progress: Progress = silent) -> Retraced:
        """Whether the tracks come back when the clip is tracked backwards."""
        return retrace(tracked.footage.frames, smoothed, self.tracker, progress=progress)

    def fill(self, tracked: TrackedFootage, smoothed: PointTracks) -> PointMap:
        """P, a trajectory for each pixel of the foreground.

        Raises:
            PointVidError: tracks that cannot be filled from.
        """
        settings = self.settings.tracks
        return densify(smoothed, tracked.objects, settings.interpolation, settings.k)

    @torch.no_grad()
    def finish(self, tracked: TrackedFootage) -> Sample:
        """Smooth, fill, and put together.

        Raises:
            Rejected: objects without tracks, or tracks that cannot be filled from.
        """
        footage = tracked.footage
        try:
            point_map = self.fill(tracked, self.smooth(tracked))
        except PointVidError as error:
            raise Rejected([Reason("unfilled", str(error))], tracked.figures) from error
        filled = (point_map.mask.sum() / tracked.mask.sum()).item()
        figures = {**tracked.figures, "filled": filled}
        check(figures, self.settings.gates)
        return Sample(
            footage.frames.cpu(),
            point_map,
            footage.caption,
            footage.labels,
            None,
            {
                **footage.provenance,
                **tracked.facts(),
                **self.about,
                "tracks": self.settings.tracks.facts(),
                "quality": {name: float(f"{value:.4g}") for name, value in figures.items()},
            },
        )

    def _track(self, footage: Footage, progress: Progress) -> TrackedFootage:
        gates, figures = self.settings.gates, dict(footage.figures)
        frames = footage.frames.to(self.device) if isinstance(footage.frames, Tensor) else footage.frames
        mask, named = footage.mask, None
        if mask is None and self.segmenter is not None:
            named = self._named(footage, frames, progress)
            mask = named.object_map
        if isinstance(mask, Tensor):
            figures |= {"foreground": _share(mask), "objects": len(mask.unique()) - bool((mask == 0).any())}
            check(figures, gates)
        depth, flicker = footage.depth, None
        if depth.maps is None and self.depth_model is not None:
            try:
                estimate = self.depth_model.estimate(frames, progress, depth.camera)
            except PointVidError as error:
                raise Rejected([Reason("no_depth", str(error))], figures) from error
            depth = estimate.replace(camera=estimate.camera or depth.camera)
            flicker = measure_flicker(estimate.maps)
            if flicker is not None:
                figures["depth_flicker"] = flicker[0]
        try:
            clip = track_clip(
                Clip(frames, footage.fps),
                mask=mask,
                depth=depth,
                tracker=self.tracker,
                settings=replace(self.settings.tracks, smooth=False),  # of `finish`, which must not hold the models up
                progress=progress,
            )
        except NothingMoves as error:
            raise Rejected([Reason("nothing_found", str(error))], figures) from error
        except PointVidError as error:
            raise Rejected([Reason("not_tracked", str(error))], figures) from error
        tracks, objects = clip.tracks.to("cpu"), clip.objects.cpu()
        figures |= {"foreground": _share(objects), **track_figures(tracks)}
        if mask is None and tracks.object_id is not None:
            figures["objects"] = len(tracks.object_id.unique())
        check(figures, gates)
        found_by = clip.found_by if named is None else "labels"
        named = named and named.to("cpu")
        return TrackedFootage(footage, tracks, objects, found_by, named, flicker, figures)

    def _named(self, footage: Footage, frames: Frames, progress: Progress) -> Objects:
        """The objects of frame 0 that the labels name."""
        if not footage.labels:
            why = footage.unlabelled or "no labels are known, expected names of objects to look for"
            raise Rejected([Reason("no_labels", why)])
        assert self.segmenter is not None  # labels are found for one
        try:
            found = self.segmenter.segment(frames[0], footage.labels, progress)
        except PointVidError as error:
            short = error.__cause__ is not None and is_out_of_memory(error.__cause__)
            raise Rejected([Reason("memory" if short else "nothing_found", str(error))]) from error
        if not (found.object_map > 0).any():
            asked = ", ".join(footage.labels)
            raise Rejected([Reason("nothing_found", f"the segmenter gave empty masks for {asked}")])
        return found


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
