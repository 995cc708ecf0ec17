"""`python -m benchmarks [SUITE ...] [--json FILE]`: run suites, print a table, optionally write JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
from pathlib import Path

from pointvid.files.atomic import atomic_path

from .figure import Figure, table


def suites() -> list[str]:
    """The suites there are: every module `suite_<name>.py` beside this file."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name.removeprefix("suite_") for name in names if name.startswith("suite_"))


def main() -> None:
    """Parse arguments, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suite", nargs="*", help=f"which to run: {', '.join(suites())}; default: all")
    parser.add_argument("--json", type=Path, help="also write the figures as a JSON list to this file")
    options = parser.parse_args()
    unknown = sorted(set(options.suite) - set(suites()))
    if unknown:
        parser.error(f"no suite named {', '.join(unknown)}; there are {', '.join(suites())}")
    figures: list[Figure] = []
    for name in options.suite or suites():
        print(f"running {name} ...", flush=True)
        figures += importlib.import_module(f".suite_{name}", __package__).run()
    print(table(figures))
    if options.json:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps([figure.as_dict() for figure in figures], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
