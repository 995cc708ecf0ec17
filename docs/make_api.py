"""Makes the API reference from the docstrings.

    python docs/make_api.py OUT

Writes a page for each module of `pointvid`, `training` and `experiments` to the folder OUT; begin at `OUT/index.html`.
Needs the extra `docs`. A module that needs a package that is not installed is left out, and named.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pointvid", "training", "experiments")
NOT_IMPORTED = {
    "pointvid.__main__",  # runs the command line
    "pointvid.export.blender_script",  # runs inside Blender
}


def modules() -> tuple[list[str], dict[str, str]]:
    """Names of the modules there are; and of those that cannot be imported here, with the reason."""
    names, left_out = [*PACKAGES], {}
    for package in PACKAGES:
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}.", onerror=lambda name: None):
            try:
                if module.name not in NOT_IMPORTED:
                    importlib.import_module(module.name)
                    names.append(module.name)
            except ImportError as error:
                left_out[module.name] = str(error)
    return names, left_out


def main() -> None:
    """Parse arguments, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the pages")
    out = parser.parse_args().out
    sys.path.insert(0, str(ROOT))
    try:
        import pdoc
    except ImportError:
        parser.error('pdoc is not installed; run: pip install -e ".[docs]"')
    names, left_out = modules()
    public = importlib.import_module("pointvid")
    for name in public.__all__:  # pdoc does not ask a module's __getattr__
        setattr(public, name, getattr(public, name))
    warnings.filterwarnings("ignore", module="pdoc")  # of names imported for type checkers only
    pdoc.render.configure(docformat="google", show_source=False)
    pdoc.pdoc(*names, *(f"!{re.escape(name)}$" for name in [*NOT_IMPORTED, *left_out]), output_directory=out)
    for name, why in left_out.items():
        sys.stderr.write(f"left out {name}: {why}\n")
    sys.stderr.write(f"{sum(1 for _ in out.rglob('*.html'))} pages, from {out / 'index.html'}\n")


if __name__ == "__main__":
    main()
