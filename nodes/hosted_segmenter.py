"""A segmenter as the graph holds it: the library's, with both networks in the host's memory management."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..pointvid.progress import Progress, silent
from ..pointvid.segmenters.base import Objects
from ..pointvid.segmenters.grounded_sam2 import GroundedSam2
from ..pointvid.segmenters.grounding_dino import Boxes, GroundingDino
from ..pointvid.segmenters.sam2 import Sam2
from .hosted import HostedNetwork

# Beside the weights, at the sizes the published models work at (800x1333 and 1024x1024), in bytes.
DETECTOR_MEMORY, MASKER_MEMORY = 3 << 30, 2 << 30


class HostedSegmenter:
    """A `Segmenter` whose networks the host brings to its device when a frame comes.

    Args:
        detector: a folder of Grounding DINO.
        masker: a folder or file of SAM 2.
    """

    def __init__(self, detector: Path, masker: Path) -> None:
        self._detector = _HostedDetector(GroundingDino(detector))
        self._masker = _HostedMasker(Sam2(masker))

    def segment(
        self, image: Tensor, labels: Sequence[str], progress: Progress = silent, **thresholds: float
    ) -> Objects:
        """As `Segmenter.segment`; `thresholds` are those of `GroundedSam2`."""
        return GroundedSam2(self._detector, self._masker, **thresholds).segment(image, labels, progress)


class _HostedDetector:
    def __init__(self, detector: GroundingDino) -> None:
        self._detector, self._network = detector, HostedNetwork(detector.net)
        detector.device = self._network.device

    def detect(self, *request: Any) -> Boxes:
        self._network.load(DETECTOR_MEMORY)
        return self._detector.detect(*request)


class _HostedMasker:
    def __init__(self, masker: Sam2) -> None:
        self._masker, self._network = masker, HostedNetwork(masker.net)
        masker.device = self._network.device

    def masks(self, *request: Any) -> Tensor:
        self._network.load(MASKER_MEMORY)
        return self._masker.masks(*request)
