"""The space a denoiser works in, and how clips get there: shapes as a type, one codec for each half.

A joint latent is [B,2C,T',h,w]: the C channels of the video, then the C of the points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..errors import PointVidError
from ..progress import Progress, silent


@dataclass(frozen=True)
class LatentSpace:
    """What a base's autoencoder makes of a clip.

    Attributes:
        channels: C, of one half.
        strides: frames, rows and columns of the clip to one of the latent.
        causal: the first frame is a latent frame of its own, so that a clip has 1 + k strides[0] frames.
        multiple: what rows and columns of a clip must be multiples of; the strides, where it is not more.
        rgb_factors: rough (R, G, B) of each channel, for previews; None: a host's own for such latents.
    """

    channels: int
    strides: tuple[int, int, int] = (1, 1, 1)
    causal: bool = False
    multiple: tuple[int, int] = (1, 1)
    rgb_factors: tuple[tuple[float, float, float], ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.channels < 1 or len(self.strides) != 3 or min(self.strides) < 1:
            raise PointVidError(
                f"latent space: {self.channels} channels, strides {self.strides}; expected at least 1 of all four"
            )
        sides = tuple(max(own, stride) for own, stride in zip(self.multiple, self.strides[1:]))
        object.__setattr__(self, "multiple", sides)
        if self.rgb_factors is not None and len(self.rgb_factors) != self.channels:
            raise PointVidError(
                f"latent space: rgb_factors has {len(self.rgb_factors)} rows, expected {self.channels}, one a channel"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LatentSpace:
        """What `to_dict` gave.

        Raises:
            PointVidError: something is missing, or not of its kind.
        """
        try:
            rows = values.get("rgb_factors")
            return cls(
                int(values["channels"]),
                tuple(int(n) for n in values["strides"]),  # type: ignore[arg-type]
                bool(values.get("causal", False)),
                tuple(int(n) for n in values.get("multiple", (1, 1))),  # type: ignore[arg-type]
                None if rows is None else tuple((float(r), float(g), float(b)) for r, g, b in rows),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PointVidError(f"latent space is {values!r}, expected channels, strides, ...") from error

    def to_dict(self) -> dict[str, Any]:
        """For metadata."""
        rows = self.rgb_factors and [list(row) for row in self.rgb_factors]
        return {
            "channels": self.channels,
            "strides": list(self.strides),
            "causal": self.causal,
            "multiple": list(self.multiple),
            "rgb_factors": rows,
        }

    @property
    def by_frame(self) -> bool:
        """Whether every frame is coded alone, as an image."""
        return self.strides[0] == 1 and not self.causal

    def shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, T', h, w) of one half of a clip."""
        step, down, across = self.strides
        time = 1 + (frames - 1) // step if self.causal else frames // step
        return self.channels, time, height // down, width // across

    def frames(self, latent_frames: int) -> int:
        """How many frames that many latent frames become."""
        step = self.strides[0]
        return 1 + (latent_frames - 1) * step if self.causal else latent_frames * step

    def frames_ok(self, frames: int) -> bool:
        """Whether a clip may be that long."""
        return frames >= 1 and self.frames(self.shape(frames, 1, 1)[1]) == frames

    def check_clip(self, frames: int, height: int, width: int) -> None:
        """Raise PointVidError where there is no latent of such a clip (pixels)."""
        step = self.strides[0]
        if not self.frames_ok(frames):
            rule = f"1 more than a multiple of {step}" if self.causal else f"a multiple of {step}"
            raise PointVidError(f"length is {frames} frames, expected {'at least 1' if step == 1 else rule}")
        down, across = self.multiple
        if height < down or width < across or height % down or width % across:
            rule = f"multiples of {down}" if down == across else f"height a multiple of {down}, width of {across}"
            raise PointVidError(f"size is {height}x{width} (HxW), expected {rule}")

    def check_joint(self, latent: Tensor, name: str = "latent") -> None:
        """Raise PointVidError unless `latent` is a joint latent of this space."""
        if latent.ndim != 5 or latent.shape[1] != 2 * self.channels:
            raise PointVidError(
                f"{name} is {list(latent.shape)}, expected [B, {2 * self.channels}, T, h, w]: wire a latent of the "
                "joint video + point model"
            )


