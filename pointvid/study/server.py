"""A small server for raters on other machines, or to collect answers by itself: standard library only."""

from __future__ import annotations

import json
import re
import threading
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..errors import PointVidError
from .answers import append_answers, parse_answer
from .plan import ANSWERS, CLIPS, PAGE, Study, load_study

MOST_BYTES = 1 << 20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CLIP = re.compile(rf"/{CLIPS}/([0-9a-f]{{12}})\.mp4")


def make_server(folder: Path, host: str = "127.0.0.1", port: int = 8000) -> ThreadingHTTPServer:
    """A server for a study, not yet running: call `serve_forever`.

    It gives out the page and its clips, nothing else: the key stays unseen. `POST /answers` takes JSON
    `{"rows": [...]}` with rows as in the CSV and adds them to `answers.csv`.

    Args:
        folder: made by `pointvid study make`.
        host: "127.0.0.1" lets this machine in only, "0.0.0.0" all that can reach it.
        port: 0 takes any free one.
    Raises:
        PointVidError: no study in the folder, or the address is in use.
    """
    study = load_study(folder)
    handler = partial(_Handler, Path(folder), study, threading.Lock())
    try:
        return ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise PointVidError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port"
        ) from None


class _Handler(SimpleHTTPRequestHandler):
    """The page, its clips in ranges (Safari plays no video without), and the answers."""

    def __init__(self, folder: Path, study: Study, lock: threading.Lock, *args: Any) -> None:
        self._folder, self._study, self._lock = folder, study, lock
        super().__init__(*args, directory=str(folder / PAGE))

    def do_GET(self) -> None:
        """The page or a clip; there is nothing else."""
        path = self.path.partition("?")[0]
        if match := _CLIP.fullmatch(path):
            self._send_clip(self._folder / PAGE / CLIPS / f"{match[1]}.mp4")
        elif path in ("/", "/index.html"):
            getattr(super(), f"do_{self.command}")()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Take answers. Only JSON is: a foreign page cannot send that without asking first, which is not answered."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/answers":
            return self._reply(HTTPStatus.NOT_FOUND, {"error": "expected POST /answers"})
        if self.headers.get_content_type() != "application/json":
            return self._reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"error": "expected application/json"})
        if not length.isdigit() or int(length) > MOST_BYTES:
            return self._reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"expected up to {MOST_BYTES} bytes"})
        try:
            rows = json.loads(self.rfile.read(int(length)))["rows"]
            answers = [parse_answer(row, self._study) for row in rows]
        except PointVidError as error:
            return self._reply(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._reply(HTTPStatus.BAD_REQUEST, {"error": 'expected {"rows": [...]}'})
        try:
            with self._lock:
                append_answers(answers, self._study, self._folder / ANSWERS)
        except OSError as error:
            return self._reply(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"cannot write: {error.strerror}"})
        return self._reply(HTTPStatus.OK, {"saved": len(answers)})

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: names of raters need not be on a screen."""

    def end_headers(self) -> None:
        """Nothing may be embedded, guessed or fetched from elsewhere."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'; connect-src 'self'; base-uri 'none'")
        super().end_headers()

    def _send_clip(self, path: Path) -> None:
        try:
            data = path.read_bytes()
        except OSError:
            return self.send_error(HTTPStatus.NOT_FOUND)
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        first, last = 0, len(data) - 1
        if wanted and wanted[1]:
            first, last = int(wanted[1]), min(int(wanted[2] or last), last)
        elif wanted and wanted[2]:
            first = max(0, len(data) - int(wanted[2]))
        if first > last:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last + 1 - first))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[first : last + 1])
        return None

    def _reply(self, status: HTTPStatus, value: dict[str, object]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
