"""A network of the library in the host's memory management: moved by it, and freed under pressure."""

from __future__ import annotations

import comfy.model_management
import comfy.model_patcher
import torch
from torch import nn


class HostedNetwork:
    """Holds a network that the host may move to its device when it is needed, and away when others need the room.

    Args:
        net: in evaluation mode, on the CPU. Its layers are plain torch, so it is moved as a whole.
    """

    def __init__(self, net: nn.Module) -> None:
        management = comfy.model_management
        # The host writes attributes to what it holds; some libraries' models have properties of those names.
        self._patcher = comfy.model_patcher.ModelPatcher(
            nn.ModuleList([net]),
            load_device=management.get_torch_device(),
            offload_device=management.unet_offload_device(),
        )

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self._patcher.load_device

    def load(self, memory_needed: int = 0) -> None:
        """Bring the network to its device, with `memory_needed` bytes beside it."""
        comfy.model_management.load_models_gpu([self._patcher], memory_required=memory_needed, force_full_load=True)
