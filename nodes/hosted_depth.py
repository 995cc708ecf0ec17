"""Depth models as the graph holds them: the library's, with their network in the host's memory management."""

from __future__ import annotations

from pathlib import Path

from ..pointvid.camera import Camera
from ..pointvid.depth import Depth, DepthUnit
from ..pointvid.depth_models.loading import load_depth_model
from ..pointvid.progress import Progress, silent
from ..pointvid.trackers.base import Frames
from .hosted import HostedNetwork

_BASE, _A_FRAME = 2**28, 3 * 2**28
"""Bytes that estimating takes beside the weights, roughly: at all, and for each frame computed together."""


class HostedDepth:
    """A `DepthModel` whose network the host brings to its device when a clip comes.

    Attributes:
        name: of its folder.
    """

    def __init__(self, name: str, model) -> None:
        self.name = name
        self._model = model
        self._network = HostedNetwork(model.net)
        model.device = self._network.device

    @property
    def unit(self) -> DepthUnit:
        """As `DepthModel.unit`."""
        return self._model.unit

    def estimate(self, video: Frames, progress: Progress = silent, camera: Camera | None = None) -> Depth:
        """As `DepthModel.estimate`."""
        self._network.load(_BASE + _A_FRAME * self._model.chunk)
        return self._model.estimate(video, progress, camera)


def load_depth(folder: Path, kind: str, chunk: int, near: float, far: float) -> HostedDepth:
    """The model in a folder; see `load_depth_model`."""
    return HostedDepth(folder.name, load_depth_model(folder, kind, chunk, near=near, far=far))
