"""Fingers, full screen and attention: how the viewer behaves on a tablet, filling the screen, and out of sight."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cube_clip import cube_clip
from pointvid.export.html import write_html
from tests.browser.test_viewer_page import cloud, drawn
from tests.conftest import eventually

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
pytestmark = pytest.mark.browser


class Fingers:
    """Touches the page as a tablet does: the browser makes the pointer events of them."""

    def __init__(self, page):
        self._session = page.context.new_cdp_session(page)

    def _send(self, kind: str, places) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def drag(self, *paths, steps: int = 6) -> None:
        """Each path is (from, to) of one finger; all go down, move and lift together."""
        for step in range(steps + 1):
            share = step / steps
            places = [[a + (b - a) * share for a, b in zip(start, end)] for start, end in paths]
            self._send("touchMove" if step else "touchStart", places)
        self._send("touchEnd", [])


@pytest.fixture
def page(chromium, tmp_path):
    """A clip of a cube on a touch screen, stopped at frame 0; the test fails on any error in the console."""
    context = chromium.new_context(viewport={"width": 720, "height": 480}, has_touch=True)
    page = context.new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    tracks, video = cube_clip(2000, 6)
    shifted = tracks.replace(uvd=tracks.uvd + tracks.uvd.new_tensor([60.0, 0, 0]))
    write_html(tracks, tmp_path / "view.html", video, shifted, names=("truth", "guess"))
    page.goto((tmp_path / "view.html").as_uri())
    page.wait_for_function("() => globalThis.pointvidViewer?.clip")
    for key, to in (("compare", "first"), ("picture", "off")):
        page.evaluate("(setting) => pointvidViewer.act('set', setting)", [key, to])
    page.evaluate("() => pointvidViewer.act('seek', 0)")
    yield page
    context.close()
    assert problems == []


CAMERA = "() => JSON.parse(JSON.stringify(pointvidViewer.camera))"


def middle(page) -> tuple[float, float]:
    box = page.locator(".cloud canvas").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_one_finger_turns(page):
    x, y = middle(page)
    before, picture = page.evaluate(CAMERA), cloud(page)
    Fingers(page).drag(((x, y), (x + 100, y + 25)))
    after = page.evaluate(CAMERA)
    assert after["yaw"] == pytest.approx(before["yaw"] - 100 * 0.008, abs=0.02)
    assert after["pitch"] == pytest.approx(before["pitch"] + 25 * 0.008, abs=0.02)
    assert (after["distance"], after["target"]) == (before["distance"], before["target"])
    assert (np.abs(cloud(page) - picture).sum(-1) > 30).mean() > 0.02


def test_two_fingers_zoom_by_how_far_they_spread(page):
    """What was between the fingers stays between them."""
    x, y = middle(page)
    before, size = page.evaluate(CAMERA), drawn(cloud(page)).sum()
    Fingers(page).drag(((x - 40, y), (x - 80, y)), ((x + 40, y), (x + 80, y)))
    after = page.evaluate(CAMERA)
    assert after["distance"] == pytest.approx(before["distance"] / 2, rel=0.02)
    assert (after["yaw"], after["pitch"]) == (before["yaw"], before["pitch"])
    assert np.allclose(after["target"], before["target"], atol=0.02)
    assert drawn(cloud(page)).sum() > 1.5 * size


def test_two_fingers_pan_together(page):
    x, y = middle(page)
    before = page.evaluate(CAMERA)
    Fingers(page).drag(((x - 40, y), (x + 20, y)), ((x + 40, y), (x + 100, y)))
    after = page.evaluate(CAMERA)
    assert after["distance"] == pytest.approx(before["distance"], rel=0.05)
    assert np.linalg.norm(np.subtract(after["target"], before["target"])) > 0.01
    assert page.locator(".info").is_hidden()  # a pinch picks nothing


def test_a_tap_picks_and_the_page_does_not_move(page):
    x, y = middle(page)
    page.touchscreen.tap(x, y)
    expect(page.locator(".info")).to_contain_text("Track")
    assert page.evaluate("() => [scrollX, scrollY, visualViewport.scale]") == [0, 0, 1]


def test_a_finger_that_trembles_still_picks(page):
    x, y = middle(page)
    Fingers(page).drag(((x, y), (x + 6, y + 3)), steps=2)
    expect(page.locator(".info")).to_contain_text("Track")


def test_full_screen_and_back(page):
    page.evaluate("() => { document.querySelector('main').style.height = '300px' }")
    page.locator("button[aria-label='Full screen']").first.click()
    page.wait_for_function("() => document.fullscreenElement === pointvidViewer.host")
    page.wait_for_function("(high) => pointvidViewer.host.clientHeight > high", arg=300)
    assert drawn(cloud(page)).sum() > 1000
    page.locator("button[aria-label='Full screen']").first.click()
    page.wait_for_function("() => document.fullscreenElement === null")
    assert drawn(cloud(page)).sum() > 500


def drawn_in(page, milliseconds: int = 600) -> int:
    before = page.evaluate("() => pointvidViewer.statistics.drawn")
    page.wait_for_timeout(milliseconds)
    return page.evaluate("() => pointvidViewer.statistics.drawn") - before


def keeps_drawing(page) -> None:
    before = page.evaluate("() => pointvidViewer.statistics.drawn")
    page.wait_for_function("(drawn) => pointvidViewer.statistics.drawn > drawn + 3", arg=before)


def stays_undrawn(page) -> None:
    """The browser says late that an element is out of sight; from then on there is nothing more."""
    eventually(lambda: drawn_in(page) == 0)
    assert drawn_in(page) == 0


def test_nothing_is_drawn_out_of_sight(page):
    page.evaluate("() => pointvidViewer.act('togglePlay')")
    keeps_drawing(page)
    page.evaluate(
        "() => { document.body.style.height = '4000px'; document.querySelector('main').style.marginTop = '3000px' }"
    )
    stays_undrawn(page)
    page.evaluate("() => { document.querySelector('main').style.marginTop = '0' }")
    keeps_drawing(page)
    assert page.evaluate("() => pointvidViewer.statistics.playing")


def test_nothing_is_drawn_while_the_element_is_out_of_the_page(page):
    page.evaluate("() => { pointvidViewer.act('togglePlay'); globalThis.kept = pointvidViewer.host; kept.remove() }")
    stays_undrawn(page)
    page.evaluate("() => document.querySelector('#viewer').append(kept)")
    keeps_drawing(page)


def test_every_comparison_shows_its_sets(page):
    """Chosen in the menu: side by side, overlaid, either alone; the guess is 60 px to the right of the truth."""
    page.evaluate("() => { pointvidViewer.act('through'); pointvidViewer.act('toggleMenu') }")
    choice = page.locator("#" + page.locator(".menu label", has_text="Compare").get_attribute("for"))
    centers = {}
    for mode, names in (("first", "truth"), ("second", "guess"), ("overlay", "truth + guess"), ("side", "truth,guess")):
        choice.select_option(mode)
        page.evaluate("() => pointvidViewer.act('through')")
        assert ",".join(page.locator(".name:visible").all_text_contents()) == names
        columns = np.nonzero(drawn(cloud(page)))[1]
        centers[mode] = columns.mean()
        assert len(columns) > 500
    assert centers["second"] > centers["first"] + 20
    assert centers["first"] < centers["overlay"] < centers["second"]
