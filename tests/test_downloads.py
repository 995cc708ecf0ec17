"""Downloads: taken up, checked, remembered, refused."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from pointvid.cli import main
from pointvid.errors import PointVidError
from pointvid.weights import download as downloads
from pointvid.weights.download import LOCK_FILE, download, look_up, read_lock
from pointvid.weights.published import PUBLISHED

from .command_line import fails
from .model_hub import ENTRY, LARGE, ROOT, SMALL, gets, names


def test_files_arrive_whole_checked_and_remembered(hub, tmp_path):
    seen = []
    done = download(ENTRY, tmp_path, progress=lambda *step: seen.append(step))
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == LARGE
    assert (tmp_path / "things" / "one" / "config.json").read_bytes() == SMALL
    # the optional file is not there, which is fine
    assert names(tmp_path) == [f".{LOCK_FILE}.lock", "config.json", "model.bin", LOCK_FILE]
    assert [(file.checked, file.fresh) for file in done] == [("server", True)] * 2
    lock = read_lock(tmp_path)
    assert lock["things/one/model.bin"] == {
        "sha256": hashlib.sha256(LARGE).hexdigest(),
        "url": f"{hub.address}/owner/thing/resolve/main/model.bin",
        "commit": "c" * 40,
    }
    assert lock["things/one/config.json"]["sha256"] == hashlib.sha256(SMALL).hexdigest()
    assert (len(LARGE), len(LARGE), "downloading model.bin") in seen
    asked = [path for method, path, _ in hub.requests if method == "HEAD"]
    revisions = [path.split("/resolve/")[1].split("/")[0] for path in asked]
    assert revisions == ["main", "c" * 40, "c" * 40]  # all of the commit that the first was of


def test_what_is_there_is_checked_and_not_fetched_again(hub, tmp_path):
    download(ENTRY, tmp_path)
    hub.requests.clear()
    done = download(ENTRY, tmp_path)
    assert gets(hub) == []
    assert [(file.checked, file.fresh) for file in done] == [("lock file", False)] * 2
    (tmp_path / "things" / "one" / "model.bin").write_bytes(LARGE[:-1] + b"?")
    assert [file.fresh for file in download(ENTRY, tmp_path)] == [True, False]
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == LARGE


def test_files_put_there_by_hand_are_taken_when_they_are_right(hub, tmp_path):
    (tmp_path / "things" / "one").mkdir(parents=True)
    (tmp_path / "things" / "one" / "model.bin").write_bytes(LARGE)
    assert [(file.checked, file.fresh) for file in download(ENTRY, tmp_path)] == [("server", False), ("server", True)]


def test_a_cut_connection_is_taken_up_where_it_broke(hub, tmp_path):
    hub.cut_after = [1_000_000, 500_000]
    download(ENTRY, tmp_path)
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == LARGE
    ranges = [None if wanted is None else int(wanted[6:-1]) for wanted in gets(hub)]
    assert ranges == [None, 1_000_000, 1_500_000]


def test_another_run_goes_on_where_the_last_one_ended(hub, tmp_path):
    hub.cut_after = [600_000, 1, 1, 1]
    with pytest.raises(
        PointVidError, match=r"things/one/model\.bin: the server cuts .* after \d+ of 2304000 bytes; run the same"
    ):
        download(ENTRY, tmp_path)
    (partial,) = (tmp_path / "things" / "one").iterdir()
    assert partial.name.endswith(".part")
    have = partial.stat().st_size
    assert have > 0
    hub.requests.clear()
    assert download(ENTRY, tmp_path)[0].fresh
    assert gets(hub) == [f"bytes={have}-"]
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == LARGE


def test_cancelling_keeps_what_has_arrived(hub, tmp_path):
    def stop(done, total, what):
        if done > 1_500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(ENTRY, tmp_path, progress=stop)
    (partial,) = (tmp_path / "things" / "one").iterdir()
    assert partial.stat().st_size > 1_500_000
    assert partial.read_bytes() == LARGE[: partial.stat().st_size]


def test_a_server_without_ranges_starts_again(hub, tmp_path):
    hub.cut_after, hub.ignores_range = [1_000_000], True
    download(ENTRY, tmp_path)
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == LARGE


def test_parts_of_another_version_are_not_mixed_in(hub, tmp_path):
    hub.cut_after = [600_000, 1, 1, 1]
    with pytest.raises(PointVidError, match="run the same command"):
        download(ENTRY, tmp_path)
    hub.files["model.bin"] = LARGE[::-1]
    download(ENTRY, tmp_path)
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == LARGE[::-1]


def test_a_wrong_hash_leaves_nothing(hub, tmp_path):
    hub.claimed_sha256 = "a" * 64
    arrived = hashlib.sha256(LARGE).hexdigest()[:12]
    with pytest.raises(
        PointVidError, match=rf"what arrived has the hashes {arrived} and .*, expected aaaaaaaaaaaa\.\.\."
    ):
        download(ENTRY, tmp_path)
    assert names(tmp_path) == [f".{LOCK_FILE}.lock"]


def test_a_changed_file_at_the_server_is_refused_until_asked_for(hub, tmp_path):
    download(ENTRY, tmp_path)
    hub.files["model.bin"] = b"new" * 1000
    with pytest.raises(PointVidError, match=r"the server has another file than the one that is known, .*say --update"):
        download(ENTRY, tmp_path)
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == LARGE
    download(ENTRY, tmp_path, update=True)
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == b"new" * 1000
    hub.files["config.json"] = b"{}"
    assert not download(ENTRY, tmp_path)[1].fresh  # of small files the server names another kind of hash: ours is kept
    (tmp_path / "things" / "one" / "config.json").unlink()
    with pytest.raises(PointVidError, match=r"config\.json: what arrived has the hashes .*say --update"):
        download(ENTRY, tmp_path)
    hub.requests.clear()
    download(ENTRY, tmp_path, update=True)
    assert hub.requests[0][1].startswith("/owner/thing/resolve/main/")  # not what the lock file holds
    assert (tmp_path / "things" / "one" / "config.json").read_bytes() == b"{}"
    assert read_lock(tmp_path)["things/one/model.bin"]["sha256"] == hashlib.sha256(b"new" * 1000).hexdigest()


def test_a_listed_hash_counts_before_the_servers(hub, tmp_path):
    from dataclasses import replace

    right, wrong = hashlib.sha256(LARGE).hexdigest(), "b" * 64
    with pytest.raises(PointVidError, match="another file than the one that is known"):
        download(replace(ENTRY, sha256={"model.bin": wrong}), tmp_path)
    assert gets(hub) == []  # known before a byte of it was fetched
    done = download(replace(ENTRY, sha256={"model.bin": right}), tmp_path)
    assert [file.checked for file in done] == ["list", "server"]
    hub.claimed_sha256 = "x"
    (tmp_path / LOCK_FILE).unlink()
    (tmp_path / "things" / "one" / "model.bin").unlink()
    with pytest.raises(PointVidError, match=rf"has the hashes {right[:12]} and .*, expected {wrong[:12]}.*--update"):
        download(replace(ENTRY, sha256={"model.bin": wrong}), tmp_path)
    assert download(replace(ENTRY, sha256={"model.bin": right}), tmp_path)[0].checked == "list"


def test_without_hashes_nothing_is_fetched_unless_trusted(hub, tmp_path):
    hub.claimed_sha256 = "x"
    with pytest.raises(PointVidError, match=r"names no hash of it and none is known, .* or say --trust thing"):
        download(ENTRY, tmp_path)
    assert gets(hub) == []
    assert [file.checked for file in download(ENTRY, tmp_path, trust=True)] == ["nothing", "server"]
    assert [file.checked for file in download(ENTRY, tmp_path)] == ["lock file"] * 2
    (tmp_path / "things" / "one" / "model.bin").unlink()
    hub.files["model.bin"] = LARGE[::-1]
    with pytest.raises(PointVidError, match=r"what arrived has the hashes .* or say --update"):
        download(ENTRY, tmp_path, trust=True)
    assert not (tmp_path / "things" / "one" / "model.bin").exists()


@pytest.mark.parametrize("name", downloads.OFFLINE)
def test_offline_asks_nobody(hub, tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    with pytest.raises(PointVidError, match=f"{name} is set: nothing is downloaded"):
        download(ENTRY, tmp_path)
    assert hub.requests == []
    monkeypatch.setenv(name, "0")
    assert look_up(ENTRY, tmp_path)


def test_a_missing_file_and_a_sick_server(hub, tmp_path, monkeypatch):
    del hub.files["config.json"]
    with pytest.raises(PointVidError, match=r"has no config\.json in owner/thing at c{40} \(404\); say --update"):
        download(ENTRY, tmp_path)
    hub.status = 503
    with pytest.raises(PointVidError, match="answers with the status 503, asked for /owner/thing/resolve/main/model"):
        download(ENTRY, tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(PointVidError, match=r"127\.0\.0\.1:9 does not answer") as caught:
        download(ENTRY, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is unwritable for this user")
def test_a_folder_that_may_not_be_written(hub, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PointVidError, match=r"cannot write .*expected a writable folder"):
            download(ENTRY, tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_file_where_the_folder_should_be(hub, tmp_path):
    (tmp_path / "things").write_text("not a folder", encoding="ascii")
    with pytest.raises(PointVidError, match=r"cannot write .*expected a writable folder"):
        download(ENTRY, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit of a file's size")
def test_a_disk_that_fills_up_keeps_the_part(hub, tmp_path):
    """A limit of the file's size stands for a full disk: writes beyond it fail likewise."""
    script = (
        "import resource, signal, sys\nfrom pathlib import Path\n"
        "from tests.model_hub import ENTRY\nfrom pointvid.weights.download import download\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "download(ENTRY, Path(sys.argv[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert "PointVidError: cannot write" in done.stderr
    assert "File too large; expected a writable folder with free space" in done.stderr
    (partial,) = (tmp_path / "things" / "one").iterdir()
    assert partial.read_bytes() == LARGE[:1_000_000]
    hub.requests.clear()
    assert download(ENTRY, tmp_path)[0].fresh
    assert gets(hub) == ["bytes=1000000-"]


def test_too_little_room_is_known_before(hub, tmp_path, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: usage(10**7, 10**7, 10**6))
    with pytest.raises(PointVidError, match=r"has 0\.0 GB free, expected 0\.0 GB; make room"):
        download(ENTRY, tmp_path)
    assert gets(hub) == []


def test_a_damaged_lock_file_is_said(hub, tmp_path):
    for text in ("[1]", '{"a": {"sha256": "../x"}}', '{"a": {}}', "[" * 100_000, "{"):
        (tmp_path / LOCK_FILE).write_text(text, encoding="ascii")
        with pytest.raises(PointVidError, match=f"{LOCK_FILE} cannot be read"):
            download(ENTRY, tmp_path)


def test_licences_without_commercial_use_are_to_be_accepted(hub, tmp_path):
    from dataclasses import replace

    entry = replace(ENTRY, licence="CC BY-NC 4.0", commercial=False)
    with pytest.raises(PointVidError, match=r"CC BY-NC 4\.0: no commercial use; read .* and say --accept-license"):
        download(entry, tmp_path)
    assert hub.requests == []
    assert download(entry, tmp_path, accept_licence=True)


def test_the_list_of_what_is_published():
    assert len({entry.name for entry in PUBLISHED}) == len(PUBLISHED)
    for entry in PUBLISHED:
        assert entry.files
        assert entry.page.startswith("https://")
        assert entry.commercial != ("NC" in entry.licence)
        assert set(entry.sha256) <= set(entry.files)
        assert all(len(value) == 64 and int(value, 16) for value in entry.sha256.values())
        assert entry.revision == "main" or (len(entry.revision) == 40 and int(entry.revision, 16))
        assert not any(part in ("", "..") for part in entry.folder.split("/"))


def test_the_command(hub, tmp_path, capsys):
    hub.files = {"alltracker.pth": LARGE}
    assert main(["download", "alltracker", "--to", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "licence MIT; https://huggingface.co/aharley/alltracker" in said
    assert "1 files, 2.3 MB, to" in said
    assert f"fetched, sha256 {hashlib.sha256(LARGE).hexdigest()}, checked against: server" in said
    assert (tmp_path / "pointvid_trackers" / "alltracker.pth").read_bytes() == LARGE
    assert main(["download", "--list", "--to", str(tmp_path)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "[there]" in line]
    assert len(lines) == 1
    assert lines[0].startswith("alltracker ")


def test_the_command_refuses_in_one_line(hub, tmp_path, capsys):
    to = ["--to", str(tmp_path)]
    assert "expected one of alltracker," in fails(capsys, "download", "magic", *to)
    assert "no name is given" in fails(capsys, "download", *to)
    hub.files = {"model_index.json": b"{}"}
    assert main(["download", "spatracker", "--accept-license", *to]) == 2
    said = capsys.readouterr()
    assert "NO COMMERCIAL USE" in said.out
    assert "get spaT_final.pth from https://github.com/henry123-boy/SpaTracker by hand" in said.err
    assert json.dumps(said.err).count("\\n") == 1
