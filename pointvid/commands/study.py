"""`pointvid study make|serve|score`: which videos people prefer, in blind pairs."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import LARGEST_SEED, MOST_FRAMES, number, size, whole

HELP = "compare videos with people: make a page of blind pairs, serve it, score the answers"
DETAILS = """Ask people which of two videos looks more physical: the paper's five questions (Appendix D).

  make    pair the videos of two or more folders, by file name, into a folder with a page
  serve   give out the page and collect the answers
  score   shares with 95 % intervals, and how far raters agree

Raters need no server: give them the folder's page/, they open index.html and send back the CSV
that it downloads. Keep key.json to yourself: it says whose each clip is. See docs/study.md."""
EXAMPLES = (
    "pointvid study make base=i2vgen/ ours=pointvid/ --out study",
    "pointvid study serve study --port 8000",
    "pointvid study score study answers-*.csv --out scores.json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the three."""
    actions = parser.add_subparsers(dest="action", metavar="make|serve|score", required=True)
    make = actions.add_parser("make", help="make a study")
    make.add_argument("folders", nargs="+", metavar="[NAME=]DIR", help="a folder of videos for each method")
    make.add_argument("--out", required=True, metavar="DIR", help="the study's folder, new")
    make.add_argument(
        "--title", default="Video comparison", help="shown to raters; names of methods do not belong here"
    )
    make.add_argument("--against", metavar="NAME", help="only pairs with this method (default: each with each)")
    make.add_argument("--limit", type=whole(1, 10**6), metavar="N", help="so many file names at most, drawn at random")
    make.add_argument("--seed", type=whole(0, LARGEST_SEED), default=0, metavar="N", help="of the drawing (default: 0)")
    make.add_argument("--common", action="store_true", help="take the videos that all methods have, leave the others")
    make.add_argument("--size", type=size, metavar="WxH", help="scale and crop all clips to this size")
    make.add_argument("--frames", type=whole(1, MOST_FRAMES), metavar="N", help="only the first N frames of each")
    make.add_argument("--fps", type=number(0.1, 1000), metavar="N", help="play all at this rate")
    serve = actions.add_parser("serve", help="give out the page and collect answers in answers.csv")
    serve.add_argument("study", metavar="STUDY", help="the study's folder")
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    serve.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="NAME",
        help="another name by which raters reach this machine, as study.example.org behind a proxy",
    )
    serve.add_argument("--port", type=whole(0, 65535), default=8000, help="0 takes a free one (default: 8000)")
    score = actions.add_parser("score", help="what the answers say")
    score.add_argument("study", metavar="STUDY", help="the study's folder")
    score.add_argument("answers", nargs="*", metavar="CSV", help="raters' downloads (default: the study's answers.csv)")
    score.add_argument("--out", metavar="JSON", help="also write the scores to this file")


def run(args: argparse.Namespace) -> None:
    """Do what is asked."""
    {"make": _make, "serve": _serve, "score": _score}[args.action](args)


def _make(args: argparse.Namespace) -> None:
    from ..study.make import make_study
    from ..study.plan import KEY, PAGE, find_videos, named_folders, plan_study
    from .terminal import Bars

    folders = named_folders(args.folders)
    videos = find_videos(folders, args.common)
    study = plan_study(
        tuple(folders), tuple(next(iter(videos.values()))), args.title, args.against, args.limit, args.seed
    )
    with Bars() as progress:
        out = make_study(study, videos, args.out, args.size, args.frames, args.fps, progress)
    print(f"{len(study.trials)} pairs of {len(folders)} methods, {len(study.questions)} questions each")
    print(f"for raters: {out / PAGE / 'index.html'}")
    print(f"for you:    {out / KEY}")


def _serve(args: argparse.Namespace) -> None:
    from ..study.plan import ANSWERS
    from ..study.server import make_server

    with make_server(Path(args.study), args.host, args.port, args.name) as server:
        host, port = server.server_address[:2]
        print(f"http://{host}:{port}/  (answers go to {Path(args.study) / ANSWERS}; stop with Ctrl+C)", flush=True)
        server.serve_forever()


def _score(args: argparse.Namespace) -> None:
    import json

    from ..errors import PointVidError
    from ..files.atomic import atomic_path
    from ..study.answers import read_answers
    from ..study.plan import ANSWERS, load_study
    from ..study.score import score_study

    study = load_study(args.study)
    paths = [Path(path) for path in args.answers] or [Path(args.study) / ANSWERS]
    answers, notes = read_answers(paths, study)
    if not answers:
        raise PointVidError(f"{', '.join(map(str, paths))}: no answers yet, expected at least one")
    score = score_study(study, answers, notes)
    print(score.text())
    if args.out:
        with atomic_path(args.out) as temporary:
            text = json.dumps(score.as_dict(), indent=1, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        print(args.out)
