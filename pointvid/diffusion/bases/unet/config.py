"""The shape of a video UNet, read from a diffusers `config.json` or from a checkpoint's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_type_hints

from ....errors import PointVidError
from ....files.document import check_shape

MOST_CHANNELS, MOST_LAYERS = 65_536, 32
"""No UNet has more; a damaged file may say anything."""
_CLASS_NAMES = {True: "I2VGenXLUNet", False: "UNet3DConditionModel"}
# Settings of UNet3DConditionModel that no published video model changes; anything else is refused, not ignored.
_FIXED = {
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "act_fn": "silu",
    "norm_eps": 1e-5,
    "time_cond_proj_dim": None,
    "num_attention_heads": None,
}


@dataclass(frozen=True)
class UNetConfig:
    """What distinguishes one video UNet from another. The defaults are I2VGen-XL's.

    Attributes:
        block_out_channels: channels of each resolution, finest first.
        attention_levels: which resolutions have attention.
        layers_per_block: residual layers of a down block; an up block has one more.
        cross_attention_dim: width of the context tokens.
        attention_head_dim: channels of one attention head.
        norm_num_groups: groups of every GroupNorm.
        latent_channels: channels of the VAE's latent.
        image_conditioning: True for I2VGen-XL (image latents, image embedding, fps), False for ModelScopeT2V (text).
    """

    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    attention_levels: tuple[bool, ...] = (True, True, True, False)
    layers_per_block: int = 2
    cross_attention_dim: int = 1024
    attention_head_dim: int = 64
    norm_num_groups: int = 32
    latent_channels: int = 4
    image_conditioning: bool = True

    def __post_init__(self) -> None:
        numbers = (*self.block_out_channels, self.layers_per_block, self.cross_attention_dim, self.attention_head_dim)
        numbers += (self.norm_num_groups, self.latent_channels, len(self.block_out_channels))
        if not all(0 < number <= MOST_CHANNELS for number in numbers) or self.layers_per_block > MOST_LAYERS:
            raise PointVidError(
                f"UNet config: has the numbers {list(numbers)[:12]}, expected 1 to {MOST_CHANNELS}, and "
                f"layers_per_block up to {MOST_LAYERS}"
            )
        if len(self.block_out_channels) > MOST_LAYERS:
            raise PointVidError(
                f"UNet config: {len(self.block_out_channels)} resolutions, expected up to {MOST_LAYERS}"
            )
        if not self.block_out_channels or len(self.block_out_channels) != len(self.attention_levels):
            raise PointVidError(
                f"UNet config: {len(self.block_out_channels)} block_out_channels and {len(self.attention_levels)} "
                "attention_levels, expected the same number of both, at least 1"
            )
        for channels in self.block_out_channels:
            if channels % self.norm_num_groups or channels % self.attention_head_dim:
                raise PointVidError(
                    f"UNet config: block_out_channels has {channels}, expected a multiple of norm_num_groups "
                    f"{self.norm_num_groups} and of attention_head_dim {self.attention_head_dim}"
                )

    @property
    def time_embed_dim(self) -> int:
        """Width of the time embedding."""
        return self.block_out_channels[0] * 4

    @classmethod
    def from_diffusers(cls, config: Mapping[str, Any]) -> UNetConfig:
        """Read the `config.json` of a diffusers I2VGenXLUNet or UNet3DConditionModel.

        Raises:
            PointVidError: another class, or a setting that these UNets do not have.
        """
        name = config.get("_class_name")
        if name not in _CLASS_NAMES.values():
            raise PointVidError(f"UNet config: _class_name is {name!r}, expected one of {list(_CLASS_NAMES.values())}")
        for key, value in _FIXED.items():
            if config.get(key, value) != value:
                raise PointVidError(f"UNet config: {key} is {config[key]!r}, only {value!r} is supported")
        default = cls()
        channels = tuple(config.get("block_out_channels", default.block_out_channels))
        down = list(config.get("down_block_types", _block_types("Down", default.attention_levels)))
        levels = tuple(kind.startswith("CrossAttn") for kind in down)
        up = list(config.get("up_block_types", _block_types("Up", levels)))
        if down != _block_types("Down", levels) or up != _block_types("Up", levels):
            raise PointVidError(
                f"UNet config: block types are {down} down, {up} up, expected [CrossAttn]DownBlock3D, mirrored going up"
            )
        latent = config.get("in_channels", 4)
        if config.get("out_channels", 4) != latent:
            raise PointVidError(
                f"UNet config: out_channels is {config['out_channels']}, in_channels is {latent}, expected equal"
            )
        head_dim = config.get("attention_head_dim", default.attention_head_dim)
        if not isinstance(head_dim, int):
            raise PointVidError(f"UNet config: attention_head_dim is {head_dim}, expected one number")
        return cls(
            block_out_channels=channels,
            attention_levels=levels,
            layers_per_block=config.get("layers_per_block", default.layers_per_block),
            cross_attention_dim=config.get("cross_attention_dim", default.cross_attention_dim),
            attention_head_dim=head_dim,
            norm_num_groups=config.get("norm_num_groups", default.norm_num_groups),
            latent_channels=latent,
            image_conditioning=name == _CLASS_NAMES[True],
        )

    def to_diffusers(self) -> dict[str, Any]:
        """The `config.json` that diffusers builds the same UNet from."""
        return {
            "_class_name": _CLASS_NAMES[self.image_conditioning],
            "in_channels": self.latent_channels,
            "out_channels": self.latent_channels,
            "down_block_types": _block_types("Down", self.attention_levels),
            "up_block_types": _block_types("Up", self.attention_levels),
            "block_out_channels": list(self.block_out_channels),
            "layers_per_block": self.layers_per_block,
            "norm_num_groups": self.norm_num_groups,
            "cross_attention_dim": self.cross_attention_dim,
            "attention_head_dim": self.attention_head_dim,
        }

    def to_dict(self) -> dict[str, Any]:
        """As a checkpoint's metadata holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> UNetConfig:
        """What `to_dict` gave, lists for tuples.

        Raises:
            PointVidError: no mapping, or keys this version does not know.
        """
        return cls(**read_fields(cls, values, "UNet config"))


def read_fields(kind: type, values: Any, name: str) -> dict[str, Any]:
    """The fields of dataclass `kind` from what JSON held, lists as tuples; unknown keys are errors that list them."""
    if not isinstance(values, Mapping):
        raise PointVidError(f"{name}: is a JSON {type(values).__name__}, expected an object")
    unknown = sorted(set(values) - {field.name for field in fields(kind)})
    if unknown:
        raise PointVidError(f"{name}: has unknown keys {unknown}, written by a newer pointvid? update this one")
    hints = get_type_hints(kind)
    shapes = {f"{key}?": _SHAPES.get(hints[key], object) for key in values}
    check_shape(dict(values), shapes, name, "what pointvid wrote")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


_SHAPES = {int: int, bool: bool, str: str, tuple[int, ...]: [int], tuple[bool, ...]: [bool]}


def _block_types(direction: str, attention_levels: tuple[bool, ...]) -> list[str]:
    levels = attention_levels if direction == "Down" else reversed(attention_levels)
    return [f"{'CrossAttn' if attends else ''}{direction}Block3D" for attends in levels]
