"""What every depth model is: a clip in, its depth out."""

from __future__ import annotations

from typing import Protocol

from ..camera import Camera
from ..depth import Depth, DepthUnit
from ..progress import Progress, silent
from ..trackers.base import Frames


class DepthModel(Protocol):
    """Estimates depth along the camera's axis for every frame of a clip."""

    @property
    def unit(self) -> DepthUnit:
        """ "metric" (metres) or "relative" (right up to an unknown scale)."""
        ...

    def estimate(self, video: Frames, progress: Progress = silent, camera: Camera | None = None) -> Depth:
        """Estimate the depth of `video`.

        Args:
            video: uint8 [T, H, W, 3], or anything that gives its frames one by one, asked for in rising t.
            progress: called after every chunk of frames; may raise to cancel.
            camera: intrinsics in pixels of the clip where they are known; a model that estimates a focal length uses
                this one instead.
        Returns:
            maps float32 on the CPU, finite and above 0, and the camera: the given one, the model's own estimate, or
            None. How much they flicker: `flicker.measure_flicker`.
        Raises:
            PointVidError: no frames, or not enough memory even for one frame at a time.
        """
        ...
