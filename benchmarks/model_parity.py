"""How far our networks and samplers are from the ones they must equal, on tiny random weights of the tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch

from pointvid.diffusion.checkpoint import load_checkpoint
from tests import tiny_models as tiny

from .figure import Figure


@torch.no_grad()
def figures() -> list[Figure]:
    """Largest differences, relative to the largest value; the samplers' only where a ComfyUI lies."""
    from tests.test_denoiser_parity import SHAPES, ours, run_i2vgen

    found = []
    for name, make in (("i2vgen-xl", tiny.i2vgen_unet), ("modelscope", tiny.modelscope_unet)):
        reference = make()
        worst = 0.0
        for shape in SHAPES:
            batch = tiny.inputs(*shape)
            if name == "i2vgen-xl":
                expected, result = run_i2vgen(reference, batch), ours(reference)(**batch)
            else:
                expected = reference(batch["x"], batch["timesteps"], encoder_hidden_states=batch["context"]).sample
                result = ours(reference)(batch["x"], batch["timesteps"], batch["context"])
            worst = max(worst, _difference(result, expected))
        found.append(
            Figure.at_most(f"model.parity_{name}", worst, "", 1e-5, f"to diffusers, fp32, {len(SHAPES)} shapes")
        )
    return found + _samplers()


def _samplers() -> list[Figure]:
    comfyui = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "comfy" / "ComfyUI")
    if not (comfyui / "main.py").is_file():
        print(f"no ComfyUI at {comfyui} (set COMFYUI_PATH): samplers not compared")
        return []
    from tests.host.conftest import Host
    from tests.host.test_model_nodes import put_checkpoint, sampled_both_ways

    found = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        host = Host(comfyui, Path(folder) / "base")
        try:
            published = tiny.published_folder(Path(folder) / "i2vgen-xl", tiny.i2vgen_unet())
            joint = load_checkpoint(put_checkpoint(host, published))
            for node in ("KSampler", "PointVid_VideoPointSampler"):
                difference = _difference(*sampled_both_ways(node, host, joint))
                context = (
                    "ddim, ddim_uniform, 4 steps in ComfyUI, against pointvid.diffusion.sampling from the same noise"
                )
                found.append(Figure.at_most(f"model.{node}", difference, "", 1e-5, context))
        finally:
            host.close()
    return found


def _difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())
