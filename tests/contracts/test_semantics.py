"""Every promise of docs/semantics.md and of the pages on agents names a test that holds it, and that test exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rules import all_tests

ROOT = Path(__file__).resolve().parents[2]
TEXT = "\n".join(
    (ROOT / "docs" / page).read_text()
    for page in ("semantics.md", "agents.md", "tools.md", "fleet.md", "environments.md", "gateway.md")
)
NAMED = re.compile(r"`(test_\w+)`")


def promises() -> list[str]:
    """Every item of a list in the pages, with the lines that belong to it."""
    return re.findall(r"^- .+(?:\n  .+)*", TEXT, flags=re.MULTILINE)


def test_every_promise_names_its_test() -> None:
    assert [promise for promise in promises() if not NAMED.search(promise)] == []
    assert len(promises()) > 80


@pytest.mark.slow
def test_every_test_that_is_named_exists() -> None:
    assert sorted(set(NAMED.findall(TEXT)) - all_tests()) == []
