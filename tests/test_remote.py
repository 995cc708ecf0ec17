"""A server that misbehaves: nothing wrong is kept, nothing is endless, everything is one line."""

import hashlib
import subprocess
import sys
import time

import pytest

from pointvid.errors import PointVidError
from pointvid.weights import download as downloads
from pointvid.weights import remote
from pointvid.weights.download import LOCK_FILE, download, look_up

from .model_hub import ENTRY, LARGE, ROOT, Answer, gets, names


def test_a_hash_is_believed_of_the_hub_alone(hub, tmp_path):
    """Of a server that says nothing of commits a tag is any word; of another host in the redirects, anybody's."""
    hub.tells_hashes = False
    hub.files["model.bin"] = b"evil" * 1000
    with pytest.raises(PointVidError, match="names no hash"):
        download(ENTRY, tmp_path)
    assert not any(path.startswith("/storage") for _, path, _ in hub.requests[:1])
    assert names(tmp_path) == [f".{LOCK_FILE}.lock"]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Content-Type": "text/html; charset=utf-8"}, r"answers with a web page, not with the file"),
        ({"Content-Encoding": "gzip"}, r"sends the file as gzip"),
        ({"Content-Length": "7"}, r"sends 7 bytes, expected 2304000"),
        ({"Content-Range": "bytes 5-2303999/2304000"}, r"sends 'bytes 5-2303999/2304000', expected bytes from 0 on"),
        ({"Content-Range": "bytes 0-9/10"}, r"sends 'bytes 0-9/10', expected bytes from 0 on"),
    ],
)
def test_an_answer_that_is_not_the_file_is_refused_at_once(hub, tmp_path, headers, said):
    hub.headers = headers
    with pytest.raises(PointVidError, match=said) as caught:
        download(ENTRY, tmp_path)
    assert "\n" not in str(caught.value)
    assert len(gets(hub)) == 1
    assert names(tmp_path) == [f".{LOCK_FILE}.lock"]


@pytest.mark.parametrize("slice_as_200", [False, True])
def test_a_range_that_begins_earlier_is_put_where_it_belongs(hub, tmp_path, slice_as_200):
    hub.cut_after, hub.early = [1_000_000], 70_000
    answer = Answer.send_response
    if slice_as_200:
        Answer.send_response = lambda self, status, *more: answer(self, 200 if status == 206 else status, *more)
    try:
        assert download(ENTRY, tmp_path)[0].fresh
    finally:
        Answer.send_response = answer
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == LARGE
    assert len(gets(hub)) == 2


def test_no_more_than_the_told_size_is_taken(hub, tmp_path):
    hub.headers = {"Content-Length": None}
    hub.claimed_sha256 = hashlib.sha256(LARGE).hexdigest()
    seen = []
    size = Answer.answer

    def endless(self, body):
        size(self, body)
        if body and self.path.startswith("/storage"):
            for _ in range(100):
                try:
                    self.wfile.write(bytes(1 << 20))
                except OSError:
                    return

    Answer.answer = endless
    try:
        download(ENTRY, tmp_path, progress=lambda *step: seen.append(step))
    finally:
        Answer.answer = size
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == LARGE
    assert max(done for done, *_ in seen) == len(LARGE)


def test_a_server_that_trickles_ends(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "_TIMEOUT", 0.4)
    hub.trickles = True
    began = time.monotonic()
    with pytest.raises(PointVidError, match=r"the server is too slow: nothing whole came in 0\.4 s after 0 of 2304000"):
        download(ENTRY, tmp_path)
    assert time.monotonic() - began < 20


def test_https_stays_https(monkeypatch):
    class Moved:
        is_redirect = True

        def __init__(self, to):
            self.headers = {"Location": to}

        def close(self):
            pass

    asked = []
    for to in ("http://cdn.example/x", "ftp://cdn.example/x", "file:///etc/passwd"):

        def request(method, url, to=to, **_):
            asked.append(url)
            return Moved(to)

        monkeypatch.setattr("requests.request", request)
        file = remote.RemoteFile("x", "https://hub.example/x", 10, "a" * 64, "c")
        with pytest.raises(remote.Unreachable, match=f"redirects from https to {to.partition(':')[0]}") as caught:
            list(remote.body(file, 0))
        assert caught.value.final
    assert set(asked) == {"https://hub.example/x"}


@pytest.mark.parametrize(
    "address",
    [
        "nonsense",
        "ftp://127.0.0.1",
        "file:///tmp",
        "http://",
        "http://127.0.0.1:abc",
        "http://[::1",
        "http://a b",
        "http://" + "ü" * 70,
    ],
)
def test_a_mirror_that_is_no_address(tmp_path, monkeypatch, address):
    monkeypatch.setenv("HF_ENDPOINT", address)
    for name in downloads.OFFLINE:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PointVidError, match=r"^HF_ENDPOINT is .*, expected an address like https://huggingface\.co$"):
        look_up(ENTRY, tmp_path)


@pytest.mark.parametrize("size", ["0", "-5", "abc", "\xb2", "9" * 5000])
def test_a_size_that_is_none(hub, tmp_path, size):
    hub.claimed_size = size
    with pytest.raises(PointVidError, match="says that the file has '") as caught:
        look_up(ENTRY, tmp_path)
    assert len(str(caught.value)) < 300


def test_several_downloads_of_one_file_do_not_collide(hub, tmp_path):
    """Processes, as threads of one share the lock's owner."""
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from tests.model_hub import ENTRY\nfrom pointvid.weights.download import download\n"
        "print([file.fresh for file in download(ENTRY, Path(sys.argv[1]))])\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = sorted(process.communicate(timeout=120)[0].strip() for process in running)
    assert said == ["[False, False]", "[False, False]", "[True, True]"]
    assert gets(hub) == [None]
    assert (tmp_path / "things" / "one" / "model.bin").read_bytes() == LARGE


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a right there")
def test_links_are_not_written_through(hub, tmp_path):
    folder = tmp_path / "things" / "one"
    folder.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="ascii")
    part = folder / f".model.bin.{hashlib.sha256(LARGE).hexdigest()[:12]}.part"
    for link in (part, tmp_path / f".{LOCK_FILE}.lock"):
        link.symlink_to(victim)
    download(ENTRY, tmp_path)
    assert victim.read_text(encoding="ascii") == "precious"
    assert (folder / "model.bin").read_bytes() == LARGE
