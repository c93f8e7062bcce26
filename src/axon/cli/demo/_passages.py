"""Passages exist because a whole file is too much to rank or to quote, and a single line too little."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ._folder import TextFile

PASSAGE_LINES = 12
"""A passage has at most this many lines."""

PASSAGE_CHARACTERS = 1_200
"""A passage ends once it has this many characters; longer lines are cut into several passages."""

_ENOUGH_CHARACTERS = 400
_HEADING = re.compile(r"#{1,6}\s+\S|(?:async\s+)?(?:def|class|fn|func|function|struct|impl|interface|module)\s+\w")


@dataclass(frozen=True, slots=True)
class Passage:
    """Some lines of a file (first and last from 1, both included), or with `part` a stretch of one long line."""

    file: TextFile
    first_line: int
    last_line: int
    heading: str
    part: slice | None = None

    @property
    def text(self) -> str:
        """Its lines joined by newlines, or the stretch of the one line."""
        if self.part is not None:
            return self.file.lines[self.first_line - 1][self.part]
        return "\n".join(self.file.lines[self.first_line - 1 : self.last_line])


def passages(file: TextFile) -> Iterator[Passage]:
    """Cut a file at its headings and blank lines into passages, each with the heading it stands under."""
    heading, start, size = "", 0, 0
    for i, line in enumerate(file.lines):
        blank = not line.strip()
        opens = _HEADING.match(line) is not None
        full = i - start >= PASSAGE_LINES or size + len(line) > PASSAGE_CHARACTERS
        if size and (opens or full or (blank and size >= _ENOUGH_CHARACTERS)):
            yield Passage(file, start + 1, i, heading)
            start, size = i, 0
        if blank and not size:
            start = i + 1
            continue
        if opens:
            heading = line.strip("#\t ")[:200]
        if len(line) > PASSAGE_CHARACTERS:
            yield from _stretches(file, i + 1, line, heading)
            start = i + 1
            continue
        size += len(line)
    if size:
        yield Passage(file, start + 1, len(file.lines), heading)


def _stretches(file: TextFile, number: int, line: str, heading: str) -> Iterator[Passage]:
    start = 0
    while start < len(line):
        end = start + PASSAGE_CHARACTERS
        if end < len(line):
            # Not in the middle of a word, if there is a space in the last fifth.
            end = 1 + line.rfind(" ", end - PASSAGE_CHARACTERS // 5, end) or end
        yield Passage(file, number, number, heading, slice(start, end))
        start = end
