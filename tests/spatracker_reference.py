"""What the authors' SpaTracker computes with weights, frames and depth made from seeds.

`python -m tests.spatracker_reference CHECKOUT` writes tests/data/spatracker.npz from a checkout of the project
henry123-boy/SpaTracker (CC BY-NC 4.0; it needs einops and torchvision). Nothing of it is in this repository: only the
numbers are. `SPATRACKER_REFERENCE=CHECKOUT pytest tests/test_spatracker.py` compares live.

The checkout runs as it is, with its CUDA splatting replaced by `average_splat`, its half precision by single or
double, and packages that inference never calls by empty ones.

Motion is embedded at up to 969 radians a cell, so with random weights that move points the last bit of a float decides
the result after a few steps, in the authors' implementation alone too: a change of 2e-7 of the frames' values moved its
own tracks by 3 %. Numbers are compared in double precision, where both must agree whatever the motion, and in
single precision with weights that hardly move points against each other (`gain`).
"""

import importlib
import sys
import types
import zlib
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

import numpy as np
import torch
from torch.nn import functional as F

GOLDEN = Path(__file__).parent / "data" / "spatracker.npz"
WINDOW, DEPTH, STEPS = 8, 2, 2
MOVING, CALM = 0.1, 0.003
"""Gains for double and for single precision."""
FRAMES, HEIGHT, WIDTH, POINTS = 14, 64, 80, 10
_PACKAGE = "models.spatracker.models.core"
_UNCALLED = (
    "cv2",
    "cupy",
    "matplotlib",
    "matplotlib.pyplot",
    "sklearn",
    "sklearn.cluster",
    "sklearn.decomposition",
    "models.monoD.depth_anything.dpt",
    f"{_PACKAGE}.spatracker.vit.encoder",
    f"{_PACKAGE}.spatracker.dpt.models",
    f"{_PACKAGE}.spatracker.feature_net",
)


def seeded_state(names_and_shapes, gain):
    """A state dict that depends on names and shapes alone; points move in proportion to `gain`."""
    state = {}
    for name, shape in names_and_shapes.items():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        # Of variance 1. Uniform, and in double: the same to the last bit on every machine.
        noise = 3**0.5 * (2 * torch.rand(shape, generator=generator).double() - 1)
        if len(shape) > 1:
            scale = gain if name == "updateformer.flow_head.4.weight" else 1.0
            state[name] = scale * noise / shape[1:].numel() ** 0.5
        else:
            state[name] = float("norm" in name and name.endswith("weight")) + 0.1 * noise
    return state


