"""`python -m experiments.compare`: the same inputs through several methods, scored, side by side (docs/evaluation.md).

    python -m experiments.compare --suite vbench videophy geometry --list INPUTS.jsonl --out FOLDER \\
        --method ours=pointvid:model.safetensors base=i2vgen-xl:FOLDER svd=svd:FOLDER \\
                 wan=comfyui:workflow_api.json@http://127.0.0.1:8188 other=videos:FOLDER_OF_CLIPS

After a kill the same call goes on with what is not done.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from tqdm import tqdm

from pointvid.commands import arguments
from pointvid.ending import add_debug, one_line
from pointvid.errors import PointVidError

from .evaluation.clips import check_clips, generate_clips
from .evaluation.inputs import Item, items_of_shards, read_items
from .evaluation.methods import KINDS, make_method
from .evaluation.sheet import write_sheet
from .evaluation.suites import SUITES, Places
from .evaluation.table import write_scores


def main() -> None:
    """Parse arguments, generate, score, write."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("checkpoint", type=Path, nargs="?", help="short for --method pointvid=pointvid:CHECKPOINT")
    add("--suite", nargs="*", default=[], choices=list(SUITES), help="score by these; none: only generate and compare")
    add("--list", type=Path, help="inputs: .jsonl, .json or .csv with image, prompt and perhaps name")
    add("--shards", type=Path, help="held-out clips whose captions and first frames are the inputs")
    add("--method", nargs="+", default=[], metavar="NAME=KIND:SOURCE", help=f"KIND: {', '.join(KINDS)}, videos")
    add("--clips", type=arguments.whole(1, 10**6), help="how many inputs; default 32 of the shards, all of a list")
    add("--steps", type=arguments.whole(1, 100_000), help="of sampling; default each method's own")
    add("--guidance", type=arguments.number(-1000, 1000), help="default each method's own")
    add("--out", type=Path, required=True, help="folder of figures, clips, tables")
    add("--size", type=arguments.size, help="WIDTHxHEIGHT of the clips, where the method lets it be chosen")
    add("--frames", type=arguments.whole(1, 10_000))
    add("--fps", type=arguments.number(0, arguments.MOST_FPS, above=True))
    add(
        "--seed",
        type=arguments.whole(0, arguments.LARGEST_SEED // 2),
        default=0,
        help="of the first clip; the next gets the next",
    )
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--python", nargs="+", default=[], metavar="SUITE=PYTHON", help="of an environment with the suite's libraries")
    add("--videophy-code", type=Path, help="clone of VideoPhy's repository")
    add("--videophy-weights", type=Path, help="folder of its rater's weights")
    add_debug(parser)
    args = parser.parse_args()
    with one_line(debug=args.debug):
        _suites(args)


def _suites(args: argparse.Namespace) -> None:
    """Clips of every method, then every suite on each; a suite that cannot run is a note, the others go on."""
    items, out = _items(args), args.out
    folders = _clips(args, items)
    for name, folder in folders.items():
        length, height, width = check_clips(folder, items)
        print(f"{name}: {len(items)} clips of {length} frames, {width}x{height}")
    pythons = dict(_pairs(args.python, "--python", tuple(SUITES)))
    results, notes = {}, []
    for name, folder in folders.items():
        result = {"count": len(items), "scores": {}, "clips": {}, "versions": {}}
        for suite in args.suite:
            places = Places(
                out / name / suite,
                out,
                Path(pythons[suite]) if suite in pythons else None,
                args.videophy_code,
                args.videophy_weights,
            )
            try:
                scores = SUITES[suite](folder, items, places)
            except PointVidError as error:
                notes.append(f"{name}, {suite}: not scored. {error}")
                print(f"error: {error}")
                continue
            result["scores"] |= scores.means()
            result["clips"] |= scores.clips
            result["versions"][suite] = scores.versions
        results[name] = result
    write_scores(out, results, notes)
    write_sheet(folders, items[:12], out)
    print(f"wrote {out / 'scores.html'}, scores.md, scores.json, sheet.mp4 and sheet.html")


def _items(args: argparse.Namespace) -> list[Item]:
    if (args.list is None) == (args.shards is None):
        raise PointVidError("inputs come from --list or from --shards, expected one of them")
    if args.list:
        return read_items(args.list)[: args.clips]
    return items_of_shards(args.shards, args.clips or 32, args.out / "inputs")


def _clips(args: argparse.Namespace, items: list[Item]) -> dict[str, Path]:
    """Folder of clips of every method, generated where they are not there yet."""
    wanted = _pairs(args.method, "--method")
    if args.checkpoint:
        wanted = [("pointvid", f"pointvid:{args.checkpoint}"), *wanted]
    if not wanted:
        raise PointVidError("there are no clips to score, expected CHECKPOINT or --method NAME=KIND:SOURCE")
    folders: dict[str, Path] = {}
    for name, what in wanted:
        kind, _, source = what.partition(":")
        if name in folders:
            raise PointVidError(f"--method: two are called {name!r}, expected each name once")
        if kind == "videos":
            folders[name] = Path(source)
            continue
        shape = {"size": args.size, "frames": args.frames, "fps": args.fps}
        sampling = {"steps": args.steps, "guidance": args.guidance, "device": args.device}
        method = make_method(kind, source, **shape, **sampling)
        folders[name] = args.out / name / "clips"
        with tqdm(total=len(items), unit="clip", desc=name) as bar:
            generate_clips(
                method, items, folders[name], args.seed, lambda done, total, what, bar=bar: bar.update(done - bar.n)
            )
    return folders


def _pairs(texts: list[str], option: str, names: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value or Path(name).name != name or (names and name not in names):
            raise PointVidError(f"{option} {text!r}: expected NAME=VALUE{f', NAME one of {names}' if names else ''}")
        pairs.append((name, value))
    return pairs


if __name__ == "__main__":
    main()
