"""Programs end on a user's mistake with one line and exit code 1."""

import subprocess
import sys

import pytest
import torch

from pointvid.errors import PointVidError
from training.exits import one_line_errors


def test_what_a_user_can_mend_is_one_line():
    code = (
        "from pointvid.errors import PointVidError; from training.exits import one_line_errors\n"
        "with one_line_errors(): raise PointVidError('clip is 3, expected 4')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "error: clip is 3, expected 4\n")


def test_memory_comes_with_advice_and_our_own_faults_with_their_traceback():
    with (
        pytest.raises(SystemExit, match=r"error: out of memory: eat less \(tried 3 GiB\)"),
        one_line_errors("eat less"),
    ):
        raise torch.OutOfMemoryError("tried\n 3 GiB")
    with pytest.raises(ZeroDivisionError), one_line_errors():
        raise ZeroDivisionError
    with pytest.raises(SystemExit), one_line_errors():
        raise PointVidError("x")
