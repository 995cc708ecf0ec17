"""The self-contained page in a real browser: what it draws, how it answers, what it says about bad input."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.cube_clip import cube_clip
from pointvid.export.html import write_html
from pointvid.tracks import PointTracks
from tests.conftest import eventually

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
pytestmark = pytest.mark.browser

CLOUD = "pointvidViewer.panel.cloud"
GROUND = np.array([21, 22, 25])


@pytest.fixture
def page(chromium):
    """A page that fails the test if the console or an uncaught exception reported an error."""
    page = chromium.new_page(viewport={"width": 720, "height": 480})
    problems = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.close()
    assert problems == []


@pytest.fixture
def show(page, tmp_path):
    """`show(tracks, ...)` writes the page and opens it, playing stopped at frame 0 where there is something to play."""

    def open_page(*args, **options):
        path = tmp_path / "view.html"
        write_html(args[0], path, *args[1:], **options)
        page.goto(path.as_uri())
        page.wait_for_function("() => globalThis.pointvidViewer?.clip")
        page.evaluate("() => pointvidViewer.act('seek', 0)")
        return page

    return open_page


def cloud(page) -> np.ndarray:
    """The cloud's own pixels, int [H, W, 3], without controls."""
    data = page.evaluate(
        """async () => {
          const blob = await pointvidViewer.screenshot();
          return [...new Uint8Array(await blob.arrayBuffer())];
        }"""
    )
    return np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB")).astype(int)


def drawn(picture: np.ndarray) -> np.ndarray:
    """bool [H, W]: not the empty ground."""
    return np.abs(picture - GROUND).sum(-1) > 12


def message(page) -> str:
    return page.evaluate("() => pointvidViewer.panel.message.hidden ? '' : pointvidViewer.panel.message.textContent")


def one_point(uvd, **fields) -> PointTracks:
    base, _ = cube_clip(1, len(uvd))
    return base.replace(uvd=torch.tensor(uvd, dtype=torch.float32)[:, None], **fields)


def test_points_stand_where_the_camera_sees_them(show):
    """Through the clip's camera, a point at (u, v) is drawn at that place of the picture."""
    red = torch.tensor([[255, 0, 0]], dtype=torch.uint8)
    page = show(one_point([[100.0, 60.0, 2.0], [100.0, 60.0, 2.0]], color=red, object_id=None))
    page.evaluate("() => pointvidViewer.act('through')")
    picture = cloud(page)
    rows, columns = np.nonzero(drawn(picture))
    height, width = picture.shape[:2]
    # 256 x 448 fitted into the view with 2 % room: the principal point (224, 128) is in the middle
    scale = min(width / 449, height / 257) / 1.02
    assert abs(columns.mean() - (width / 2 + (100 - 224) * scale)) < 2
    assert abs(rows.mean() - (height / 2 + (60 - 128) * scale)) < 2
    red_share = picture[rows, columns].mean(0)
    assert red_share[0] > 100
    assert red_share[1] < 40


def test_the_whole_cloud_fills_the_view(show):
    page = show(cube_clip(3000, 8)[0])
    for frame in (0, 3, 7):
        page.evaluate("(frame) => pointvidViewer.act('seek', frame)", frame)
        rows, columns = np.nonzero(drawn(cloud(page)))
        if frame == 0:
            low, high = [rows.min(), columns.min()], [rows.max(), columns.max()]
        low = np.minimum(low, [rows.min(), columns.min()])
        high = np.maximum(high, [rows.max(), columns.max()])
    height, width = cloud(page).shape[:2]
    assert min(low) > 0
    assert high[0] < height - 1
    assert high[1] < width - 1
    assert max((high[0] - low[0]) / height, (high[1] - low[1]) / width) > 0.75


