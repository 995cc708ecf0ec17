"""The study's server: what it gives out and takes, and what it refuses."""

import csv
import json
import socket
import threading
import urllib.error
import urllib.request

import pytest

from pointvid.study.answers import read_answers
from pointvid.study.server import MOST_CONNECTIONS, make_server

from .command_line import fails
from .studies import prefer, small_study


@pytest.fixture
def made(tmp_path):
    return small_study(tmp_path)


@pytest.fixture
def served(made):
    study, folder = made
    server = make_server(folder, port=0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield study, folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=60)


def post(url, value, kind="application/json"):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    request = urllib.request.Request(url + "/answers", data, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def refused(action):
    with pytest.raises(urllib.error.HTTPError) as error:
        action()
    return error.value.code, error.value.read().decode()


def test_the_server_gives_the_page_and_nothing_else(served):
    study, folder, url = served
    with urllib.request.urlopen(url, timeout=60) as response:
        assert response.read() == (folder / "page" / "index.html").read_bytes()
    clip = f"/clips/{next(iter(study.clips))}.mp4"
    with urllib.request.urlopen(url + clip, timeout=60) as response:
        whole = response.read()
    assert whole == (folder / "page" / clip[1:]).read_bytes()
    for path in ("/key.json", "/../key.json", "/%2e%2e/key.json", "/answers.csv", "/clips/", "/clips/000000000000.mp4"):
        assert refused(lambda path=path: urllib.request.urlopen(url + path, timeout=60))[0] == 404


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-1", 0, 1), ("bytes=10-", 10, None), ("bytes=-5", -5, None), ("bytes=3-99999999", 3, None)],
)
def test_clips_come_in_ranges(served, asked, first, last):
    study, folder, url = served
    clip = f"clips/{next(iter(study.clips))}.mp4"
    whole = (folder / "page" / clip).read_bytes()
    request = urllib.request.Request(f"{url}/{clip}", headers={"Range": asked})
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 206
        assert response.read() == whole[first : None if last is None else last + 1]
    request = urllib.request.Request(f"{url}/{clip}", headers={"Range": "bytes=99999999-"})
    assert refused(lambda: urllib.request.urlopen(request, timeout=60))[0] == 416


def test_answers_are_taken_checked_and_added(served):
    study, folder, url = served
    rows = [answer.row(study.id) for answer in prefer(study, "ours", "Ann")]
    assert post(url, {"rows": rows[:5]}) == {"saved": 5}
    assert post(url, {"rows": rows[5:]}) == {"saved": 10}
    found, _ = read_answers([folder / "answers.csv"], study)
    assert found == prefer(study, "ours", "Ann")
    before = (folder / "answers.csv").read_bytes()
    assert refused(lambda: post(url, {"rows": [rows[0], rows[1] | {"choice": "both"}]})) == (
        400,
        json.dumps({"error": "choice is 'both', expected 'left' or 'right'"}),
    )
    assert refused(lambda: post(url, b"{"))[0] == 400
    assert refused(lambda: post(url, {"rows": rows}, "text/plain"))[0] == 415, "another site's page could send that"
    assert (folder / "answers.csv").read_bytes() == before


def test_many_raters_at_once(served):
    study, folder, url = served

    def rate(number):
        for answer in prefer(study, "ours", f"rater {number}"):
            post(url, {"rows": [answer.row(study.id)]})

    threads = [threading.Thread(target=rate, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with (folder / "answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * 15
    assert len(read_answers([folder / "answers.csv"], study)[0]) == 6 * 15


def test_a_port_in_use_is_told(served, capsys):
    _, folder, url = served
    assert "choose another --port" in fails(capsys, "study", "serve", folder, "--port", url.rsplit(":", 1)[1])


def raw(url, request):
    """What comes back of bytes sent as they are."""
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "", "localhost"])
def test_only_requests_to_this_machine_are_answered(served, host):
    """Another site's name may be made to point here; its page must neither read nor answer."""
    _study, _folder, url = served
    port = url.rsplit(":", 1)[1]
    asked = f"GET / HTTP/1.1\r\nHost: {host.format(port=port)}\r\n\r\n".encode()
    assert raw(url, asked).startswith(b"HTTP/1.0 400 ")
    assert raw(url, f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()).startswith(b"HTTP/1.0 200 ")
    foreign = f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://evil.example\r\n\r\n".encode()
    assert raw(url, foreign).startswith(b"HTTP/1.0 400 ")


def test_a_name_can_be_given(made):
    _, folder = made
    with make_server(folder, port=0, names=["study.example.org"]) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        asked = b"GET / HTTP/1.1\r\nHost: study.example.org\r\n\r\n"
        assert raw(f"http://127.0.0.1:{server.server_address[1]}", asked).startswith(b"HTTP/1.0 200 ")
        server.shutdown()


@pytest.mark.parametrize(
    "lines",
    ["Content-Length: \xb2", "Content-Length: -5", "Content-Length: " + "0" * 5000 + "2", "X: y"],
)
def test_wrong_lengths_are_answered(served, lines):
    _, _, url = served
    asked = f"POST /answers HTTP/1.0\r\nContent-Type: application/json\r\n{lines}\r\n\r\n".encode("latin-1")
    assert raw(url, asked).startswith(b"HTTP/1.0 411 ")


@pytest.mark.parametrize("body", [b"[" * 500_000, b'{"rows": ' + b"9" * 5000 + b"}", b'{"rows": [1]}', b"\xff", b"[]"])
def test_bodies_that_are_no_answers_are_answered(served, body):
    _, folder, url = served
    assert refused(lambda: post(url, body))[0] == 400
    assert not (folder / "answers.csv").exists()


@pytest.mark.parametrize(("field", "value"), [("rater", True), ("time", "9999-99-99T99:99:99Z"), ("seconds", [1])])
def test_values_of_another_kind_are_refused(served, field, value):
    study, _, url = served
    row = prefer(study, "ours", "Ann")[0].row(study.id)
    code, text = refused(lambda: post(url, {"rows": [row | {field: value}]}))
    assert code == 400
    assert field in text


def test_silent_clients_give_way(served):
    study, _, url = served
    port = int(url.rsplit(":", 1)[1])
    silent = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(3 * MOST_CONNECTIONS)]
    row = prefer(study, "ours", "Ann")[0].row(study.id)
    assert post(url, {"rows": [row]}) == {"saved": 1}
    assert threading.active_count() < 2 * MOST_CONNECTIONS
    for connection in silent:
        connection.close()


def test_without_its_page_nothing_is_listed(served):
    _, folder, url = served
    (folder / "page" / "index.html").rename(folder / "page" / "moved.html")
    assert refused(lambda: urllib.request.urlopen(url, timeout=60))[0] == 404


def test_no_host_is_not_all_of_them(made, capsys):
    assert "host is empty" in fails(capsys, "study", "serve", made[1], "--host", "", "--port", "0")
