"""Moving objects of a caption by a language model behind any server that speaks OpenAI's chat completions.

The paper asks a model served by LMDeploy: `lmdeploy serve api_server MODEL --server-port 23333`.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import PointVidError
from ..files.atomic import atomic_path
from ..files.web import NoAnswer, fetch

INSTRUCTION = (
    "You are given the caption of a short video. List the physical objects, people and animals that move in it or are "
    "moved, as an object detector needs them: short English nouns in the singular, with a colour where the caption "
    "gives one. Leave out places, backgrounds, body parts and clothes of listed people, and abstract things. "
    'Answer with JSON alone, like {"objects": ["man", "baseball bat"]}.'
)
MOST_LABELS, LONGEST_LABEL = 32, 60
_LARGEST_ANSWER = 1 << 20
_LONGEST_WORDS = 16_000  # of the model, which was asked for a line


class ChatLabels:
    """Asks a server, once per caption. May be called from several threads.

    Args:
        url: the server, with or without the path: `http://localhost:23333` and `http://localhost:23333/v1` are one.
        model: its name at the server; empty takes the first that the server lists.
        key: sent as the bearer token; None takes the environment variable POINTVID_API_KEY, where it is set.
        timeout: seconds to wait for one answer.
        attempts: how often to ask where a server is busy or does not answer with what was asked for.
        pause: seconds before the second attempt; each later pause is twice as long.
        cache: a JSON file that answers are kept in, so that a second run asks nothing; None keeps them in memory.
    Raises:
        PointVidError: `url` is no http address, or `cache` is no such file.
    """

    def __init__(
        self,
        url: str,
        model: str = "",
        key: str | None = None,
        timeout: float = 60.0,
        attempts: int = 3,
        pause: float = 1.0,
        cache: str | os.PathLike | None = None,
    ) -> None:
        self.url = _base_url(url)
        self._asked_for = self._model = model
        self._key = os.environ.get("POINTVID_API_KEY", "") if key is None else key
        self._timeout, self._attempts, self._pause = timeout, max(1, attempts), pause
        self._cache_file = Path(cache) if cache else None
        self._known = _read_cache(self._cache_file)
        self._lock = threading.Lock()

    def labels(self, caption: str) -> list[str]:
        """As `LabelSource.labels`; the server is asked only for captions it has not answered yet.

        Raises:
            PointVidError: an empty caption; no server; an answer that is not what was asked for, after all attempts; or
                a caption in which the model finds nothing that moves.
        """
        if not caption or not caption.strip():
            raise PointVidError("caption is empty, expected a sentence about the clip, or labels instead of it")
        key = f"{self._asked_for}\n{caption.strip()}"
        found = self._known.get(key)
        if found is None:
            found = self._ask(caption.strip())
            with self._lock:
                self._known[key] = found
                self._write_cache()
        if not found:
            raise PointVidError(
                f"caption {caption.strip()[:60]!r} names nothing that moves, says the model at {self.url}; "
                "give labels by hand, or a mask"
            )
        return list(found)

    def _ask(self, caption: str) -> list[str]:
        """Attempts, with growing pauses between them."""
        for attempt in range(1, self._attempts + 1):
            try:
                answer = self._post(caption)
                return read_answer(answer, self.url)
            except _Temporary as error:
                if attempt == self._attempts:
                    times = "once" if attempt == 1 else f"{attempt} times"
                    raise PointVidError(f"{error} (asked {times})") from error
                time.sleep(self._pause * 2 ** (attempt - 1))
        raise AssertionError  # the last attempt returns or raises

    def _post(self, caption: str) -> str:
        if not self._model:
            listed = self._request("/models", None)
            try:
                self._model = str(json.loads(listed)["data"][0]["id"])
            except (ValueError, LookupError, TypeError, RecursionError) as error:
                raise PointVidError(f"{self.url} lists no model, give its name as model") from error
        return self._request(
            "/chat/completions",
            {
                "model": self._model,
                "temperature": 0,
                "max_tokens": 256,
                "messages": [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": caption}],
            },
        )

    def _request(self, path: str, body: dict | None) -> str:
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        options = {"headers": headers, "json": body, "timeout": self._timeout, "limit": _LARGEST_ANSWER}
        try:
            status, data = fetch("GET" if body is None else "POST", self.url + path, **options)
        except NoAnswer as error:
            raise _Temporary(
                f"no chat server at {self.url}: it {error}; start one (lmdeploy serve api_server MODEL) "
                "or use the built-in rules"
            ) from error
        text = data.decode("utf-8", "replace")
        if status < 400:
            return text
        said = "a web page" if _is_page(text) else repr(" ".join(text[:2000].split())[:120])
        message = f"{self.url} answered {status} with {said}"
        if status in (408, 425, 429) or status >= 500:
            raise _Temporary(f"{message}; the server is busy or broken, try later")
        raise PointVidError(f"{message}; check the address, the model {self._model!r} and the key")

    def _write_cache(self) -> None:
        if self._cache_file is None:
            return
        self._known = {**_read_cache(self._cache_file), **self._known}  # another process may have written
        with atomic_path(self._cache_file) as path:
            path.write_text(json.dumps(self._known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


class _Temporary(Exception):
    """Worth another attempt."""


def read_answer(text: str, url: str = "server") -> list[str]:
    """The labels in a chat completion: lower case, each once.

    Raises:
        _Temporary: the model's words are no such JSON; it may do better when asked again.
        PointVidError: this is no chat completion at all.
    """
    try:
        content = json.loads(text)["choices"][0]["message"]["content"]
        if not isinstance(content, str):
            raise TypeError
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        said = "a web page" if _is_page(text) else repr(" ".join(text[:80].split()))
        raise PointVidError(
            f"{url} answered with {said}, expected a chat completion; "
            "give the address of an OpenAI-compatible server, like http://localhost:23333/v1"
        ) from error
    names = _names(content)
    if names is None:
        shown = " ".join(content.split())[:80]
        raise _Temporary(
            f'the model at {url} answered {shown!r}, expected JSON like {{"objects": ["man", "ball"]}}; '
            "use a model that follows instructions"
        )
    return list(dict.fromkeys(" ".join(name.lower().split()) for name in names if name.strip()))


def _names(content: str) -> list[str] | None:
    """The list of names in the model's words, which may wrap the JSON in a remark or a code fence."""
    if len(content) > _LONGEST_WORDS:
        return None
    decoder = json.JSONDecoder()
    for start, letter in enumerate(content):
        if letter not in "{[":
            continue
        try:
            value, _ = decoder.raw_decode(content, start)
        except ValueError:
            continue
        except RecursionError:
            return None
        if isinstance(value, dict):
            value = value.get("objects")
        if (
            isinstance(value, list)
            and len(value) <= MOST_LABELS
            and all(isinstance(name, str) and len(name) <= LONGEST_LABEL for name in value)
        ):
            return value
        return None
    return None


def _is_page(text: str) -> bool:
    start = text.lstrip()[:200].lower()
    return start.startswith("<") and ("<html" in start or "<!doctype" in start)


def _base_url(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise PointVidError(f"server url is {url!r}, expected an address like http://localhost:23333/v1")
    base = url.strip().rstrip("/").removesuffix("/chat/completions")
    return base if urlsplit(base).path.strip("/") else f"{base}/v1"


def _read_cache(file: Path | None) -> dict[str, list[str]]:
    if file is None or not file.exists():
        return {}
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(known, dict) or not all(isinstance(names, list) for names in known.values()):
            raise ValueError("no table of captions")
    except (OSError, ValueError, RecursionError) as error:
        raise PointVidError(f"label cache {file} cannot be read ({error}); remove it or name another") from error
    return known
