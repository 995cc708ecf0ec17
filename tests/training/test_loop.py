import csv
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pointvid.errors import PointVidError
from tests.training.toy import ToyStage, toy_config
from training import loop
from training.config import Optimizer
from training.log import Log
from training.loop import learning_rate, train
from training.state import latest, load_state

ROOT = Path(__file__).resolve().parents[2]


def weights_of(out):
    state = load_state(latest(out / "states"), None)
    return state.step, state.tensors, state.extra


def assert_equal(a, b):
    """Bit for bit, through nested dicts."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, two in zip(a, b):
            assert_equal(one, two)
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b


def test_training_lowers_the_loss(tmp_path):
    train(ToyStage(toy_config(tmp_path, steps=200, save_every=200), noise=0.0))
    losses = [float(row["loss"]) for row in rows_of(tmp_path)]
    assert losses[-1] < 0.1 * losses[0]


def test_resumed_run_equals_the_uninterrupted_one(tmp_path):
    train(ToyStage(toy_config(tmp_path / "whole", steps=6)))
    train(ToyStage(toy_config(tmp_path / "parts", steps=2)))
    train(ToyStage(toy_config(tmp_path / "parts", steps=6)))
    for a, b in zip(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")):
        assert_equal(a, b)
    exported = [load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts")]
    assert_equal(*exported)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_at_any_moment_and_resumed_equals_the_uninterrupted_run(tmp_path):
    command = [sys.executable, "-m", "tests.training.toy"]
    subprocess.run([*command, str(tmp_path / "whole"), "400", "save_every=1"], check=True)
    for wait in (0.05, 0.2, 0.4):  # after the first state appeared
        process = subprocess.Popen([*command, str(tmp_path / "killed"), "400", "save_every=1"])
        before = latest(tmp_path / "killed" / "states")
        while latest(tmp_path / "killed" / "states") == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, str(tmp_path / "killed"), "400", "save_every=1"], check=True)
    for a, b in zip(weights_of(tmp_path / "whole"), weights_of(tmp_path / "killed")):
        assert_equal(a, b)


def launch(script, out, **environment):
    """The toy stage in two processes on the CPU, over gloo."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment |= {"ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(script), str(out)], check=True, env={**os.environ, **environment})


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_RESHARD_AFTER_FORWARD": "true"},
    ],
    ids=["ddp", "fsdp"],
)
def test_two_processes_equal_one_with_twice_the_batch(tmp_path, environment):
    """Without dropout the two differ by rounding only; the two-process run is made in two parts, through its state."""
    script = tmp_path / "two.py"
    for steps in (4, 6):
        script.write_text(
            "import sys; from pathlib import Path; from tests.training.toy import *\n"
            f"train(ToyStage(toy_config(Path(sys.argv[1]), {steps}, batch_size=4), noise=0.0))"
        )
        launch(script, tmp_path / "two", **environment)
    train(ToyStage(toy_config(tmp_path / "one", 6, batch_size=8), noise=0.0))
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for key in one:
        assert torch.allclose(one[key], two[key], atol=1e-5), key


