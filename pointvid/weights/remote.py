"""The model hub over HTTP: what it says of a file, and its bytes from some position on.

huggingface_hub is not used: since version 1 it begins again whatever was cut off (its issue 4196), it does not read
Content-Range, has no end for a server that sends a byte now and then, asks the hub more than the file in question, and
cannot be imported where HF_ENDPOINT is no address.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urljoin, urlsplit

from ..errors import PointVidError
from ..files.web import NoAnswer, within

ENDPOINT = "HF_ENDPOINT"
"""Environment variable with the address of a mirror of the model hub."""

_TIMEOUT = 60.0
"""Seconds for the headers of an answer and for each block of its body, which makes 2 kB a second the least."""
_BLOCK = 1 << 17
_SMALL = 64 << 20
"""The most that is taken of a file whose size the server does not tell."""


class Unreachable(Exception):
    """What fails between here and there. `status`: of the answer; `final`: trying again will not help."""

    def __init__(self, reason: str, status: int = 0, final: bool = False) -> None:
        super().__init__(reason)
        self.status, self.final = status, final


@dataclass(frozen=True)
class RemoteFile:
    """What the server says of a file.

    Attributes:
        path: below the models folder, "/" between folders.
        url: where it is.
        size: bytes; None where the server does not say.
        hash: SHA-256 of the contents (64 digits), or of small files SHA-1 of them as a git blob (40); None where the
            server does not say.
        commit: of the repository; None where the server does not say.
    """

    path: str
    url: str
    size: int | None
    hash: str | None
    commit: str | None


def ask(repository: str, name: str, revision: str, path: str) -> RemoteFile | None:
    """Size and hash of a file, without its contents; None for one that is not there.

    Only the asked host's word counts: the hub names a large file's hash in the redirect to where it is kept.

    Args:
        repository: "owner/name"; name: of the file in it; revision: a commit or a branch.
        path: where it will be, below the models folder.
    Raises:
        PointVidError: HF_ENDPOINT is no address, or no answer.
    """
    url = f"{_endpoint()}/{repository}/resolve/{quote(revision, safe='')}/{quote(name)}"
    try:
        with _answer("HEAD", url, {}) as response:
            status, headers = response.status_code, response.headers
        if status == 404:
            return None
        if status != 200 and not response.is_redirect:
            raise Unreachable(f"answers with the status {status}")
        told = headers.get("X-Linked-Size") or ("" if response.is_redirect else headers.get("Content-Length", ""))
        if told and not re.fullmatch(r"[1-9][0-9]{0,14}", told):
            raise Unreachable(f"says that the file has {told[:20]!r} bytes")
    except Unreachable as error:
        raise no_answer(url, error) from error
    # Only the hub says by which rule its tags are made.
    commit = headers.get("X-Repo-Commit")
    tag = (headers.get("X-Linked-Etag") or headers.get("ETag", "")) if commit else ""
    tag = tag.removeprefix("W/").strip('"').lower()
    hash = tag if re.fullmatch("[0-9a-f]{64}|[0-9a-f]{40}", tag) else None
    return RemoteFile(path, url, int(told) if told else None, hash, commit)


def no_answer(url: str, reason: object) -> PointVidError:
    """What to raise where `url` could not be had."""
    parts = urlsplit(url)
    return PointVidError(
        f"{parts.netloc} {reason}, asked for {parts.path}; check the network, try later, or copy the files by hand"
    )


def body(file: RemoteFile, have: int) -> Iterator[tuple[int, bytes]]:
    """The contents from byte `have` on, as (position, block), and nothing beyond the size that was told.

    The server may begin earlier than asked: the first position may be less than `have`.

    Raises:
        Unreachable: no connection, another answer than was asked for, a web page instead of a file, or too slow.
    """
    limit = file.size or _SMALL
    response = _answer("GET", file.url, {"Range": f"bytes={have}-"} if have else {})
    try:
        at = _start(response.status_code, response.headers, file.size, have)
        while at < limit:
            block = _in_time(lambda: response.raw.read(min(_BLOCK, limit - at)))  # noqa: B023 (called at once)
            if not block:
                break
            yield at, block
            at += len(block)
    finally:  # not awaited: it waits for a read that is too slow
        threading.Thread(target=response.close, daemon=True).start()


def _start(status: int, headers: Any, size: int | None, have: int) -> int:
    """The position of the first byte of an answer, whose headers are checked."""
    if status not in (200, 206):
        final = status < 500 and status not in (408, 416, 429)
        raise Unreachable(f"answers with the status {status}", status, final)
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html":
        raise Unreachable("answers with a web page, not with the file (a login, a proxy?)", final=True)
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unreachable(f"sends the file as {headers['Content-Encoding'][:20]}", final=True)
    asked, told, start = headers.get("Content-Range", ""), headers.get("Content-Length", ""), 0
    if asked or status == 206:
        found = re.fullmatch(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)", asked.strip())
        start = int(found[1]) if found else have + 1
        if not found or start > have or (size and found[3] not in ("*", str(size))):
            raise Unreachable(f"sends {asked[:60]!r}, expected bytes from {have} on", final=True)
    if size and re.fullmatch(r"[0-9]{1,15}", told) and int(told) != size - start:
        raise Unreachable(f"sends {told} bytes, expected {size - start}", final=True)
    return start


def _answer(method: Literal["GET", "HEAD"], url: str, headers: dict[str, str]) -> Any:
    """The response, its body not read. Redirects are followed by hand: https stays https.

    HEAD is not sent to other hosts, nor where the redirect itself tells of the file.
    """
    import requests

    headers = {"Accept-Encoding": "identity", "User-Agent": "pointvid", **headers}
    options = {"headers": headers, "stream": True, "allow_redirects": False, "timeout": _TIMEOUT}
    for _ in range(8):
        response = _in_time(lambda url=url: requests.request(method, url, **options))
        if not response.is_redirect:
            return response
        to = _in_time(lambda url=url, moved=response.headers["Location"]: urlsplit(urljoin(url, moved)))
        at = urlsplit(url)
        elsewhere = (to.scheme, to.netloc) != (at.scheme, at.netloc)
        if method == "HEAD" and (elsewhere or "X-Linked-Etag" in response.headers):
            return response
        response.close()
        if (at.scheme, to.scheme) not in (("http", "http"), ("http", "https"), ("https", "https")):
            raise Unreachable(f"redirects from {at.scheme} to {to.scheme[:20] or 'nowhere'}", final=True)
        url = to.geturl()
    raise Unreachable("redirects without end", final=True)


def _endpoint() -> str:
    """The model hub's address, or the mirror's that HF_ENDPOINT names."""
    address = os.environ.get(ENDPOINT, "").strip() or "https://huggingface.co"
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not address.isascii() or re.search(r"[\s?#]", address):
        raise PointVidError(f"{ENDPOINT} is {address!r}, expected an address like https://huggingface.co")
    return address.rstrip("/")


def _in_time(call: Callable[[], Any]) -> Any:
    try:
        return within(_TIMEOUT, call)
    except NoAnswer as error:
        raise Unreachable(str(error)) from error
