"""Synthetic shards: the same from any number of processes, and resumable."""

from __future__ import annotations

import pytest

from pointvid.files.manifest import MANIFEST
from training.data.shards import Shards
from training.synthesize import synthesize

pytest.importorskip("mujoco")


def make(out, **options):
    synthesize(out, 3, (32, 32), "train", frames=16, scenes=("simple",), clips_in_shard=1, **options)
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_processes_make_the_same_shards_and_a_missing_one_is_made_again(tmp_path):
    alone = make(tmp_path / "one")
    assert make(tmp_path / "two", jobs=2) == alone
    lost = tmp_path / "two" / "train-00001.tar"
    lost.unlink()
    kept = tmp_path / "two" / "train-00000.tar"
    before = kept.stat().st_mtime_ns
    assert make(tmp_path / "two") == alone
    assert kept.stat().st_mtime_ns == before
    assert len(Shards(tmp_path / "two")) == 3
    assert MANIFEST in alone
