"""Small studies for tests: folders of one-coloured videos, and answers made up."""

from __future__ import annotations

from dataclasses import replace

import torch

from pointvid.files.video import write_video
from pointvid.study.answers import Answer
from pointvid.study.make import make_study
from pointvid.study.plan import find_videos, named_folders, plan_study

SHADES = {"base": 60, "ours": 200, "third": 120}


def fill(folder, items, shade, frames=4, size=(48, 64), fps=8):
    folder.mkdir(parents=True)
    for item in items:
        write_video(folder / f"{item}.mp4", torch.full((frames, *size, 3), shade, dtype=torch.uint8), fps)


def small_study(folder, methods=("base", "ours"), items=("ball", "cup", "dog"), id=None, **options):
    """A made study and where it lies; `id` in place of a random one, from which each rater's order follows."""
    for method in methods:
        fill(folder / method, items, SHADES[method])
    named = named_folders([str(folder / method) for method in methods])
    videos = find_videos(named)
    study = plan_study(tuple(named), items, **options)
    study = replace(study, id=id or study.id)
    return study, make_study(study, videos, folder / "study")


def prefer(study, method, rater, questions=None, trials=None, time="2025-01-01T00:00:00Z"):
    """Answers of a rater who always takes `method`."""
    answers = []
    for trial in trials or study.trials:
        left, right = trial.clips
        choice = "left" if study.clips[left].method == method else "right"
        for question in questions or [question.id for question in study.questions]:
            answers.append(Answer(rater, trial.id, question, choice, left, right, 12.5, time))
    return answers
