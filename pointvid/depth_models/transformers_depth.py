"""Any depth model of the transformers library, from a folder on disk."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..camera import Camera
from ..depth import Depth, DepthUnit
from ..errors import PointVidError
from ..memory import run_in_chunks
from ..progress import Progress, silent
from ..trackers.base import Frames
from .disparity import depth_from_disparity

KINDS = ("metric", "disparity")
_NEAREST = 1e-3
"""Metres; closer is no depth. Resizing with a cubic kernel may overshoot below 0."""


class TransformersDepth:
    """Frame by frame, as these models are; made by `loading.load_depth_model`.

    Args:
        net: in evaluation mode.
        processor: its image processor.
        kind: what it predicts: "metric" depth in metres, or "disparity" of unknown scale and shift.
        chunk: frames computed together; where memory is not enough, one after the other.
        device: where the network runs; None is where the clip is.
        near, far: between which depths a clip's disparity is laid; see `disparity.depth_from_disparity`.
    """

    def __init__(
        self,
        net: nn.Module,
        processor: Any,
        kind: str,
        chunk: int = 4,
        device: str | torch.device | None = None,
        near: float = 1.0,
        far: float = 10.0,
    ) -> None:
        if not 0 < near < far:
            raise PointVidError(f"near is {near:g} and far is {far:g}, expected 0 < near < far")
        self.net, self.processor, self.kind = net.requires_grad_(False), processor, kind
        self.chunk, self.device, self.near, self.far = chunk, device, near, far

    @property
    def unit(self) -> DepthUnit:
        """ "metric" or "relative", as in `PointTracks`."""
        return "metric" if self.kind == "metric" else "relative"

    @torch.no_grad()
    def estimate(self, video: Frames, progress: Progress = silent, camera: Camera | None = None) -> Depth:
        """As `DepthModel.estimate`. Memory beside the maps is that of one chunk."""
        if len(video.shape) != 4 or video.shape[-1] != 3 or min(video.shape) < 1:
            raise PointVidError(f"video is {list(video.shape)}, expected uint8 frames [T, H, W, 3], at least one")
        frames, height, width = video.shape[:3]
        maps = torch.empty(frames, height, width)
        focals: list[float] = []
        waiting: list[Tensor] = []  # frames come in rising t, once each, also when a chunk is tried again
        done = 0

        def run(chunk: int) -> None:
            nonlocal done
            while done < frames:
                for t in range(done + len(waiting), min(done + chunk, frames)):
                    waiting.append(video[t])
                images = torch.stack(waiting[:chunk])
                device = torch.device(self.device or images.device)
                self.net.to(device)
                found, focal = self._predict(self._pixels(images).to(device), (height, width), camera)
                if not found.isfinite().all():
                    raise PointVidError(
                        f"depth of frames {done} to {done + len(images) - 1} is not finite; "
                        "the model's weights or its preprocessor_config.json are not those of its config"
                    )
                maps[done : done + len(images)] = found.float().cpu()
                focals.extend(focal)
                del waiting[: len(images)]
                done += len(images)
                progress(done, frames, "estimating depth")

        size = f"while estimating depth of frames of {height}x{width}"
        run_in_chunks(run, self.chunk, size, "use a smaller clip, a smaller depth model, or the CPU")
        if self.kind == "disparity":
            maps = depth_from_disparity(maps, self.near, self.far)
        else:
            maps.clamp_(min=_NEAREST)
        if camera is None and focals:
            focal = float(torch.tensor(focals).quantile(0.5))
            camera = Camera(focal, focal, (width - 1) / 2, (height - 1) / 2)
        return Depth(maps, self.unit, camera)

    def _pixels(self, images: Tensor) -> Tensor:
        """What the network takes of uint8 [n, H, W, 3]."""
        arrays = [image.numpy() for image in images.cpu()]
        return self.processor(images=arrays, return_tensors="pt", input_data_format="channels_last")["pixel_values"]

    def _predict(self, pixels: Tensor, size: tuple[int, int], camera: Camera | None) -> tuple[Tensor, list[float]]:
        """What the network sees in a chunk: values [n, H, W] of `kind`, and focal lengths in pixels where it tells."""
        outputs = self.net(pixel_values=pixels)
        maps = outputs.predicted_depth[:, None]
        return nn.functional.interpolate(maps, size, mode="bicubic", align_corners=False)[:, 0], []
