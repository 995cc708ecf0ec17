"""From the config's names to models, and what is written down of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from pointvid.errors import PointVidError
from pointvid.files.manifest import file_digest
from pointvid.preprocess import Preprocessor
from pointvid.segmenters.grounded_sam2 import find_models
from pointvid.trackers.registry import TRACKERS

from .config import BuildDataset, Plugin

KNOWN: dict[str, dict[str, str]] = {
    "labels": {"rules": "pointvid.labels.rules:RuleLabels", "server": "pointvid.labels.chat:ChatLabels"},
    "segmenter": {"grounded_sam2": "pointvid.segmenters.grounded_sam2:load_grounded_sam2"},
    "depth": {"transformers": "pointvid.depth_models.loading:load_depth_model"},
    "tracker": {kind.name: f"pointvid.trackers{kind.factory}" for kind in TRACKERS.values()},
}
"""What a model is for -> its name in the config -> "module:factory"."""


_PRIVATE = ("key", "cache")
"""Options that are written down nowhere: a server's password, and a file of this machine."""


def load_preprocessor(config: BuildDataset, with_models: bool = True) -> Preprocessor:
    """The pipeline that the config asks for.

    Args:
        with_models: False leaves out what only the middle step needs, for processes that decode or encode.
    Raises:
        PointVidError: an unknown name, an option that the model does not take, or weights that cannot be loaded.
    """
    device = resolve_device(config)
    about = {kind: plugin for kind, plugin in described(config).items() if plugin}
    made = {
        kind: _make(kind, plugin, device)
        for kind, plugin in _plugins(config).items()
        if plugin and (with_models or kind == "labels")
    }
    return Preprocessor(
        config.preprocess_settings(),
        made.get("tracker", "lucas_kanade"),
        made.get("labels"),
        made.get("segmenter"),
        made.get("depth"),
        device,
        about,
    )


def resolve_device(config: BuildDataset) -> str:
    """ "cuda" or "cpu".

    Raises:
        PointVidError: cuda is asked for and there is none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise PointVidError("device is cuda, but PyTorch finds no GPU here; expected one, or device: cpu")
    return "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"


def hashes(config: BuildDataset) -> dict[str, str]:
    """SHA-256 of every file that a model is made from, by "kind/name"."""
    found: dict[str, str] = {}
    for kind, plugin in _plugins(config).items():
        if plugin is None or kind == "labels":
            continue  # the only file of labels is a cache
        for option in plugin.options.values():
            if not isinstance(option, str) or not Path(option).exists():
                continue
            # The folder of grounded_sam2 may be ComfyUI's, with everything else that somebody has.
            parts = find_models(option) if plugin.name == "grounded_sam2" else [Path(option)]
            for part in parts:
                files = sorted(item for item in part.rglob("*") if item.is_file()) if part.is_dir() else [part]
                for file in files:
                    name = file.relative_to(Path(option).parent).as_posix()
                    found[f"{kind}/{name}"] = file_digest(file)
    return found


def _plugins(config: BuildDataset) -> dict[str, Plugin | None]:
    return {
        "labels": config.labels,
        "segmenter": config.segmenter,
        "depth": config.depth,
        "tracker": config.tracker,
    }


def _make(kind: str, plugin: Plugin, device: str) -> Any:
    place = KNOWN[kind].get(plugin.name, plugin.name)
    module, colon, name = place.partition(":")
    if not colon:
        names = ", ".join(sorted(KNOWN[kind]))
        raise PointVidError(f"{kind}.name is {plugin.name!r}, expected one of {names}, or module:factory of your own")
    try:
        factory: Callable[..., Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PointVidError(f"{kind}.name {plugin.name}: cannot be imported ({error})") from error
    known = signature(factory).parameters
    surplus = sorted(set(plugin.options) - set(known))
    if surplus and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        raise PointVidError(
            f"{kind}.options has {', '.join(surplus)}, {plugin.name} takes {', '.join(known) or 'no options'}"
        )
    options = dict(plugin.options)
    if "device" in known:
        options.setdefault("device", device)
    return factory(**options)


def described(config: BuildDataset) -> dict[str, dict[str, Any] | None]:
    """The models as manifest and provenance name them: files without their folders, and no secrets."""
    return {kind: plugin and _describe(plugin) for kind, plugin in _plugins(config).items()}


def _describe(plugin: Plugin) -> dict[str, Any]:
    options = {
        name: Path(value).name if isinstance(value, str) and Path(value).exists() else value
        for name, value in plugin.options.items()
        if name not in _PRIVATE
    }
    return {"name": plugin.name, **options}
