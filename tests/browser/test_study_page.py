"""The raters' page in a real browser: from disk and from the server, interrupted, broken, without memory."""

from __future__ import annotations

import shutil
import threading

import pytest

from pointvid.study.answers import read_answers
from pointvid.study.score import score_study
from pointvid.study.server import make_server
from tests.studies import small_study

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    # Of random ids, one in fifty gives these tests' six raters no more than two beginnings.
    return small_study(tmp_path_factory.mktemp("studies"), id="5eed0001")


@pytest.fixture
def profile(chromium):
    """A browser's memory of its own; the page in it must not report any error."""
    context = chromium.new_context(viewport={"width": 1000, "height": 900}, accept_downloads=True)
    problems = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    yield context
    context.close()
    assert problems == []


def opened(context, url):
    page = context.new_page()
    page.goto(url)
    return page


def begin(page, rater):
    page.get_by_label("Your name or number").fill(rater)
    page.get_by_role("button", name="Begin").click()


def shown(page):
    """The ids of the clips on screen, left and right."""
    return [page.locator(f"#{side}").get_attribute("src").split("/")[1][:-4] for side in ("left", "right")]


def side_of(study, page, method):
    left, _ = shown(page)
    return "Left" if study.clips[left].method == method else "Right"


def answer(page, side, questions=5):
    for number in range(questions):
        page.locator("fieldset").nth(number).get_by_text(side, exact=True).click()


def answer_all(study, page, method):
    for _ in study.trials:
        answer(page, side_of(study, page, method))
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def downloaded(page, button, path):
    with page.expect_download() as found:
        page.get_by_role("button", name=button).click()
    found.value.save_as(path)
    return path


def test_from_disk_to_a_score(profile, made, tmp_path):
    study, folder = made
    page = opened(profile, (folder / "page" / "index.html").as_uri())
    begin(page, "Zoë 1")
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.wait_for_function("() => document.querySelector('#left').videoWidth === 64")
    answer_all(study, page, "ours")
    path = downloaded(page, "Download the answers", tmp_path / "answers.csv")
    answers, notes = read_answers([path], study)
    assert notes == []
    assert len(answers) == 15
    assert {answer.rater for answer in answers} == {"Zoë 1"}
    assert [row.share.value for row in score_study(study, answers).rows] == [1.0] * 5


