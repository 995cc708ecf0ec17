"""A base that has nothing in common with the video UNets: a transformer with rectified flow over latents that are
causal and a quarter as long as their clip, bytes for text, no CLIP, and a first frame that is given instead of told.

Tests put this folder into the package of bases, so it stands where a family of its own would.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

from ..conditions import Conditions, Known
from ..folders import component_weights, read_json, write_component, write_json
from ..latents import LatentSpace, split
from ..process import Flow, process_from_diffusers
from .base import BaseModel, PublishedFolder, Sampling

SPACE = LatentSpace(6, (4, 2, 2), causal=True, multiple=(4, 4), rgb_factors=((0.5, 0.1, 0.2),) * 6)
LETTERS = 24


@dataclass(frozen=True)
class ToyConfig:
    dim: int = 48

    @classmethod
    def from_dict(cls, values):
        return cls(**values)

    def to_dict(self):
        return asdict(self)


class ToyDiT(nn.Module):
    """Tokens are latent cells; the points' weights stand beside the base's: `points_in`, `points_out`."""

    def __init__(self, config, operations=nn, dtype=None, device=None, attention=None, joint=True):
        super().__init__()
        self.dtype = dtype or torch.get_default_dtype()
        dim, at = config.dim, {"dtype": dtype, "device": device}
        self.patch, self.head = (
            operations.Linear(SPACE.channels, dim, **at),
            operations.Linear(dim, SPACE.channels, **at),
        )
        self.place, self.time = operations.Linear(24, dim, **at), operations.Linear(8, dim, **at)
        self.qkv, self.out = operations.Linear(dim, 3 * dim, **at), operations.Linear(dim, dim, **at)
        self.up, self.down = operations.Linear(dim, 4 * dim, **at), operations.Linear(4 * dim, dim, **at)
        if joint:
            self.points_in = operations.Linear(SPACE.channels, dim, bias=False, **at)
            self.points_out = operations.Linear(dim, SPACE.channels, **at)

    def enable_checkpointing(self, enabled=True):
        self.checkpointing = enabled

    def forward(self, x, time, context, first_frame=None, fps=None, **_):
        b, _, t, h, w = x.shape
        video, points = (half.flatten(2).transpose(1, 2) for half in split(x))
        grid = torch.cartesian_prod(*(torch.arange(n, device=x.device) for n in (t, h, w))).float()
        tokens = self.patch(video) + self.points_in(points) + self.place(waves(grid, 4).to(x))
        times = (time / 1000).view(b, 1).float().expand(b, t).clone()
        if first_frame is not None:
            times[:, 0] = 0
        tokens = tokens + self.time(waves(times[..., None], 4).to(x)).repeat_interleave(h * w, 1)
        tokens = torch.cat((tokens, context.to(x)), 1)
        q, k, v = self.qkv(F.layer_norm(tokens, tokens.shape[-1:])).chunk(3, -1)
        tokens = tokens + self.out(F.scaled_dot_product_attention(q, k, v))
        tokens = tokens + self.down(F.gelu(self.up(F.layer_norm(tokens, tokens.shape[-1:]))))
        tokens = F.layer_norm(tokens[:, : t * h * w], tokens.shape[-1:])
        return torch.cat((self.head(tokens), self.points_out(tokens)), -1).transpose(1, 2).unflatten(2, (t, h, w))


def waves(numbers, count):
    """[..., n] -> [..., 2 n count]."""
    angles = (numbers[..., None] * 2.0 ** -torch.arange(count, device=numbers.device)).flatten(-2)
    return torch.cat((angles.sin(), angles.cos()), -1)


class ToyCodec:
    """Blocks of 2x2 pixels by their mean; four frames by their mean and their last one's difference from it."""

    def __init__(self, model):
        self.model = model

    def encode(self, frames):
        small = F.avg_pool3d(frames.to(self.model.weight), (1, 2, 2))
        groups = small[:, :, 1:].unflatten(2, (-1, 4))
        mean = torch.cat((small[:, :, :1], groups.mean(3)), 2)
        last = torch.cat((torch.zeros_like(small[:, :, :1]), groups[:, :, :, 3] - groups.mean(3)), 2)
        return torch.cat((mean, last), 1) * self.model.weight

    def decode(self, latents, *, gradient=False, chunk=8, progress=lambda *_: None):
        mean, last = (latents.float() / self.model.weight).chunk(2, 1)
        ramp = torch.tensor([-1.0, -1 / 3, 1 / 3, 1.0], device=mean.device).view(4, 1, 1)
        rest = (mean[:, :, 1:, None] + last[:, :, 1:, None] * ramp).flatten(2, 3)
        return torch.cat((mean[:, :, :1], rest), 2).repeat_interleave(2, -1).repeat_interleave(2, -2)

    def state(self):
        return self.model.state_dict()

    def settings(self):
        return "toy"


