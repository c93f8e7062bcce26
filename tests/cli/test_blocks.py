"""Lines are read as what they look like, and with what they stand under."""

from __future__ import annotations

import pytest

from axon.cli.demo._blocks import Block, blocks
from axon.cli.demo._folder import Line


def read(text: str, file: str = "a.md") -> list[Block]:
    return list(blocks(file, [Line(number, line) for number, line in enumerate(text.split("\n"), 1)]))


def under(text: str, file: str = "a.md") -> list[str]:
    """What the last block stands under."""
    last = read(text, file)[-1]
    return [line.text.strip() for line in (*last.headings, *last.parents)]


@pytest.mark.parametrize(
    ("text", "file", "above"),
    [
        ("# One\n\n## Two\n\ntext", "a.md", ["# One", "## Two"]),
        ("# One\n\n## Two\n\n# Three\n\ntext", "a.md", ["# Three"]),
        ("One\n===\n\nTwo\n---\n\ntext", "a.rst", ["One", "Two"]),
        ("RULES OF THE CLUB\n\nMembers must be 16.", "a.txt", ["RULES OF THE CLUB"]),
        ("[alarm]\nlimit = 16", "a.ini", ["[alarm]"]),
        ("The members:\n\n- Rosa", "a.md", ["The members:"]),
        ("- a day off\n  - two for parents", "a.md", ["- a day off"]),
        ("Main valve:\n  supplier: Harlow", "a.yaml", ["Main valve:"]),
        ('{\n  "cache": {\n    "ttl": 3\n', "a.json", ['"cache": {']),
        ("Boat: Heron\nType: double scull", "a.txt", ["Boat: Heron"]),
        ("Boat: Heron\n\nType: double scull", "a.txt", []),
        ("| Plan | Price |\n|---|---|\n| Team | 19 |", "a.md", ["| Plan | Price |"]),
        ("city,mayor\nRome,Anna", "a.csv", ["city,mayor"]),
        ("Port   In   Out\nBergen   7   13\nBodo   12   15", "a.txt", ["Port   In   Out"]),
        ("## Do you ship?\n\nYes.", "a.md", ["## Do you ship?"]),
        ("Q: Do you ship?\nA: Yes.", "a.txt", ["Q: Do you ship?"]),
        ("class A:\n    def f(self):\n        return 3", "a.py", ["class A:", "def f(self):"]),
    ],
)
def test_a_block_stands_under(text: str, file: str, above: list[str]) -> None:
    assert under(text, file) == above


@pytest.mark.parametrize(
    ("text", "file", "kinds"),
    [
        ("It was switched on\nin March\nof 1987\nby Dr Ito.", "a.txt", ["text"]),
        ("500 g flour\n12 g salt", "a.txt", ["text", "text"]),
        ("2024-01-01 10:00:00 up\n2024-01-01 10:00:01 down", "a.log", ["log", "log"]),
        ("```\nrun me\n```", "a.md", ["code"]),
        ("# one\n# two\nx = f(3)\ny = 4", "a.py", ["text", "code", "entry"]),
        ('def f():\n    """One.\n\n    Two.\n    """\n    g()', "a.py", ["code", "text", "text", "code"]),
        ("Fledging\n: When a bird can fly.", "a.md", ["text"]),
        ("Is it? I do not know.", "a.md", ["text"]),
    ],
)
def test_what_belongs_together_is_one_block(text: str, file: str, kinds: list[str]) -> None:
    assert [block.kind for block in read(text, file)] == kinds


def test_lines_that_are_left_out_end_a_paragraph_and_not_a_table() -> None:
    lines = [Line(1, "city,mayor"), Line(900, "Rome,Anna"), Line(901, "Oslo,Ben")]
    assert [block.parents for block in blocks("a.csv", lines)] == [(), (lines[0],), (lines[0],)]
    prose = [Line(1, "This sentence is longer than fifty characters, as it"), Line(9, "happens")]
    assert len(list(blocks("a.txt", prose))) == 2
