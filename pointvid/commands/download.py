"""`pointvid download`: published weights that PointVid can make use of, fetched when asked for."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "fetch published weights (trackers, depth, segmentation, base models)"
DETAILS = """Fetch published weights into a models folder, in the layout of ComfyUI's: what POINTVID_MODELS names; else,
where the pack lies in ComfyUI/custom_nodes, that ComfyUI's models; else the user's cache.

Size and licence are shown first. What was cut off goes on where it was. Every file is checked by its hash: as the lock
file of the folder (pointvid-downloads.json) remembers it, as PointVid's own list has it, or as the server tells it. A
file without a hash is not fetched. Nothing else in PointVid downloads anything. POINTVID_OFFLINE=1 or
HF_HUB_OFFLINE=1 forbids it here too; HF_ENDPOINT names a mirror."""
EXAMPLES = (
    "pointvid download --list",
    "pointvid download alltracker zoedepth",
    "pointvid download alltracker --to ComfyUI/models",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to fetch; see --list")
    parser.add_argument("--list", action="store_true", help="say what there is and what of it is in the folder")
    parser.add_argument("--to", type=Path, metavar="DIR", help="the models folder (default: see above)")
    parser.add_argument("--accept-license", action="store_true", help="agree to licences that forbid commercial use")
    parser.add_argument("--update", action="store_true", help="take files that have changed since they were downloaded")
    parser.add_argument(
        "--trust", action="append", default=[], metavar="NAME", help="take NAME's files even if nobody knows their hash"
    )


def run(args: argparse.Namespace) -> None:
    """List, or fetch one after the other."""
    from ..errors import PointVidError
    from ..weights.download import download, look_up
    from ..weights.folder import models_folder
    from ..weights.published import PUBLISHED, published
    from .terminal import Bars, file_size

    folder = args.to or models_folder()
    if args.list:
        print(f"models folder: {folder}")
        for entry in PUBLISHED:
            here = all((folder / entry.folder / name).is_file() for name in entry.files)
            mark = "  [there]" if here else ""
            print(f"{entry.name:<24}{file_size(entry.size):>10}  {entry.licence:<13} {entry.what}{mark}")
        return
    if not args.names:
        raise PointVidError("no name is given, expected what to fetch; `pointvid download --list` says what there is")
    for entry in [published(name) for name in args.names]:
        terms = entry.licence if entry.commercial else f"{entry.licence}: NO COMMERCIAL USE"
        print(f"{entry.name}: {entry.what}; licence {terms}; {entry.page}", flush=True)
        remote = look_up(entry, folder, args.update)
        size = sum(file.size or 0 for file in remote)
        print(f"  {len(remote)} files, {file_size(size)}, to {folder / entry.folder}", flush=True)
        with Bars() as progress:
            done = download(
                entry,
                folder,
                accept_licence=args.accept_license,
                update=args.update,
                trust=entry.name in args.trust,
                progress=progress,
                remote=remote,
            )
        for file in done:
            state = "fetched" if file.fresh else "there already"
            print(f"  {file.path.name}: {state}, sha256 {file.sha256}, checked against: {file.checked}")
