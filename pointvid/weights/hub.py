"""The model hub over HTTP: what it says of a file, and the file from some byte on."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from urllib.parse import urljoin, urlsplit

from ..errors import PointVidError

NETWORK = (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError)
"""What fails between here and there."""

_REDIRECTS = (301, 302, 303, 307, 308)
_TIMEOUT = 30


@dataclass(frozen=True)
class RemoteFile:
    """What the server says of a file.

    Attributes:
        path: below the models folder, "/" between folders.
        url: where it is.
        size: bytes; None where the server does not say.
        sha256: of the contents; None where the server does not say.
        git_sha1: hash of the contents as a git blob; None where the server does not say.
        commit: of the repository.
    """

    path: str
    url: str
    size: int | None
    sha256: str | None
    git_sha1: str | None
    commit: str | None


def read_block(response: HTTPResponse, size: int) -> bytes:
    """The next block; network errors are not to be taken for those of the disk."""
    try:
        return response.read(size)
    except OSError as error:
        raise ConnectionError(str(error)) from error


def ask(url: str, path: str, missing_ok: bool) -> RemoteFile | None:
    """Size and hashes of a file, without its contents.

    Args:
        url: where it is.
        path: where it will be, below the models folder.
        missing_ok: None for a file that is not there, instead of an error.
    Raises:
        PointVidError: no such file, or no answer.
    """
    try:
        response, headers = open_url(url, method="HEAD")
    except urllib.error.HTTPError as error:
        if error.code == 404 and missing_ok:
            return None
        raise no_answer(url, error) from error
    except NETWORK as error:
        raise no_answer(url, error) from error
    response.close()
    size = headers.get("x-linked-size") or headers.get("content-length")
    commit = headers.get("x-repo-commit")
    # Only the hub says by which rule its tags are made: SHA-256 of what is in LFS, git's hash of everything else.
    tag = (headers.get("x-linked-etag") or headers.get("etag") or "") if commit else ""
    tag = tag.removeprefix("W/").strip('"').lower()
    tag = tag if not set(tag) - set("0123456789abcdef") else ""
    sha256, git_sha1 = (tag if len(tag) == length else None for length in (64, 40))
    return RemoteFile(path, url, int(size) if size and size.isdigit() else None, sha256, git_sha1, commit)


def no_answer(url: str, error: Exception) -> PointVidError:
    """What to raise where `url` gave `error`."""
    host = urlsplit(url).netloc
    if isinstance(error, urllib.error.HTTPError):
        return PointVidError(f"{host} says {error.code} {error.reason} to {urlsplit(url).path}; try again later")
    reason = str(getattr(error, "reason", "") or error or type(error).__name__)
    return PointVidError(f"{host} does not answer ({reason}); check the network, or copy the files by hand")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def open_url(
    url: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> tuple[HTTPResponse, dict[str, str]]:
    """Follow redirects by hand: the hub names a large file's hash only in the redirect to where it is kept.

    Returns:
        The response, and the headers of all answers, lower case; of the same name the first one's.
    """
    opener = urllib.request.build_opener(_NoRedirect)
    seen: dict[str, str] = {}
    for _ in range(8):
        request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"} | (headers or {}), method=method)
        try:
            response = opener.open(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code not in _REDIRECTS:
                raise
            response = error
        names = {name.lower(): value for name, value in response.headers.items()}
        moved = names.pop("location", None) if response.status in _REDIRECTS else None
        if moved:
            names.pop("content-length", None)  # of the redirect's own text
        seen = names | seen
        if not moved or (method == "HEAD" and "x-linked-etag" in seen):
            return response, seen
        response.close()
        url = urljoin(url, moved)
        if urlsplit(url).scheme not in ("http", "https"):
            raise urllib.error.URLError(f"redirected to {urlsplit(url).scheme}")
    raise urllib.error.URLError("too many redirects")
