"""A small server for raters on other machines, or to collect answers by itself: standard library only."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..errors import PointVidError
from ..files.document import parse_document
from .answers import append_answers, parse_answer
from .plan import ANSWERS, CLIPS, PAGE, Study, load_study

MOST_BYTES = 1 << 20
MOST_CONNECTIONS, MOST_WAITING = 64, 128
"""Connections that are served at once, and that the system keeps waiting beyond them."""
PATIENCE = 15.0
"""Seconds that a client may say nothing."""

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_LENGTH = re.compile(r"[0-9]{1,9}")
_CLIP = re.compile(rf"/{CLIPS}/([0-9a-f]{{12}})\.mp4")
_ONLY_OURS = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def make_server(
    folder: Path, host: str = "127.0.0.1", port: int = 8000, names: Collection[str] = ()
) -> ThreadingHTTPServer:
    """A server for a study, not yet running: call `serve_forever`.

    It gives out the page and its clips, nothing else: the key stays unseen. `POST /answers` takes JSON
    `{"rows": [...]}` with rows as in the CSV and adds them to `answers.csv`. Requests must name this machine in `Host`,
    by an address or a name it has: else a page of any site could have its own name point here, and read and answer.

    Args:
        folder: made by `pointvid study make`.
        host: "127.0.0.1" lets this machine in only, "0.0.0.0" all that can reach it.
        port: 0 takes any free one.
        names: what else raters call this machine: a public name, a proxy's; any port.
    Raises:
        PointVidError: no study in the folder, or the address is in use.
    """
    study = load_study(folder)
    if not host:
        raise PointVidError("host is empty, expected an address such as 127.0.0.1, or 0.0.0.0 for all of them")
    handler = partial(_Handler, Path(folder), study, threading.Lock(), {name.lower() for name in names})
    try:
        return _Server((host, port), handler)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PointVidError(f"cannot listen on {host}:{port}: {reason}; choose another --port or --host") from None


class _Server(ThreadingHTTPServer):
    """One thread a connection, and a bounded number: who has been silent longest gives way to who comes."""

    request_queue_size = MOST_WAITING
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: object) -> None:
        self._open: dict[socket.socket, None] = {}
        self._guard = threading.Lock()
        super().__init__(address, handler)  # type: ignore[arg-type]

    def process_request(self, request: socket.socket, client_address: tuple) -> None:  # type: ignore[override]
        with self._guard:
            while len(self._open) >= MOST_CONNECTIONS:
                oldest = next(iter(self._open))
                del self._open[oldest]
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # ends the read that its thread waits in
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: tuple) -> None:
        """A client that left or fell silent is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    """The page, its clips in ranges (Safari plays no video without), and the answers."""

    timeout = PATIENCE

    def __init__(self, folder: Path, study: Study, lock: threading.Lock, names: Collection[str], *args: Any) -> None:
        self._folder, self._study, self._lock, self._names = folder, study, lock, names
        super().__init__(*args)

    def parse_request(self) -> bool:
        """HTTP/0.9 ends its request without saying so: there is nothing to wait for."""
        if len(self.raw_requestline.split()) == 2:
            self.command, self.request_version, self.close_connection = "", "HTTP/1.0", True
            self.send_error(HTTPStatus.BAD_REQUEST)
            return False
        return super().parse_request()

    def do_GET(self) -> None:
        """The page or a clip; there is nothing else."""
        path = self.path.partition("?")[0]
        if not self._is_for_us():
            self._reply(HTTPStatus.BAD_REQUEST, {"error": "Host is no name of this server; see --name"})
        elif match := _CLIP.fullmatch(path):
            self._send_file(self._folder / PAGE / CLIPS / f"{match[1]}.mp4", "video/mp4")
        elif path in ("/", "/index.html"):
            self._send_file(self._folder / PAGE / "index.html", "text/html; charset=utf-8")
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Take answers. Only JSON is: a foreign page cannot send that without asking first, which is not answered."""
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
            return self._reply(HTTPStatus.LENGTH_REQUIRED, {"error": "expected one Content-Length"})
        if int(lengths[0]) > MOST_BYTES:
            return self._reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"expected up to {MOST_BYTES} bytes"})
        try:
            body = self.rfile.read(int(lengths[0]))  # before any answer: closing with bytes unread would reset it
        except TimeoutError:
            return self._reply(HTTPStatus.REQUEST_TIMEOUT, {"error": "the body did not arrive"})
        if not self._is_for_us():
            return self._reply(HTTPStatus.BAD_REQUEST, {"error": "Host is no name of this server; see --name"})
        if self.path != "/answers":
            return self._reply(HTTPStatus.NOT_FOUND, {"error": "expected POST /answers"})
        if self.headers.get_content_type() != "application/json":
            return self._reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"error": "expected application/json"})
        try:
            rows = parse_document(body, "request", 'JSON like {"rows": [...]}', {"rows": [{}]})["rows"]
            answers = [parse_answer(row, self._study) for row in rows]
        except PointVidError as error:
            return self._reply(HTTPStatus.BAD_REQUEST, {"error": str(error)})
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
        self.send_header("Content-Security-Policy", _ONLY_OURS)
        super().end_headers()

    def _is_for_us(self) -> bool:
        """Whether Host is this machine by address or name, and the page that asks, where one does, is ours."""
        host = self.headers.get("Host")
        origin = self.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != host:
            return False
        if host is None:
            return self.request_version == "HTTP/1.0"  # no browser
        name, port = re.fullmatch(r"(.*?)(?::([0-9]{1,5}))?", host.lower(), re.DOTALL).groups()  # type: ignore[union-attr]
        if name in self._names:
            return True
        if int(port or 80) != self.server.server_address[1]:
            return False
        with suppress(ValueError):
            return bool(ipaddress.ip_address(name.removeprefix("[").removesuffix("]")))
        own = socket.gethostname().lower()
        return name in ("localhost", own, f"{own}.local", own.partition(".")[0])

    def _send_file(self, path: Path, kind: str) -> None:
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
        self.send_header("Content-Type", kind)
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
