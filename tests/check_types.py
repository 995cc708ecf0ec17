"""`python -m tests.check_types [--write]`: pyright's findings against tests/pyright_baseline.json, which only shrinks.

What stands in the baseline are uses that the checker cannot follow, and old faults: a file and rule may keep as many as
they have there. More fail, and so do fewer until `--write` has put the lower number down.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "tests" / "pyright_baseline.json"


def main() -> None:
    report = subprocess.run(["pyright", "--outputjson"], cwd=ROOT, capture_output=True, text=True, check=False)
    findings = json.loads(report.stdout)["generalDiagnostics"]
    found = count(findings)
    if "--write" in sys.argv[1:]:
        BASELINE.write_text(json.dumps(dict(sorted(found.items())), indent=0) + "\n", encoding="utf-8")
        print(f"wrote {sum(found.values())} findings to {BASELINE.relative_to(ROOT)}")
        return
    known = json.loads(BASELINE.read_text(encoding="utf-8"))
    more, fewer = compare(found, known)
    for finding in findings:
        if key(finding) in more:
            line = finding["range"]["start"]["line"] + 1
            print(f"{name(finding)}:{line}: {finding['message'].splitlines()[0]} ({finding.get('rule', 'syntax')})")
    for where, was in more.items():
        print(f"{where}: {found[where]} findings, at most {was} are allowed")
    for where, was in fewer.items():
        print(f"{where}: {found[where]} findings, no longer {was}; put that down: python -m tests.check_types --write")
    print(f"{sum(found.values())} findings, {sum(known.values())} in the baseline")
    raise SystemExit(1 if more or fewer else 0)


def compare(found: dict[str, int], known: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Where there are more findings than known, and where fewer, with the known numbers."""
    places = sorted({*found, *known})
    more = {place: known.get(place, 0) for place in places if found.get(place, 0) > known.get(place, 0)}
    fewer = {place: known.get(place, 0) for place in places if found.get(place, 0) < known.get(place, 0)}
    return more, fewer


def count(findings: list[dict]) -> Counter[str]:
    return Counter(map(key, findings))


def key(finding: dict) -> str:
    return f"{name(finding)} {finding.get('rule', 'syntax')}"


def name(finding: dict) -> str:
    return Path(finding["file"]).relative_to(ROOT).as_posix()


if __name__ == "__main__":
    main()
