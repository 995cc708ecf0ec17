"""A folder of the transformers library becomes a depth model."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch

from ..errors import PointVidError
from ..weights.folder import download_command
from ..weights.pretrained import load_pretrained, load_processor, read_config
from .depth_pro import DepthPro
from .transformers_depth import KINDS, TransformersDepth
from .zoedepth import ZoeDepth

FOLDER = "depth_models"
"""Where depth models lie in the models folder."""

SOURCE = (
    "the folder of a depth model with config.json, preprocessor_config.json and model.safetensors; "
    f"{download_command('zoedepth')} fetches the paper's"
)
_CLASSES = {"zoedepth": ZoeDepth, "depth_pro": DepthPro}
_METRIC = ("zoedepth", "depth_pro", "glpn")
_DISPARITY = ("dpt",)
_BY_CONFIG = ("depth_anything",)


def load_depth_model(
    folder: str | PathLike,
    kind: str = "auto",
    chunk: int = 4,
    device: str | torch.device | None = None,
    near: float = 1.0,
    far: float = 10.0,
) -> TransformersDepth:
    """ZoeDepth, Depth Anything, Depth Pro, DPT, GLPN, ... from disk; nothing is downloaded.

    Args:
        folder: with config.json, preprocessor_config.json and the weights, as the model hub has it.
        kind: "metric", "disparity", or "auto", which tells by the config. DPT's published models predict disparity, but
            for those fine-tuned on NYU or KITTI: say "metric" for them.
        chunk, device, near, far: see `TransformersDepth`.
    Raises:
        PointVidError: no such folder, no depth model in it, missing weights, or a kind that the config does not tell.
    """
    config = read_config(folder, SOURCE)
    kind = _kind(config, kind, Path(folder).name)
    processor = load_processor("AutoImageProcessor", folder, SOURCE)
    net = load_pretrained("AutoModelForDepthEstimation", folder, SOURCE)
    make = _CLASSES.get(str(config.get("model_type")), TransformersDepth)
    return make(net, processor, kind, chunk, device, near, far)


def _kind(config: dict, kind: str, name: str) -> str:
    if kind in KINDS:
        return kind
    if kind != "auto":
        raise PointVidError(f"kind is {kind!r}, expected auto, {' or '.join(KINDS)}")
    model = config.get("model_type")
    if model in _METRIC:
        return "metric"
    if model in _DISPARITY:
        return "disparity"
    if model in _BY_CONFIG:
        return "metric" if config.get("depth_estimation_type", "relative") == "metric" else "disparity"
    raise PointVidError(
        f"{name}: what a model of type {model!r} predicts is not known, expected kind metric (metres) or disparity "
        "(bright is near); say which"
    )
