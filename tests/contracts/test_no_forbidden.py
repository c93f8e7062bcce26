"""What the house never does: `asyncio.wait_for`, pickle across a border, blocking the loop with `time.sleep`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import axon

SRC = Path(axon.__file__).parent

NEVER = {
    "asyncio.wait_for": "it can lose a cancellation and the result with it; use asyncio.timeout or the timer heap",
    "pickle": "it runs what it reads; borders take validated JSON",
    "cloudpickle": "as pickle",
    "time.sleep": "it stops every process of the loop; use a timer",
}


def used(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each imported name and each `module.attribute` of a file, by the module's own name."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                aliases[alias.asname or alias.name] = alias.name
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.lineno, f"{aliases.get(node.value.id, node.value.id)}.{node.attr}"


def test_nothing_forbidden_is_used() -> None:
    found = [
        f"{file.relative_to(SRC)}:{line}: {name}: {why}"
        for file in sorted(SRC.rglob("*.py"))
        for line, name in used(ast.parse(file.read_text(encoding="utf-8")))
        for never, why in NEVER.items()
        if name == never or name.startswith(never + ".")
    ]
    assert found == []


def test_the_search_sees_every_spelling() -> None:
    source = """
import asyncio as aio, pickle as p, time
from asyncio import wait_for
from cloudpickle import dumps
from time import sleep as nap
import pickle.whatever
aio.wait_for(x, 1)
time.sleep(1)
"""
    seen = {name for _, name in used(ast.parse(source))}
    assert {"asyncio.wait_for", "pickle", "cloudpickle.dumps", "time.sleep", "pickle.whatever"} <= seen
