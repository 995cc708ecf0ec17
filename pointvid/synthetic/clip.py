"""SyntheticClip: a rendered clip with everything that is known about it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..camera import Camera
from ..errors import PointVidError
from ..point_map import PointMap
from ..tracks import PointTracks


@dataclass(frozen=True)
class Action:
    """What happens in the clip, as the simulation had it.

    Attributes:
        verb: "push", "lift", "fall", "topple", "roll", "open", "close" or "drape".
        subject: what acts ("hand", "gripper", "ball"), or "" where gravity does.
        target: what moves, as the caption names it ("red box").
        direction: "left", "right", "away", "up" or "down", as seen by the camera.
        target_id: the id of the moving object in `SyntheticClip.object_map`.
    """

    verb: str
    subject: str
    target: str
    direction: str
    target_id: int


@dataclass(frozen=True, eq=False)
class SyntheticClip:
    """T frames of H x W pixels and the truth about every pixel of frame 0.

    Attributes:
        video: uint8 [T, H, W, 3], RGB.
        depth: float32 [T, H, W], metres along the camera's axis.
        segmentation: int32 [T, H, W]: 0 for what cannot move, 1.. for the movable objects.
        points: float32 [T, H, W, 3]: entry (v, u) of every frame is the (u, v, depth) at which the surface point seen
            by pixel (u, v) of frame 0 now is, hidden or not. Unlike `PointMap`'s, the background is filled in too.
        visible: bool [T, H, W]: that point is on screen and nothing stands before it.
        mask: bool [H, W]: the movable objects in frame 0.
        object_map: int32 [H, W]: `segmentation[0]`.
        object_names: name of object 1, 2, ...
        caption: what happens, in one sentence; checked against the simulation.
        labels: the nouns of the caption.
        action: what happens, as data.
        camera: intrinsics; it stands still. `camera_pose` float64 [4, 4] takes camera axes (x right, y down, z ahead)
            to the world's (z up, metres).
        fps: frames a second.
        scene, seed, split: how to make this clip again.
    """

    video: Tensor
    depth: Tensor
    segmentation: Tensor
    points: Tensor
    visible: Tensor
    mask: Tensor
    object_map: Tensor
    object_names: tuple[str, ...]
    caption: str
    labels: tuple[str, ...]
    action: Action
    camera: Camera
    camera_pose: Tensor
    fps: float
    scene: str
    seed: int
    split: str

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.video.shape[1], self.video.shape[2]

    def tracks(self, queries: Tensor | None = None, stride: int = 1) -> PointTracks:
        """The truth as tracks.

        Args:
            queries: float or integer [N, 2], pixels (u, v) of frame 0, at whole pixels: the truth is known at pixel
                centres. None takes every `stride`-th row and column of the whole frame, in row order.
        Raises:
            PointVidError: a query lies off screen or between pixels.
        """
        height, width = self.image_size
        if queries is None:
            v, u = torch.meshgrid(torch.arange(0, height, stride), torch.arange(0, width, stride), indexing="ij")
            u, v = u.reshape(-1), v.reshape(-1)
        else:
            u, v = queries.round().long().unbind(-1)
            off = (queries - queries.round()).abs().amax() if queries.numel() else torch.zeros(())
            outside = (u < 0) | (u >= width) | (v < 0) | (v >= height)
            if off > 1e-3 or outside.any():
                raise PointVidError(
                    f"queries: some lie between pixels or off the {height}x{width} frame, "
                    "expected whole pixels (u, v) of frame 0; round and clamp them"
                )
        return PointTracks(
            self.points[:, v, u].contiguous(),
            self.visible[:, v, u].contiguous(),
            self.image_size,
            self.camera,
            "metric",
            self.fps,
            self.video[0, v, u],
            self.object_map[v, u],
        )

    def point_map(self) -> PointMap:
        """The truth of the movable objects as the dense P of the paper; background is 0."""
        points = torch.where(self.mask[None, :, :, None], self.points, torch.zeros(()))
        return PointMap(points, self.object_map, self.camera, "metric", self.fps, self.visible & self.mask)
