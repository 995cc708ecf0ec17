"""`python -m tests.fuzz --seed N --count M`: bad files of every kind we read; prints counts.

Each file is read in a forked process with bounded memory and time. Right is: read, or refused in one line. A traceback,
a lack of memory, a hang, a wrong value read without a word, and a good file refused end it with status 1. The same seed
makes the same files.
"""

import argparse
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

from pointvid.errors import PointVidError

from .kinds import KINDS, Kind

SECONDS, MORE_MEMORY = 20.0, 2 * 2**30
RIGHT = ("read", "refused")


def outcome(kind: Kind, path: Path) -> tuple[str, str]:
    """What reading comes to, in a process of its own: one of RIGHT or what is wrong, and the words."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MORE_MEMORY,) * 2)
        os.write(send, "\n".join(_read(kind, path)).encode("utf-8", "replace")[:2000])
        os._exit(0)
    os.close(send)
    deadline = time.monotonic() + SECONDS
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(receive)
            return "hang", f"more than {SECONDS:g} s"
        time.sleep(0.002)
    with os.fdopen(receive, "rb") as file:
        found, _, words = file.read().decode().partition("\n")
    return found or "killed", words


def _read(kind: Kind, path: Path) -> tuple[str, str]:
    try:
        kind.read(path)
    except PointVidError as error:
        return ("refused" if len(str(error).splitlines()) == 1 and len(str(error)) < 1500 else "many lines"), str(error)
    except AssertionError as error:
        return "wrong", str(error)
    except MemoryError as error:
        return "memory", str(error)
    except BaseException as error:
        return "traceback", f"{type(error).__name__}: {error}"
    return "read", ""


def run(seed: int, count: int, kinds: dict[str, Kind], keep: Path | None = None) -> dict[str, Counter]:
    """Counts of outcomes by kind; what went wrong is printed with the number that makes it again.

    Args:
        keep: folder for the files that went wrong.
    """
    torch.set_num_threads(1)
    table: dict[str, Counter] = {name: Counter() for name in kinds}
    with tempfile.TemporaryDirectory() as scratch:
        good = {}
        for name, kind in kinds.items():
            folder = Path(scratch) / name.replace(" ", "_")
            folder.mkdir()
            path = kind.make(folder)
            good[name] = path, path.read_bytes()
            found, words = outcome(kind, path)
            table[name][found if found == "read" else "good refused"] += 1
            if found != "read":
                print(f"{name}, unchanged: {found}: {words[:300]}")
        names = list(kinds)
        for number in range(count):
            name = names[number % len(names)]
            path, data = good[name]
            path.write_bytes(kinds[name].change(data, random.Random(f"{seed}/{number}")))
            found, words = outcome(kinds[name], path)
            table[name][found] += 1
            if found not in RIGHT:
                print(f"{name}, seed {seed}, number {number}: {found}: {words[:300]}")
                if keep:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{seed}-{number}-{path.name}").write_bytes(path.read_bytes())
            path.write_bytes(data)
    return table


def main(arguments: list[str] | None = None) -> int:
    """Run, print the table, say whether all is right."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000, help="files, in turn of every kind (default: 1000)")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of files")
    parser.add_argument("--keep", type=Path, help="folder for the files that went wrong")
    options = parser.parse_args(arguments)
    table = run(options.seed, options.count, {name: KINDS[name] for name in options.only}, options.keep)
    columns = sorted(set(RIGHT).union(*table.values()), key=lambda name: (name not in RIGHT, name))
    print("".join(text.rjust(14) for text in ("kind", *columns)))
    for name, counts in table.items():
        print("".join(str(text).rjust(14) for text in (name, *(counts[column] for column in columns))))
    wrong = sum(counts[column] for counts in table.values() for column in columns if column not in RIGHT)
    print(f"{sum(map(sum, (counts.values() for counts in table.values())))} files, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
