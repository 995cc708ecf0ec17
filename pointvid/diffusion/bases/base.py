"""What a base model is to the rest of PointVid: everything that differs between bases, behind one class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ...progress import Progress, silent
from ..conditions import Conditions, Known
from ..encoders import Encoders
from ..latents import LatentSpace
from ..process import Process

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint

Weights = Mapping[str, Tensor]


class Config(Protocol):
    """The shape of a base's joint network."""

    @classmethod
    def from_dict(cls, values: Any) -> Config:
        """What `to_dict` gave; PointVidError where it is something else."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """As a checkpoint's metadata holds it, of what JSON has."""
        ...


@dataclass(frozen=True)
class Sampling:
    """How a base is best sampled: steps and strength of guidance; a host's names of its sampler and scheduler."""

    steps: int = 50
    guidance: float = 9.0
    sampler: str = "ddim"
    scheduler: str = "ddim_uniform"


@dataclass(frozen=True, eq=False)
class PublishedFolder:
    """A published folder, read: the joint config, the base's weights, its process, other parts and their configs."""

    config: Any
    weights: Weights
    process: Process
    parts: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)


class BaseModel(ABC):
    """An adapter. It has no state: configs and weights are given to it."""

    name: ClassVar[str]
    """As checkpoints call it."""
    family: ClassVar[str]
    """Of its host half: the module of this name in a host's package of bases."""
    config_type: ClassVar[type[Config]]
    process: ClassVar[Process]
    """The published one; a checkpoint's own goes first."""
    fps: ClassVar[float]
    resolution: ClassVar[tuple[int, int]]
    """(H, W) in pixels that PointVid trains it at."""
    frames: ClassVar[int]
    takes_image: ClassVar[bool] = True
    """Whether it animates a first frame."""
    gives_known: ClassVar[bool] = False
    """Whether `known` may give anything."""
    parts: ClassVar[tuple[str, ...]]
    """What a checkpoint must hold beside the network, for work outside a host."""
    sampling: ClassVar[Sampling] = Sampling()
    lora_targets: ClassVar[tuple[str, ...]]
    """Name endings of the linear layers that low-rank training usually adapts."""

    @abstractmethod
    def build(self, config: Any, **options: Any) -> nn.Module:
        """The joint network, called as `network(x [B,2C,T',h,w], time [B], **conditions)`.

        The trainer also calls its `enable_checkpointing(enabled)`, to recompute activations in the backward pass; hosts
        read its `dtype`.

        Args:
            options: operations (a host's namespace of layers), dtype, device, attention; those that a caller has.
        """

    def training_options(self, device: torch.device) -> dict[str, Any]:
        """What to build it with for training on `device`."""
        return {}

    def shapes(self, config: Any) -> dict[str, torch.Size]:
        """Names and shapes of its tensors."""
        return {name: value.shape for name, value in self.build(config, device="meta").state_dict().items()}

    @abstractmethod
    def expand(self, base: Weights, config: Any) -> dict[str, Tensor]:
        """Base weights -> the joint network's, whose video half behaves the same."""

    @abstractmethod
    def extract(self, joint: Weights, config: Any) -> dict[str, Tensor]:
        """The joint network's weights -> the base part of them."""

    @abstractmethod
    def new_names(self, config: Any) -> tuple[str, ...]:
        """Modules that `expand` adds or widens, by what their tensors' names begin with: low-rank training trains them
        whole."""

    @abstractmethod
    def has_points(self, joint: Weights, config: Any) -> bool:
        """Whether the point half has left its initialisation, where zeros keep gradients from the network."""

    @abstractmethod
    def recognises(self, names: Collection[str]) -> bool:
        """Whether tensors of these names are the base itself, without points."""

    @abstractmethod
    def latent_space(self, config: Any, configs: Mapping[str, Mapping[str, Any]]) -> LatentSpace:
        """Of a network of `config` and of the autoencoder in a checkpoint's `configs`, where it is there."""

    @abstractmethod
    def load_encoders(
        self, checkpoint: Checkpoint, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
    ) -> Encoders:
        """The other networks a checkpoint holds, in eval mode; it has all of `parts`."""

    @abstractmethod
    def conditions(self, encoded: Mapping[str, Tensor], latent_frames: int, fps: Tensor) -> Conditions:
        """What the network is told of B clips.

        Args:
            encoded: what its `Encoders.encode` gave of prompts and first frames, and "image_latent" [B,C,h,w], the
                first frame's, unless `encode` gives one itself.
            latent_frames: T'; fps: float [B].
        Raises:
            PointVidError: something is missing.
        """

    @abstractmethod
    def unconditional(self, conditions: Conditions, empty: Mapping[str, Tensor]) -> Conditions:
        """What the other half of classifier-free guidance is told.

        Args:
            empty: what `Encoders.encode` gives of one prompt "" alone.
        """

    def without_image(self, conditions: Conditions, clips: Tensor) -> Conditions:
        """What training shows where the image is dropped; clips: bool [B], which. As is, where it cannot be dropped."""
        return conditions

    def known(self, conditions: Conditions) -> Known | None:
        """What of the latent the conditions already give; None where all of it is generated."""
        return None

    @abstractmethod
    def reads(self, folder: Path) -> bool:
        """Whether a published folder is this base's."""

    @abstractmethod
    def read_folder(
        self,
        folder: Path,
        *,
        entry_attention: str = "spatial",
        dtype: torch.dtype | None = None,
        all_in_one: bool = True,
        progress: Progress = silent,
    ) -> PublishedFolder:
        """Read a published folder; see `convert.from_diffusers`."""

    @abstractmethod
    def write_folder(self, checkpoint: Checkpoint, folder: Path) -> None:
        """Write the base part of a joint checkpoint, and the parts it holds, in the published layout."""

    def describe(self, config: Any) -> list[tuple[str, object]]:
        """What is worth saying of a config, as names and values."""
        return []
