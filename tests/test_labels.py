"""Captions become labels: by rules, and by a server that may be absent, busy or talking nonsense."""

import contextlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pointvid.errors import PointVidError
from pointvid.labels import ChatLabels, RuleLabels, extract_labels

from . import caption_scores


@pytest.mark.parametrize(
    ("caption", "labels"),
    [
        ("a man swinging a baseball bat in a studio", ["man", "baseball bat"]),
        ("Two women walk their dogs through the park.", ["woman", "dog"]),
        ("The red box is pushed to the left", ["red box"]),
        ("the green can falls among other objects", ["green can"]),
        ("A close-up video of a herd of wild elephants", ["elephant"]),
        ("She picks up the phone and turns on a lamp", ["person", "phone", "lamp"]),
        ("a black and white cat, a parrot and three mice", ["cat", "parrot", "mouse"]),
        ("A boy wearing a blue hat plays football with his friends on the beach", ["boy", "friend"]),
        ("leaves fall while somebody reads a book", ["person", "leaf", "book"]),
        ("A frying pan slides off the table", ["frying pan"]),
        ("the cat\u2019s paws touch a ball", ["paw", "ball"]),
    ],
)
def test_rules(caption, labels):
    assert sorted(RuleLabels().labels(caption)) == sorted(labels)


@pytest.mark.parametrize(
    ("caption", "message"),
    [
        ("", "caption is empty"),
        ("  \n", "caption is empty"),
        ("12 34 !!", "holds no word"),
        ("\u4e00\u4e2a\u7537\u4eba\u5728\u6253\u68d2\u7403", "is not English"),
        ("Un homme joue de la guitare dans un parc", "is not English"),
        ("Ein Mann und eine Frau tanzen auf der Stra\u00dfe", "is not English"),
        ("A view of the empty street at night", "names nothing that can move"),
    ],
)
def test_captions_that_give_no_labels(caption, message):
    with pytest.raises(PointVidError, match=message) as caught:
        extract_labels(caption)
    assert "\n" not in str(caught.value)


def test_recall_on_captions_labelled_by_hand():
    recall, precision = caption_scores.scores(caption_scores.hand_labelled())
    assert recall > 0.9
    assert precision > 0.9


def test_recall_on_synthetic_captions():
    recall, precision = caption_scores.scores(caption_scores.synthetic(range(10)))
    assert recall > 0.9
    assert precision > 0.9


def test_any_text_is_read():
    """Words in any order, marks, the verbs first: an answer or the one error, never another, and no endless loop."""
    words = "a the dogs 's of in and running falls can , . with is who her can left 4 \u00e9t\u00e9 that picks up it"
    words = words.split()
    answers = []
    for step in range(1, 11):
        for start in range(len(words)):
            caption = " ".join(words[(start + step * k) % len(words)] for k in range(9))
            try:
                answers.append(extract_labels(caption))
            except PointVidError as error:
                answers.append([str(error)])
    assert all(names and all(name and "\n" not in name for name in names) for names in answers)


class Server:
    """A chat server that answers from a list: text, or (status, text)."""

    def __init__(self, answers):
        self.requests = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def _answer(self, body):
                outer.requests.append((self.path, body, self.headers.get("Authorization")))
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                status, text = answer if isinstance(answer, tuple) else (200, answer)
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                self._answer(None)

            def do_POST(self):
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def completion(content):
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]})


GOOD = completion('Sure!\n```json\n{"objects": ["Man", "baseball  bat", "man"]}\n```')


def ask(url, **options):
    return ChatLabels(url, **{"model": "tiny", "pause": 0.0, **options}).labels("a man swings a bat")


def test_server_is_asked_once_per_caption(tmp_path):
    cache = tmp_path / "labels.json"
    with Server([GOOD]) as server:
        source = ChatLabels(server.url, "tiny", key="secret", cache=cache)
        assert source.labels("a man swings a bat") == ["man", "baseball bat"]
        assert source.labels(" a man swings a bat ") == ["man", "baseball bat"]
        assert ChatLabels(server.url, "tiny", cache=cache).labels("a man swings a bat") == ["man", "baseball bat"]
    assert len(server.requests) == 1
    path, body, authorization = server.requests[0]
    assert (path, body["model"], body["temperature"]) == ("/v1/chat/completions", "tiny", 0)
    assert body["messages"][-1] == {"role": "user", "content": "a man swings a bat"}
    assert authorization == "Bearer secret"


def test_server_names_its_model():
    with Server([json.dumps({"data": [{"id": "internlm"}]}), GOOD]) as server:
        assert ChatLabels(server.url + "/v1/").labels("a man") == ["man", "baseball bat"]
    assert [request[0] for request in server.requests] == ["/v1/models", "/v1/chat/completions"]
    assert server.requests[1][1]["model"] == "internlm"


def test_busy_and_muddled_servers_are_asked_again():
    with Server([(503, "busy"), completion("I see a man and a bat."), GOOD]) as server:
        assert ask(server.url) == ["man", "baseball bat"]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("answer", "message", "times"),
    [
        ((200, "<!DOCTYPE html><html>Welcome</html>"), "answered with a web page", 1),
        ((404, "<html>not here</html>"), "answered 404 with a web page; check the address", 1),
        ((401, "bad key"), "answered 401 with 'bad key'", 1),
        ((500, "oops"), r"answered 500 with 'oops'.*asked 2 times", 2),
        (completion("no idea"), r"answered 'no idea', expected JSON.*asked 2 times", 2),
        (completion('{"objects": [1, 2]}'), "expected JSON", 2),
        (completion(json.dumps({"objects": ["x" * 100]})), "expected JSON", 2),
        (completion('{"objects": []}'), "names nothing that moves", 1),
        ("[]", r"answered with '\[\]', expected a chat completion", 1),
        ("\x00\x01\xff", "expected a chat completion", 1),
        ("[" * 100_000, "expected a chat completion", 1),
        ("x" * (1 << 20) + "y", "its answer is larger than 1048576 bytes.*asked 2 times", 2),
        (completion("{" * 200_000), r"answered '\{.*', expected JSON", 2),
        (completion("[1" * 8_000), "expected JSON", 2),
        (completion("[" * 15_000), "expected JSON", 2),
    ],
)
def test_answers_that_are_no_labels(answer, message, times):
    with Server([answer]) as server, pytest.raises(PointVidError, match=message) as caught:
        ask(server.url, attempts=2)
    assert len(server.requests) == times
    assert "\n" not in str(caught.value)


def test_a_server_that_trickles_ends():
    class Trickle(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(200):
                    self.wfile.write(b" ")
                    time.sleep(0.05)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Trickle)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    began = time.monotonic()
    with pytest.raises(PointVidError, match=r"it is too slow: nothing whole came in 0\.3 s; start one"):
        ask(f"http://127.0.0.1:{server.server_port}", attempts=2, timeout=0.3)
    assert time.monotonic() - began < 5
    server.shutdown()
    server.server_close()


def test_no_server():
    with Server([GOOD]) as server:
        url = server.url
    with pytest.raises(PointVidError, match=r"no chat server at http://127.0.0.1.*lmdeploy serve api_server"):
        ask(url, attempts=1)
    for wrong in ("file:///etc/passwd", "http://[::1", "http://a:b", "nonsense"):
        with pytest.raises(PointVidError, match=rf"server url is '{re.escape(wrong)}', expected an address"):
            ChatLabels(wrong)


def test_cache_that_is_no_cache(tmp_path):
    (tmp_path / "labels.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(PointVidError, match=r"label cache .*labels.json cannot be read"):
        ChatLabels("http://localhost:1", cache=tmp_path / "labels.json")
