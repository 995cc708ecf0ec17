"""The joint video + point denoiser (paper section 3.2): the base UNet with twice the latent channels.

The widening happens on tensors, so that the base's weights stay what they are:

    conv_in   columns [video | point | image | image repeated]   new columns zero
    conv_out  rows    [video | point]                            new rows zero
    entry     attention between the halves                       residual, output projections zero

At initialisation the video half therefore is the base's, bit for bit, and the point half predicts zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ....errors import PointVidError
from ....weights.check import check_keys
from .attention import AttentionFunction, Layers, sdpa
from .config import UNetConfig, read_fields
from .entry import ENTRY_ATTENTIONS, EntryAttention
from .unet import VideoUNet


@dataclass(frozen=True)
class JointConfig:
    """A base UNet and how its two halves meet at the entry.

    Attributes:
        unet: the base's shape.
        entry_attention: one of ENTRY_ATTENTIONS.
        entry_heads, entry_head_dim: its size; the latent's channels alone are too few to attend with.
    """

    unet: UNetConfig
    entry_attention: str = "spatial"
    entry_heads: int = 2
    entry_head_dim: int = 32

    def __post_init__(self) -> None:
        if not (0 < self.entry_heads <= 1024 and 0 < self.entry_head_dim <= 1024):
            raise PointVidError(
                f"entry attention has {self.entry_heads} heads of {self.entry_head_dim}, expected 1 to 1024 of both"
            )
        if self.entry_attention not in ENTRY_ATTENTIONS:
            raise PointVidError(f"entry_attention is {self.entry_attention!r}, expected one of {ENTRY_ATTENTIONS}")

    def to_dict(self) -> dict[str, Any]:
        """As a checkpoint's metadata holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> JointConfig:
        """What `to_dict` gave, lists for tuples.

        Raises:
            PointVidError: no mapping, or keys this version does not know.
        """
        own = read_fields(cls, values, "joint config")
        return cls(**{**own, "unet": UNetConfig.from_dict(own.get("unet"))})


class JointUNet(VideoUNet):
    """VideoUNet over latents [B,2C,T,h,w]: channels 0..C-1 video, C..2C-1 points. Arguments as VideoUNet's.

    A new one has random weights; `expand_base` makes the state dict that training starts from.
    """

    def __init__(
        self,
        config: JointConfig,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        attention: AttentionFunction = sdpa,
    ):
        super().__init__(config.unet, operations, dtype, device, attention)
        self.joint_config = config
        self.entry = _entry(config, Layers(operations, self.dtype, device, attention))

    @property
    def input_channels(self) -> int:
        """Every input doubled."""
        return 2 * super().input_channels

    @property
    def output_channels(self) -> int:
        """Video and points."""
        return 2 * super().output_channels

    def _gather(self, x: Tensor, image_frames: Tensor | None) -> Tensor:
        x = self.entry(x)
        return x if image_frames is None else torch.cat((x, image_frames, image_frames), 1)


def expand_base(base: Mapping[str, Tensor], config: JointConfig, seed: int = 0) -> dict[str, Tensor]:
    """The joint state dict that behaves as `base` does: the initial checkpoint of stage 1.

    Args:
        base: state dict of the base UNet; tensors it shares with the result are not copied.
        config: the joint model's.
        seed: of the entry attention's query, key and value projections, the only random weights.
    Raises:
        PointVidError: `base` is not the state dict of `config.unet`; wrong and missing keys are listed.
    """
    check_keys(base, VideoUNet(config.unet, device="meta"), "base UNet")
    c = config.unet.latent_channels
    weight = base["conv_in.weight"]
    columns = weight.new_zeros(weight.shape[0], 2 * weight.shape[1], *weight.shape[2:])
    for source, target in _columns(config.unet):
        columns[:, target] = weight[:, source]
    joint = {**base, "conv_in.weight": columns}
    for key in ("conv_out.weight", "conv_out.bias"):
        rows = base[key]
        joint[key] = torch.cat((rows, torch.zeros_like(rows[:c])))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        entry = _entry(config, Layers())
    for name, value in entry.state_dict().items():
        value = torch.zeros_like(value) if "to_out" in name else value
        joint[f"entry.{name}"] = value.to(weight.device, weight.dtype)
    return joint


def extract_base(joint: Mapping[str, Tensor], config: JointConfig) -> dict[str, Tensor]:
    """The video half of a joint state dict as a base state dict: exactly `expand_base`'s inverse, before training.

    After training it is only the base's part of the joint model: what points told the pixels is cut off.
    """
    c = config.unet.latent_channels
    base = {key: value for key, value in joint.items() if not key.startswith("entry.")}
    weight = joint["conv_in.weight"]
    base["conv_in.weight"] = torch.cat([weight[:, target] for _, target in _columns(config.unet)], 1)
    base["conv_out.weight"] = joint["conv_out.weight"][:c].clone()
    base["conv_out.bias"] = joint["conv_out.bias"][:c].clone()
    return base


def new_parameters(config: JointConfig) -> dict[str, tuple[slice, ...]]:
    """Names of the tensors that `expand_base` adds or widens, and which part of each is new."""
    c = config.unet.latent_channels
    parts = {"conv_in.weight": (slice(None), slice(c, 2 * c))}
    parts |= {"conv_out.weight": (slice(c, None),), "conv_out.bias": (slice(c, None),)}
    with torch.device("meta"):
        return parts | {f"entry.{name}": () for name in _entry(config, Layers()).state_dict()}


def _entry(config: JointConfig, layers: Layers) -> nn.Module:
    if config.entry_attention == "none":
        return nn.Identity()
    return EntryAttention(
        layers, config.unet.latent_channels, config.entry_attention, config.entry_heads, config.entry_head_dim
    )


def _columns(config: UNetConfig) -> list[tuple[slice, slice]]:
    """Which columns of the base's conv_in become which of the joint one's: video, then image."""
    c = config.latent_channels
    halves = 2 if config.image_conditioning else 1
    return [(slice(c * i, c * (i + 1)), slice(2 * c * i, 2 * c * i + c)) for i in range(halves)]
