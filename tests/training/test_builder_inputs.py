"""How lists of clips may look."""

import csv
import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

from pointvid.errors import PointVidError
from training.builder.inputs import Job, list_jobs, seconds
from training.builder.lock import lock_folder


@pytest.fixture
def folder(tmp_path):
    """Empty files named like videos: listing opens none."""
    for name in ("a.mp4", "b.mov", "deep/c.webm", "-Yt_id.mkv"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()
    return tmp_path / "videos"


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_folder_with_what_lies_beside(folder):
    (folder / "a.txt").write_text(" ein Hund läuft \n", encoding="utf-8")
    (folder / "b.json").write_text(json.dumps({"text": "a cat", "labels": ["cat"]}), encoding="utf-8")
    for name in ("a.mask.png", "a.depth.npz", ".hidden.mp4", "notes.md"):
        (folder / name).touch()
    jobs = {job.source.name: job.source for job in list_jobs([folder])}
    assert set(jobs) == {"videos/a.mp4", "videos/b.mov", "videos/deep/c.webm", "videos/-Yt_id.mkv"}
    assert jobs["videos/a.mp4"].caption == "ein Hund läuft"
    assert jobs["videos/a.mp4"].mask == str(folder / "a.mask.png")
    assert jobs["videos/a.mp4"].depth == str(folder / "a.depth.npz")
    assert (jobs["videos/b.mov"].caption, jobs["videos/b.mov"].labels) == ("a cat", ("cat",))
    assert jobs["videos/deep/c.webm"].caption == ""


def test_keys_are_unique_stable_and_fit_webdataset(folder, tmp_path):
    one = list_jobs([folder, folder])
    assert len(one) == 4
    assert [job.key for job in one] == [job.key for job in list_jobs([folder])]
    assert all("." not in job.key and "/" not in job.key for job in one)
    moved = folder.rename(tmp_path / "elsewhere").rename(tmp_path / "x").rename(folder)
    assert [job.key for job in list_jobs([moved])] == [job.key for job in one]


def test_same_names_in_different_folders_stay_apart(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place / "clips").mkdir(parents=True)
        (tmp_path / place / "clips" / "v.mp4").touch()
    jobs = list_jobs([tmp_path / "one/clips", tmp_path / "two/clips"])
    assert len({job.key for job in jobs}) == len({job.source.video for job in jobs}) == 2


def test_csv_with_times_in_seconds_or_hours(folder, tmp_path):
    path = write_csv(
        tmp_path / "list.csv",
        [
            {"path": "videos/a.mp4", "caption": "one", "start": "1.5", "end": "0:00:03.25", "labels": "dog, red ball"},
            {"path": "videos/a.mp4", "caption": "two", "start": "", "end": "", "labels": ""},
            {"path": "videos/absent.mp4", "caption": "three", "start": "", "end": "", "labels": ""},
            {"path": "videos/a.mp4", "caption": "four", "start": "soon", "end": "", "labels": ""},
        ],
    )
    one, two, three, four = list_jobs([path])
    assert (one.source.start, one.source.end, one.source.labels) == (1.5, 3.25, ("dog", "red ball"))
    assert (two.source.start, two.source.end) == (0, None)
    assert three.problem.startswith("videos/absent.mp4 is not in")
    assert four.problem == "list.csv, row 4: time is 'soon', expected seconds or H:MM:SS.s"


def test_panda_70m_cuts_many_clips_from_a_video(folder, tmp_path):
    path = write_csv(
        tmp_path / "panda.csv",
        [
            {
                "videoID": "-Yt_id",
                "url": "somewhere",
                "timestamp": "[['0:00:42.851', '0:00:47.447'], ['0:01:02.000', '0:01:09.500']]",
                "caption": "['A man\\'s dog runs.', \"It's raining.\"]",
                "matching_score": "[0.55, 0.41]",
            },
            {
                "videoID": "gone",
                "url": "x",
                "timestamp": "[['0:00:00', '0:00:04']]",
                "caption": "['x']",
                "matching_score": "[1]",
            },
            {"videoID": "-Yt_id", "url": "x", "timestamp": "broken", "caption": "['x']", "matching_score": "[1]"},
            {
                "videoID": "-Yt_id",
                "url": "x",
                "timestamp": "[[1, 2], [3, 4]]",
                "caption": "['x']",
                "matching_score": "[1, 1]",
            },
        ],
    )
    jobs = list_jobs([path], folder)
    assert [(job.source.start, job.source.end) for job in jobs[:2]] == [(42.851, 47.447), (62.0, 69.5)]
    assert [job.source.caption for job in jobs[:2]] == ["A man's dog runs.", "It's raining."]
    assert {job.source.video for job in jobs[:2]} == {str(folder / "-Yt_id.mkv")}
    assert [bool(job.problem) for job in jobs] == [False, False, True, True, True]
    assert "2 timestamps with 1 captions" in jobs[4].problem
    better = list_jobs([path], folder, min_score=0.5)
    assert [job.source.start for job in better if not job.problem] == [42.851]


def test_json_lines_and_folders_with_metadata(folder):
    rows = [{"file_name": "a.mp4", "text": "[Music] a dog"}, {"file_name": "b.mov", "text": "猫", "mask": "m.png"}]
    (folder / "m.png").touch()
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    one, two = list_jobs([folder])
    assert one.source.caption == "[Music] a dog"
    assert (two.source.caption, two.source.mask) == ("猫", str(folder / "m.png"))


def test_webdataset_tars(tmp_path):
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name, data in (
            ("x/001.mp4", b"video one"),
            ("x/001.txt", b"first"),
            ("x/002.json", b'{"caption": "second", "labels": ["dog"]}'),
            ("x/002.webm", b"video two"),
            ("x/003.txt", b"no video"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    whole = (tmp_path / "shard.tar").read_bytes()
    one, two = list_jobs([tmp_path / "shard.tar"])
    assert (one.source.caption, two.source.caption, two.source.labels) == ("first", "second", ("dog",))
    offset, size = two.source.member
    assert whole[offset : offset + size] == b"video two"
    assert Job.from_dict(json.loads(json.dumps(two.to_dict()))) == two
    (tmp_path / "shard.tar").write_bytes(b"garbage" * 200)
    (broken,) = list_jobs([tmp_path])
    assert "cannot be read" in broken.problem


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.csv", "caption\nx\n", "row 1 has caption, expected a video in one of video, path"),
        ("l.jsonl", "{oops\n", "cannot be read"),
        ("l.jsonl", "[1]\n", "expected an object with a video"),
        ("l.xyz", "", "is no input we know"),
        ("l.csv", "video,caption\n", "no clip found"),
    ],
)
def test_inputs_that_cannot_be_listed(tmp_path, name, text, message):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(PointVidError, match=message):
        list_jobs([tmp_path / name])


def test_times():
    assert seconds("1:02:03.5") == 3723.5
    assert seconds("02:03") == 123
    assert seconds(7) == 7
    for wrong in ("-1", "1:2:3:4", "", "nan:x"):
        with pytest.raises(ValueError, match="expected seconds"):
            seconds(wrong)


def test_what_is_not_used_is_told(folder, tmp_path):
    (folder / "notes.docx").touch()
    (folder / "alone.txt").touch()
    told = {}
    jobs = list_jobs([folder], unused=lambda name, why: told.setdefault(Path(name).name, why))
    used = {Path(job.source.video).name for job in jobs}
    assert "is no video that is looked for" in told["notes.docx"]
    assert "no video has this name" in told["alone.txt"]
    assert not used & set(told)
    every = {path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}
    assert every == used | set(told)


def test_rows_below_the_score_are_told(folder, tmp_path):
    rows = [{"path": "videos/a.mp4", "caption": "one", "score": "0.2"}, {"path": "videos/a.mp4", "caption": "two"}]
    told = []
    (job,) = list_jobs(
        [write_csv(tmp_path / "l.csv", rows)], min_score=0.5, unused=lambda name, why: told.append((name, why))
    )
    assert job.source.caption == "two"
    assert [why for _, why in told] == ["its score 0.2 is below 0.5"]


@pytest.mark.parametrize(
    ("data", "caption"),
    [("Wörter".encode(), "Wörter"), ("Wörter".encode("utf-8-sig"), "Wörter"), ("Wörter".encode("utf-16"), "Wörter")],
)
def test_captions_in_unicode_are_read(tmp_path, data, caption):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.txt").write_bytes(data)
    (job,) = list_jobs([tmp_path])
    assert (job.source.caption, job.problem) == (caption, "")


@pytest.mark.parametrize("encoding", ["cp1252", "shift_jis"])
def test_captions_of_a_code_page_are_refused_by_name(tmp_path, encoding):
    text = "Wörter" if encoding == "cp1252" else "猫が走る"
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    (job,) = list_jobs([tmp_path])
    assert job.source.caption == ""
    assert "a.txt is not UTF-8" in job.problem


def test_one_builder_a_folder(tmp_path):
    with lock_folder(tmp_path), pytest.raises(PointVidError, match="another process"):
        lock_folder(tmp_path)
    lock_folder(tmp_path).close()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_in_a_circle_are_told(folder):
    (folder / "circle.mp4").symlink_to("circle.mp4")
    told = {}
    list_jobs([folder], unused=lambda name, why: told.setdefault(Path(name).name, why))
    assert told == {"circle.mp4": "is no file"}
