import errno
import json

import pytest
import torch
from torch import nn

from pointvid.errors import PointVidError
from training import state
from training.config import Augment
from training.model.ema import Ema
from training.state import State, fingerprint, latest, load_state, save_state, seed_step, states


def some_state(step):
    return State(step, {"model": {"w": torch.full((3,), float(step))}, "optimizer": {"lr": 1e-3}}, {"k": [1, 2]})


def config(**changes):
    return Augment(**{"out": "o", "steps": 9, "data": {"shards": "s"}, "model": {"checkpoint": "c"}, **changes})


def test_round_trip_and_last_k(tmp_path):
    for step in (1, 2, 3, 10):
        save_state(tmp_path, some_state(step), "mark", keep=2)
    assert [path.name for path in states(tmp_path)] == ["step-00000003", "step-00000010"]
    found = load_state(latest(tmp_path), "mark")
    assert found.step == 10
    assert torch.equal(found.tensors["model"]["w"], torch.full((3,), 10.0))
    assert found.extra == {"k": [1, 2]}
    assert not list(tmp_path.glob(".step*"))


def test_unfinished_states_do_not_count(tmp_path):
    save_state(tmp_path, some_state(1), "mark", 3)
    (tmp_path / "step-00000002").mkdir()
    (tmp_path / ".step-00000003.abcd.part").mkdir()
    assert latest(tmp_path).name == "step-00000001"
    save_state(tmp_path, some_state(4), "mark", 3)
    assert not list(tmp_path.glob(".step*.part"))


def test_another_runs_state_is_refused(tmp_path):
    path = save_state(tmp_path, some_state(1), "mark", 1)
    with pytest.raises(PointVidError, match="other settings"):
        load_state(path, "other")


def test_damage_is_found(tmp_path):
    path = save_state(tmp_path, some_state(1), "mark", 1)
    content = (path / "model.pt").read_bytes()
    (path / "model.pt").write_bytes(content[:-5])
    with pytest.raises(PointVidError, match=r"model.pt has \d+ bytes, expected \d+"):
        load_state(path, "mark")
    meta = json.loads((path / "state.json").read_text())
    meta["bytes"]["model"] = len(content)
    (path / "model.pt").write_bytes(b"x" * len(content))
    with pytest.raises(PointVidError, match="cannot be read"):
        load_state(path, "mark")


@pytest.mark.parametrize("kind", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("write failed")])
def test_full_disk_names_the_last_good_state(tmp_path, monkeypatch, kind):
    save_state(tmp_path, some_state(5), "mark", 2)

    def full(*_):
        raise kind

    monkeypatch.setattr(state.torch, "save", full)
    with pytest.raises(PointVidError, match=r"last good state is .*step-00000005"):
        save_state(tmp_path, some_state(6), "mark", 2)
    monkeypatch.undo()
    assert load_state(latest(tmp_path), "mark").step == 5
    assert not list(tmp_path.glob(".step*"))


def test_fingerprint_changes_with_what_changes_numbers():
    base = fingerprint(config())
    assert fingerprint(config(out="p", keep=7, steps=20, log_every=3)) == base
    assert fingerprint(config(seed=1)) != base
    assert fingerprint(config(optimizer={"lr": 1.0})) != base
    decaying = {"schedule": "cosine"}
    assert fingerprint(config(optimizer=decaying)) != fingerprint(config(optimizer=decaying, steps=20))


def test_chance_is_a_function_of_seed_step_and_rank():
    def draw(*key):
        seed_step(*key)
        return torch.rand(4)

    assert torch.equal(draw(0, 5, 0), draw(0, 5, 0))
    different = [draw(0, 5, 0), draw(0, 6, 0), draw(0, 5, 1), draw(1, 5, 0)]
    assert all(not torch.equal(a, b) for i, a in enumerate(different) for b in different[:i])


def test_ema_is_its_formula():
    layer = nn.Linear(2, 1, bias=False)
    expected = layer.weight.detach().clone()
    ema = Ema(layer.parameters(), 0.5)
    for step in range(20):
        with torch.no_grad():
            layer.weight += 1.0
        ema.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.weight.detach()
    own = layer.weight.detach().clone()
    with ema.applied():
        assert torch.allclose(layer.weight, expected)
    assert torch.equal(layer.weight, own)
