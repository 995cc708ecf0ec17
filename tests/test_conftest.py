"""What decides whether tests of the host are skipped or fail."""

import pytest

from tests.conftest import missing, not_installed

REQUIREMENTS = """pytest
numpy>=1.25.0
No-Such_Package.Anywhere==1.2

#non essential dependencies:
another-package-that-is-nowhere~=2.0
"""


def test_only_what_the_host_cannot_start_without_counts():
    assert not_installed(REQUIREMENTS) == ["No-Such_Package.Anywhere"]
    assert not_installed("") == []


def test_a_missing_host_is_skipped_or_fails_as_promised(monkeypatch):
    monkeypatch.delenv("REQUIRE_HOST", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no checkout"):
        missing("no checkout")
    monkeypatch.setenv("REQUIRE_HOST", "1")
    with pytest.raises(pytest.fail.Exception, match="REQUIRE_HOST=1, but no checkout"):
        missing("no checkout")
