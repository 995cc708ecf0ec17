"""How good files are made bad: bytes, values inside JSON, arrays inside npz. All of it follows from one generator."""

import io
import json
import random
import zipfile
import zlib

import numpy as np

STRANGE = (None, True, -1, 0, 1.5, 1e308, 10**30, "", "x", "\ud800", [], {}, [[]], {"a": {}}, [1] * 5, float("nan"))


def damaged_bytes(data: bytes, chance: random.Random) -> bytes:
    """Bits flipped, a stretch cut, zeroed, doubled or taken from elsewhere in the file."""
    data = bytearray(data)
    at, length = chance.randrange(len(data)), chance.choice((1, 4, 64, 1024))
    kind = chance.randrange(5)
    if kind == 0:
        for _ in range(chance.choice((1, 2, 8))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        data[at : at + length] = bytes(len(data[at : at + length]))
    elif kind == 3:
        data[at:at] = data[at : at + length]
    else:
        source = chance.randrange(len(data))
        data[at : at + length] = data[source : source + length]
    return bytes(data)


def strange_json(value: object, chance: random.Random) -> bytes:
    """The document with one value replaced, one key lost or doubled, nested without end, or in another encoding."""
    text = json.dumps(value)
    kind = chance.randrange(8)
    if kind == 0:
        return chance.choice((b"[", b'{"a":')) * chance.choice((2000, 200_000))
    if kind == 1:
        return text.encode(chance.choice(("utf-16", "utf-32", "utf-8-sig")))
    if kind == 2:
        return damaged_bytes(text.encode(), chance)
    value = json.loads(text)
    parents = list(_containers(value))
    parent = chance.choice(parents)
    keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    if keys:
        key = chance.choice(keys)
        if kind == 3:
            del parent[key]
        elif kind == 4 and isinstance(parent, dict):
            parent["unknown"] = parent[key]
        else:
            parent[key] = chance.choice(STRANGE)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def strange_npz(data: bytes, chance: random.Random) -> bytes:
    """An archive with one array of other values, shape or type, a header that lies, or one that unpacks to far more."""
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = chance.choice(sorted(arrays))
    array, kind = arrays[name], chance.randrange(7)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = array[None]
    elif kind == 2:
        arrays[name] = np.zeros(array.shape, chance.choice(("float16", "int64", "U4", "complex64", "M8[s]")))
    elif kind == 3:
        arrays[name] = np.full_like(array, chance.choice((-1, 0, 1)))
    elif kind == 4 and array.dtype.kind == "f":
        arrays[name] = np.full_like(array, chance.choice((np.nan, np.inf, 1e30, -1e30, 1e-30)))
    buffer = io.BytesIO()
    if kind < 5:
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in arrays.items():
            member = io.BytesIO()
            np.save(member, value)
            content = member.getvalue()
            if key == name and kind == 5:
                shape = chance.choice(("(100000, 100000)", "(-1,)", "(True, 2)", "((1,),)", "(" * 500))
                content = _npy(array.dtype.str, shape, b"\0" * 64)
            elif key == name:
                content = _npy("<f4", "(100000000, 3)", b"\0" * 1_200_000_000 if chance.random() < 0.05 else b"\0")
            archive.writestr(f"{key}.npy", content)
    return buffer.getvalue()


def bomb_points(header: bytes, chance: random.Random) -> bytes:
    """A point file's header that claims any size, over sections that deflate well."""
    data = bytearray(header)
    for _ in range(chance.choice((1, 2))):
        at = chance.randrange(8, len(data))
        data[at] = chance.choice((0, 1, 127, 255))
    packed = zlib.compress(chance.choice((b"\xff", b"\0")) * chance.choice((100, 10_000_000)))
    return bytes(data) + (len(packed).to_bytes(4, "little") + packed) * 3


def _npy(dtype: str, shape: str, data: bytes) -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def _containers(value: object):
    if isinstance(value, dict | list):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)
