"""A server in this process that answers as the model hub does, and misbehaves on request."""

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pointvid.weights import download as downloads
from pointvid.weights.published import Published

ROOT = Path(__file__).resolve().parents[1]
LARGE = bytes(range(256)) * 9000  # 2.3 MB: several blocks
SMALL = b'{"model_type": "zoedepth"}\n'
ENTRY = Published(
    "thing", "a thing", "MIT", 2_300_000, "things/one", "owner/thing", ("model.bin", "config.json"), ("extra.json",)
)


class Hub(ThreadingHTTPServer):
    """Large files are redirected, with their SHA-256 in the redirect; small ones come with git's hash."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = {"model.bin": LARGE, "config.json": SMALL}
        self.claimed_sha256 = self.claimed_size = None  # a lie, if any
        self.tells_hashes = True
        self.cut_after = []  # bytes after which each of the next answers breaks off
        self.ignores_range = False
        self.status = None
        self.headers = {}  # of the next answers to GET, None to leave one out
        self.early = 0  # bytes that a range begins before what was asked for
        self.trickles = False
        self.requests = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        hub, name = self.server, self.path.rsplit("/", 1)[-1]
        hub.requests.append((self.command, self.path, self.headers.get("Range")))
        if hub.status or name not in hub.files:
            self.send_error(hub.status or 404)
            return
        data = hub.files[name]
        if name == "model.bin" and self.path.startswith("/owner/thing/resolve/"):
            self.send_response(302)
            self.send_header("Location", "/storage/model.bin")
            if hub.tells_hashes:
                self.send_header("X-Repo-Commit", "c" * 40)
                self.send_header("X-Linked-Size", hub.claimed_size or str(len(data)))
                self.send_header("X-Linked-Etag", f'"{hub.claimed_sha256 or hashlib.sha256(data).hexdigest()}"')
            self.end_headers()
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and not hub.ignores_range:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                self.send_error(416)
                return
            start -= min(start, hub.early)
        headers = {"Content-Length": str(len(data) - start)}
        if wanted and not hub.ignores_range:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if hub.tells_hashes:
            headers["ETag"] = f'"{hashlib.sha1(b"blob %d" % len(data) + bytes(1) + data).hexdigest()}"'
            headers["X-Repo-Commit"] = "c" * 40
        self.send_response(206 if "Content-Range" in headers else 200)
        for key, value in (headers | (hub.headers if body else {})).items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        if body and hub.trickles:
            for byte in data:
                try:
                    self.wfile.write(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.05)
        elif body:
            end = start + hub.cut_after.pop(0) if hub.cut_after and name == "model.bin" else len(data)
            self.wfile.write(data[start:end])
            if end < len(data):
                self.wfile.flush()
                self.connection.close()

    def log_message(self, *_):
        pass


def running(monkeypatch):
    """The fixture `hub`: the server, and an environment in which it is the model hub."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    for name in downloads.OFFLINE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloads, "_PAUSE", 0.0)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def gets(hub):
    """Ranges of the large file that were asked for."""
    return [wanted for method, path, wanted in hub.requests if method == "GET" and path == "/storage/model.bin"]


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
