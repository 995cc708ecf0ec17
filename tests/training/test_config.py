import subprocess
import sys
from itertools import pairwise

import pytest
import yaml

from pointvid.errors import PointVidError
from training.config import Augment, Regularize, load_config, save_config

LAUGHS = "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [{','.join([f'*{name}'] * 8)}]\n" for name, after in pairwise("abcdefgh")
)
MINIMAL = {"out": "runs/x", "steps": 10, "data": {"shards": "shards"}, "model": {"checkpoint": "a.safetensors"}}


@pytest.fixture
def config_file(tmp_path):
    def write(**changes):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({**MINIMAL, **changes}), encoding="utf-8")
        return path

    return write


def test_defaults_and_overrides(config_file):
    config = load_config(Augment, config_file(), ["optimizer.lr=1e-4", "accumulate=2", "data.workers=0"])
    assert config.optimizer.lr == 1e-4
    assert config.accumulate == 2
    assert config.data.workers == 0
    assert config.mode == "joint"


def test_saved_config_reads_back_equal(config_file, tmp_path):
    config = load_config(Regularize, config_file(weights={"recon": 0.5}), ["start=[0.2,0.4]"])
    save_config(config, tmp_path / "resolved.yaml")
    assert load_config(Regularize, tmp_path / "resolved.yaml") == config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer.lrr=1"], "unknown key optimizer.lrr, did you mean optimizer.lr?"),
        (["batchsize=2"], "unknown key batchsize, did you mean batch_size?"),
        (["steps=many"], "steps: .*found 'many'"),
        (["steps=0"], "steps: .*greater than or equal to 1"),
        (["model.tiny=t.yaml"], "either model.checkpoint"),
        (["start=[0.5,0.2]"], "expected 0 < first <= second <= 1"),
        (["noequals"], "expected key=value"),
        (["steps.more=1"], "steps is a value"),
    ],
)
def test_mistakes_are_named(config_file, overrides, message):
    with pytest.raises(PointVidError, match=message):
        load_config(Regularize, config_file(), overrides)


def test_missing_file_and_bad_yaml(tmp_path):
    with pytest.raises(PointVidError, match="expected a YAML file"):
        load_config(Augment, tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1", encoding="utf-8")
    with pytest.raises(PointVidError, match="cannot be read"):
        load_config(Augment, tmp_path / "bad.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("out: a\nout: b\n", "'out' stands twice"),
        (LAUGHS, "aliases"),
        ("[" * 10_000, "nested without end"),
        (b"out: \xe9\n", "not UTF-8"),
        ("5: 1\n", "has the key 5"),
    ],
)
def test_strange_yaml_is_one_line(tmp_path, text, said):
    path = tmp_path / "c.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PointVidError, match=said) as error:
        load_config(Augment, path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", ["lr=.inf", "lr=.nan", "betas=[2,-1]", "betas=[.nan,0.9]", "eps=-1"])
def test_numbers_are_finite_and_sane(tmp_path, change):
    (tmp_path / "c.yaml").write_text("out: o\nsteps: 5\ndata: {shards: x}\nmodel: {checkpoint: c}\n")
    load_config(Augment, tmp_path / "c.yaml")
    with pytest.raises(PointVidError, match=f"optimizer.{change.split('=')[0]}"):
        load_config(Augment, tmp_path / "c.yaml", [f"optimizer.{change}"])


@pytest.mark.parametrize("door", ["augment", "regularize", "train_vae"])
def test_a_wrong_config_is_told_before_anything_heavy_is_imported(tmp_path, door):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['x', {str(tmp_path / 'no.yaml')!r}]\n"
        f"try: runpy.run_module('training.{door}', run_name='__main__')\n"
        "except SystemExit as end: print(end.code, [n for n in ('torch', 'numpy', 'diffusers') if n in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "1 []"
    assert result.stderr.startswith("error: config ")
    assert len(result.stderr.splitlines()) == 1
