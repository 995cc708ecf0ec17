"""Trackers with weights as the graph holds them: the library's, with their network in the host's memory management."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from torch import Tensor

from ..pointvid.camera import Camera
from ..pointvid.progress import Progress, silent
from ..pointvid.trackers.base import DepthMaps, Frames, create_tracker
from ..pointvid.tracks import PointTracks
from ..pointvid.weights.known import find_weights, tracker_of
from .host import model_files, model_path
from .hosted import HostedNetwork
from .load_tracker import FOLDER


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
    def follows_every_pixel(self) -> bool:
        """Whether more queries cost nothing."""
        return getattr(self._tracker, "follows_every_pixel", False)

    def track(
        self,
        video: Frames,
        queries: Tensor,
        depth: DepthMaps | None = None,
        progress: Progress = silent,
        camera: Camera | None = None,
        fps: float = 8.0,
        depth_unit: str = "relative",
    ) -> PointTracks:
        """As `Tracker.track`."""
        self._network.load(self._tracker.memory_needed(tuple(video.shape), len(queries)))
        return self._tracker.track(video, queries, depth, progress, camera, fps, depth_unit)


def load_tracker(path: Path, longest_side: int = 768, companions: int = 0) -> HostedTracker:
    """The tracker that a file's weights are of.

    Raises:
        PointVidError: no tracker's weights, or not all of them.
    """
    name = tracker_of(path)
    options = {"longest": longest_side} if name == "alltracker" else {"companions": companions}
    return HostedTracker(name, create_tracker(name, weights=path, **options))


def automatic_tracker() -> HostedTracker | str:
    """AllTracker where its weights lie in the host's folder, else "lucas_kanade". Never one that is not free to use."""
    path = find_weights("alltracker", [model_path(FOLDER, name) for name in model_files(FOLDER)])
    return _kept(path, path.stat().st_mtime_ns) if path else "lucas_kanade"


@lru_cache(maxsize=1)
def _kept(path: Path, changed: int) -> HostedTracker:
    """Read once, not for every clip."""
    return load_tracker(path)