def test_accumulation_equals_a_larger_batch(tmp_path):
    train(ToyStage(toy_config(tmp_path / "large", batch_size=8), noise=0.0))
    # two micro batches of 4 in the order of one batch of 8
    stage = ToyStage(toy_config(tmp_path / "small", batch_size=4, accumulate=2), noise=0.0)
    whole = loop.Order(stage.entries, 8, seed=0)
    half = lambda n: whole.batch(n // 2)[4 * (n % 2) : 4 * (n % 2) + 4]  # noqa: E731

    class Halves(loop.Order):
        def batch(self, n, rank=0):
            return half(n)

    original, loop.Order = loop.Order, Halves
    try:
        train(stage)
    finally:
        loop.Order = original
    large, small = (load_file(tmp_path / name / "model.safetensors") for name in ("large", "small"))
    for key in large:
        assert torch.allclose(large[key], small[key], atol=1e-6), key


def test_nan_loss_stops_with_the_last_good_state(tmp_path):
    with pytest.raises(PointVidError, match=r"step 3: loss nan.*last good state is .*step-00000002"):
        train(ToyStage(toy_config(tmp_path), poison=3))
    _, tensors, _ = weights_of(tmp_path)
    assert all(torch.isfinite(value).all() for value in tensors["model"].values())


def rows_of(folder):
    with (folder / "log.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_log_forgets_steps_that_are_taken_again(tmp_path):
    train(ToyStage(toy_config(tmp_path, steps=4)))
    before = rows_of(tmp_path)
    assert list(before[0]) == ["step", "loss", "lr", "grad_norm"]
    with (tmp_path / "log.csv").open("a") as file:
        file.write("5,9,1,1\n6,lo")
    train(ToyStage(toy_config(tmp_path, steps=6)))
    rows = rows_of(tmp_path)
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert rows[:4] == before
    assert float(rows[4]["loss"]) != 9


def test_a_run_of_version_0_1_keeps_its_log(tmp_path):
    train(ToyStage(toy_config(tmp_path, steps=2)))
    old = [f"{row['step']}," + ",".join(f"{k}={v}" for k, v in row.items() if k != "step") for row in rows_of(tmp_path)]
    expected = rows_of(tmp_path)
    (tmp_path / "log.csv").write_text("\n".join([*old, "3,loss=9,lr=1,grad_norm=1", "4,lo"]), encoding="utf-8")
    train(ToyStage(toy_config(tmp_path, steps=4)))
    assert rows_of(tmp_path)[:2] == expected
    assert [row["step"] for row in rows_of(tmp_path)] == ["1", "2", "3", "4"]


def test_a_loss_that_comes_later_gets_a_column(tmp_path):
    log = Log(tmp_path / "log.csv", 0)
    log.add(1, {"loss": 0.5})
    log.add(2, {"loss": 0.25, "a,b": 1e-7})
    log.add(3, {"a,b": 2.0})
    assert rows_of(tmp_path) == [
        {"step": "1", "loss": "0.5", "a,b": ""},
        {"step": "2", "loss": "0.25", "a,b": "1e-07"},
        {"step": "3", "loss": "", "a,b": "2"},
    ]
    again = Log(tmp_path / "log.csv", 2)
    again.add(3, {"loss": 1.0})
    assert [row["loss"] for row in rows_of(tmp_path)] == ["0.5", "0.25", "1"]


def test_changed_settings_do_not_go_on_from_an_old_state(tmp_path):
    train(ToyStage(toy_config(tmp_path, steps=2)))
    with pytest.raises(PointVidError, match="other settings"):
        train(ToyStage(toy_config(tmp_path, steps=4, optimizer={"lr": 1e-3})))


def test_export_only_writes_the_newest_state(tmp_path):
    train(ToyStage(toy_config(tmp_path, steps=4)))
    expected = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    train(ToyStage(toy_config(tmp_path, steps=400)), export_only=True)
    assert_equal(load_file(tmp_path / "model.safetensors"), expected)
    assert weights_of(tmp_path)[0] == 4


def test_learning_rate():
    flat = Optimizer(lr=2.0, warmup_steps=3)
    assert [learning_rate(flat, step, 100) for step in (0, 1, 2, 3, 99)] == [0.5, 1.0, 1.5, 2.0, 2.0]
    cosine = Optimizer(lr=2.0, schedule="cosine", final_lr=0.5)
    assert learning_rate(cosine, 0, 10) == 2.0
    assert learning_rate(cosine, 5, 10) == pytest.approx(2.0 * (0.5 + 0.5 * 0.5))
    assert learning_rate(cosine, 2, 10) == pytest.approx(2.0 * (0.5 + 0.5 * (1 + math.cos(math.pi * 0.2)) / 2))
    assert learning_rate(cosine, 10, 10) == pytest.approx(1.0)


def test_missing_8_bit_optimizer_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    with pytest.raises(PointVidError, match="bitsandbytes is not installed"):
        loop.make_optimizer([torch.nn.Parameter(torch.zeros(1))], Optimizer(kind="adamw_8bit"))


@pytest.mark.slow
def test_the_processes_of_a_stage_know_of_each_other(tmp_path, stage1_config):
    """The toy stage leaves the grouping to accelerate; the real ones ask for their device before."""
    config = stage1_config(out=str(tmp_path / "out"), steps=1, batch_size=1)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {"ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [*command, "-m", "training.augment", str(config)],
        check=True,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert "batches of 2 x 1 an epoch" in result.stderr
