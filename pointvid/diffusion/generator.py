"""An image and a prompt -> a video and the 3D trajectories of its pixels, outside any host."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..camera import Camera
from ..errors import PointVidError
from ..framing import Framing
from ..point_map import PointMap
from ..progress import Progress, silent
from .bases.base import base_model, decode_video, split
from .checkpoint import Checkpoint, CheckpointInfo
from .encoders import Encoders
from .pixels import to_pixels, to_range
from .sampling import guided, initial_noise, sample


@dataclass(frozen=True, eq=False)
class Generated:
    """A generated clip. video: uint8 [T,H,W,3]; point_map: P, aligned to its first frame; latent: [1,2C,T,h,w]."""

    video: Tensor
    point_map: PointMap
    latent: Tensor


@torch.no_grad()
def generate(
    checkpoint: Checkpoint,
    encoders: Encoders,
    prompt: str,
    image: Tensor | None = None,
    *,
    negative_prompt: str = "",
    steps: int = 50,
    guidance: float = 9.0,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> Generated:
    """Sample a clip.

    Args:
        checkpoint, encoders: loaded; the denoiser runs in the dtype of the checkpoint's weights.
        image: uint8 [H,W,3], the first frame; scaled to cover `size` and cropped. None for bases that take none.
        size: (H, W); frames, fps: None: what the checkpoint was trained at.
        steps, guidance, seed: of DDIM at eta 0 with classifier-free guidance.
        progress: reports sampling steps; may raise to cancel.
    Raises:
        PointVidError: the image is missing, or the size does not fit the model.
    """
    info = checkpoint.info
    adapter = base_model(info.base)
    height, width = size or info.resolution
    frames, fps = frames or info.frames, fps or info.fps
    adapter.check_clip(frames, height, width)
    latent = embedding = None
    if encoders.image is not None:
        if image is None or image.ndim != 3 or image.shape[-1] != 3 or image.dtype != torch.uint8:
            found = "missing" if image is None else f"{image.dtype} {list(image.shape)}"
            raise PointVidError(f"image is {found}, expected uint8 [H, W, 3]: {info.base} animates an image")
        framing = Framing((image.shape[0], image.shape[1]), (height, width))
        framed = torch.from_numpy(framing.pixels(image.cpu().numpy()).copy())[None]
        embedding = encoders.image(framed)
        latent = encoders.video.encode(to_range(framed))
    positive = adapter.conditions(encoders.text([prompt]), frames, fps, latent, embedding)
    negative = adapter.unconditional(positive, encoders.text([negative_prompt]))

    dtype = checkpoint.unet["conv_in.weight"].dtype
    unet = adapter.build(info.config, dtype=dtype, device="meta").eval()
    unet.load_state_dict(checkpoint.unet, assign=True)
    unet.to(device)
    model = guided(unet, positive.to(device, dtype), negative.to(device, dtype), guidance)
    channels = 2 * info.config.unet.latent_channels
    factor = 2 ** (len(encoders.video.model.config.block_out_channels) - 1)
    noise = initial_noise((1, channels, frames, height // factor, width // factor), seed, device)
    # The latent stays in fp32 between steps; only the denoiser sees the weights' dtype.
    result = sample(lambda x, t: model(x.to(dtype), t).float(), info.schedule, noise, steps, progress=progress)

    return decode_generated(result, encoders, info, Camera.default((height, width)), fps)


def decode_generated(latent: Tensor, encoders: Encoders, info: CheckpointInfo, camera: Camera, fps: float) -> Generated:
    """Both halves of one clip's joint latent [1,2C,T,h,w] through the VAE."""
    video, points = (decode_video(half, encoders.video.decode)[0].float().cpu() for half in split(latent))
    point_map = info.point_range.decode(points.transpose(0, 1), camera, fps=fps)
    return Generated(to_pixels(video.transpose(0, 1)), point_map, latent)
