import tarfile
from collections import Counter

import pytest
import torch
from torch.utils.data import DataLoader

from pointvid.ending import one_line
from pointvid.errors import PointVidError
from pointvid.files.manifest import read_manifest, verify_shards
from pointvid.files.sample import encode_sample
from tests.training.tiny import moving_box, write_shards
from training.data.shards import Entry, Order, Shards, write_manifest, write_shard


def entries(count, size=(4, 16, 16), shard=10):
    return [Entry(f"s{i // shard}.tar", f"c{i}", size, {}) for i in range(count)]


def test_samples_come_back_by_index(shards_folder):
    shards = Shards(shards_folder)
    assert len(shards) == 8
    for index in (5, 0, 7):
        expected, found = moving_box(index), shards[index]
        assert found.caption == expected.caption
        assert (found.point_map.points - expected.point_map.points).abs().max() < 0.01
        assert torch.equal(found.point_map.mask, expected.point_map.mask)
    verify_shards(shards.folder)


def test_webdataset_reads_the_shards(shards_folder):
    import webdataset

    found = list(webdataset.WebDataset(str(shards_folder / "s-00001.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in found] == ["clip4", "clip5", "clip6", "clip7"]
    assert set(found[0]) >= {"mp4", "points", "json"}


def test_every_sample_once_an_epoch_and_another_order_the_next():
    order = Order(entries(40), batch_size=4, seed=3, window=2)
    first = [i for n in range(10) for i in order.batch(n)]
    second = [i for n in range(10, 20) for i in order.batch(n)]
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second
    assert [i for n in range(10) for i in Order(entries(40), 4, seed=3, window=2).batch(n)] == first


def test_shuffling_stays_in_the_window():
    order = Order(entries(40), batch_size=10, seed=0, window=1)
    for n in range(4):
        assert len({i // 10 for i in order.batch(n)}) == 1


def test_ranks_share_a_batch():
    whole, parts = Order(entries(24), 6, seed=1), Order(entries(24), 3, ranks=2, seed=1)
    for n in range(8):
        assert parts.batch(n, 0) + parts.batch(n, 1) == whole.batch(n)


def test_a_batch_has_one_size():
    mixed = entries(10) + entries(14, (4, 16, 32))
    order = Order(mixed, batch_size=4, seed=0)
    assert order.batches_in_epoch == 10 // 4 + 14 // 4
    sizes = Counter()
    for n in range(order.batches_in_epoch):
        found = {mixed[i].size for i in order.batch(n)}
        assert len(found) == 1
        sizes.update(found)
    assert sizes == {(4, 16, 16): 2, (4, 16, 32): 3}


def test_batches_can_start_anywhere():
    order = Order(entries(12), 4, seed=0)
    stream = order.batches(start=5)
    assert next(stream) == order.batch(5)
    assert next(stream) == order.batch(6)


def test_too_few_samples_for_a_batch():
    with pytest.raises(PointVidError, match=r"3 of 4x16x16.*at least 8.*lower batch_size"):
        Order(entries(3), 4, ranks=2)


def test_bad_shards_are_named(tmp_path):
    with pytest.raises(PointVidError, match=r"no manifest.json"):
        Shards(tmp_path)
    folder = write_shards(tmp_path / "a", [moving_box(i) for i in range(4)], in_shard=2)
    whole = (folder / "s-00001.tar").read_bytes()
    (folder / "s-00001.tar").write_bytes(whole[:-100])
    with pytest.raises(PointVidError, match=r"s-00001.tar: \d+ bytes, manifest says"):
        Shards(folder)
    (folder / "s-00001.tar").unlink()
    with pytest.raises(PointVidError, match=r"s-00001.tar: no such file"):
        Shards(folder)
    flipped = bytearray(whole)
    flipped[1600] ^= 255
    (folder / "s-00001.tar").write_bytes(flipped)
    with pytest.raises(PointVidError, match="is damaged"):
        verify_shards(folder)


def test_manifest_and_shard_disagree(tmp_path):
    folder = write_shards(tmp_path, [moving_box(0)])
    manifest = read_manifest(folder)
    manifest["shards"]["s-00000.tar"]["samples"].append({"key": "ghost", "size": [4, 16, 16]})
    write_manifest(folder, manifest)
    with pytest.raises(PointVidError, match="'ghost'"):
        Shards(folder)


def test_equal_members_make_equal_shards(tmp_path):
    rows = [("a", encode_sample(moving_box(3)), (4, 16, 16))]
    one, two = (write_shard(tmp_path / f"{name}.tar", iter(rows)) for name in "ab")
    assert one == two
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert {member.mtime for member in tar} == {0}


def test_damaged_samples_are_left_out_by_name(tmp_path, caplog, capsys):
    folder = write_shards(tmp_path, [moving_box(i) for i in range(4)], in_shard=2)
    path = folder / "s-00001.tar"
    with tarfile.open(path) as tar:
        member = next(item for item in tar if item.name.endswith(".points"))
    data = bytearray(path.read_bytes())
    data[member.offset_data + 40] ^= 255
    path.write_bytes(data)
    key = member.name.partition(".")[0]
    shards = Shards(folder)
    index = next(i for i, entry in enumerate(shards.entries) if entry.key == key)
    with pytest.raises(PointVidError, match=rf"sample {key} of shard \S+s-00001.tar"):
        shards[index]
    with pytest.raises(SystemExit), one_line():
        list(DataLoader(shards, batch_size=None, num_workers=1))
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert said.startswith(f"error: sample {key} of shard ")
    kept = Shards(folder, skip_damaged=True)
    assert {entry.key for entry in kept.entries} == {entry.key for entry in shards.entries} - {key}
    assert all(kept[i].caption for i in range(len(kept)))
    assert f"skipped: shard s-00001.tar {key}" in caplog.text


def test_sizes_with_too_few_samples_are_counted():
    order = Order([*entries(5), *entries(3, size=(4, 8, 8))], batch_size=4)
    assert order.never_used == {(4, 8, 8): 3}
