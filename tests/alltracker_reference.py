"""What the authors' AllTracker computes with weights and frames made from seeds.

`python -m tests.alltracker_reference CHECKOUT` writes tests/data/alltracker.npz from a checkout of the project
aharley/alltracker (made at its commit of 2025; it needs einops and torchvision). Nothing of it is in this repository:
only the numbers are. `ALLTRACKER_REFERENCE=CHECKOUT pytest tests/test_alltracker.py` compares live.
"""

import sys
import zlib
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch.nn import functional as F

GOLDEN = Path(__file__).parent / "data" / "alltracker.npz"
WINDOW, LEVELS, BLOCKS = 4, 3, 1
FRAMES, HEIGHT, WIDTH = 7, 60, 56
EVERY = 6
"""Pixels between those that are kept, in both directions."""


def seeded_state(model):
    """A state dict for `model` that depends on names and shapes alone, tame enough for flows of some pixels."""
    state = {}
    for name, value in model.state_dict().items():
        if name == "time_emb":
            state[name] = value
            continue
        noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
        if name.endswith("layer_scale"):
            state[name] = 0.3 + 0.1 * noise
        elif value.ndim > 1:
            gain = 0.05 if name.startswith("visconf_head.2") else 1.0
            state[name] = gain * noise / value[0].numel() ** 0.5
        else:
            norm = name.startswith("cnn.") and name.endswith("weight")
            state[name] = float(norm) + 0.1 * noise
    return state


def seeded_clip(frames=FRAMES, height=HEIGHT, width=WIDTH):
    """float32 [T, 3, H, W] in 0..255: smooth noise."""
    coarse = torch.rand(frames, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(0))
    return F.interpolate(255 * coarse, (height, width), mode="bicubic", align_corners=False).clamp(0, 255)


def layout(model):
    """A number that changes with the name or shape of any tensor of the state dict."""
    lines = sorted(f"{name} {list(value.shape)}" for name, value in model.state_dict().items())
    return zlib.crc32("\n".join(lines).encode())


def reference_net(checkout, small, tiny=True):
    """The authors' network; `tiny` shrinks what can be shrunk, else it is the published one."""
    sys.path.insert(0, str(checkout))
    try:
        from nets.alltracker import Net
    finally:
        sys.path.pop(0)
    sizes = {"corr_levels": LEVELS, "num_blocks": BLOCKS} if tiny else {}
    return Net(WINDOW if tiny else 16, use_basicencoder=small, no_split=small, init_weights=False, **sizes).eval()


def reference_tracks(net, clip):
    """(flow [T, 2, H, W], trust [T, 2, H, W]) by the authors' sliding inference, on the CPU."""
    with torch.no_grad(), patch.object(torch.Tensor, "cuda", lambda self, *_: self):
        flow, trust, *_ = net.forward_sliding(clip[None], iters=4)
    return flow.reshape(-1, *flow.shape[-3:]), trust.reshape(-1, *trust.shape[-3:])


def main(checkout):
    """Write the golden file."""
    values = {}
    for small, name in ((False, "large"), (True, "small")):
        published = reference_net(checkout, small, tiny=False)
        values[f"{name}_layout"] = layout(published)
        values[f"{name}_parameters"] = sum(p.numel() for p in published.parameters())
        net = reference_net(checkout, small)
        net.load_state_dict(seeded_state(net))
        for frames in (2, FRAMES):
            flow, trust = reference_tracks(net, seeded_clip(frames))
            values[f"{name}_{frames}_flow"] = flow[..., ::EVERY, ::EVERY].numpy()
            values[f"{name}_{frames}_trust"] = trust[..., ::EVERY, ::EVERY].numpy()
    np.savez_compressed(GOLDEN, **values)


if __name__ == "__main__":
    main(sys.argv[1])