def test_playing_moves_and_loops(show):
    tracks, video = cube_clip(2000, 6)
    page = show(tracks, video)
    before = cloud(page)
    page.evaluate("() => pointvidViewer.act('togglePlay')")
    page.wait_for_function("() => pointvidViewer.statistics.frame >= 4")
    page.wait_for_function("() => pointvidViewer.statistics.frame <= 1")  # it came round
    page.evaluate("() => pointvidViewer.act('seek', 3)")
    assert not page.evaluate("() => pointvidViewer.statistics.playing")
    assert (np.abs(cloud(page) - before).sum(-1) > 30).mean() > 0.01


def test_scrub_keys_and_counter(show):
    page = show(*cube_clip(300, 10))
    page.locator(".bar input[type=range]").fill("7")
    expect(page.locator(".counter")).to_have_text("8 / 10")
    page.locator(".root").focus()
    for key, frame in (("ArrowRight", 8), ("ArrowLeft", 7), ("Home", 0), ("ArrowLeft", 9), ("End", 9)):
        page.keyboard.press(key)
        assert page.evaluate("() => pointvidViewer.player.frame") == frame
    page.keyboard.press("?")
    expect(page.locator(".help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".help")).to_be_hidden()


def test_every_colouring_draws_its_own_picture(show):
    tracks, _ = cube_clip(2000, 4)
    noise = torch.randn(tracks.uvd.shape, generator=torch.Generator().manual_seed(1))
    page = show(tracks.replace(uvd=tracks.uvd + noise * 0.1))
    page.evaluate("() => pointvidViewer.act('seek', 2)")
    pictures = [cloud(page)]
    for mode in ("depth", "speed", "object", "rigidity", "visibility"):
        page.locator("select[aria-label='Colour by']").select_option(mode)
        picture = cloud(page)
        for other in pictures:
            assert (np.abs(picture - other).sum(-1) > 40).mean() > 0.01, mode
        pictures.append(picture)


def test_depth_colours_follow_the_map(show):
    """The nearest point takes viridis' first colour, the farthest its last."""
    tracks, _ = cube_clip(2, 1)
    uvd = torch.tensor([[[200.0, 128, 1], [250.0, 128, 4]]])
    page = show(tracks.replace(uvd=uvd, visible=torch.ones(1, 2, dtype=torch.bool)))
    page.evaluate("() => { pointvidViewer.act('mode', 'depth'); pointvidViewer.act('through') }")
    picture = cloud(page)
    columns = np.nonzero(drawn(picture).any(0))[0]
    middle = picture[picture.shape[0] // 2]
    np.testing.assert_allclose(middle[columns[2]], (0x44, 0x01, 0x54), atol=12)
    np.testing.assert_allclose(middle[columns[-2]], (0xFD, 0xE7, 0x25), atol=12)


def test_turning_and_zooming_with_the_mouse(show):
    page = show(cube_clip(2000, 2)[0])
    before = cloud(page)
    box = page.locator(".cloud canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 30, steps=4)
    page.mouse.up()
    turned = cloud(page)
    assert (np.abs(turned - before).sum(-1) > 30).mean() > 0.02
    for _ in range(4):
        page.mouse.wheel(0, 600)
    eventually(lambda: drawn(cloud(page)).sum() < 0.8 * drawn(turned).sum())
    page.evaluate("() => pointvidViewer.act('reset')")
    np.testing.assert_array_equal(cloud(page), before)


def test_picking_shows_the_numbers_of_the_nearest_point(show):
    tracks, video = cube_clip(1, 3)
    uvd = torch.tensor([[[224.0, 128, 2]], [[234.0, 128, 2]], [[244.0, 128, 2]]])
    page = show(tracks.replace(uvd=uvd, visible=torch.ones(3, 1, dtype=torch.bool)), video)
    page.evaluate("() => { pointvidViewer.act('through'); pointvidViewer.act('seek', 1) }")
    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    box = page.locator(".cloud canvas").bounding_box()
    scale = min(box["width"] / 449, box["height"] / 257) / 1.02
    page.mouse.click(box["x"] + box["width"] / 2 + 10 * scale, box["y"] + box["height"] / 2)
    info = page.locator(".info")
    expect(info).to_contain_text("Track 0")
    expect(info).to_contain_text("234.0, 128.0")
    expect(info).to_contain_text("0.0469, 0.00223, 2")  # (234 - 223.5) / 448 * 2, (128 - 127.5) / 448 * 2
    expect(info).to_contain_text("0.357 m/s")  # 10 / 448 * 2 a frame, 8 frames a second
    page.locator(".root").focus()
    page.keyboard.press("Escape")
    expect(info).to_be_hidden()


def test_two_sets_side_by_side_and_overlaid(show):
    tracks, _ = cube_clip(1500, 2)
    shifted = tracks.replace(uvd=tracks.uvd + torch.tensor([60.0, 0, 0]))
    page = show(tracks, None, shifted, names=("truth", "guess"))
    assert page.locator(".name:visible").all_text_contents() == ["truth", "guess"]
    picture = drawn(cloud(page))
    half = picture.shape[1] // 2
    assert picture[:, :half].sum() > 1000
    assert picture[:, half:].sum() > 1000
    page.evaluate("() => { pointvidViewer.act('set', ['compare', 'overlay']); pointvidViewer.act('mode', 'set') }")
    both = cloud(page)
    blue, orange = both[..., 2] - both[..., 0] > 60, both[..., 0] - both[..., 2] > 60
    assert blue.sum() > 500
    assert orange.sum() > 500
    page.evaluate("() => pointvidViewer.act('set', ['compare', 'first'])")
    assert (cloud(page)[..., 0] - cloud(page)[..., 2] > 60).sum() == 0


def test_image_plane_shows_the_frame_where_the_points_are(show):
    """Through the clip's camera the textured plane fills the view with the frame."""
    tracks, video = cube_clip(3, 1)
    half_red = torch.zeros_like(video)
    half_red[:, :, :224, 0] = 250
    page = show(tracks, half_red)
    page.evaluate(
        """() => { pointvidViewer.act('set', ['picture', 'off']); pointvidViewer.act('through');
                   pointvidViewer.act('set', ['imagePlane', true]) }"""
    )

    def reds():
        picture = cloud(page)
        height, width = picture.shape[:2]
        return [picture[height // 2 + 60, width * quarter // 4, 0] for quarter in (1, 3)]

    eventually(lambda: reds()[0] > 120 and reds()[1] < 30)  # once the frame is decoded and the stage laid out anew


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        (cube_clip(0, 3)[0], "the tracks are empty"),
        (one_point([[float("nan")] * 3] * 2), "No point has a usable position"),
    ],
    ids=["empty", "nan"],
)
def test_nothing_to_draw_is_explained(show, tracks, expected):
    assert expected in message(show(tracks))


def test_some_nan_is_a_notice(show):
    tracks, _ = cube_clip(100, 4)
    uvd = tracks.uvd.clone()
    uvd[2, :20] = float("nan")
    page = show(tracks.replace(uvd=uvd))
    assert page.locator(".notice").text_content() == "5 % of the samples have no usable position"
    assert message(page) == ""


def test_decimation_is_a_notice(show):
    page = show(cube_clip(3000, 2)[0], max_points=1000)
    assert page.locator(".notice").text_content() == "Showing 1,000 of 3,000 points"


def test_one_frame_has_nothing_to_play(show):
    page = show(*cube_clip(200, 1))
    assert page.locator(".bar button").first.is_disabled()
    assert drawn(cloud(page)).sum() > 200


def test_a_thousand_frames_can_be_scrubbed(show):
    tracks, _ = cube_clip(50, 1000)
    page = show(tracks, torch.zeros(1000, 32, 56, 3, dtype=torch.uint8))
    page.locator(".bar input[type=range]").fill("999")
    expect(page.locator(".counter")).to_have_text("1000 / 1000")
    page.evaluate(
        "() => { for (let t = 0; t < 1000; t += 5) { pointvidViewer.player.seek(t); pointvidViewer.draw() } }"
    )
    assert page.evaluate("() => pointvidViewer.pictures.decoded.size") <= 64


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("new ArrayBuffer(100)", "not a PointVid viewer file"),
        ("buffer.slice(0, buffer.byteLength - 2000)", "cut short"),
        ("buffer.slice(0, 40)", "cut short"),
        ("newer(buffer)", "newer PointVid"),
    ],
)
def test_damaged_files_are_explained(page, tmp_path, damage, expected):
    path = tmp_path / "view.html"
    write_html(cube_clip(500, 2)[0], path)
    page.goto(path.as_uri())
    page.wait_for_function("() => globalThis.pointvidViewer?.clip")
    page.evaluate(
        f"""() => {{
          const newer = (buffer) => {{
            const bytes = new Uint8Array(buffer);
            bytes[8 + new TextDecoder().decode(bytes.subarray(8, 60)).indexOf('"version":1') + 10] = 0x39;
            return buffer;
          }};
          const buffer = pointvidViewer.clip.sets[0].samples.buffer.slice(0);
          pointvidViewer.load({damage});
        }}"""
    )
    assert expected in message(page)


def test_a_lost_context_is_explained_and_comes_back(show):
    page = show(cube_clip(2000, 2)[0])
    before = cloud(page)
    page.evaluate("() => pointvidViewer.renderer.gl.getExtension('WEBGL_lose_context').loseContext()")
    eventually(lambda: "took the 3D context away" in message(page))
    page.get_by_role("button", name="Try again").click()
    eventually(lambda: message(page) == "")
    np.testing.assert_array_equal(cloud(page), before)


def test_without_webgl2_the_image_output_is_named(page, tmp_path):
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    path = tmp_path / "view.html"
    write_html(cube_clip(10, 2)[0], path)
    page.goto(path.as_uri())
    page.wait_for_function("() => globalThis.pointvidViewer")
    assert "no WebGL2" in message(page)


def test_recording_gives_a_video(show, tmp_path):
    page = show(*cube_clip(300, 12))
    data = page.evaluate(
        """async () => {
          const { width, height } = pointvidViewer.panel.cloud;
          const blob = await pointvidViewer.record();
          return [[...new Uint8Array(await blob.arrayBuffer())], width * 2, height & ~1];
        }"""
    )
    (tmp_path / "clip.webm").write_bytes(bytes(data[0]))
    with av.open(str(tmp_path / "clip.webm")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert frames[0].shape == (data[2], data[1], 3)
    cloud_half = frames[-1][:, data[1] // 2 :].astype(int)
    assert drawn(cloud_half).sum() > 500


def test_every_control_has_a_name(show):
    page = show(*cube_clip(300, 4))
    page.evaluate("() => pointvidViewer.act('toggleMenu')")
    unnamed = page.evaluate(
        """() => [...pointvidViewer.panel.root.querySelectorAll('button, select, input')]
             .filter((field) => !field.ariaLabel && !field.labels?.length && !field.textContent)
             .map((field) => field.outerHTML)"""
    )
    assert unnamed == []


def test_every_locale_has_every_text(show):
    page = show(cube_clip(3, 1)[0])
    tables = page.evaluate("async () => (await import('pointvid/strings.mjs')).LOCALES")
    assert set(tables) == {"en", "ko", "zh", "ja"}
    for table in tables.values():
        assert set(table) == set(tables["en"])
        for key, text in table.items():
            assert sorted(part.split("}")[0] for part in text.split("{")[1:]) == sorted(
                part.split("}")[0] for part in tables["en"][key].split("{")[1:]
            )


def test_dispose_leaves_nothing(show):
    page = show(*cube_clip(300, 4))
    page.evaluate(
        """() => { globalThis.gl = pointvidViewer.renderer.gl; pointvidViewer.act('togglePlay');
                   pointvidViewer.dispose() }"""
    )
    page.wait_for_function("() => gl.isContextLost() && document.querySelector('main').children.length === 1")
    assert page.evaluate("() => document.querySelector('main').firstElementChild.tagName") == "NOSCRIPT"