def seeded_clip(dtype, frames=FRAMES):
    """(images [T, 3, H, W] in 0..255, depth [T, H, W], queries [N, 4]): smooth noise; half of the queries
    begin in frame 0, the others anywhere, in no order."""
    generator = torch.Generator().manual_seed(1)

    def noise(channels, cell):
        coarse = torch.rand(frames, channels, HEIGHT // cell, WIDTH // cell, generator=generator).double()
        return F.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic", align_corners=False)

    images, depth = (255 * noise(3, 8)).clamp(0, 255), 1 + 3 * noise(1, 16)[:, 0]
    limits = torch.tensor([WIDTH - 1.0, HEIGHT - 1.0, 3.0]).double()
    places = torch.rand(POINTS, 3, generator=generator) * limits + torch.tensor([0.0, 0.0, 1.0])
    begin = torch.randint(frames, (POINTS, 1), generator=generator)
    begin[: POINTS // 2] = 0
    order = torch.randperm(POINTS, generator=generator)
    return images.to(dtype), depth.to(dtype), torch.cat((begin, places), 1)[order].to(dtype)


def layout(names_and_shapes):
    """A number that changes with the name or shape of any tensor."""
    lines = sorted(f"{name} {list(shape)}" for name, shape in names_and_shapes.items())
    return zlib.crc32("\n".join(lines).encode())


def shapes(net):
    return {name: value.shape for name, value in net.state_dict().items()}


def average_splat(values, flow, height, width):
    """Average splatting of [S, C, H, W] along flow [S, 2, H, W] (x, y), as the checkout's CUDA kernel does it."""
    frames, channels, rows, columns = values.shape
    total = torch.zeros(frames, channels + 1, height * width)
    values = torch.cat((values, torch.ones_like(values[:, :1])), 1).flatten(2)
    x = (torch.arange(columns) + flow[:, 0]).flatten(1)
    y = (torch.arange(rows)[:, None] + flow[:, 1]).flatten(1)
    for corner_x in (x.floor(), x.floor() + 1):
        for corner_y in (y.floor(), y.floor() + 1):
            weight = (1 - (x - corner_x).abs()) * (1 - (y - corner_y).abs())
            inside = (corner_x >= 0) & (corner_x < width) & (corner_y >= 0) & (corner_y < height)
            cell = (corner_y * width + corner_x).long().clamp(0, height * width - 1)
            part = values * (weight * inside)[:, None]
            total.scatter_add_(2, cell[:, None].expand_as(part), part)
    total = total.view(frames, -1, height, width)
    return total[:, :-1] / (total[:, -1:] + 1e-7)


def reference_net(checkout, window=WINDOW, depth=DEPTH):
    """The authors' network on the CPU in single precision."""
    absent = {name: MagicMock() for name in _UNCALLED}
    easydict = types.ModuleType("easydict")
    easydict.EasyDict = lambda values: SimpleNamespace(**values)
    splatting = types.ModuleType("softsplat")
    splatting.softsplat = lambda values, flow, _, strMode, tenoutH, tenoutW: average_splat(
        values, flow, tenoutH, tenoutW
    )
    absent |= {"easydict": easydict, f"{_PACKAGE}.spatracker.softsplat": splatting}
    for name in ("torch._dynamo", "torchvision.models", "einops"):  # may be imported once only, or look at sys.modules
        importlib.import_module(name)
    sys.path.insert(0, str(checkout))
    try:
        with patch.dict(sys.modules, absent), on_cpu():
            module = importlib.import_module(f"{_PACKAGE}.spatracker.spatracker")
            net = module.SpaTracker(S=window, stride=4, space_depth=depth, time_depth=depth, args=SimpleNamespace())
    finally:
        sys.path.pop(0)
    return net.eval()


def on_cpu():
    """A context in which nothing goes to a GPU or to half precision."""
    to = torch.Tensor.to
    return patch.multiple(
        torch.Tensor,
        cuda=lambda self, *_: self,
        half=lambda self: self,
        to=lambda self, *args, **kwargs: self if args == ("cuda",) else to(self, *args, **kwargs),
    )


@contextmanager
def in_double():
    """A context in which what asks for single precision gets double."""
    single, makers = torch.float32, {}
    for name in ("zeros", "arange"):
        make = getattr(torch, name)

        def wide(*args, make=make, **kwargs):
            return make(*args, **{**kwargs, "dtype": torch.float64} if kwargs.get("dtype") is single else kwargs)

        makers[name] = wide
    with patch.object(torch.Tensor, "float", torch.Tensor.double), patch.multiple(torch, **makers):
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(single)


def reference_tracks(net, images, depth, queries, steps=STEPS):
    """(uvd [T, N, 3], visibility [T, N]), in the precision of the queries."""
    precision = in_double() if queries.dtype == torch.float64 else nullcontext()
    with torch.no_grad(), on_cpu(), precision:
        uvd, _, visibility = net(torch.cat((images, depth[:, None]), 1)[None], queries[None], iters=steps)
    return uvd[0], visibility[0]


def main(checkout):
    """Write the golden file."""
    published = shapes(reference_net(checkout, depth=6))
    net = reference_net(checkout)
    values = {}
    for name, gain, dtype in (("double", MOVING, torch.float64), ("single", CALM, torch.float32)):
        net.load_state_dict(seeded_state(shapes(net), gain))
        uvd, visibility = reference_tracks(net.to(dtype), *seeded_clip(dtype))
        values |= {f"{name}_uvd": uvd.numpy(), f"{name}_visibility": visibility.numpy()}
    np.savez_compressed(
        GOLDEN,
        layout=layout(published),
        parameters=sum(shape.numel() for shape in published.values()),
        tensors=len(published),
        **values,
    )


if __name__ == "__main__":
    main(sys.argv[1])
