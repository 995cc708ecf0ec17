"""What Meta's SAM 2 computes with weights, a frame and boxes made from seeds.

`python -m tests.sam2_reference CHECKOUT` writes tests/data/sam2.npz from a checkout of facebookresearch/sam2 (made at
its commit of December 2024; it needs PyYAML and torchvision). Nothing of it is in this repository: only the numbers
are, and the names and shapes of its published weights.
`SAM2_REFERENCE=CHECKOUT pytest tests/test_sam2.py` compares live.
"""

import importlib
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from pointvid.segmenters.sam2_weights import PREFIXES, Size

GOLDEN = Path(__file__).parent / "data" / "sam2.npz"
PUBLISHED = {
    "tiny": "sam2.1/sam2.1_hiera_t.yaml",
    "small": "sam2.1/sam2.1_hiera_s.yaml",
    "base_plus": "sam2.1/sam2.1_hiera_b+.yaml",
    "large": "sam2.1/sam2.1_hiera_l.yaml",
    "tiny_2.0": "sam2/sam2_hiera_t.yaml",
}
IMAGE_SIZE, HEIGHT, WIDTH = 128, 60, 84
TINY = {(16, 6): Size((1, 1, 3, 1), (1, 2, 4, 8), (8, 4, 14, 7), (3,))}
"""A size small enough for tests; the trunk alone shrinks, and the square that it sees."""
BOXES = torch.tensor([[10.0, 8.0, 50.0, 45.0], [0.0, 0.0, 84.0, 60.0], [30.5, 20.25, 41.0, 33.0]])
EVERY = 3
"""Pixels between those that are kept, in both directions."""


def reference_model(checkout, config="sam2.1/sam2.1_hiera_t.yaml", tiny=True):
    """Meta's network without its start-up of Hydra; `tiny` shrinks what can be shrunk."""
    import yaml

    root = Path(checkout) / "sam2"
    package = types.ModuleType("sam2")
    package.__path__ = [str(root)]
    sys.modules["sam2"] = package
    for name in ("iopath", "iopath.common", "iopath.common.file_io"):  # only for weights that are not loaded here
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["iopath.common.file_io"].g_pathmgr = None
    settings = yaml.safe_load((root / "configs" / config).read_text(encoding="utf-8"))["model"]
    if tiny:
        settings["image_size"] = IMAGE_SIZE
        (width, _), size = next(iter(TINY.items()))
        trunk, neck = settings["image_encoder"]["trunk"], settings["image_encoder"]["neck"]
        trunk.update(embed_dim=width, stages=list(size.stages), global_att_blocks=list(size.everywhere))
        neck["backbone_channel_list"] = [width * 2**stage for stage in (3, 2, 1, 0)]
    # As their build_sam2 does by default.
    settings["sam_mask_decoder_extra_args"] = {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    }
    return _build(settings).eval()


def _build(node):
    """A tree of settings with `_target_` names -> objects."""
    if isinstance(node, dict):
        values = {key: _build(value) for key, value in node.items() if key != "_target_"}
        if "_target_" not in node:
            return values
        module, _, name = node["_target_"].rpartition(".")
        return getattr(importlib.import_module(module), name)(**values)
    if isinstance(node, list):
        return [_build(value) for value in node]
    return float(node) if node == "1e-6" else node


def layout(model):
    """One line a tensor: its name and shape."""
    rows = [(name, value.shape) for name, value in model.state_dict().items()]
    return "\n".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in rows)


def shapes(text, video=False):
    """`layout` back to {name: shape}: of what an image needs, or of everything."""
    rows = (line.split(" ") for line in text.split("\n"))
    return {name: tuple(map(int, shape.split("x"))) for name, shape in rows if video or name.startswith(PREFIXES)}


def seeded_state(named):
    """{name: tensor} for {name: shape}: it depends on names and shapes alone.

    Masks are neither empty nor full. With a gain of 1 the random decoder would magnify rounding to 2e-4.
    """
    state = {}
    for name, shape in named.items():
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
        if "norm" in name or ".mask_downscaling.1." in name or ".output_upscaling.1." in name:
            state[name] = float(name.endswith("weight")) + 0.1 * noise
        elif len(shape) == 1:
            state[name] = 0.1 * noise
        elif "embed" in name or "token" in name or "gaussian" in name:
            state[name] = noise
        else:
            state[name] = 0.7 * noise / noise[0].numel() ** 0.5
    return state


def seeded_frame(height=HEIGHT, width=WIDTH):
    """uint8 [H, W, 3]: smooth noise."""
    coarse = torch.rand(1, 3, height // 6, width // 6, generator=torch.Generator().manual_seed(0))
    # In float64: in float32 the last bit, and so a pixel, depends on torch's version.
    smooth = F.interpolate(255 * coarse.double(), (height, width), mode="bicubic", align_corners=False).clamp(0, 255)
    return smooth[0].permute(1, 2, 0).to(torch.uint8)


def reference_masks(model, frame, boxes):
    """(logits [K, H, W] in the frame's pixels, quality [K]) by Meta's image predictor, one mask a box."""
    predictor = importlib.import_module("sam2.sam2_image_predictor").SAM2ImagePredictor(model)
    # Their class holds the feature sizes of a 1024-pixel square.
    side = model.image_size
    predictor._bb_feat_sizes = [(side // step, side // step) for step in (4, 8, 16)]
    predictor.set_image(frame.numpy())
    logits, quality, _ = predictor.predict(box=boxes.numpy(), multimask_output=False, return_logits=True)
    logits, quality = torch.from_numpy(logits), torch.from_numpy(quality)
    return logits.reshape(len(boxes), *frame.shape[:2]), quality.reshape(len(boxes))


def main(checkout):
    """Write the golden file."""
    values = {f"layout_{name}": layout(reference_model(checkout, path, tiny=False)) for name, path in PUBLISHED.items()}
    model = reference_model(checkout)
    values["layout_test"] = layout(model)
    model.load_state_dict(seeded_state(shapes(values["layout_test"], video=True)))
    logits, quality = reference_masks(model, seeded_frame(), BOXES)
    assert 0.02 < (logits > 0).float().mean((1, 2)).min() < (logits > 0).float().mean((1, 2)).max() < 0.98
    values["logits"], values["quality"] = logits[:, ::EVERY, ::EVERY].numpy(), quality.numpy()
    np.savez_compressed(GOLDEN, **values)


if __name__ == "__main__":
    main(sys.argv[1])
