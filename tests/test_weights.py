"""Weights are read without running code, and whatever a file holds, what cannot be used is one line."""

import io
import os
import pickle
import struct
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from pointvid.errors import PointVidError
from pointvid.weights.read import read_state_dict, state_dict_keys

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(1, dtype=torch.float16)}


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def nested(depth):
    """A pickle of lists within lists, which Python's own pickler cannot write."""
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def archive(data):
    """A pickle in the zip that torch.save writes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", data)
        file.writestr("archive/version", "3\n")
    return buffer.getvalue()


def saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["a.safetensors", "A.SAFETENSORS", "a.pt", "a.ckpt"])
def test_every_layout_gives_the_same_tensors(tmp_path, name):
    path = tmp_path / name
    if path.suffix.lower() == ".safetensors":
        save_file(STATE, path)
    else:
        torch.save({"model": STATE} if name == "a.ckpt" else STATE, path)
    found = read_state_dict(path, "weights")
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[key], STATE[key]) and found[key].dtype == STATE[key].dtype for key in STATE)
    assert state_dict_keys(path, "weights") == list(STATE)


header = b'{"a":{"dtype":"F32","shape":[9000000000],"data_offsets":[0,36000000000]}}'
BAD = {
    "empty.pt": b"",
    "text.pt": b"weights",
    "cut.pt": saved(STATE)[:300],
    "legacy.pt": pickle.dumps({"a": 1}, protocol=2),
    "evil.pt": pickle.dumps(Evil(), protocol=5),
    "evil_zip.pt": archive(pickle.dumps({"a": Evil()}, protocol=2)),
    "deep.pt": archive(nested(20000)),
    "deep_legacy.pt": nested(20000),
    "stack.pt": archive(b"\x80\x02a."),
    "memo.pt": archive(b"\x80\x02h\x05."),
    "no_data.pt": archive(b""),
    "list.pt": saved([1, 2]),
    "numbers.pt": saved({"a": 1}),
    "named_by_number.pt": saved({1: torch.ones(1)}),
    "empty.safetensors": b"",
    "huge_header.safetensors": struct.pack("<Q", 1 << 60) + b"{}",
    "huge_tensor.safetensors": struct.pack("<Q", len(header)) + header,
    "no_json.safetensors": struct.pack("<Q", 4) + b"{{{{",
}


@pytest.mark.parametrize("name", BAD)
def test_what_holds_no_state_dict_is_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(BAD[name])
    with pytest.raises(PointVidError, match=r"cannot be read|holds no state dict") as caught:
        read_state_dict(tmp_path / name, "the published file; `pointvid download x` fetches it", "x")
    said = str(caught.value)
    assert said.startswith(f"x: {name} ")
    assert said.endswith("expected the published file; `pointvid download x` fetches it")
    assert "\n" not in said
    assert "weights_only" not in said  # torch's advice: to run the code
    assert len(said) < 300
    assert not (tmp_path / "pwned").exists()


def test_no_path_no_file(tmp_path):
    with pytest.raises(PointVidError, match=r"^weights is not given, expected the path of a file$"):
        read_state_dict(None, "a file")
    with pytest.raises(PointVidError, match=r"^x: there is no file .*a\.pt, expected a file$"):
        read_state_dict(tmp_path / "a.pt", "a file", "x")


def test_running_out_of_memory_is_said(tmp_path, monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    torch.save(STATE, tmp_path / "a.pt")
    monkeypatch.setattr(torch, "load", exhausted)
    for read in (read_state_dict, state_dict_keys):
        with pytest.raises(PointVidError, match="claims more than the memory holds"):
            read(tmp_path / "a.pt", "a file")
    monkeypatch.setattr(torch, "load", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):  # is no damage
        read_state_dict(tmp_path / "a.pt", "a file")
