"""The ablation's YAML: the documented file, what it is answered with where it is wrong, and what becomes of it."""

from pathlib import Path

import pytest
import yaml

from experiments import ablate
from experiments.ablation.config import Ablation
from experiments.ablation.variants import VARIANTS
from pointvid.errors import PointVidError
from training.config import load_config

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = ROOT / "experiments" / "configs" / "ablation_cpu" / "ablate.yaml"


def test_the_documented_file_is_what_the_report_was_made_with(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("experiments.ablation.config.read_manifest", lambda folder: {"shards": {"a": {}, "b": {}}})
    plan = load_config(Ablation, DOCUMENTED).plan()
    published = (ROOT / "docs" / "ablation" / "report.json").read_text(encoding="utf-8")
    settings = yaml.safe_load(published)["settings"]
    for name in (
        "shards",
        "val_shards",
        "base",
        "share_first",
        "clips",
        "sample_steps",
        "guidance",
        "steps1",
        "steps2",
    ):
        found = getattr(plan, name)
        assert str(found) == str(settings[name]), name
    assert plan.encode_jobs == 2
    assert plan.model is None
    assert [variant.name for variant in plan.variants] == [
        variant.name for variant in VARIANTS if variant.name in load_config(Ablation, DOCUMENTED).variants
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seedz=[1]", "unknown key seedz, did you mean seeds?"),
        ("seeds=[]", "seeds"),
        ("variants=[ful]", "'ful' is no variant, expected some of full, rgb_only"),
        ("vae=somewhere", "give either vae .* or base"),
        ("base=null", "give either vae .* or base"),
        ("first.joint=nothing.safetensors", "joint: nothing.safetensors: expected a file"),
        ("clips=0", "clips"),
        ("jobs=two", "jobs"),
    ],
)
def test_what_is_wrong_is_said(override, message):
    with pytest.raises(PointVidError, match=message):
        load_config(Ablation, DOCUMENTED, [override])


def test_given_first_runs(tmp_path):
    (tmp_path / "stage1.safetensors").touch()
    config = load_config(Ablation, DOCUMENTED, [f"first.joint={tmp_path / 'stage1.safetensors'}"])
    assert config.first == {"joint": tmp_path / "stage1.safetensors"}


def test_the_command_ends_in_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["ablate", str(DOCUMENTED), f"out={tmp_path}", "--report-only"])
    with pytest.raises(SystemExit) as ended:
        ablate.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "holds no ablation" in said
