"""The baseline of type findings only shrinks."""

import json

from tests.check_types import BASELINE, ROOT, compare, count


def finding(file, rule=None):
    return {"file": str(ROOT / file), "message": "x", **({"rule": rule} if rule else {})}


def test_findings_are_counted_by_file_and_rule():
    found = count([finding("nodes/a.py", "one"), finding("nodes/a.py", "one"), finding("nodes/a.py", "two")])
    assert found == {"nodes/a.py one": 2, "nodes/a.py two": 1}
    assert count([finding("nodes/b.py")]) == {"nodes/b.py syntax": 1}


def test_more_fail_anywhere_and_fewer_ask_for_a_lower_number():
    known = {"a one": 2, "b one": 1, "c one": 3}
    assert compare(known, known) == ({}, {})
    assert compare({**known, "a one": 3}, known) == ({"a one": 2}, {})
    assert compare({**known, "d two": 1}, known) == ({"d two": 0}, {})
    assert compare({"a one": 2, "c one": 1}, known) == ({}, {"b one": 1, "c one": 3})


def test_the_baseline_speaks_of_files_that_are_there():
    known = json.loads(BASELINE.read_text(encoding="utf-8"))
    assert all((ROOT / place.split()[0]).is_file() and number > 0 for place, number in known.items())
