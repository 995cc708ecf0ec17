import shutil
import subprocess
import sys


def info(*arguments):
    command = [sys.executable, "-m", "pointvid.cli", "info", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_info_lists_the_samples_of_a_shard(shards_folder):
    found = info(shards_folder / "s-00001.tar").stdout
    assert "samples" in found
    assert [line.split() for line in found.splitlines()][1:3] == [
        ["clip4", "a", "box", "goes", "left"],
        ["clip5", "a", "box", "goes", "right"],
    ]


def test_info_verifies_a_folder_of_shards(shards_folder, tmp_path):
    whole = info(shards_folder, "--verify")
    assert whole.returncode == 0, whole.stderr
    assert [line.split()[:2] for line in whole.stdout.splitlines()[:2]] == [["shards", "2"], ["samples", "8"]]
    folder = shutil.copytree(shards_folder, tmp_path / "copy")
    shard = folder / "s-00001.tar"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert info(folder).returncode == 0
    damaged = info(folder, "--verify")
    assert damaged.returncode == 2
    assert "s-00001.tar: is damaged, its SHA-256" in damaged.stderr
    assert "s-00001.tar c" in damaged.stderr, "the sample is named"
    assert "expected a folder of shards" in info(shard, "--verify").stderr
