"""Do the tracks and the video tell the same story? Colour constancy along the tracks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import PointVidError
from ..trackers.base import Frames
from .measurement import Measurement
from .trajectories import Measurable, Trajectories, frame_means, overall_mean, share, trajectories

NULLS = ("shuffled", "still")


def color_constancy(video: Frames, points: Measurable, null: str | None = None, seed: int = 0) -> Measurement:
    """1 minus the mean absolute RGB difference, of 1, between a point's colour in frame 0 and the video where it goes.

    Args:
        video: uint8 [T, H, W, 3], or anything that gives its frames one by one.
        points: tracks or a point map of that video. They count where they are on screen and, of tracks, visible.
        null: what the score is without knowledge: "shuffled" deals the trajectories out to other points, "still" lets
            none move. Both are judged where the true ones are.
        seed: of the shuffling.
    Returns:
        "agreement" (or "agreement_shuffled", "agreement_still"), 0 to 1; frame 0 is 1 by construction and not part of
        the value.
    Raises:
        PointVidError: the video has other frames or another size than the points; an unknown null.
    """
    if null is not None and null not in NULLS:
        raise PointVidError(f"null is {null!r}, expected one of {NULLS} or None")
    found = trajectories(points)
    check_video(video, found)
    uv, counted = found.uv, found.on_screen
    colors = sample_colors(video[0], uv[0])
    if null == "shuffled":
        order = torch.randperm(uv.shape[1], generator=torch.Generator().manual_seed(seed))
        uv, counted = uv[:, order], counted[:, order]
    elif null == "still":
        uv = uv[:1].expand_as(uv)
    likeness = torch.ones(uv.shape[:2], dtype=torch.float64)
    for t in range(1, len(uv)):
        likeness[t] = 1 - (sample_colors(video[t], uv[t]) - colors).abs().mean(-1)
    return Measurement(
        f"agreement_{null}" if null else "agreement",
        "",
        overall_mean(likeness[1:], counted[1:]),
        frame_means(likeness, counted),
        better="neither" if null else "higher",
        coverage=share(counted[1:]),
    )


def sample_colors(frame: Tensor, uv: Tensor) -> Tensor:
    """Bilinear colours float64 [N, 3] in [0, 1] of a uint8 frame [H, W, 3] at float64 pixels [N, 2]."""
    height, width = frame.shape[:2]
    grid = (uv.nan_to_num() + 0.5) / uv.new_tensor([width, height]) * 2 - 1
    image = frame.cpu().permute(2, 0, 1)[None].double() / 255
    found = F.grid_sample(image, grid[None, None], padding_mode="border", align_corners=False)
    return found[0, :, 0].T


def check_video(video: Frames, found: Trajectories) -> None:
    """Raise PointVidError where points and video are not of the same clip."""
    expected = (len(found.uv), *found.image_size, 3)
    if tuple(video.shape) != expected:
        raise PointVidError(
            f"video is {video.shape[0]} frames of {video.shape[1]}x{video.shape[2]}, points are for {expected[0]} "
            f"frames of {expected[1]}x{expected[2]} (HxW); give the clip that the points belong to"
        )
