"""Every promise of docs/semantics.md names a test that holds it, and that test exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "semantics.md").read_text()
NAMED = re.compile(r"`(test_\w+)`")


def existing() -> set[str]:
    """The names of all test functions of the suite."""
    return {
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def promises() -> list[str]:
    """Every item of a list in the page, with the lines that belong to it."""
    return re.findall(r"^- .+(?:\n  .+)*", TEXT, flags=re.MULTILINE)


def test_every_promise_names_its_test() -> None:
    assert [promise for promise in promises() if not NAMED.search(promise)] == []
    assert len(promises()) > 80


@pytest.mark.slow
def test_every_test_that_is_named_exists() -> None:
    assert sorted(set(NAMED.findall(TEXT)) - existing()) == []
