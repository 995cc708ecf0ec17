"""Latents, encoded once with the frozen encoders and kept: training reads numbers instead of running a VAE.

One safetensors file a shard, in a folder named by what the numbers depend on (encoders, point range, shards), so a
changed VAE never meets old latents. A killed run goes on with the first shard that is missing.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from pointvid.diffusion.encoders import Encoders, TextEncoder
from pointvid.diffusion.pixels import to_range
from pointvid.errors import PointVidError
from pointvid.files.atomic import atomic_path
from pointvid.files.sample import Sample
from pointvid.points.point_range import PointRange

from .shards import Shards

_FRAMES_AT_ONCE = 64


class Latents(Dataset):
    """Clips as latents and conditions, by index; with `points`, also the true points (stage 2).

    Args:
        shards: the samples.
        folder: of the cache; made by `build`.
        trained_encoders: items hold caption tokens and pixels instead of their encodings.
    """

    def __init__(self, shards: Shards, folder: Path, trained_encoders: bool, points: bool = False):
        self.shards, self.folder, self.trained, self.points = shards, folder, trained_encoders, points
        self._open = lru_cache(16)(lambda shard: safe_open(folder / f"{shard}.safetensors", "pt"))

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Tensors named as Batch's fields."""
        entry = self.shards.entries[index]
        file = self._open(entry.shard)
        names = ["video", "points", "fps", *(("tokens", "pixels") if self.trained else ("text", "image"))]
        item = {name: file.get_tensor(f"{entry.key}/{name}") for name in names}
        item = {name: value.float() if value.is_floating_point() else value for name, value in item.items()}
        if self.points:
            point_map = self.shards.points(index)
            item["uvd"], item["mask"], item["objects"] = point_map.points, point_map.mask, point_map.objects
            item["intrinsics"] = torch.tensor(point_map.camera.intrinsics)
        return item


def build(
    shards: Shards,
    root: Path,
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
    frozen = () if trained_encoders else ("text", "image")
    folder = root / _mark(shards, encoders, point_range, frozen)
    missing = [name for name in shards.manifest["shards"] if not (folder / f"{name}.safetensors").is_file()]
    mine = missing[rank::ranks]
    count = sum(len(shards.manifest["shards"][name]["samples"]) for name in mine)
    with tqdm(total=count, unit="clip", desc="encoding", disable=not mine or rank > 0) as bar:
        for name in mine:
            tensors: dict[str, Tensor] = {}
            indices = [index for index, entry in enumerate(shards.entries) if entry.shard == name]
            samples = DataLoader(Subset(shards, indices), batch_size=None, num_workers=workers)
            for index, sample in zip(indices, samples):
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
    if not sample.caption:
        raise PointVidError("a sample has no caption, expected one sentence each; caption the data set first")
    video = to_range(sample.video)
    points = point_range.encode(sample.point_map)
    latents = {}
    for name, frames in (("video", video), ("points", points)):
        parts = [encoders.video.encode(part.to(device)) for part in frames.split(_FRAMES_AT_ONCE)]
        latents[name] = torch.cat(parts).transpose(0, 1).half()
    item = latents | {"fps": torch.tensor(sample.point_map.fps)}
    if trained_encoders:
        return item | {"tokens": token_ids(encoders.text, [sample.caption])[0], "pixels": sample.video[0]}
    text, image = encoders.text([sample.caption])[0], encoders.image(sample.video[:1])[0]
    return item | {"text": text.half(), "image": image.half()}


def token_ids(text: TextEncoder, prompts: list[str]) -> Tensor:
    """int64 [B, M], cut and padded to the encoder's length."""
    length = text.model.config.max_position_embeddings
    return text.tokenizer(
        prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids


def _mark(shards: Shards, encoders: Encoders, point_range: PointRange, frozen: tuple[str, ...]) -> str:
    """A name for everything the numbers depend on."""
    digest = hashlib.sha256(json.dumps(point_range.to_dict(), sort_keys=True).encode())
    for name, record in sorted(shards.manifest["shards"].items()):
        digest.update(f"{name}{record['sha256']}".encode())
    for name in ("video", *frozen):
        for key, value in sorted(getattr(encoders, name).model.state_dict().items()):
            if key.startswith(("decoder.", "post_quant_conv.")):
                continue  # the latents do not know them: a refitted decoder needs no new ones
            # the bytes themselves: a sum would differ in its last bit from device to device
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    digest.update(str(encoders.video.model.config.scaling_factor).encode())
    return digest.hexdigest()[:16]
