"""Models of transformers from a folder on this disk: nothing is downloaded, and no weight may be missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import transformers
from safetensors import SafetensorError
from torch import nn

from ..errors import PointVidError

CONFIG = "config.json"


def model_type(folder: str | PathLike) -> str:
    """The `model_type` that a folder's config.json names; empty where there is none."""
    try:
        config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""


def load_pretrained(kind: str, folder: str | PathLike, source: str) -> nn.Module:
    """The model of class `kind` in a folder that `save_pretrained` wrote or a hub repository holds.

    Args:
        kind: name of the class in transformers.
        source: which model is needed and who publishes it, for the error message.
    Returns:
        In evaluation mode, in float32, on the CPU.
    Raises:
        PointVidError: transformers is too old for it, no such folder, or weights that are damaged or incomplete.
    """
    made = getattr(transformers, kind, None)
    if made is None:
        raise PointVidError(f"transformers {transformers.__version__} has no {kind}, expected 4.57 or newer; update it")
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise PointVidError(f"{folder} holds no {CONFIG}, expected a folder of {source}")
    try:
        with _quiet():
            model, report = made.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PointVidError(f"{folder} cannot be read ({reason[:200]}), expected {source}") from error
    # transformers fills what is missing with random numbers, and only logs it.
    lacking = sorted(map(str, [*report["missing_keys"], *report.get("mismatched_keys", [])]))
    if lacking:
        shown = ", ".join(lacking[:4]) + (" ..." if len(lacking) > 4 else "")
        raise PointVidError(f"{folder} lacks {len(lacking)} weights of {kind} ({shown}), expected {source}")
    return model.float().eval().requires_grad_(False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bar that transformers draws for reading a file, and its remarks; what matters is checked here."""
    logging = transformers.utils.logging
    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
