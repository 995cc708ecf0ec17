"""Models of transformers from a folder on this disk: nothing is downloaded, and no weight may be missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import PointVidError
from ..files.readable import readable

CONFIG = "config.json"


def model_type(folder: str | PathLike) -> str:
    """The `model_type` that a folder's config.json names; empty where there is none."""
    try:
        return str(read_config(folder, "").get("model_type", ""))
    except PointVidError:
        return ""


def read_config(folder: str | PathLike, expected: str) -> dict[str, Any]:
    """A folder's config.json; reads nothing else, and does not import transformers.

    Args:
        expected: which folder is needed and who publishes it, for the error message.
    Raises:
        PointVidError: there is none, or it is no JSON object.
    """
    file = Path(folder) / CONFIG
    if not file.is_file():
        raise PointVidError(f"{folder} holds no {CONFIG}, expected {expected}")
    with readable(file.name, expected):
        config = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise PointVidError(f"{file} holds no JSON object, expected {expected}")
    return config


def load_pretrained(kind: str, folder: str | PathLike, expected: str) -> nn.Module:
    """The model of class `kind` in a folder that `save_pretrained` wrote or a hub repository holds.

    Args:
        kind: name of the class in transformers.
        expected: which folder is needed and who publishes it, for the error messages.
    Returns:
        In evaluation mode, in float32, on the CPU, without gradients.
    Raises:
        PointVidError: transformers is too old for it, no such folder, or weights that are damaged or incomplete.
    """
    read_config(folder, expected)  # before the seconds that importing transformers takes
    made = _class(kind)
    with readable(Path(folder).name, expected), _quiet():
        model, report = made.from_pretrained(Path(folder), local_files_only=True, output_loading_info=True)
    # transformers fills what is missing with random numbers, and only logs it.
    lacking = sorted(map(str, [*report["missing_keys"], *report.get("mismatched_keys", [])]))
    if lacking:
        shown = ", ".join(lacking[:4]) + (" ..." if len(lacking) > 4 else "")
        raise PointVidError(
            f"{folder}: {len(lacking)} weights of {kind} are missing or of another shape ({shown}), expected {expected}"
        )
    return model.float().eval().requires_grad_(False)


def load_processor(kind: str, folder: str | PathLike, expected: str) -> Any:
    """The tokenizer or image processor in a folder, by the name of its class in transformers.

    Raises:
        PointVidError: no such folder, or none in it.
    """
    read_config(folder, expected)
    made = _class(kind)
    with readable(Path(folder).name, expected), _quiet():
        return made.from_pretrained(Path(folder), local_files_only=True)


def _class(kind: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise PointVidError(f"{kind} needs {error.name}; pip install 'comfyui-pointvid[demo]'") from error
    made = getattr(transformers, kind, None)
    if made is None:
        raise PointVidError(f"transformers {transformers.__version__} has no {kind}, expected 4.57 or newer; update it")
    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bar that transformers draws for reading a file, and its remarks; what matters is checked here."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
