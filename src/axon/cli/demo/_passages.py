"""Passages exist because a whole file is too much to rank or to quote, and a single line too little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ._blocks import Block, blocks
from ._folder import Line, TextFile

PASSAGE_LINES = 12
"""A passage has about this many lines at most."""

PASSAGE_CHARACTERS = 1_200
"""A passage ends once it has this many characters; longer lines are cut into stretches that overlap by a quarter."""

_ENOUGH_CHARACTERS = 400
_OVERLAP = PASSAGE_CHARACTERS // 4


@dataclass(frozen=True, slots=True)
class Passage:
    """Some lines of a file (first and last from 1, both included), or with `part` a stretch of one long line.

    Attributes:
        above: the lines it stands under: headings, the header of its table, the lead-in of its list.

    """

    file: TextFile
    first_line: int
    last_line: int
    above: tuple[Line, ...] = ()
    part: slice | None = None

    @property
    def text(self) -> str:
        """Its lines joined by newlines, or the stretch of the one line."""
        if self.part is not None:
            return self.file.lines[self.first_line - 1][self.part]
        return "\n".join(self.file.lines[self.first_line - 1 : self.last_line])


def passages(file: TextFile) -> Iterator[Passage]:
    """Cut a file between its blocks into passages."""
    lines = [Line(number, text) for number, text in enumerate(file.lines, 1)]
    group: list[Block] = []
    size = 0
    for block in blocks(file.name, lines):
        length = sum(len(line.text) for line in block.lines)
        if group and _ends(group, size, block, length):
            yield _passage(file, group)
            group, size = [], 0
        if length > PASSAGE_CHARACTERS and any(len(line.text) > PASSAGE_CHARACTERS for line in block.lines):
            yield from _stretches(file, block)
        else:
            group.append(block)
            size += length
    if group:
        yield _passage(file, group)


def _ends(group: list[Block], size: int, block: Block, length: int) -> bool:
    """Whether a passage is over before this block."""
    first, last = group[0].lines[0].number, group[-1].lines[-1].number
    full = size + length > PASSAGE_CHARACTERS or block.lines[-1].number - first >= PASSAGE_LINES
    apart = block.lines[0].number > last + 1 and size >= _ENOUGH_CHARACTERS
    return full or apart or (block.kind == "heading" and any(one.kind != "heading" for one in group))


def _passage(file: TextFile, group: list[Block]) -> Passage:
    first = group[0].lines[0].number
    above = dict.fromkeys(group[0].headings + group[0].parents)
    return Passage(file, first, group[-1].lines[-1].number, tuple(sorted(above)))


def _stretches(file: TextFile, block: Block) -> Iterator[Passage]:
    for number, line in block.lines:
        start = 0
        while start < len(line):
            end = min(start + PASSAGE_CHARACTERS, len(line))
            if end < len(line):
                # Not in the middle of a word, if there is a space nearby.
                end = 1 + line.rfind(" ", end - _OVERLAP // 2, end) or end
            yield Passage(file, number, number, block.headings, slice(start, end))
            start = end if end == len(line) else end - _OVERLAP
