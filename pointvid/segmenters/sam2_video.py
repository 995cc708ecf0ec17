"""SAM 2 through time, by transformers: masks in the first frame -> masks in every frame."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import PointVidError
from ..memory import memory_error
from ..progress import Progress, silent
from ..trackers.base import Frames
from ..weights.pretrained import load_pretrained
from .sam2 import ADVICE, _prepared, build_sam2
from .sam2_weights import from_meta, read_meta_weights, video_config_of


class Sam2Video:
    """Follows objects from the first frame on.

    Args:
        path: a folder in transformers' layout, or a `.pt` or `.safetensors` file in Meta's.
        device: where the network runs; None is where the clip is.
    Raises:
        PointVidError: no such weights, or not all of them.
    """

    def __init__(self, path: str | PathLike, device: str | torch.device | None = None) -> None:
        self.net = load_sam2_video(path)
        self.device = device

    def follow(self, video: Frames, masks: Tensor, progress: Progress = silent) -> Iterator[Tensor]:
        """bool [K, H, W] for each frame of `video` [T, H, W, 3]; the first as SAM 2 keeps it at its own resolution.

        Args:
            masks: bool [K, H, W] of frame 0, as `Objects.masks`; none of them empty.
        Raises:
            PointVidError: the masks are not the clip's, or memory does not suffice.
        """
        for logits in self.scores(video, masks, progress):
            yield logits > 0

    @torch.no_grad()
    def scores(self, video: Frames, masks: Tensor, progress: Progress = silent) -> Iterator[Tensor]:
        """As `follow`, float32 [K, H, W] before the threshold: above 0 is in."""
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        frames, height, width = video.shape[:3]
        if masks.ndim != 3 or tuple(masks.shape[1:]) != (height, width):
            found = "x".join(map(str, masks.shape[-2:]))
            raise PointVidError(f"masks are {found}, clip is {height}x{width} (HxW); expected those of its first frame")
        if not len(masks) or not masks.flatten(1).any(1).all():
            raise PointVidError("masks hold no object, or an empty one; expected pixels of each in the first frame")
        device = torch.device(self.device or video[0].device)
        self.net.to(device)
        side = self.net.image_size
        session = Sam2VideoInferenceSession(
            video_height=height,
            video_width=width,
            inference_device=device,
            inference_state_device=device,
            dtype=torch.float32,
        )
        session.processed_frames = _PreparedFrames(video, side)
        for k, mask in enumerate(masks):
            shown = F.interpolate(
                mask[None, None].to(device).float(), (side, side), mode="bilinear", align_corners=False, antialias=True
            )
            session.add_mask_inputs(session.obj_id_to_idx(k), 0, (shown >= 0.5).float())
        session.obj_with_new_inputs = list(range(len(masks)))
        for t in range(frames):
            progress(t, frames, "following objects")
            with memory_error(f"following {len(masks)} objects with SAM 2", f"follow fewer objects, or {ADVICE}"):
                logits = self.net(session, frame_idx=t).pred_masks.float()
                logits = F.interpolate(logits, (height, width), mode="bilinear", align_corners=False)[:, 0]
            yield logits.to(masks.device)
        progress(frames, frames, "following objects")


class _PreparedFrames:
    """The clip as the network takes it, a frame at a time, so that no long clip lies in memory at 1024x1024."""

    def __init__(self, video: Frames, side: int) -> None:
        self._video, self._side = video, side

    def __len__(self) -> int:
        return self._video.shape[0]

    def __getitem__(self, t: int) -> Tensor:
        return _prepared(self._video[t], self._side)[0]


def load_sam2_video(path: str | PathLike) -> nn.Module:
    """`transformers.Sam2VideoModel` from any of the layouts that `Sam2` takes; in evaluation mode, on the CPU.

    Raises:
        PointVidError: no such weights, or not all of them.
    """
    path = Path(path)
    if path.is_dir():
        net = load_pretrained("Sam2VideoModel", path, "SAM 2 in transformers' layout, like facebook/sam2.1-hiera-tiny")
    else:
        state = read_meta_weights(path, video=True)
        net = build_sam2(from_meta(state), video_config_of(state), path.name, "Sam2Video")
    return as_meta_starts(net)


def as_meta_starts(net: nn.Module) -> nn.Module:
    """Make `net` take given masks as Meta's predictor does; transformers 5.23 differs in two ways.

    Its pointer to the object is that of the best of three masks, where Meta's is that of the single mask; and it
    remembers the mask at the full resolution, where Meta's remembers it at a quarter.
    """
    single, given = net._single_frame_forward, net._use_mask_as_output
    side = (net.image_size, net.image_size)

    def at_a_quarter(*arguments: object, **options: object) -> object:
        output = given(*arguments, **options)
        output.high_res_masks = F.interpolate(output.pred_masks, side, mode="bilinear", align_corners=False)
        return output

    net._single_frame_forward = partial(single, multimask_output=False)  # what propagation says itself stands
    net._use_mask_as_output = at_a_quarter
    return net
