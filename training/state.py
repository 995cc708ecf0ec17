"""Training state on disk: whole or not at all, the last K kept, and only ever read back into the run it belongs to.

A state is a folder `states/step-00001000/`. What makes a resumed run equal to an uninterrupted one, bit for bit, is
that chance and data order are functions of (seed, step, rank) alone (`seed_step`, `data.Order`): the step number IS
the position in the data and of every random generator. Weights, averages, optimizer moments and calibrated loss
weights complete it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pointvid.errors import PointVidError
from pointvid.files.atomic import disk_reason
from pointvid.files.document import Whole, read_document
from pointvid.files.readable import reason

_SHAPE = {"step": Whole(0), "fingerprint": str, "bytes": {str: Whole(0)}, "extra": dict}
_NAME = re.compile(r"step-(\d{8})$")
# What may change between two parts of one run without making it another run.
_FREE = {"out", "steps", "save_every", "keep", "log_every", "trackers", "validation"}


@dataclass
class State:
    """Everything a run needs to go on.

    Attributes:
        step: optimizer steps done.
        tensors: name -> state dict: "model", "ema", "optimizer", "scaler"; nested dicts of tensors and numbers.
        extra: small JSON values that belong to the stage, such as calibrated loss weights.
    """

    step: int
    tensors: dict[str, Any]
    extra: dict[str, Any]


def fingerprint(config: Any) -> str:
    """A digest of the settings that decide a run's numbers; a state is refused by a run with another one.

    The learning-rate schedule depends on `steps` only where it decays, so a constant one may be prolonged.
    """
    settings = {key: value for key, value in config.model_dump(mode="json").items() if key not in _FREE}
    free = {"cache", "workers"} | ({"skip_damaged"} if not settings["data"]["skip_damaged"] else set())
    settings["data"] = {key: value for key, value in settings["data"].items() if key not in free}
    if settings["optimizer"]["schedule"] != "constant":
        settings["steps"] = config.steps
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def seed_step(seed: int, step: int, rank: int = 0, purpose: str = "train") -> None:
    """Set every random generator as a function of its arguments only; called at the start of each step."""
    digest = hashlib.sha256(f"{seed}/{step}/{rank}/{purpose}".encode()).digest()
    number = int.from_bytes(digest[:4], "little")
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def save_state(folder: Path, state: State, mark: str, keep: int) -> Path:
    """Write `folder/step-N`, then remove all but the last `keep` states.

    Raises:
        PointVidError: the disk is full or not writable; names the last good state, which is untouched.
    """
    final = folder / f"step-{state.step:08d}"
    temporary = folder / f".{final.name}.{secrets.token_hex(4)}.part"
    try:
        temporary.mkdir(parents=True)
        digests = {}
        for name, value in state.tensors.items():
            _write(temporary / f"{name}.pt", lambda file, value=value: torch.save(value, file))
            digests[name] = (temporary / f"{name}.pt").stat().st_size
        # Written last: a folder without it was never finished.
        meta = {"step": state.step, "fingerprint": mark, "bytes": digests, "extra": state.extra}
        _write(temporary / "state.json", lambda file: file.write(json.dumps(meta, indent=1).encode()))
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
        _flush_folder(folder)
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError
        shutil.rmtree(temporary, ignore_errors=True)
        last = latest(folder)
        raise PointVidError(
            f"cannot save step {state.step} to {folder}: {disk_reason(error) or reason(error)}; "
            f"{f'the last good state is {last}' if last else 'no state was saved yet'}; free some space and start again"
        ) from error
    for old in states(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    for orphan in folder.glob(".step-*.part"):
        shutil.rmtree(orphan, ignore_errors=True)
    return final


def load_state(path: Path, mark: str | None, device: torch.device | str = "cpu") -> State:
    """Read one state folder.

    Args:
        mark: this run's fingerprint; None reads any.
    Raises:
        PointVidError: incomplete, damaged, or of a run with other settings.
    """
    try:
        meta = read_document(path / "state.json", f"state {path}", "what training wrote; use an earlier state", _SHAPE)
        for name, size in meta["bytes"].items():
            if Path(name).name != name:
                raise PointVidError(f"state {path}: {name!r} is no name of a file in it; use an earlier state")
            found = (path / f"{name}.pt").stat().st_size
            if found != size:
                raise PointVidError(f"state {path}: {name}.pt has {found} bytes, expected {size}; use an earlier state")
        if mark is not None and meta["fingerprint"] != mark:
            raise PointVidError(
                f"state {path} belongs to a run with other settings ({meta['fingerprint']}, this run is {mark}); "
                "compare config.yaml beside it, or choose another `out`"
            )
        tensors = {
            name: torch.load(path / f"{name}.pt", map_location=device, weights_only=True) for name in meta["bytes"]
        }
    except PointVidError:
        raise
    except Exception as error:
        raise PointVidError(f"state {path}: cannot be read ({reason(error)}); use an earlier state") from error
    return State(meta["step"], tensors, meta["extra"])


def states(folder: Path) -> list[Path]:
    """The finished states in a folder, oldest first."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _NAME.match(path.name) and (path / "state.json").is_file()]
    return sorted(found)


def latest(folder: Path) -> Path | None:
    """The newest finished state, or None."""
    return states(folder)[-1] if states(folder) else None


def _write(path: Path, write: Any) -> None:
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where folders can be opened (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
