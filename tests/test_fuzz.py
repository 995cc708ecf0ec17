"""The fuzzer finds what it is for; a short run of it finds nothing. `python -m tests.fuzz` runs it long."""

import sys

import pytest

from pointvid.errors import PointVidError
from pointvid.files.readable import readable

if sys.platform != "linux":
    pytest.skip("it forks and bounds memory as Linux does", allow_module_level=True)

from .fuzz.__main__ import main, outcome
from .fuzz.kinds import Kind


def _make(folder):
    (folder / "a").write_bytes(b"x")
    return folder / "a"


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda path: path.read_bytes(), "read"),
        (lambda path: _raise(PointVidError("a is damaged, expected b")), "refused"),
        (lambda path: _raise(PointVidError("a\nb")), "many lines"),
        (lambda path: _raise(KeyError("a")), "traceback"),
        (lambda path: bytearray(8 * 2**30), "memory"),
        (lambda path: _raise(AssertionError("other values")), "wrong"),
    ],
)
def test_outcomes_are_told_apart(tmp_path, read, expected):
    assert outcome(Kind(_make, lambda data, chance: data, read), _make(tmp_path))[0] == expected


def test_a_short_run_finds_nothing(capsys):
    assert main(["--seed", "7", "--count", "60"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("error", [RecursionError(), MemoryError(), KeyError("x"), ValueError("a\nb"), OSError(5, "x")])
def test_whatever_a_library_raises_is_one_line(error):
    with (
        pytest.raises(PointVidError, match=r"^thing a.b cannot be read \(.+\), expected another$") as found,
        readable("thing a.b", "another"),
    ):
        raise error
    assert "\n" not in str(found.value)
