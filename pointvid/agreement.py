"""Figures of a generated clip that need no ground truth: do its tracks and its video tell the same story?"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import PointVidError
from .losses import rigidity_graph, rigidity_loss
from .point_map import PointMap
from .tracks import PointTracks


@dataclass(frozen=True)
class GenerationFigures:
    """What a report says of a generated clip.

    Attributes:
        agreement: colour constancy along the tracks, 0 to 1: 1 minus the mean absolute RGB difference (of 1) between a
            point's colour in frame 0 and the video where the point is said to be later.
        agreement_shuffled: the same with the trajectories dealt out to other points: what tracks that know nothing get.
        agreement_still: the same with points that do not move: what tracks that miss the motion get.
        rigidity: how much distances between neighbours change, root mean square, relative to the distance, in 3D.
        motion_px: how far points are from their start in the last frame, mean, pixels.
        points: foreground points there are.
    """

    agreement: float
    agreement_shuffled: float
    agreement_still: float
    rigidity: float
    motion_px: float
    points: int

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def generation_figures(video: Tensor, point_map: PointMap, seed: int = 0) -> GenerationFigures:
    """Measure a generated clip.

    Args:
        video: uint8 [T,H,W,3]; point_map: of the same size; seed: of the shuffling.
    Raises:
        PointVidError: sizes differ, or there is no foreground.
    """
    if tuple(video.shape) != tuple(point_map.points.shape):
        raise PointVidError(
            f"video is {list(video.shape)}, point map is {list(point_map.points.shape)}, expected equal"
        )
    tracks = point_map.to_tracks(video[0])
    if not tracks.num_points:
        raise PointVidError("point map has no foreground points, expected at least one to measure")
    order = torch.randperm(tracks.num_points, generator=torch.Generator().manual_seed(seed))
    still = tracks.replace(uvd=tracks.uvd[:1].expand_as(tracks.uvd).contiguous())
    xyz = tracks.xyz
    graph = rigidity_graph(xyz[0], k=8)
    distance = (xyz[0, graph.source] - xyz[0, graph.target]).norm(dim=-1)
    return GenerationFigures(
        agreement=color_agreement(video, tracks),
        agreement_shuffled=color_agreement(video, tracks.replace(uvd=tracks.uvd[:, order])),
        agreement_still=color_agreement(video, still),
        rigidity=(rigidity_loss(xyz, graph).sqrt() / distance.mean().clamp(min=1e-9)).item(),
        motion_px=(tracks.uvd[-1, :, :2] - tracks.uvd[0, :, :2]).norm(dim=-1).mean().item(),
        points=tracks.num_points,
    )


def color_agreement(video: Tensor, tracks: PointTracks) -> float:
    """1 minus the mean absolute difference, of 1, between `tracks.color` and the video along the tracks after frame 0.

    Points count while they are on screen; nothing is known of what hides them. 0 where none ever is.
    """
    height, width = tracks.image_size
    uv = tracks.uvd[1:, :, :2]
    grid = (uv + 0.5) / uv.new_tensor([width, height]) * 2 - 1
    frames = video[1:].permute(0, 3, 1, 2).float() / 255
    seen = F.grid_sample(frames, grid[:, None], padding_mode="border", align_corners=False)[:, :, 0]  # [T-1,3,N]
    difference = (seen - tracks.color.T.float() / 255).abs().mean(1)
    inside = ((uv > -0.5) & (uv < uv.new_tensor([width - 0.5, height - 0.5]))).all(-1)
    if not inside.any():
        return 0.0
    return 1 - difference[inside].mean().item()
