"""Files appear whole or not at all, and are anybody's who may read their folder."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pointvid.errors import PointVidError
from pointvid.files import atomic
from pointvid.files.atomic import atomic_folder, atomic_path

ROOT = Path(__file__).resolve().parents[1]


def test_a_file_appears_whole_under_its_name(tmp_path):
    with atomic_path(tmp_path / "made" / "a.txt") as path:
        path.write_text("new")
        assert not (tmp_path / "made" / "a.txt").exists()
        assert path.suffix == ".txt"
    assert [(p.name, p.read_text()) for p in (tmp_path / "made").iterdir()] == [("a.txt", "new")]


def test_what_stood_there_before_outlives_a_failure(tmp_path):
    def fail_half_way() -> None:
        with atomic_path(tmp_path / "a.txt") as path:
            path.write_text("ne")
            raise RuntimeError("half-way")

    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PointVidError, match=r"cannot write .*expected a writable folder"),
        atomic_path(tmp_path / "file" / "a.txt"),
    ):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits for others")
def test_weights_can_be_read_by_whoever_may_read_other_files(tmp_path):
    """safetensors writes files that only their owner reads: a ComfyUI of another user could not load ours."""
    with (tmp_path / "plain").open("w"):
        pass
    with atomic_path(tmp_path / "a.safetensors") as path:
        save_file({"x": torch.ones(2)}, path)
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert load_file(tmp_path / "a.safetensors")["x"].tolist() == [1, 1]


def entries(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_frames(folder, count, own=r"frame_\d+\.txt", fail_at=None):
    with atomic_folder(folder, own) as temporary:
        for frame in range(count):
            if frame == fail_at:
                raise OSError(errno.ENOSPC, "No space left on device")
            (temporary / f"frame_{frame}.txt").write_text(f"{count}")


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(PointVidError, match=r"cannot write .*clip: No space left on device; expected a writable"):
        write_frames(tmp_path / "made" / "clip", 3, fail_at=2)
    assert entries(tmp_path / "made") == []
    write_frames(tmp_path / "made" / "clip", 3)
    assert entries(tmp_path) == ["made", *(f"made/clip{end}" for end in ("", *(f"/frame_{i}.txt" for i in range(3))))]


def test_an_earlier_folder_is_replaced_as_a_whole(tmp_path):
    write_frames(tmp_path / "clip", 5)
    with pytest.raises(PointVidError):
        write_frames(tmp_path / "clip", 2, fail_at=1)
    assert len(entries(tmp_path)) == 6
    write_frames(tmp_path / "clip", 2)
    assert entries(tmp_path) == ["clip", "clip/frame_0.txt", "clip/frame_1.txt"]
    assert (tmp_path / "clip" / "frame_1.txt").read_text() == "2"


@pytest.mark.parametrize("place", ["beside", "link", "here"])
def test_what_else_lies_in_a_folder_stays(tmp_path, monkeypatch, place):
    real = tmp_path / "disk" / "clip"
    write_frames(real, 3)
    folder = real
    if place == "link":
        folder = tmp_path / "link"
        folder.symlink_to(real, target_is_directory=True)
    if place == "here":  # a process cannot replace the folder that it is in
        monkeypatch.chdir(real)
        folder = "."
    else:
        (real / "scene.blend").write_text("work")
    write_frames(folder, 1)
    rest = [] if place == "here" else ["scene.blend"]
    assert entries(real) == ["frame_0.txt", *rest]
    assert (real / "frame_0.txt").read_text() == "1"
    assert all((real / name).read_text() == "work" for name in rest)
    assert entries(tmp_path / "disk")[:1] == ["clip"]
    assert not [name for name in entries(tmp_path) if ".part" in name]


def test_a_file_stands_where_the_folder_should(tmp_path):
    (tmp_path / "clip").write_text("a file")
    with pytest.raises(PointVidError, match=r"cannot write .*clip"):
        write_frames(tmp_path / "clip", 1)
    assert (tmp_path / "clip").read_text() == "a file"


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell whether a process lives")
def test_what_killed_runs_left_is_swept_and_nothing_else(tmp_path):
    """A run that was killed twice, one that still writes, one of another machine, strangers' files."""
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from pointvid.files.atomic import atomic_folder, atomic_path\n"
        "make = atomic_path if sys.argv[1] == 'file' else atomic_folder\n"
        "with make(Path(sys.argv[2])) as path:\n"
        "    (path / 'x' if sys.argv[1] == 'folder' else path).write_text('half')\n"
        "    (path.parent / '.tmpAbCdEf').write_text('as safetensors leaves it')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
    )

    def start(kind, name):
        process = subprocess.Popen(
            [sys.executable, "-c", script, kind, str(tmp_path / name)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout.readline().strip() == b"writing"
        return process

    running = [start("file", "a.txt"), start("folder", "b"), start("file", "c.txt")]
    for process in running[:2]:
        process.kill()
        process.wait()
    try:
        live = [path.name for path in tmp_path.iterdir() if path.name.startswith(".c.txt")]
        other = tmp_path / ".d.txt.00000000-1-abcdef.part"
        old = tmp_path / ".e.0123abcd.part.txt"
        gone = tmp_path / ".f.txt.00000000-1-abcdef.part"
        new, mine = tmp_path / ".g.0123abcd.part.txt", tmp_path / ".mine.part"
        for folder in (other, gone):
            folder.mkdir()
        for file in (old, new, mine):
            file.write_text("x")
        for path in (old, gone):
            os.utime(path, (1, 1))
        atomic._sweep.cache_clear()
        with atomic_path(tmp_path / "a.txt") as path:
            path.write_text("whole")
        kept = sorted(path.name for path in tmp_path.iterdir())
        assert kept == sorted([*live, other.name, new.name, mine.name, "a.txt"])
    finally:
        running[2].kill()
        running[2].wait()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            SafetensorError('Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: "x" })'),
            "No space",
        ),
        (
            SafetensorError('Error while serializing: IoError(Os { code: 13, kind: Denied, message: "x" })'),
            "Permission",
        ),
        (SafetensorError("Error while serializing: I/O error: x (os error 28)"), "No space left"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"), "No space left"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left"),
    ],
)
def test_a_full_disk_is_one_line_whatever_wrote(tmp_path, error, said):
    line = rf"^cannot write .*a\.bin: {said}.*; expected a writable folder with free"
    with pytest.raises(PointVidError, match=line), atomic_path(tmp_path / "a.bin"):
        raise error
    assert entries(tmp_path) == []


def test_an_error_inside_a_folder_names_where_the_file_was_to_be(tmp_path):
    with (
        pytest.raises(PointVidError) as caught,
        atomic_folder(tmp_path / "clip") as folder,
        atomic_path(folder / "a.bin"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value).startswith(f"cannot write {tmp_path / 'clip' / 'a.bin'}: No space left on device;")
    assert ".part" not in str(caught.value)


def test_other_errors_of_a_writer_are_its_own(tmp_path):
    for error in (RuntimeError("shapes differ"), SafetensorError("tensors share memory"), KeyError("x")):
        with pytest.raises(type(error)), atomic_path(tmp_path / "a.bin"):
            raise error
    with pytest.raises(PointVidError, match="null character"), atomic_path(tmp_path / "a\0b"):
        pass


def test_long_names(tmp_path):
    name = "ü" * 120 + ".txt"
    with atomic_path(tmp_path / name) as path:
        path.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == [name]
