"""Trackers with weights as the graph holds them: the library's, with their network in the host's memory management."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from torch import Tensor

from ..pointvid.depth import Depth
from ..pointvid.progress import Progress, silent
from ..pointvid.trackers.base import Frames, Tracked
from ..pointvid.trackers.registry import FOLDER, automatic, create_tracker, tracker_of
from .host import model_files, model_path
from .hosted import HostedNetwork


class HostedTracker:
    """A `Tracker` whose network the host brings to its device when a clip comes.

    Attributes:
        name: in the library, "alltracker" or "spatracker".
    """

    def __init__(self, name: str, tracker) -> None:
        self.name = name
        self._tracker = tracker
        self._network = HostedNetwork(tracker.net)
        tracker.device = self._network.device

    @property
    def default_queries(self) -> str:
        """As the library's tracker has it."""
        return getattr(self._tracker, "default_queries", "grid")

    def track(self, video: Frames, queries: Tensor, depth: Depth | None = None, progress: Progress = silent) -> Tracked:
        """As `Tracker.track`."""
        self._network.load(self._tracker.memory_needed(tuple(video.shape), len(queries)))
        return self._tracker.track(video, queries, depth, progress)


def load_tracker(path: Path, **options: object) -> HostedTracker:
    """The tracker that a file's weights are of; of the options it gets those that it has.

    Raises:
        PointVidError: no tracker's weights, or not all of them.
    """
    kind = tracker_of(path)
    own = {name: value for name, value in options.items() if name in kind.options()}
    return HostedTracker(kind.name, create_tracker(kind.name, weights=path, **own))


def automatic_tracker() -> HostedTracker | str:
    """A tracker whose weights lie in the host's folder and are free to use, else the name of the one without any."""
    kind, path = automatic(Path(model_path(FOLDER, name)) for name in model_files(FOLDER))
    return _kept(path, path.stat().st_mtime_ns) if path else kind.name


@lru_cache(maxsize=1)
def _kept(path: Path, changed: int) -> HostedTracker:
    """Read once, not for every clip."""
    return load_tracker(path)
