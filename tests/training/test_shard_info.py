import subprocess
import sys


def test_info_lists_the_samples_of_a_shard(shards_folder):
    command = [sys.executable, "-m", "pointvid.cli", "info", str(shards_folder / "s-00001.tar")]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "samples" in found
    assert [line.split() for line in found.splitlines()][1:3] == [
        ["clip4", "a", "box", "goes", "left"],
        ["clip5", "a", "box", "goes", "right"],
    ]
