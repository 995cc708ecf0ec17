"""The point range: P <-> three channels in [-1, 1], as an RGB VAE takes them. The mask travels in the depth channel.

Channels, for an image of width W and height H (pixel centres at integers):

    0   u: [-0.5 - margin W, W - 0.5 + margin W] -> [-1, 1], linear, so points up to margin W off screen survive
    1   v: the same with H
    2   d: log d, [log near, log far] -> [-0.8, 1], linear

Background is -1 in every channel and frame. A decoded pixel is foreground where its depth channel is above -0.9 in most
frames: half way between what background and the nearest foreground should be, and a vote of all frames, since P is
aligned to frame 0 and its mask does not move. Outlines come out of a VAE and a denoiser soft: a pixel that is a tenth
object and nine tenths background passes that vote, and its trajectory, blended alike, lies far off the object. Pixels
at the outline are therefore foreground only if they are, in every frame, nearer to the object beside them than to the
background.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..camera import Camera
from ..errors import PointVidError
from ..point_map import PointMap

BACKGROUND = -1.0
MASK_THRESHOLD = -0.9
NEAREST = -0.8  # what depth `near` maps to
OUTLINE = 2  # pixels: as far from the background as this, a pixel is not blended with it

_FIT_VALUES_A_MAP = 20_000


@dataclass(frozen=True)
class PointRange:
    """Fixed for a checkpoint and kept in its metadata.

    Attributes:
        near, far: depths, in the unit of the data, that map to -0.8 and 1. Depths outside are clamped when encoded.
        margin: how far off screen points are kept, in image widths and heights. Points farther out are clamped.
    """

    near: float
    far: float
    margin: float = 0.25

    def __post_init__(self) -> None:
        if not (1e-9 <= self.near < self.far <= 1e12 and 0 <= self.margin <= 1000):
            raise PointVidError(
                f"point range has near {self.near}, far {self.far}, margin {self.margin}; "
                "expected 1e-9 <= near < far <= 1e12 and margin from 0 to 1000"
            )

    @classmethod
    def fit(cls, point_maps: Iterable[PointMap], margin: float = 0.25, tail: float = 0.005) -> PointRange:
        """The range that holds the foreground of some point maps.

        near and far are the `tail` and 1 - `tail` quantiles of depth, each clip counting alike, moved outward by a
        tenth: single wild depths do not stretch the range for all others. Flat depth d gives [d / 1.5, 1.5 d].

        Raises:
            PointVidError: no foreground point has a positive, finite depth.
        """
        logs = []
        for point_map in point_maps:
            depth = point_map.points[:, point_map.mask][..., 2]
            depth = depth[torch.isfinite(depth) & (depth > 0)].double().cpu()
            if depth.numel():
                # The same number of quantiles of every clip: a sample without chance, and of bounded size.
                steps = torch.linspace(0, depth.numel() - 1, min(depth.numel(), _FIT_VALUES_A_MAP)).round().long()
                ordered = depth.sort().values[steps].log()
                logs.append(ordered[torch.linspace(0, len(ordered) - 1, 1000).round().long()])
        if not logs:
            raise PointVidError(
                "no foreground point has a positive depth; expected at least one to fit a point range to"
            )
        values = torch.cat(logs).sort().values
        low, high = (values[round(at * (len(values) - 1))].item() for at in (tail, 1 - tail))
        return cls(
            near=math.exp(min(low - math.log(1.1), (low + high) / 2 - math.log(1.5))),
            far=math.exp(max(high + math.log(1.1), (low + high) / 2 + math.log(1.5))),
            margin=margin,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> PointRange:
        """What `to_dict` gave; numbers may have become strings on the way, as in safetensors metadata.

        Raises:
            PointVidError: near, far or margin is missing or no number.
        """
        try:
            return cls(**{name: float(values[name]) for name in ("near", "far", "margin")})  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            raise PointVidError(f"point range is {str(values)[:200]}, expected numbers near, far and margin") from error

    def to_dict(self) -> dict[str, float]:
        """{"near": ..., "far": ..., "margin": ...}, for metadata."""
        return asdict(self)

    def encode(self, point_map: PointMap) -> Tensor:
        """float32 [T, 3, H, W] in [-1, 1], background -1."""
        return self.encode_uvd(point_map.points, point_map.mask)

    def decode(
        self,
        frames: Tensor,
        camera: Camera,
        depth_unit: str = "relative",
        fps: float = 8.0,
        mask: Tensor | None = None,
    ) -> PointMap:
        """The point map in float [T, 3, H, W], as a VAE gives it back.

        Args:
            mask: bool [H, W]; read from the depth channel where it is not given.
        """
        mask = self.decode_mask(frames) if mask is None else mask
        points = torch.where(mask[..., None], self.decode_uvd(frames.float()), 0.0)
        return PointMap(points, mask, camera, depth_unit, fps)

    def encode_uvd(self, points: Tensor, mask: Tensor, image_size: tuple[int, int] | None = None) -> Tensor:
        """[..., T, H, W, 3] (u, v, depth) with mask bool [..., H, W] -> [..., T, 3, H, W] in [-1, 1].

        Args:
            image_size: (H, W) of the pixels u and v count, where the grid of points is coarser; default its own size.
        """
        scale, offset = self._affine(points, image_size)
        u, v, d = points.unbind(-1)
        channels = torch.stack((u, v, d.clamp(self.near, self.far).log()), -3)
        channels = (channels * scale + offset).clamp(-1, 1)
        return torch.where(mask[..., None, None, :, :], channels, BACKGROUND)

    def decode_uvd(self, frames: Tensor, image_size: tuple[int, int] | None = None) -> Tensor:
        """[..., T, 3, H, W] -> (u, v, depth) [..., T, H, W, 3]; differentiable, nothing is clamped or masked.

        Training losses use this on what the VAE decodes; the mask is then the ground truth's.
        """
        scale, offset = self._affine(frames.movedim(-3, -1), image_size)
        u, v, log_d = ((frames - offset) / scale).unbind(-3)
        return torch.stack((u, v, log_d.exp()), -1)

    def decode_mask(self, frames: Tensor) -> Tensor:
        """bool [..., H, W] from [..., T, 3, H, W], see the module; of the image's own pixels, not a coarser grid."""
        height, width = frames.shape[-2:]
        depth = frames[..., 2, :, :].float().reshape(-1, frames.shape[-4], height, width) - BACKGROUND
        mask = self.vote(frames).view(-1, 1, height, width)
        inner = ~_dilated(~mask)
        count = _around(inner.float())
        # no inner pixel beside: part of something thin, which only must not lie beyond the background
        object_beside = torch.where(count > 0, _around(depth * inner) / count.clamp(min=1e-6), 0.0)
        belongs = (depth >= object_beside / 2).all(1, keepdim=True)
        return (mask & (inner | belongs)).view(*frames.shape[:-4], height, width)

    def vote(self, frames: Tensor) -> Tensor:
        """bool [..., H, W] from [..., T, 3, H, W]: the depth channel is above -0.9 in more than half of the frames.

        What `decode_mask` begins with, for any grid.
        """
        votes = frames[..., 2, :, :] > MASK_THRESHOLD
        return votes.sum(-3) * 2 > votes.shape[-3]

    def _affine(self, like: Tensor, image_size: tuple[int, int] | None) -> tuple[Tensor, Tensor]:
        """Scale and offset [3, 1, 1] that take (u, v, log d) to the channels; `like` is [..., H, W, 3]."""
        height, width = image_size or (like.shape[-3], like.shape[-2])
        span = 1 + 2 * self.margin
        u_scale, v_scale = 2 / (width * span), 2 / (height * span)
        d_scale = (1 - NEAREST) / math.log(self.far / self.near)
        scale = like.new_tensor([u_scale, v_scale, d_scale])
        centre = like.new_tensor([(width - 1) / 2, (height - 1) / 2, math.log(self.near)])
        offset = like.new_tensor([0, 0, NEAREST]) - centre * scale
        return scale.view(3, 1, 1), offset.view(3, 1, 1)


def _dilated(mask: Tensor) -> Tensor:
    """bool [N, 1, H, W], true within OUTLINE pixels of true."""
    return F.max_pool2d(mask.float(), 2 * OUTLINE + 1, 1, OUTLINE) > 0


def _around(values: Tensor) -> Tensor:
    """Means over the square of OUTLINE pixels around each pixel of [N, C, H, W], zeros beyond the border."""
    return F.avg_pool2d(values, 2 * OUTLINE + 1, 1, OUTLINE)
