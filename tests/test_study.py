"""Blind pairs: made, served, answered and scored."""

import csv
import json
import math
import re
import socket
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from scipy.stats import beta

from pointvid.cli import main
from pointvid.errors import PointVidError
from pointvid.files.video import VideoFile
from pointvid.study.answers import COLUMNS, append_answers, parse_answer, read_answers
from pointvid.study.make import page
from pointvid.study.plan import QUESTIONS, find_videos, load_study, named_folders, plan_study
from pointvid.study.score import score_study
from pointvid.study.server import MOST_CONNECTIONS, make_server
from pointvid.study.statistics import clustered_interval, krippendorff_alpha, share

from .command_line import fails
from .studies import SHADES, fill, prefer, small_study

# --- statistics ---


def test_intervals_by_hand():
    found = share(8, 10)
    z = 1.959963984540054
    middle = (0.8 + z * z / 20) / (1 + z * z / 10)
    half = z / (1 + z * z / 10) * math.sqrt(0.8 * 0.2 / 10 + z * z / 400)
    assert found.wilson == pytest.approx((middle - half, middle + half))
    assert found.exact == pytest.approx((beta.ppf(0.025, 8, 3), beta.ppf(0.975, 9, 2)))
    assert found.p == pytest.approx(2 * (45 + 10 + 1) / 1024)  # P(8, 9, 10 of 10), both sides
    assert found.value == 0.8
    assert math.isnan(share(0, 0).value)