def join(video: Tensor, points: Tensor) -> Tensor:
    """Video and point latents [B,C,T',h,w] -> the joint latent [B,2C,T',h,w]."""
    if video.shape != points.shape:
        raise PointVidError(
            f"video latent is {list(video.shape)}, point latent is {list(points.shape)}, expected equal"
        )
    return torch.cat((video, points), 1)


def split(latent: Tensor) -> tuple[Tensor, Tensor]:
    """The joint latent [B,2C,T',h,w] -> video and point latents [B,C,T',h,w]."""
    if latent.ndim != 5 or latent.shape[1] % 2:
        raise PointVidError(f"joint latent is {list(latent.shape)}, expected [B, 2C, T, h, w]")
    video, points = latent.chunk(2, 1)
    return video, points


class Codec(Protocol):
    """Clips <-> latents, for one half."""

    model: nn.Module
    """What holds its weights."""

    def encode(self, frames: Tensor) -> Tensor:
        """[B,3,T,H,W] in [-1,1] -> [B,C,T',h,w] as the denoiser takes them, on the codec's device."""
        ...

    def decode(self, latents: Tensor, *, gradient: bool = False, chunk: int = 8, progress: Progress = silent) -> Tensor:
        """[B,C,T',h,w] -> float32 [B,3,T,H,W], about [-1,1]: not clamped, in full precision also under autocast.

        Args:
            gradient: keep little for the backward pass, compute pieces again there.
            chunk: how much is decoded at a time: latent frames.
        """
        ...

    def state(self) -> Mapping[str, Tensor]:
        """The weights that latents depend on, for a cache's name."""
        ...

    def settings(self) -> str:
        """What else they depend on."""
        ...


class FrameCodec:
    """An image autoencoder, frame by frame. model: diffusers' AutoencoderKL, in float32.

    In full precision because coordinates do not survive less: in bfloat16 the small model's decoder puts every point 15
    px to the right, and stage 2 would teach the denoiser to make up for that.
    """

    ENCODED_AT_ONCE = 64

    def __init__(self, model: Any):
        self.model = model

    def encode(self, frames: Tensor) -> Tensor:
        """See `Codec`: the mean of the posterior, scaled."""
        parts = self._flat(frames).split(self.ENCODED_AT_ONCE)
        parameter = next(self.model.parameters())
        latents = [self.model.encode(part.to(parameter.device, parameter.dtype)).latent_dist.mode() for part in parts]
        return self._clips(torch.cat(latents) * self.model.config.scaling_factor, frames)

    def decode(self, latents: Tensor, *, gradient: bool = False, chunk: int = 8, progress: Progress = silent) -> Tensor:
        """See `Codec`."""
        flat, done = [], 0
        parts = self._flat(latents).split(chunk)
        total = latents.shape[0] * latents.shape[2]
        for part in parts:
            progress(done, total, "decoding")
            again = gradient and len(parts) > 1
            flat.append(checkpoint(self._decode, part, use_reentrant=False) if again else self._decode(part))
            done += len(part)
        progress(total, total, "decoding")
        return self._clips(torch.cat(flat).float(), latents)

    def state(self) -> Mapping[str, Tensor]:
        """See `Codec`: latents know nothing of the decoder, so a refitted one needs no new ones."""
        weights = self.model.state_dict()
        return {k: v for k, v in weights.items() if not k.startswith(("decoder.", "post_quant_conv."))}

    def settings(self) -> str:
        """See `Codec`."""
        return str(self.model.config.scaling_factor)

    def _decode(self, latents: Tensor) -> Tensor:
        parameter = next(self.model.parameters())
        latents = latents.to(parameter.device, parameter.dtype) / self.model.config.scaling_factor
        with torch.autocast(parameter.device.type, enabled=False):
            return self.model.decode(latents).sample

    @staticmethod
    def _flat(clips: Tensor) -> Tensor:
        if clips.shape[2] == 1:
            return clips[:, :, 0]  # with the strides of images, which decide between kernels of other last bits
        return clips.transpose(1, 2).flatten(0, 1)

    @staticmethod
    def _clips(flat: Tensor, like: Tensor) -> Tensor:
        return flat.unflatten(0, (like.shape[0], like.shape[2])).transpose(1, 2)