def test_an_interrupted_study_goes_on_where_it_was(profile, made):
    study, folder = made
    url = (folder / "page" / "index.html").as_uri()
    page = opened(profile, url)
    begin(page, "Ann")
    answer(page, side_of(study, page, "ours"))
    page.get_by_role("button", name="Next").click()
    second = shown(page)
    answer(page, "Left", 2)
    page.close()
    page = opened(profile, url)
    expect(page.get_by_label("Your name or number")).to_have_value("Ann")
    page.get_by_role("button", name="Begin").click()
    assert shown(page) == second
    assert page.locator("input:checked").count() == 2
    expect(page.get_by_text("Pair 2 of 3, 1 answered")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Begin").click()
    assert page.locator("input:checked").count() == 2


def test_raters_have_answers_and_orders_of_their_own(profile, made):
    _, folder = made
    page = opened(profile, (folder / "page" / "index.html").as_uri())
    seen = {}
    for rater in ("Ann", "Bob", "Cid", "Dan", "Eve", "Fay"):
        page.reload()
        begin(page, rater)
        seen[rater] = tuple(shown(page))
        expect(page.get_by_text("Pair 1 of 3, 0 answered")).to_be_visible()
        answer(page, "Left", 1)
    assert len(set(seen.values())) > 2
    orders = page.evaluate("() => Array.from({length: 1000}, (_, rater) => arrange('rater ' + rater))")
    assert page.evaluate("() => arrange('rater 7')") == orders[7]
    for trial in made[0].trials:
        first = sum(order[0]["id"] == trial.id for order in orders)
        left = sum(pair["left"] == trial.clips[0] for order in orders for pair in order if pair["id"] == trial.id)
        assert first == pytest.approx(1000 / 3, abs=75)  # five standard deviations
        assert left == pytest.approx(500, abs=80)


def test_back_and_changing_an_answer(profile, made, tmp_path):
    study, folder = made
    page = opened(profile, (folder / "page" / "index.html").as_uri())
    begin(page, "Ann")
    first = shown(page)
    answer(page, "Left")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Back").click()
    assert shown(page) == first
    answer(page, "Right", 1)
    path = downloaded(page, "Download answers so far", tmp_path / "answers.csv")
    answers, _ = read_answers([path], study)
    assert [answer.choice for answer in answers] == ["right", "left", "left", "left", "left"]
    assert {answer.left for answer in answers} == {first[0]}


def test_keys_answer(profile, made):
    _, folder = made
    page = opened(profile, (folder / "page" / "index.html").as_uri())
    begin(page, "Ann")
    page.locator("body").click(position={"x": 5, "y": 5})
    for key in ("ArrowLeft", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
    chosen = page.locator("input:checked").evaluate_all("inputs => inputs.map(input => input.value)")
    assert chosen == ["left", "right", "right", "left", "right"]
    page.keyboard.press("Enter")
    expect(page.get_by_text("Pair 2 of 3, 1 answered")).to_be_visible()
    answer(page, "Left")  # with the mouse: the last answer has the focus
    page.keyboard.press("Enter")
    expect(page.get_by_text("Pair 3 of 3, 2 answered")).to_be_visible()
    answer(page, "Left", 1)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Pair 3 of 3, 2 answered")).to_be_visible()


def test_a_name_that_spreadsheets_would_run_is_refused(profile, made):
    _, folder = made
    page = opened(profile, (folder / "page" / "index.html").as_uri())
    begin(page, "=1+1")
    expect(page.locator("#trial")).to_be_hidden()
    begin(page, "Ann-1 b.c@d")
    expect(page.locator("#trial")).to_be_visible()


def test_videos_run_together_and_stop(profile, made):
    _, folder = made
    page = opened(profile, (folder / "page" / "index.html").as_uri())
    begin(page, "Ann")
    page.wait_for_function("() => [left, right].every(video => video.readyState >= 2)")
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate("() => [left, right].every(video => video.paused)")
    page.get_by_role("button", name="From the start").click()
    page.wait_for_function("() => [left, right].some(video => !video.paused)")
    page.get_by_role("button", name="Half speed").click()
    assert page.evaluate("() => [left, right].map(video => video.playbackRate)") == [0.5, 0.5]


def test_a_pause_between_two_rounds_holds(profile, made):
    """Half a second of clip, then a moment's rest, in which both videos count as paused already."""
    _, folder = made
    page = opened(profile, (folder / "page" / "index.html").as_uri())
    begin(page, "Ann")
    page.evaluate(
        """() => new Promise(done => {
          const look = () => {
            if (![left, right].every(video => video.ended)) return setTimeout(look, 5);
            document.getElementById("play").click();
            setTimeout(done, 1000);
          };
          look();
        })"""
    )
    assert page.evaluate("() => [left, right].every(video => video.ended)")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => [left, right].every(video => video.currentTime > 0 && !video.ended)")


def test_a_clip_that_does_not_play_is_told_and_skipped(chromium, made, tmp_path):
    study, folder = made
    copy = shutil.copytree(folder, tmp_path / "study")
    for clip in study.trials[0].clips:
        (copy / "page" / "clips" / f"{clip}.mp4").write_bytes(b"nothing")
    context = chromium.new_context()
    page = opened(context, (copy / "page" / "index.html").as_uri())
    begin(page, "Ann")
    for _ in study.trials:
        if set(shown(page)) == set(study.trials[0].clips):
            expect(page.locator("#broken")).to_contain_text("does not play")
            page.get_by_role("button", name="Skip this pair").click()
        else:
            expect(page.locator("#broken")).to_be_hidden()
            answer(page, "Left")
            page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("2 of 3 pairs are answered, 1 skipped.")).to_be_visible()
    context.close()


def test_without_memory_the_page_says_so_and_works(profile, made, tmp_path):
    study, folder = made
    profile.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied'); }})")
    page = opened(profile, (folder / "page" / "index.html").as_uri())
    expect(page.locator("#memory")).to_be_visible()
    begin(page, "Ann")
    answer_all(study, page, "base")
    answers, _ = read_answers([downloaded(page, "Download the answers", tmp_path / "a.csv")], study)
    assert len(answers) == 15


def test_served_answers_arrive_and_wait_while_the_server_is_away(chromium, tmp_path):
    study, folder = small_study(tmp_path)
    server = make_server(folder, port=0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    context = chromium.new_context()
    page = opened(context, f"http://127.0.0.1:{server.server_address[1]}/")
    begin(page, "Ann")
    answer(page, side_of(study, page, "ours"))
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#saved")).to_have_text("All answers are sent.")
    assert len(read_answers([folder / "answers.csv"], study)[0]) == 5
    context.set_offline(True)
    answer(page, side_of(study, page, "ours"))
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#saved")).to_contain_text("1 pairs could not be sent yet")
    context.set_offline(False)
    expect(page.locator("#saved")).to_have_text("All answers are sent.")
    answer(page, side_of(study, page, "ours"))
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    expect(page.locator("#saved")).to_have_text("All answers are sent.")
    context.close()
    server.shutdown()
    server.server_close()
    answers, _ = read_answers([folder / "answers.csv"], study)
    assert len(answers) == 15
    assert [row.share.value for row in score_study(study, answers).rows] == [1.0] * 5