class ToyEncoders:
    def __init__(self, text, codec):
        self.text, self.video, self.points = text, codec, codec

    def networks(self):
        return {"text_encoder": self.text}

    trainable = networks

    def prepare(self, prompts, images=None):
        rows = [list(prompt.encode()[:LETTERS].ljust(LETTERS)) for prompt in prompts]
        return {"letters": torch.tensor(rows)}

    def encode(self, inputs):
        return {"text": self.text(inputs["letters"].to(self.text.weight.device))}

    def weights(self):
        return {"text_encoder": dict(self.text.state_dict())}


def scale():
    """What holds the codec's only weight."""
    return nn.LayerNorm(1, bias=False)


class ToyBase(BaseModel):
    name, family, config_type, process = "toy-dit", "toy", ToyConfig, Flow(3.0)
    fps, resolution, frames = 8.0, (16, 16), 5
    gives_known = True
    parts = ("text_encoder", "vae")
    sampling = Sampling(4, 1.5, "euler", "simple")
    lora_targets = ("qkv", "out")

    def build(self, config, **options):
        return ToyDiT(config, **options)

    def expand(self, base, config):
        new = {k: torch.zeros(s) for k, s in self.shapes(config).items() if k.startswith(("points_in.", "points_out."))}
        return {**base, **new}

    def extract(self, joint, config):
        return {k: v for k, v in joint.items() if not k.startswith("points_")}

    def new_names(self, config):
        return ("points_in", "points_out")

    def has_points(self, joint, config):
        return bool(joint["points_out.weight"].any())

    def recognises(self, names):
        return "patch.weight" in names

    def latent_space(self, config, configs):
        return SPACE

    def load_encoders(self, checkpoint, device="cpu", dtype=None):
        text, codec = nn.Embedding(256, checkpoint.info.config.dim), scale()
        text.load_state_dict(checkpoint.parts["text_encoder"])
        codec.load_state_dict(checkpoint.parts["vae"])
        return ToyEncoders(text.to(device), ToyCodec(codec.to(device)))

    def conditions(self, encoded, latent_frames, fps):
        first = F.pad(encoded["image_latent"][:, :, None], (0, 0, 0, 0, 0, latent_frames - 1))
        return Conditions(context=encoded["text"], first_frame=first, fps=fps)

    def unconditional(self, conditions, empty):
        return conditions.replace(context=empty["text"].expand_as(conditions["context"]))

    def known(self, conditions):
        first = conditions["first_frame"]
        values = torch.cat((first, torch.zeros_like(first)), 1)
        mask = torch.zeros_like(values, dtype=torch.bool)
        mask[:, : first.shape[1], 0] = True
        return Known(mask, values)

    def reads(self, folder):
        path = folder / "transformer" / "config.json"
        return path.is_file() and read_json(path)["_class_name"] == "ToyDiT"

    def read_folder(self, folder, *, entry_attention="none", dtype=None, all_in_one=True, progress=None):
        config = ToyConfig(read_json(folder / "transformer" / "config.json")["dim"])
        process = process_from_diffusers(read_json(folder / "scheduler" / "scheduler_config.json"))
        parts = {name: component_weights(folder / name) for name in self.parts} if all_in_one else {}
        return PublishedFolder(config, component_weights(folder / "transformer"), process, parts)

    def write_folder(self, checkpoint, folder):
        info = checkpoint.info
        base = self.extract(checkpoint.weights, info.config)
        config = {"_class_name": "ToyDiT", **info.config.to_dict()}
        write_component(folder / "transformer", "diffusion_pytorch_model", base, config)
        write_json(folder / "scheduler" / "scheduler_config.json", info.process.to_diffusers())
        for name, part in checkpoint.parts.items():
            write_component(folder / name, "model", part, {})
