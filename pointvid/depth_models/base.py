"""What every depth model is: a clip in, a depth map of each frame out, and how much those flicker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..camera import Camera
from ..progress import Progress, silent
from ..trackers.base import Frames


@dataclass(frozen=True, eq=False)
class EstimatedDepth:
    """What a depth model makes of a clip.

    Attributes:
        maps: float32 [T, H, W] on the CPU, along the camera's axis, finite and above 0: what `track_clip` takes.
        unit: "metric" (metres) or "relative" (the scale is unknown).
        camera: intrinsics in pixels of the clip, as they were given or as the model estimates them; None where neither.
        flicker: see `flicker.measure_flicker`; None for clips of fewer than 3 frames.
        scale_flicker: the part of it in which a frame's depth changes as a whole.
    """

    maps: Tensor
    unit: str
    camera: Camera | None = None
    flicker: float | None = None
    scale_flicker: float | None = None


class DepthModel(Protocol):
    """Estimates depth along the camera's axis for every frame of a clip."""

    @property
    def unit(self) -> str:
        """ "metric" (metres) or "relative" (right up to an unknown scale)."""

    def estimate(self, video: Frames, progress: Progress = silent, camera: Camera | None = None) -> EstimatedDepth:
        """Estimate the depth of `video`.

        Args:
            video: uint8 [T, H, W, 3], or anything that gives its frames one by one, asked for in rising t.
            progress: called after every chunk of frames; may raise to cancel.
            camera: intrinsics in pixels of the clip where they are known; a model that estimates a focal length uses
                this one instead.
        Raises:
            PointVidError: no frames, or not enough memory even for one frame at a time.
        """
        ...
