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
    add("--envs", type=Path, help="folder of the suites' environments; default OUT/envs")
    add("--python", nargs="+", default=[], metavar="SUITE=PYTHON", help="use an environment that exists")
    add("--videophy-code", type=Path, help="clone of VideoPhy's repository")
    add("--videophy-weights", type=Path, help="folder of its rater's weights")
    add_debug(parser)
    options = parser.parse_args()
    with one_line(debug=options.debug):
        _suites(options)


def _suites(options: argparse.Namespace) -> None:
    """Clips of every method, then every suite on each; a suite that cannot run is a note, the others go on."""
    items, out = _items(options), options.out
    folders = _clips(options, items)
    for name, folder in folders.items():
        length, height, width = check_clips(folder, items)
        print(f"{name}: {len(items)} clips of {length} frames, {width}x{height}")
    pythons = dict(_pairs(options.python, "--python", tuple(SUITES)))
    results, notes = {}, []
    for name, folder in folders.items():
        result = {"count": len(items), "scores": {}, "clips": {}, "versions": {}}
        for suite in options.suite:
            places = Places(
                out / name / suite,
                options.envs or out / "envs",
                Path(pythons[suite]) if suite in pythons else None,
                options.videophy_code,
                options.videophy_weights,
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


def _items(options: argparse.Namespace) -> list[Item]:
    if (options.list is None) == (options.shards is None):
        raise PointVidError("inputs come from --list or from --shards, expected one of them")
    if options.list:
        return read_items(options.list)[: options.clips]
    return items_of_shards(options.shards, options.clips or 32, options.out / "inputs")


def _clips(options: argparse.Namespace, items: list[Item]) -> dict[str, Path]:
    """Folder of clips of every method, generated where they are not there yet."""
    wanted = _pairs(options.method, "--method")
    if options.checkpoint:
        wanted = [("pointvid", f"pointvid:{options.checkpoint}"), *wanted]
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
        shape = {"size": options.size, "frames": options.frames, "fps": options.fps}
        sampling = {"steps": options.steps, "guidance": options.guidance, "device": options.device}
        method = make_method(kind, source, **shape, **sampling)
        folders[name] = options.out / name / "clips"
        with tqdm(total=len(items), unit="clip", desc=name) as bar:
            generate_clips(
                method, items, folders[name], options.seed, lambda done, total, what, bar=bar: bar.update(done - bar.n)
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
