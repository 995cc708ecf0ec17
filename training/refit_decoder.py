"""`python -m training.refit_decoder CHECKPOINT --shards TRAIN --out NEW`: the VAE's last convolution, made exact.

Training in bf16 and storing in fp16 leave a small autoencoder with a constant error: some pixels in decoded points, a
tint in images. Its last convolution is linear, so the best one for the frozen rest has a closed form: weighted least
squares, in float64, on true frames. Latents do not change, so neither stage has to be trained again. The new weights
stay float32 in the file, whatever the others are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from pointvid.commands.arguments import whole
from pointvid.diffusion.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pointvid.diffusion.encoders import load_encoders
from pointvid.diffusion.pixels import to_range
from pointvid.ending import add_debug, one_line
from pointvid.errors import PointVidError
from pointvid.files.sample import Sample

from .data.shards import Shards

_RIDGE = 1e-6  # of the features' mean square: directions that the data does not show keep their old weights


def refit_decoder(checkpoint: Checkpoint, shards: Shards, clips: int, foreground_weight: float = 8.0) -> Checkpoint:
    """The checkpoint with another `decoder.conv_out`.

    Args:
        clips: how many, evenly from the shards; two frames of each, as video and as points.
        foreground_weight: how much more a foreground pixel of a point frame counts, as in `train_vae`.
    Raises:
        PointVidError: the checkpoint has no VAE, or the samples are of another size.
    """
    vae: Any = load_encoders(checkpoint, dtype=torch.float32).video.model
    convolution = vae.decoder.conv_out
    weight, bias = convolution.weight.detach().double().flatten(1), convolution.bias.detach().double()
    size = weight.shape[1]
    gram = torch.zeros(size + 1, size + 1, dtype=torch.float64)
    moment = torch.zeros(size + 1, weight.shape[0], dtype=torch.float64)
    mean = None
    for index in tqdm(torch.linspace(0, len(shards) - 1, min(clips, len(shards))).long().tolist(), unit="clip"):
        for features, image, weights in _frames(vae, checkpoint, shards[index], foreground_weight):
            # Centred on the first frame's mean: the features are large constants with a small signal on them.
            mean = features.mean(1, keepdim=True) if mean is None else mean
            rows = torch.cat((features - mean, torch.ones_like(features[:1])))
            error = image - (weight @ features + bias[:, None])
            gram += (rows * weights) @ rows.T
            moment += (rows * weights) @ error.T
    ridge = gram.diagonal()[:size].mean() * _RIDGE * torch.ones(size + 1, dtype=torch.float64)
    ridge[size] = 0
    change = torch.linalg.solve(gram + ridge.diag(), moment)
    assert mean is not None  # there is a clip at the least
    parts = dict(checkpoint.parts)
    parts["vae"] = parts["vae"] | {
        "decoder.conv_out.weight": (weight + change[:size].T).view_as(convolution.weight).float(),
        "decoder.conv_out.bias": (bias + change[size] - change[:size].T @ mean[:, 0]).float(),
    }
    return replace(checkpoint, parts=parts)


@torch.no_grad()
def _frames(
    vae: Any, checkpoint: Checkpoint, sample: Sample, foreground_weight: float
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """For a few frames: what the last convolution sees [9C,HW], what it should give [3,HW], weights [HW]; float64."""
    if sample.point_map.image_size != checkpoint.info.resolution:
        raise PointVidError(f"shards hold {sample.point_map.image_size}, the model is for {checkpoint.info.resolution}")
    frames = torch.tensor([0, len(sample.video) - 1])
    points = checkpoint.info.point_range.encode(sample.point_map)[frames]
    images = torch.cat((to_range(sample.video[frames]), points))
    seen: list[Tensor] = []
    handle = vae.decoder.conv_norm_out.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    vae.decode(vae.encode(images).latent_dist.mode())
    handle.remove()
    norm = vae.decoder.conv_norm_out
    for i, (image, feature) in enumerate(zip(images, seen[0])):
        normed = F.group_norm(
            feature[None].double(), norm.num_groups, norm.weight.double(), norm.bias.double(), norm.eps
        )
        weights = torch.ones(image.shape[1:], dtype=torch.float64)
        if i >= len(frames):
            weights[sample.point_map.mask] = foreground_weight
        yield F.unfold(F.silu(normed), 3, padding=1)[0], image.flatten(1).double(), weights.flatten()


def main() -> None:
    """Parse arguments, refit, write."""
    parser = argparse.ArgumentParser(
        prog="python -m training.refit_decoder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--shards", type=Path, required=True, help="training clips")
    parser.add_argument("--clips", type=whole(1, 10**6), default=60)
    parser.add_argument("--out", type=Path, required=True)
    add_debug(parser)
    args = parser.parse_args()
    with one_line(debug=args.debug):
        checkpoint = refit_decoder(load_checkpoint(args.checkpoint), Shards(args.shards), args.clips)
        save_checkpoint(checkpoint, args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
