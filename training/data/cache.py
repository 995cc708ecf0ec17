"""Latents, encoded once with the frozen encoders and kept: training reads numbers instead of running a VAE.

One safetensors file a shard, in a folder named by what the numbers depend on (encoders, point range, shards), so a
changed VAE never meets old latents. A killed run goes on with the first shard that is missing.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from pointvid.diffusion.encoders import Encoders
from pointvid.diffusion.pixels import to_range
from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.sample import Sample
from pointvid.points.point_range import PointRange

from .shards import Shards


class Latents(Dataset):
    """Clips as latents and conditions, by index; with `points`, also the true points (stage 2).

    Args:
        shards: the samples.
        folder: of the cache; made by `build`.
        points: items hold the true points too.
    """

    def __init__(self, shards: Shards, folder: Path, points: bool = False):
        self.shards, self.folder, self.points = shards, folder, points
        self._open = lru_cache(16)(lambda shard: _opened(folder / f"{shard}.safetensors"))

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Tensors named as Batch's fields and inputs."""
        entry = self.shards.entries[index]
        file, names = self._open(entry.shard)
        item = {name: file.get_tensor(f"{entry.key}/{name}") for name in names}
        item = {name: value.float() if value.is_floating_point() else value for name, value in item.items()}
        if self.points:
            point_map = self.shards.points(index)
            item["uvd"], item["mask"], item["objects"] = point_map.points, point_map.mask, point_map.objects
            item["intrinsics"] = torch.tensor(point_map.camera.intrinsics)
        return item


def _opened(path: Path) -> tuple[Any, list[str]]:
    """A shard's file, and the names of what it holds of each clip."""
    file = safe_open(path, "pt")
    return file, sorted({key.rpartition("/")[2] for key in file.keys()})  # noqa: SIM118 (not a dict)


def build_cache(
    shards: Shards,
    root: Path,
    *,
    encoders: Encoders,
    point_range: PointRange,
    trained_encoders: bool,
    device: torch.device | str = "cpu",
    rank: int = 0,
    ranks: int = 1,
    workers: int = 0,
) -> Path:
    """Encode what is not there yet; each rank takes its share of the shards.

    Args:
        workers: processes that decode samples ahead of the encoders.
    Returns:
        the cache's folder.
    Raises:
        PointVidError: a sample is damaged, has no caption, or a shard is.
    """
    folder = root / _mark(shards, encoders, point_range, trained_encoders)
    missing = [name for name in shards.manifest["shards"] if not (folder / f"{name}.safetensors").is_file()]
    mine = missing[rank::ranks]
    count = sum(len(shards.manifest["shards"][name]["samples"]) for name in mine)
    with tqdm(total=count, unit="clip", desc="encoding", disable=not mine or rank > 0) as bar:
        for name in mine:
            tensors: dict[str, Tensor] = {}
            indices = [index for index, entry in enumerate(shards.entries) if entry.shard == name]
            samples = DataLoader(Subset(shards, indices), batch_size=None, num_workers=workers)
            for index, sample in zip(indices, samples):
                if not sample.caption:
                    raise PointVidError(
                        f"{shards.name(index)} has no caption, expected one sentence; caption the data set first"
                    )
                item = encode(sample, encoders, point_range, trained_encoders, device)
                key = shards.entries[index].key
                tensors |= {f"{key}/{part}": value.contiguous().cpu() for part, value in item.items()}
                bar.update()
            with atomic_path(folder / f"{name}.safetensors") as path:
                save_file(tensors, path)
    return folder


@torch.no_grad()
def encode(
    sample: Sample, encoders: Encoders, point_range: PointRange, trained_encoders: bool, device: torch.device | str
) -> dict[str, Tensor]:
    """One sample as `Latents` gives it: latents in float16."""
    latents = {}
    halves = (
        ("video", encoders.video, to_range(sample.video)),
        ("points", encoders.points, point_range.encode(sample.point_map)),
    )
    for name, codec, frames in halves:
        latents[name] = codec.encode(frames.transpose(0, 1)[None].to(device))[0].half()
    inputs = encoders.prepare([sample.caption], sample.video[:1])
    if not trained_encoders:
        inputs = {name: _half(value) for name, value in encoders.encode(inputs).items()}
    return latents | {"fps": torch.tensor(sample.point_map.fps)} | {name: v[0] for name, v in inputs.items()}


def _half(value: Tensor) -> Tensor:
    return value.half() if value.is_floating_point() else value


def _mark(shards: Shards, encoders: Encoders, point_range: PointRange, trained_encoders: bool) -> str:
    """A name for everything the numbers depend on."""
    digest = hashlib.sha256(json.dumps(point_range.to_dict(), sort_keys=True).encode())
    for name, record in sorted(shards.manifest["shards"].items()):
        digest.update(f"{name}{record['sha256']}".encode())
    for name, key, _ in shards.skipped:
        digest.update(f"without {name} {key}".encode())
    codecs = [encoders.video] if encoders.points is encoders.video else [encoders.video, encoders.points]
    frozen = [] if trained_encoders else [network.state_dict() for network in encoders.networks().values()]
    for weights in (*(codec.state() for codec in codecs), *frozen):
        for key, value in sorted(weights.items()):
            # the bytes themselves: a sum would differ in its last bit from device to device
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    for codec in codecs:
        digest.update(codec.settings().encode())
    return digest.hexdigest()[:16]
