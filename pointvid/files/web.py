"""Answers over HTTP with an end: limits of size, and of time for the whole (HTTP libraries have one for each byte)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class NoAnswer(Exception):
    """Why there is no answer, in a few words."""


def fetch(method: str, url: str, *, timeout: float, limit: int, **options: Any) -> tuple[int, bytes]:
    """The status and the body of an answer.

    Args:
        timeout: seconds for all of it.
        limit: bytes of the body at most.
        options: of `requests.request`.
    Raises:
        NoAnswer: no connection, too slow, too large, no address.
    """
    import requests

    def call() -> tuple[int, bytes]:
        # A proxy has no way to this machine's own servers.
        proxies = {"no_proxy": "localhost,127.0.0.1,::1"}
        with requests.request(method, url, timeout=timeout, stream=True, proxies=proxies, **options) as response:
            return response.status_code, response.raw.read(limit + 1, decode_content=True)

    status, data = within(timeout, call)
    if len(data) > limit:
        raise NoAnswer(f"its answer is larger than {limit} bytes")
    return status, data


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """`call()`, which is left alone where it takes longer.

    Raises:
        NoAnswer: it took longer, or raised whatever error.
    """
    done: list[tuple[Any, Exception | None]] = []

    def run() -> None:
        try:
            done.append((call(), None))
        except Exception as error:  # requests' own, urllib3's, ssl's, ValueError of addresses
            done.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise NoAnswer(f"is too slow: nothing whole came in {seconds:g} s")
    value, error = done[0]
    if error is not None:
        words = " ".join(str(error).split())[:160] or type(error).__name__
        reason = "cuts the connection" if "IncompleteRead" in words else f"does not answer ({words})"
        raise NoAnswer(reason) from error
    return value
