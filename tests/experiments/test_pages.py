"""The pages of the ablation and of the comparison: every figure where it belongs, nothing that runs."""

import copy
import html.parser
import json
from pathlib import Path

import pytest

from experiments.ablation.page import write_ablation_page
from experiments.evaluation.table import write_scores
from pointvid.report import page

HOSTILE = "<script>alert(1)</script>"
PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "ablation" / "report.json"


class Reader(html.parser.HTMLParser):
    """Counts tags and gathers the rows of tables."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self.inside = [], [], False
        self.feed(text)
        self.rows = [[" ".join(cell.split()) for cell in row] for row in self.rows]

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


@pytest.fixture
def results():
    return json.loads(PUBLISHED.read_text(encoding="utf-8"))


def written(results, tmp_path):
    write_ablation_page(results, tmp_path / "videos", tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_ablations_tables_hold_what_was_measured(results, tmp_path):
    rows = Reader(written(results, tmp_path)).rows
    names = [name for name in results["figures"] if not name.startswith("point_")]
    for variant in results["variants"]:
        row = next(row for row in rows if row[0] == variant["title"])
        for name, cell in zip(names, row[1:], strict=True):
            words = cell.split()
            assert words[0] == f"{results['means'][variant['name']][name]['seeds']['mean']:.3g}"
            change = results["differences"].get(variant["name"], {}).get(name)
            assert ("*" in words) == bool(change and change["clear"]), (variant["name"], name)
            if change:
                assert f"{change['seeds']['mean']:+.3g}" in words
    true = next(row for row in rows if row[0] == "the true clips")
    assert true[1:] == [f"{results['references']['truth'][name]:.3g}" for name in names]


def test_the_ablation_says_which_differences_are_clear(results, tmp_path):
    text = written(results, tmp_path)
    findings = text.split("<h2>Findings</h2>")[1].split("<h2>")[0]
    for variant in results["variants"]:
        found = results["differences"].get(variant["name"])
        if variant["group"] == "paper" and found:
            line = next(line for line in findings.split("<li>") if variant["title"] in line)
            assert ("no clear difference" in line) == (not any(change["clear"] for change in found.values()))
    assert findings.count("clearly worse") == 1


def test_the_ablations_page_escapes_and_keeps_its_videos(results, tmp_path):
    hostile = copy.deepcopy(results)
    for variant in hostile["variants"]:
        variant["title"] += HOSTILE
    hostile["captions"] = [HOSTILE] * len(results["captions"])
    hostile["missing"], hostile["failed"], hostile["revision"] = [HOSTILE], [HOSTILE], HOSTILE
    (tmp_path / "videos" / "full").mkdir(parents=True)
    (tmp_path / "videos" / "full" / "001.mp4").write_bytes(b"a clip")
    text = written(hostile, tmp_path)
    reader = Reader(text)
    assert reader.tags.count("script") == 1  # the page's own
    assert reader.tags.count("video") == 1
    assert page.data_url(b"a clip", "video/mp4") in text
    assert "http:" not in text


def test_scores_escape_and_line_up(tmp_path):
    result = {"scores": {"subject_consistency": 0.5, HOSTILE: 2.0}, "clips": {}, "count": 3, "versions": {}}
    write_scores(tmp_path, {HOSTILE: result}, [HOSTILE])
    reader = Reader((tmp_path / "scores.html").read_text(encoding="utf-8"))
    assert "script" not in reader.tags
    assert len({len(row) for row in reader.rows}) == 1
    assert reader.rows[-1][:3] == [HOSTILE, "3", "0.5"]
