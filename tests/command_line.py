"""Clips and checks that the tests of several commands share."""

import numpy as np
import torch
from PIL import Image

from pointvid.cli import main

SIZE = (96, 128)
STEP = 2  # pixels a frame that the square moves to the right


def moving_square(frames=6, size=SIZE):
    """A textured square that moves over a textured, still background: what it should track is known."""
    rng = np.random.default_rng(0)
    height, width = size
    back = _texture(rng, height, width, 70, 130)
    square = _texture(rng, 40, 40, 90, 250)
    video = np.repeat(back[None], frames, 0)
    for t in range(frames):
        video[t, 28:68, 30 + STEP * t : 70 + STEP * t] = square
    return torch.from_numpy(video)


def _texture(rng, height, width, low, high):
    coarse = Image.fromarray(rng.integers(low, high, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def fails(capsys, *arguments):
    """Run a command that must fail; the one line it says."""
    assert main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("pointvid: error: ")
    assert said.err.count("\n") == 1
    return said.err
