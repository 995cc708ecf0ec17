"""Reading from every start and backwards equals plain decoding, for the containers and codecs of video_matrix.py."""

import shutil

import pytest

from .video_matrix import CODECS, CONTAINERS, check, ffprobe_count, files

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on the path: it writes the files")

# One of each way in which a seek goes wrong: late, on a frame that needs others, without times, not at all.
SMALL = ("h264_open.ts", "hevc_open.mkv", "mpeg2_open.mpg", "h264_pyramid.avi", "h264_refresh.mp4", "h264.h264")


@pytest.mark.parametrize("name", SMALL)
def test_a_hard_file_reads_as_plain_decoding_does(tmp_path, name):
    for path in files(tmp_path, (name,)):
        found = check(path, starts=6)
        assert (found.wrong, found.failed) == (0, "")
        assert found.asked > found.frames
        assert found.frames == ffprobe_count(path)


def test_a_wrong_frame_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("pointvid.files.video.film.Film._advance", lambda film, wanted: film._next())  # trusts a seek
    (path,) = files(tmp_path, ("mpeg2.mpg",))
    assert check(path, starts=6).wrong > 0


@pytest.mark.slow
@pytest.mark.parametrize("container", CONTAINERS)
def test_all_starts_of_all_files(tmp_path, container):
    counts = [check(path) for path in files(tmp_path, (f".{container}",))]
    assert len(counts) >= len(CONTAINERS[container])
    assert [count for count in counts if count.wrong or count.failed] == []


def test_the_matrix_names_every_codec():
    assert {codec for codecs in CONTAINERS.values() for codec in codecs if codec} == set(CODECS)
