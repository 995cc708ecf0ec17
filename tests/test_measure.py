"""The whole report, its pictures and pages, and the command."""

import html.parser
import json
import math
import re

import numpy as np
import pytest
import torch
from PIL import Image

from pointvid.camera import Camera
from pointvid.cli import main
from pointvid.files.sample import Sample, write_sample
from pointvid.files.track_file import save_tracks
from pointvid.files.video import write_video
from pointvid.metrics import measure
from pointvid.metrics.measure import TITLES
from pointvid.metrics.page import ABOUT, curves, report_json, report_page, write_metrics_report
from pointvid.point_map import PointMap
from pointvid.report.chart import picture

from . import test_tapvid3d as tapvid3d_file
from .command_line import SIZE, STEP, fails, moving_square

FRAMES = 6


def truth():
    """What `moving_square` shows, 3 m away."""
    height, width = SIZE
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[34:62, 36:64] = True  # without the rim, where a patch sees the background too
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = torch.stack([torch.stack((u + STEP * t, v, torch.full_like(u, 3)), -1) for t in range(FRAMES)]).float()
    return PointMap(points * mask[None, ..., None], mask, Camera.default(SIZE), "metric", 12.0)


def melting():
    """The same, but growing by 1 % of its distance from the middle a frame."""
    exact = truth()
    points = exact.points.clone()
    for t in range(FRAMES):
        middle = torch.tensor([49.5 + STEP * t, 47.5])
        points[t, ..., :2][exact.mask] = middle + (points[t][exact.mask][:, :2] - middle) * (1 + 0.01 * t)
    return exact.replace(points=points)


@pytest.fixture(scope="module")
def report():
    return measure(melting(), moving_square(FRAMES), truth(), name="melting")


def test_a_report_has_every_metric_once(report):
    names = [row.name for row in report.measurements]
    assert sorted(names) == sorted(TITLES)
    assert set(ABOUT) == set(TITLES)
    assert all(len(row.per_frame) == FRAMES for row in report.measurements)
    assert (report.frames, report.points, report.unit, report.image_size) == (FRAMES, 28 * 28, "m", SIZE)


def test_its_figures_are_the_known_ones(report):
    overall = math.sqrt(np.mean(np.arange(1, FRAMES) ** 2))
    assert report.value("shape_change") == pytest.approx(overall, rel=1e-3)
    assert report.value("rigidity_relative") == pytest.approx(overall, rel=1e-3)
    assert report.value("motion") == pytest.approx(STEP * (FRAMES - 1), rel=0.01)
    # metres: a pixel at 3 m with the focal length 128
    assert report.value("speed") == pytest.approx(STEP * 12 * 3 / 128, rel=0.02)
    assert report.value("agreement") > 0.98
    assert report.value("agreement_shuffled") < 0.9
    assert report.value("retracking") < 0.5
    assert report.value("recon") == pytest.approx(report.value("recon_px") * 3 / 128, rel=1e-4)
    assert report.value("oa") == 1
    assert math.isnan(report.value("no such metric"))


def test_what_is_missing_is_left_out():
    alone = measure(truth())
    assert not {"agreement", "retracking", "recon", "apd"} & {row.name for row in alone.measurements}
    quick = measure(truth(), moving_square(FRAMES), retrack=False)
    assert "agreement" in {row.name for row in quick.measurements}
    assert math.isnan(quick.value("retracking"))


def test_relative_depth_is_said_and_not_compared_in_metres():
    found = measure(melting().replace(depth_unit="relative"), reference=truth())
    assert found.unit == "rel"
    assert math.isnan(found.value("recon"))
    assert found.value("recon_px") > 0
    assert len(found.notes) == 2
    assert "rel/s" in found.text()


def test_scaling_is_one_for_the_clip():
    """Twice as deep all along, but matched by the median: all right, in every frame."""
    double = truth().points * torch.tensor([1.0, 1.0, 2.0])
    found = measure(truth().replace(points=double, depth_unit="relative"), reference=truth())
    apd = next(row for row in found.measurements if row.name == "apd")
    assert apd.value == 1
    assert apd.per_frame == (1,) * FRAMES


def test_objects_of_a_map():
    objects = torch.zeros(SIZE, dtype=torch.int32)
    objects[:, :50], objects[:, 50:] = 1, 2
    found = measure(melting().replace(objects=objects))
    assert [one.object_id for one in found.objects] == [1, 2]
    assert json.loads(report_json([found]))["objects"][1]["points"] > 100


