"""Low-rank additions to the denoiser's attention, through peft; the new point weights are trained whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def add_lora(
    network: nn.Module, rank: int, alpha: float, *, targets: tuple[str, ...], whole: tuple[str, ...]
) -> nn.Module:
    """Freeze `network` and add low-rank updates.

    Args:
        targets: name endings of the linear layers that get them.
        whole: modules that are trained as they are: what the base's `expand` adds or widens. Without these there is no
            point half to speak of.
    """
    from peft import LoraConfig, get_peft_model

    names = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and name.endswith(targets) and not _within(name, whole)
    ]
    model = get_peft_model(network, LoraConfig(r=rank, lora_alpha=alpha, target_modules=names))
    base: Any = model.base_model
    for name, parameter in base.model.named_parameters():
        if _within(name, whole):
            parameter.requires_grad_(True)
    return model


def _within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


@torch.no_grad()
def merged_weights(network: Any) -> dict[str, Tensor]:
    """The plain network's state dict, low-rank updates added in."""
    if not hasattr(network, "merge_adapter"):
        return dict(network.state_dict())
    network.merge_adapter()
    weights = {
        key.removeprefix("base_model.model.").replace(".base_layer.", "."): value.clone()
        for key, value in network.state_dict().items()
        if ".lora_" not in key
    }
    network.unmerge_adapter()
    return weights
