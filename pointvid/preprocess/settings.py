"""What can be chosen about preprocessing, with the defaults of the paper where it names them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from ..errors import PointVidError
from ..trackers.settings import TrackSettings

TAKES = ("middle", "first")


@dataclass(frozen=True)
class ClipSettings:
    """Which frames of a video are used, and at what size.

    Attributes:
        size: (H, W) in pixels; the aspect is kept, the middle is kept.
        frames: T.
        fps: frames a second to aim for: every n-th frame is taken, the n that comes closest. None takes every frame.
        take: which part of a video that is longer: "middle" or "first". With a mask the clip always starts at the
            start, because that is the frame the mask is of.
        max_upscale: how many times a smaller video may be enlarged.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - inside a config file's model: unknown keys are errors

    size: tuple[int, int] = (256, 448)
    frames: int = 16
    fps: float | None = 8.0
    take: str = "middle"
    max_upscale: float = 1.5

    def __post_init__(self) -> None:
        if min(self.size) < 16:
            raise PointVidError(f"clip.size is {list(self.size)}, expected (H, W) of at least 16 pixels")
        if self.frames < 2:
            raise PointVidError(f"clip.frames is {self.frames}, expected at least 2")
        if self.fps is not None and not self.fps > 0:
            raise PointVidError(f"clip.fps is {self.fps}, expected a number above 0, or null for every frame")
        if self.take not in TAKES:
            raise PointVidError(f"clip.take is {self.take!r}, expected one of {', '.join(TAKES)}")


@dataclass(frozen=True)
class Gates:
    """Limits outside of which a clip is no training sample. None switches a gate off.

    Attributes:
        min_contrast: standard deviation of the brightness within a frame, grey levels of 255, in the clip's plainest
            frame: black, white and faded frames have next to none.
        max_still: share of steps from frame to frame in which nothing changes: frozen videos, stills.
        max_jump: how much more one step changes the picture than the steps around it do: a cut between shots. Steps
            that change it by less than 2 grey levels count as 2.
        max_objects: objects in the first frame.
        min_foreground, max_foreground: share of the first frame that is foreground.
        min_tracks: tracks that start on the foreground.
        min_visible: share of all (frame, track) pairs in which the track is seen.
        min_survival: share of the tracks that are seen in the last frame.
        max_jitter: median length of the second difference of seen tracks before smoothing, pixels / frame ** 2.
        max_depth_jitter: median second difference of the log-depth of seen tracks before smoothing, per frame ** 2.
        min_motion: how far the livelier tracks get from where they start (90th percentile), pixels.
        min_filled: share of the foreground that got a trajectory; objects without tracks have none.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - inside a config file's model: unknown keys are errors

    min_contrast: float | None = 4.0
    max_still: float | None = 0.8
    max_jump: float | None = 4.0
    max_objects: float | None = 32
    min_foreground: float | None = 0.002
    max_foreground: float | None = 0.95
    min_tracks: float | None = 32
    min_visible: float | None = 0.4
    min_survival: float | None = 0.1
    max_jitter: float | None = 4.0
    max_depth_jitter: float | None = 0.1
    min_motion: float | None = 1.0
    min_filled: float | None = 0.5

    @classmethod
    def off(cls) -> Gates:
        """None at all: every clip passes."""
        return cls(**dict.fromkeys(item.name for item in fields(cls)))

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and not 0 <= value < float("inf"):
                raise PointVidError(f"gates.{item.name} is {value}, expected a number of at least 0, or null for off")


@dataclass(frozen=True)
class PreprocessSettings:
    """All of it. `need_caption`: a clip without a caption is rejected, as nothing could be trained on it."""

    clip: ClipSettings = field(default_factory=ClipSettings)
    tracks: TrackSettings = field(default_factory=TrackSettings)
    gates: Gates = field(default_factory=Gates)
    need_caption: bool = True
