"""`--labels` and `--caption`: the objects to track, found by name in the first frame."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import share

if TYPE_CHECKING:
    from ..segmenters.base import Segmenter


def add_objects(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    group = parser.add_argument_group(
        "objects by name", "found in the first frame by Grounding DINO and SAM 2 (docs/perception.md)"
    )
    which = group.add_mutually_exclusive_group()
    which.add_argument("--labels", metavar="NAMES", help="what to track, separated by commas: 'man, baseball bat'")
    which.add_argument("--caption", metavar="TEXT", help="the same from a sentence about the clip")
    group.add_argument(
        "--segmenter",
        metavar="DIR",
        help="folder that holds both models, itself or up to two folders below (default: the models folder)",
    )
    group.add_argument(
        "--box-threshold",
        type=share,
        default=0.35,
        metavar="SCORE",
        help="drop boxes below this score (default: 0.35; lower finds more)",
    )
    group.add_argument(
        "--chat",
        metavar="URL",
        help="ask the language model behind this OpenAI-compatible server for the caption's objects "
        "(default: built-in rules)",
    )


def named_labels(args: argparse.Namespace) -> list[str] | None:
    """What the arguments name to be tracked; None where they name nothing.

    Raises:
        PointVidError: arguments that do not go together, or a caption without objects.
    """
    from ..errors import PointVidError

    if args.labels is None and args.caption is None:
        for option, value in (("--segmenter", args.segmenter), ("--chat", args.chat)):
            if value:
                raise PointVidError(f"{option} is given without --labels or --caption; say what to look for")
        return None
    if args.mask or args.all:
        other = "--mask" if args.mask else "--all"
        raise PointVidError(
            f"{other} and {'--labels' if args.caption is None else '--caption'} are both given; use one"
        )
    from ..labels import ChatLabels, RuleLabels, split_labels

    if args.caption is None:
        return split_labels(args.labels)
    return (ChatLabels(args.chat) if args.chat else RuleLabels()).labels(args.caption)


def load_segmenter(args: argparse.Namespace) -> Segmenter:
    """The models that find what is named.

    Raises:
        PointVidError: no models, or a library is missing.
    """
    import torch

    from ..errors import PointVidError
    from ..weights.folder import models_folder

    try:
        from ..segmenters.grounded_sam2 import load_grounded_sam2
    except ModuleNotFoundError as error:
        raise PointVidError(
            f"finding objects by name needs {error.name}; pip install 'comfyui-pointvid[demo]'"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = Path(args.segmenter) if args.segmenter else models_folder()
    return load_grounded_sam2(folder, device, box_threshold=args.box_threshold)