def test_text_is_plain(report):
    text = report.text()
    assert text.isascii()
    assert len(text.splitlines()) == 1 + len(TITLES) + len(report.objects)
    assert re.search(r"Shape change +3\.3\d+ %", text)


def test_json_is_json(report):
    def refuse(constant):
        raise AssertionError(constant)

    found = json.loads(report_json([report]), parse_constant=refuse)
    assert found["measurements"]["speed"]["per_frame"][0] is None
    assert len(json.loads(report_json([report, report]))) == 2


class Checker(html.parser.HTMLParser):
    """Refuses tags that do not close and anything from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.count = [], {}

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        assert not {"src", "href"} & {name for name, _ in attributes}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1


def test_the_page_is_whole_and_escapes_names(report, tmp_path):
    other = measure(truth(), name="<script>")
    page = report_page([report, other])
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.count["svg"] == len(TITLES)
    assert "script" not in checker.count
    write_metrics_report([report], tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report_page([report])


def test_curves_of_two_reports_share_axes(report):
    both = curves([report, measure(truth(), name="truth")])
    shape = next(chart for chart in both if chart.title == "Shape change")
    assert [curve.text for curve in shape.curves] == [str(report.measurements[2]), "0 %"]
    assert len({curve.role for curve in shape.curves}) == 2
    assert picture(both, ["melting", "truth"]).shape[-1] == 3


@pytest.fixture
def files(tmp_path):
    write_video(tmp_path / "clip.mp4", moving_square(FRAMES), 12, crf=4)
    save_tracks(melting().to_tracks(stride=3), tmp_path / "tracks.npz")
    write_sample(Sample(moving_square(FRAMES), truth()), tmp_path / "truth.pointvid.tar")
    return tmp_path


def test_command_with_everything(files, capsys):
    outs = [files / name for name in ("r.html", "r.json", "r.png")]
    arguments = [files / "tracks.npz", "--video", files / "clip.mp4", "--against", files / "truth.pointvid.tar"]
    assert main(["measure", *map(str, [*arguments, "--out", *outs])]) == 0
    said = capsys.readouterr().out
    assert "TAPVid-3D APD" in said
    assert said.isascii()
    mine, other = json.loads(outs[1].read_text(encoding="utf-8"))
    assert mine["measurements"]["shape_change"]["value"] == pytest.approx(3.317, rel=0.01)
    assert other["measurements"]["shape_change"]["value"] < 1e-3
    assert Image.open(outs[2]).size[0] > 600


def test_command_on_a_video_alone(files, capsys):
    assert main(["measure", str(files / "clip.mp4")]) == 0
    said = capsys.readouterr().out
    assert "Re-tracking" not in said, "the tracker would be compared with itself"
    assert float(re.search(r"Motion in the image +([\d.]+) px", said)[1]) == pytest.approx(10, rel=0.25)


def test_a_still_video_has_no_motion(files, capsys):
    write_video(files / "still.mp4", moving_square(1).repeat(4, 1, 1, 1), 8, crf=4)
    assert main(["measure", str(files / "still.mp4")]) == 0
    assert float(re.search(r"Motion in the image +([\d.e-]+) px", capsys.readouterr().out)[1]) < 0.02


def test_tapvid3d_files(files, capsys):
    tapvid3d_file.write(truth().to_tracks(moving_square(1)[0], stride=4), moving_square(FRAMES), files / "tapvid.npz")
    assert main(["measure", str(files / "tapvid.npz"), "--no-retrack"]) == 0
    assert "Colour agreement" in capsys.readouterr().out


def test_command_refuses(files, capsys):
    assert "expected a name that ends in" in fails(capsys, "measure", files / "clip.mp4", "--out", "report.pdf")
    write_video(files / "short.mp4", moving_square(3), 12)
    said = fails(capsys, "measure", files / "tracks.npz", "--video", files / "short.mp4")
    assert "video is 3 frames of 96x128, points are for 6 frames of 96x128" in said
    assert "6 frames" in fails(capsys, "measure", files / "tracks.npz", "--against", files / "short.mp4")
    (files / "broken.npz").write_bytes(b"PK nothing")
    assert "broken.npz" in fails(capsys, "measure", files / "broken.npz")