def test_alpha_is_krippendorffs_example():
    """Four observers, twelve units, gaps: Krippendorff 2011, section D gives 0.743 for nominal data."""
    rows = (
        (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
        (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
        (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
        (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
    )
    units = [{i: row[unit] for i, row in enumerate(rows) if row[unit] is not None} for unit in range(12)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_two_raters_by_hand():
    """Krippendorff 2011, section B: ten binary units, raters agree on six: alpha 0.095."""
    one, other = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
    assert krippendorff_alpha([{"a": a, "b": b} for a, b in zip(one, other)]) == pytest.approx(0.095, abs=5e-4)


def test_alpha_at_its_ends():
    assert krippendorff_alpha([{"a": 1, "b": 1}, {"a": 2, "b": 2}]) == 1
    assert math.isnan(krippendorff_alpha([{"a": 1, "b": 1}]))
    assert math.isnan(krippendorff_alpha([{"a": 1}, {"b": 2}]))
    rng = np.random.default_rng(0)
    chance = [dict(enumerate(rng.integers(0, 2, 5))) for _ in range(4000)]
    assert krippendorff_alpha(chance) == pytest.approx(0, abs=0.02)


def test_the_interval_by_clip():
    rng = np.random.default_rng(0)
    alone = [[bool(value)] for value in rng.random(400) < 0.7]
    low, high = clustered_interval(alone)
    binomial = share(sum(map(sum, alone)), 400).wilson
    assert (low, high) == pytest.approx(binomial, abs=0.01)
    # ten raters who all say the same know no more than one
    assert clustered_interval([group * 10 for group in alone]) == pytest.approx((low, high))
    assert math.isnan(clustered_interval([[True, False]])[0])


# --- making ---


@pytest.fixture
def made(tmp_path):
    return small_study(tmp_path)


def test_the_questions_are_the_papers_five():
    assert [question.id for question in QUESTIONS] == ["Q1", "Q2", "Q3", "Q4", "Q5"]
    assert [question.negative for question in QUESTIONS] == [False, True, False, False, False]


def test_what_raters_get_does_not_say_whose_a_clip_is(made):
    _, folder = made
    given = [path for path in (folder / "page").rglob("*") if path.is_file()]
    assert len(given) == 1 + 6
    text = (folder / "page" / "index.html").read_text(encoding="utf-8")
    for word in ("base", "ours", "ball", "cup"):
        assert not re.search(rf"\b{word}\b", text), word
        assert not any(
            word in path.name or word.encode() in path.read_bytes() for path in given if path.suffix == ".mp4"
        )
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text), "nothing comes from elsewhere"
    assert "<video" in text


def test_every_clip_is_the_method_it_says(made):
    study, folder = made
    for id, clip in study.clips.items():
        with VideoFile(folder / "page" / "clips" / f"{id}.mp4") as video:
            assert video.shape == (4, 48, 64, 3)
            assert video.fps == 8
            assert video[0].float().mean().item() == pytest.approx(SHADES[clip.method], abs=4)


def test_the_key_can_be_read_again(made):
    study, folder = made
    assert load_study(folder) == study


def test_pairs_are_of_one_item_and_in_both_orders():
    items = [f"i{number}" for number in range(60)]
    study = plan_study(("a", "b", "c"), items)
    assert len(study.trials) == 60 * 3
    first = 0
    for trial in study.trials:
        one, other = (study.clips[clip] for clip in trial.clips)
        assert one.item == other.item
        assert one.method != other.method
        first += one.method < other.method
    assert 60 < first < 120
    assert len(plan_study(("a", "b", "c"), items, against="b").trials) == 120
    some = plan_study(("a", "b"), items, limit=7, seed=3)
    again = plan_study(("a", "b"), items, limit=7, seed=3)
    assert {clip.item for clip in some.clips.values()} == {clip.item for clip in again.clips.values()}
    assert len(some.trials) == 7
    assert not set(some.clips) & set(again.clips), "ids are no function of the seed"
    with pytest.raises(PointVidError, match="--against is 'd'"):
        plan_study(("a", "b"), items, against="d")


def test_a_title_cannot_break_the_page():
    study = plan_study(("a", "b"), ["x"], title="</script><b>")
    assert "</script><b>" not in page(study)
    plan = re.search(r'id="plan">(.*?)</script>', page(study), re.DOTALL)[1]
    assert json.loads(plan)["title"] == "</script><b>"


def test_folders_are_named(tmp_path):
    fill(tmp_path / "a" / "out", ["x"], 10)
    fill(tmp_path / "b" / "out", ["x"], 10)
    with pytest.raises(PointVidError, match="two methods are called 'out'"):
        named_folders([str(tmp_path / "a" / "out"), str(tmp_path / "b" / "out")])
    found = named_folders([f"base={tmp_path / 'a' / 'out'}", f"ours={tmp_path / 'b' / 'out'}"])
    assert list(found) == ["base", "ours"]
    with pytest.raises(PointVidError, match="1 method given"):
        named_folders([str(tmp_path / "a" / "out")])
    with pytest.raises(PointVidError, match="is not a folder"):
        named_folders([str(tmp_path / "a" / "out"), str(tmp_path / "nowhere")])


def test_missing_videos_are_named(tmp_path, capsys):
    fill(tmp_path / "base", ["ball", "cup", "dog"], 10)
    fill(tmp_path / "ours", ["ball", "dog"], 10)
    folders = [tmp_path / "base", tmp_path / "ours"]
    said = fails(capsys, "study", "make", *folders, "--out", tmp_path / "s")
    assert "base has 3 videos, ours has 2 videos" in said
    assert "'cup', missing in ours" in said
    assert not (tmp_path / "s").exists()
    assert main(["study", "make", *map(str, folders), "--out", str(tmp_path / "s"), "--common"]) == 0
    assert len(load_study(tmp_path / "s").trials) == 2
    fill(tmp_path / "other", ["cat"], 10)
    with pytest.raises(PointVidError, match="no file name is common"):
        find_videos(named_folders([str(tmp_path / "ours"), str(tmp_path / "other")]), common=True)
    (tmp_path / "empty").mkdir()
    capsys.readouterr()
    assert "has no video" in fails(capsys, "study", "make", folders[0], tmp_path / "empty", "--out", tmp_path / "t")


@pytest.mark.parametrize(
    ("change", "remedy"),
    [({"size": (96, 64)}, ["--size", "64x48"]), ({"frames": 6}, ["--frames", "4"]), ({"fps": 12}, ["--fps", "8"])],
)
def test_clips_that_could_be_told_apart_are_refused(tmp_path, capsys, change, remedy):
    fill(tmp_path / "base", ["ball"], 10)
    fill(tmp_path / "ours", ["ball"], 10, **change)
    command = ["study", "make", str(tmp_path / "base"), str(tmp_path / "ours"), "--out", str(tmp_path / "s")]
    assert "'ball' is 4 frames of 48x64 at 8 fps in base; " in fails(capsys, *command)
    assert main([*command, *remedy]) == 0
    study = load_study(tmp_path / "s")
    shapes = set()
    for id in study.clips:
        with VideoFile(tmp_path / "s" / "page" / "clips" / f"{id}.mp4") as video:
            shapes.add((video.shape, video.fps))
    assert shapes == {((4, 48, 64, 3), 8.0)}


def test_nothing_half_made_stays(tmp_path, capsys):
    fill(tmp_path / "base", ["ball", "cup"], 10)
    fill(tmp_path / "ours", ["ball", "cup"], 10)
    (tmp_path / "ours" / "cup.mp4").write_bytes(b"no video")
    said = fails(capsys, "study", "make", tmp_path / "base", tmp_path / "ours", "--out", tmp_path / "s")
    assert "cup.mp4" in said
    assert {path.name for path in tmp_path.iterdir()} == {"base", "ours"}


def test_a_folder_in_use_is_kept(made, capsys, tmp_path):
    _, folder = made
    said = fails(capsys, "study", "make", tmp_path / "base", tmp_path / "ours", "--out", folder)
    assert "answers must not be mixed" in said
    assert "has no key.json" in fails(capsys, "study", "score", tmp_path)
    (folder / "key.json").write_text("{", encoding="utf-8")
    assert "key.json cannot be read" in fails(capsys, "study", "score", folder)


# --- answers ---


def test_answers_keep_their_meaning_through_the_file(made):
    study, folder = made
    path = folder / "answers.csv"
    given = prefer(study, "ours", "Ann-1 b.c@d", time="2025-01-02T03:04:05.6Z")
    append_answers(given[:4], study, path)
    append_answers(given[4:], study, path)
    found, notes = read_answers([path], study)
    assert found == given
    assert notes == []


def test_the_latest_answer_counts(made):
    study, folder = made
    first, second = folder / "a.csv", folder / "b.csv"
    append_answers(prefer(study, "ours", "Ann", time="2025-01-02T00:00:00Z"), study, first)
    append_answers(prefer(study, "base", "Ann", time="2025-01-01T00:00:00Z"), study, second)
    found, _ = read_answers([first, second, first], study)
    assert len(found) == 15
    assert {study.clips[answer.chosen].method for answer in found} == {"ours"}


def test_a_row_cut_off_is_passed_over_and_told(made):
    study, folder = made
    path = folder / "answers.csv"
    append_answers(prefer(study, "ours", "Ann"), study, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    found, notes = read_answers([path], study)
    assert len(found) == 14
    assert "cut off" in notes[0]
    append_answers(prefer(study, "ours", "Bob"), study, path)
    with pytest.raises(PointVidError, match=r"answers\.csv, line 16"):
        read_answers([path], study)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("study", "ffff", "belong to another study"),
        ("rater", "=1+1", "rater is '=1+1'"),
        ("rater", "", "rater missing"),
        ("trial", "t9", "a pair of this study"),
        ("left", "abc", "not the clips of t"),
        ("question", "Q6", "a question of this study"),
        ("choice", "both", "'left' or 'right'"),
        ("seconds", "soon", "a number"),
        ("seconds", "nan", "a number from 0 on"),
        ("time", "today", "like 2025-01-31"),
    ],
)
def test_wrong_rows_are_refused(made, field, value, expected):
    study, _ = made
    row = prefer(study, "ours", "Ann")[0].row(study.id)
    assert parse_answer(row, study).rater == "Ann"
    with pytest.raises(PointVidError, match=re.escape(expected)):
        parse_answer(row | {field: value}, study)


def test_other_files_are_no_answers(made, capsys, tmp_path):
    _, folder = made
    assert "cannot read" in fails(capsys, "study", "score", folder)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert "begins with a,b" in fails(capsys, "study", "score", folder, tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    assert "no answers yet" in fails(capsys, "study", "score", folder, tmp_path / "x.csv")


# --- scores ---


def test_scores_of_known_answers(tmp_path):
    study, _ = small_study(tmp_path, items=tuple(f"item{number}" for number in range(10)))
    answers = prefer(study, "ours", "Ann") + prefer(study, "ours", "Bob")
    half = study.trials[:5]
    answers += prefer(study, "base", "Cid", questions=["Q2"], trials=half)
    score = score_study(study, answers)
    rows = {row.question: row for row in score.rows}
    assert [row.method for row in score.rows] == ["ours"] * 5
    assert (rows["Q1"].share.wins, rows["Q1"].share.total) == (20, 20)
    assert (rows["Q2"].share.wins, rows["Q2"].share.total) == (20, 25)
    assert rows["Q2"].negative
    assert math.isnan(rows["Q1"].alpha), "all the same: nothing to agree about"
    # coincidences: 5 pairs of clips with 3 raters (2 against 1), 5 with 2 who agree; 20 ours and 5 base
    expected = 1 - (5 * 4 / 2) / ((25**2 - 20**2 - 5**2) / 24)
    assert rows["Q2"].alpha == pytest.approx(expected)
    assert score.progress == {"Ann": 1, "Bob": 1, "Cid": 0}
    assert rows["Q2"].raters == 3
    assert json.loads(json.dumps(score.as_dict(), allow_nan=False))["scores"][0]["alpha"] is None


def test_an_interrupted_study_scores_what_there_is(made):
    study, _ = made
    answers = prefer(study, "ours", "Ann", trials=study.trials[:1])
    score = score_study(study, answers)
    assert score.rows[0].share.total == 1
    assert score.progress == {"Ann": pytest.approx(1 / 3)}
    assert "100.0%" in score.text()


def test_three_methods_are_scored_pair_by_pair(tmp_path):
    study, _ = small_study(tmp_path, ("base", "ours", "third"))
    score = score_study(study, prefer(study, "ours", "Ann"))
    pairs = dict.fromkeys((row.method, row.other) for row in score.rows)
    assert list(pairs) == [("ours", "base"), ("third", "base"), ("third", "ours")]
    values = {(row.method, row.other): row.share.value for row in score.rows if row.question == "Q1"}
    assert values[("ours", "base")] == 1
    assert values[("third", "ours")] == 0


def test_score_command(made, capsys, tmp_path):
    study, folder = made
    append_answers(prefer(study, "ours", "Ann") + prefer(study, "base", "Bob"), study, folder / "answers.csv")
    capsys.readouterr()
    assert main(["study", "score", str(folder), "--out", str(tmp_path / "scores.json")]) == 0
    said = capsys.readouterr().out
    assert said.isascii()
    assert "ours chosen rather than base" in said
    assert re.search(r"Q2 \(negative\) +50\.0%", said)
    found = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert found["scores"][0]["answers"] == 6
    # Ann and Bob never agree: three pairs of clips, six answers, three of each kind
    assert found["scores"][0]["alpha"] == pytest.approx(1 - 6 / ((36 - 18) / 5))


# --- server ---


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


@pytest.mark.parametrize(
    "change",
    [{"trials": [{"id": "t1", "clips": ["x", "y"]}]}, {"methods": "ab"}, {"clips": []}, {"title": 5}, {"methods": []}],
)
def test_a_wrong_key_is_told_in_one_line(made, change):
    study, folder = made
    (folder / "key.json").write_text(json.dumps(study.as_dict() | change), encoding="utf-8")
    with pytest.raises(PointVidError, match=r"key\.json"):
        load_study(folder)
