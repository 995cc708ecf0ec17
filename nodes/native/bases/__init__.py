"""The host half of each family of base models, a module or package of the family's name.

What one holds:

    config(info)                       the host's model configuration; its attribute `pointvid` is the CheckpointInfo
    clip(checkpoint), clip_vision(checkpoint), vae(checkpoint)
                                       the host's objects; None where the file does not hold the part
    image_to_video(info, positive, negative, vae=, clip_vision=, image=, frames=, fps=, batch_size=)
                                       conditionings with what the network is told of image [1,H,W,3] and
                                       frame rate, and the empty joint LATENT; info is None without a model

`host_model.HostModelConfig` is a configuration for networks that need no class of the host's own; it asks the half for

    latent_format(info)                of the joint latent
    encoded(info, given, noise)        what the base's `conditions` takes, of a conditioning's values and the noise
    memory_usage_factor                against the host's estimate for its own UNets
    unet_config(info)                  perhaps: what nodes made for the host's UNets read of their configuration
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

DEFAULT = "unet"
"""Of nodes that were not given a model: what they did before there was another."""


def host_half(info=None) -> ModuleType:
    """Of the base that a checkpoint names; None: the default."""
    from ....pointvid.diffusion.bases import base_model

    return import_module(f".{base_model(info.base).family if info else DEFAULT}", __name__)
