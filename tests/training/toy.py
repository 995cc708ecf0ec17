"""A stage that is only a linear model: for testing the loop, also as a script in processes of its own.

python -m tests.training.toy OUT STEPS [key=value ...]
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from training.config import Augment
from training.data.shards import Entry
from training.loop import Stage, train


@dataclass
class Rows:
    x: Tensor

    def to(self, device):
        return Rows(self.x.to(device))


class ToyStage(Stage):
    """Fit w x = sum(x), with dropout, so that chance matters."""

    def __init__(self, config, noise=0.1, poison=None):
        self.config, self.extra, self.poison = config, {"seen": 0}, poison
        self.entries = [Entry(f"s{i // 8}.tar", str(i), (1, 1, 1), {}) for i in range(32)]
        generator = torch.Generator().manual_seed(0)
        self.dataset = [torch.randn(4, generator=generator) for _ in range(32)]
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Dropout(noise), nn.Linear(8, 1))

    def collate(self, items):
        return Rows(torch.stack(items))

    def losses(self, model, batch, step):
        self.extra["seen"] += 1
        error = (model(batch.x)[:, 0] - batch.x.sum(1)).square().mean()
        return {"loss": error * (float("nan") if step == self.poison else 1.0)}

    def export(self, weights, path, step):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous() for key, value in weights.items()}, path)


def toy_config(out, steps=6, **changes):
    settings = {
        "out": out,
        "steps": steps,
        "data": {"shards": "none", "workers": 0},
        "model": {"checkpoint": "none"},
        "batch_size": 4,
        "precision": "fp32",
        "ema_decay": 0.9,
        "save_every": 2,
        "log_every": 1,
        "trackers": [],
        "optimizer": {"lr": 1e-2},
        "validation": {"every": 0},
        **changes,
    }
    return Augment(**settings)


if __name__ == "__main__":
    overrides = {key: int(value) for key, value in (item.split("=") for item in sys.argv[3:])}
    train(ToyStage(toy_config(Path(sys.argv[1]), int(sys.argv[2]), **overrides)))
