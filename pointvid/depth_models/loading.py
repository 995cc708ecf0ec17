"""A folder of the transformers library becomes a depth model."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

import torch

from ..errors import PointVidError
from .depth_pro import DepthPro
from .transformers_depth import KINDS, TransformersDepth
from .zoedepth import ZoeDepth

FOLDER = "depth_models"
"""Where depth models lie in the models folder."""

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
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    folder = Path(folder)
    config = _config(folder)
    kind = _kind(config, kind, folder.name)
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        net, info = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except Exception as error:  # the library checks configs, processors and weights each with errors of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PointVidError(
            f"{folder.name}: no depth model can be loaded ({reason}), expected a folder of the transformers library "
            "with config.json, preprocessor_config.json and model.safetensors"
        ) from error
    wrong = sorted(map(str, (*info["missing_keys"], *info["mismatched_keys"])))
    if wrong:
        raise PointVidError(
            f"{folder.name}: {len(wrong)} weights are missing or of another shape: {', '.join(wrong[:3])}; "
            "download the model again"
        )
    make = _CLASSES.get(config["model_type"], TransformersDepth)
    return make(net.float().eval(), processor, kind, chunk, device, near, far)


def _config(folder: Path) -> dict:
    file = folder / "config.json"
    if not file.is_file():
        raise PointVidError(
            f"{folder} has no config.json, expected the folder of a depth model; "
            "`pointvid download zoedepth` fetches the paper's"
        )
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        config["model_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise PointVidError(f"{file} names no model_type, expected the config of a depth model") from error
    return config


def _kind(config: dict, kind: str, name: str) -> str:
    if kind in KINDS:
        return kind
    if kind != "auto":
        raise PointVidError(f"kind is {kind!r}, expected auto, {' or '.join(KINDS)}")
    model = config["model_type"]
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
