"""The dataset's report where nothing was accepted, and with names from strangers' files."""

from types import SimpleNamespace

from pointvid.preprocess.gates import GATES
from training.builder.report import write_build_report

HOSTILE = '"><script>alert(1)</script>'


def test_what_files_are_called_is_shown_and_not_run(tmp_path):
    rejected = [
        {
            "key": f"k{number}",
            "source": {"name": HOSTILE},
            "figures": {GATES[0].figure: float(number)},
            "reasons": [{"gate": HOSTILE, "message": HOSTILE}],
        }
        for number in range(5)
    ]
    manifest = {
        "build": {"accepted": 0, "clips": 5, "reasons": {HOSTILE: 5}},
        "shards": {},
        "settings": {"gates": {gate.setting: None for gate in GATES}, "note": HOSTILE},
        "versions": [{"torch": HOSTILE}],
    }
    store = SimpleNamespace(out=tmp_path, manifest=manifest, rejections=lambda: rejected)
    write_build_report(store, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert text.count("<svg") == 1  # the one figure that was measured
    assert text.count("<td>&#34;&gt;&lt;script&gt;") == 3 * 2, "three examples of a reason, each with clip and message"
    assert "All of them: rejected.jsonl" in text
