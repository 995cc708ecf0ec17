"""Low-rank additions to the denoiser's attention, through peft; the new point weights are trained whole."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# What `expand_base` adds or widens: without these there is no point half to speak of.
_WHOLE = ("conv_in", "conv_out", "entry")


def add_lora(unet: nn.Module, rank: int, alpha: float, targets: tuple[str, ...]) -> nn.Module:
    """Freeze `unet`, add low-rank updates to linear layers whose names end in `targets`, free the point weights."""
    from peft import LoraConfig, get_peft_model

    names = [
        name
        for name, module in unet.named_modules()
        if isinstance(module, nn.Linear) and name.endswith(targets) and not name.startswith("entry")
    ]
    model = get_peft_model(unet, LoraConfig(r=rank, lora_alpha=alpha, target_modules=names))
    for name, parameter in model.base_model.model.named_parameters():
        if name.split(".")[0] in _WHOLE:
            parameter.requires_grad_(True)
    return model


@torch.no_grad()
def merged_weights(unet: nn.Module) -> dict[str, Tensor]:
    """The plain UNet's state dict, low-rank updates added in."""
    if not hasattr(unet, "merge_adapter"):
        return dict(unet.state_dict())
    unet.merge_adapter()
    weights = {
        key.removeprefix("base_model.model.").replace(".base_layer.", "."): value.clone()
        for key, value in unet.state_dict().items()
        if ".lora_" not in key
    }
    unet.unmerge_adapter()
    return weights
