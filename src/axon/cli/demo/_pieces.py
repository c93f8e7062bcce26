"""Pieces exist because an answer quotes one: a sentence, an item, a row, with all that it needs to be understood."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import PurePath
from typing import NamedTuple

from ._blocks import Block, Kind, blocks
from ._folder import Line
from ._sentences import spans
from ._tables import Row
from ._wording import Words
from ._words import ESCAPE

UNDER, HEADING, BEFORE, NAME, EARLIER = 0.95, 0.8, 0.6, 0.5, 0.4
"""How much a word counts that stands in a parent, in a heading, in an earlier sentence of the paragraph, in the name of
the file, at the beginning of a sentence in an earlier paragraph of the section."""

_SHORT = 400
_BEGIN = 10
_MOST_LINES, _MOST_CHARACTERS = 30, 1_200
_BEFORE = 8
_PRONOUN = re.compile(
    r"\W*(?:[\w'’,-]+\s+){0,4}?(?:he|she|it|they|him|them|his|hers?|its|their|this|these|those|both|there)\b",
    re.IGNORECASE,
)
_ADORNMENT = re.compile(r"^\s*(?:(?:[-*+•>|#/]+|\d+[.)]|\[[ x]\])\s+)+|[\s|]+$|\*\*|^\"{3}|\"{3}$")


class Support(NamedTuple):
    """What a piece stands under or comes after, and how much the words there count."""

    worth: float
    piece: Piece

    @property
    def words(self) -> Words:
        """What it says; of what came long before, what it begins with, which is what it is about."""
        return self.piece.words if self.worth > EARLIER else self.piece.begin


@dataclass(frozen=True, eq=False)
class Piece:
    """Some words of a file that may be quoted.

    Attributes:
        file: name of the file.
        first_line: its first line, from 1; 0 of the name of the file itself.
        last_line: its last line, included.
        quote: its words, with single spaces where lines end.
        kind: what the block it is from looks like.
        supports: what else must be read to understand it.
        row: its cells, of a row.
        lead: the heading, question or lead-in, of all that follows one.

    """

    file: str
    first_line: int
    last_line: int
    quote: str
    kind: Kind = "text"
    supports: tuple[Support, ...] = ()
    row: Row | None = None
    lead: Piece | None = None

    @property
    def plain(self) -> str:
        """The quote without the marks of a list, table, comment or heading before it; a row with its columns' names."""
        if self.row is not None and self.row.header is not None:
            pairs = zip(self.row.names, self.row.cells, strict=False)
            return "; ".join(f"{name}: {cell}" for name, cell in pairs if cell) or self.quote
        return _ADORNMENT.sub("", ESCAPE.sub("", self.quote)) or self.quote

    @cached_property
    def words(self) -> Words:
        """What it says."""
        return Words(self.quote if self.row is None else "; ".join(self.row.cells))

    @cached_property
    def begin(self) -> Words:
        """What it begins with."""
        return Words(" ".join(self.quote.split()[:_BEGIN]))


def pieces(file: str, lines: Sequence[Line]) -> Iterator[Piece]:
    """The pieces in some lines of a file, which are in order but may leave lines out."""
    return _Pieces(file, lines).all()


class _Pieces:
    def __init__(self, file: str, lines: Sequence[Line]) -> None:
        self.file = file
        self.lines = {line.number: line for line in lines}
        self.blocks = list(blocks(file, lines))
        self.above: dict[Line, Piece] = {}
        self.name = Support(NAME, Piece(file, 0, 0, PurePath(file).stem))

    def all(self) -> Iterator[Piece]:
        section: tuple[Line, ...] = ()
        earlier: list[Piece] = []
        for i, block in enumerate(self.blocks):
            if block.headings != section:
                section, earlier = block.headings, []
            said = list(self._said(block, earlier))
            yield from said
            if block.kind in ("text", "entry"):
                earlier = [*earlier, *said][-_BEFORE:]
            if block.kind in ("heading", "question"):
                yield from self._body(i, block, self._line(block.lines[-1]))
            elif block.kind in ("text", "entry", "item") and said and said[-1].quote.endswith((":", "：")):
                yield from self._body(i, block, said[-1], first=said[-1].first_line)

    def _said(self, block: Block, earlier: Sequence[Piece]) -> Iterator[Piece]:
        supports = self._supports(block)
        if block.kind in ("row", "code", "log", "heading"):
            yield from self._whole(block.lines, block.kind, supports, block.row)
        elif block.kind != "question":
            yield from self._sentences(block, supports, earlier)

    def _supports(self, block: Block) -> tuple[Support, ...]:
        parents = [Support(UNDER, self._line(line)) for line in block.parents]
        return (*parents, *(Support(HEADING, self._line(line)) for line in block.headings), self.name)

    def _line(self, line: Line) -> Piece:
        if line not in self.above:
            self.above[line] = Piece(self.file, line.number, line.number, _spaced(line.text)[:_SHORT], "heading")
        return self.above[line]

    def _whole(
        self,
        lines: Sequence[Line],
        kind: Kind,
        supports: tuple[Support, ...],
        row: Row | None = None,
        lead: Piece | None = None,
    ) -> Iterator[Piece]:
        """All of these lines as one piece; of what is too long or does not print, a part."""
        quote = _spaced(" ".join(line.text for line in lines))
        whole = len(quote) <= _MOST_CHARACTERS and ESCAPE.sub("", quote).isprintable()
        for start, end in [(0, len(quote))] if whole and any(map(str.isalnum, quote)) else spans(quote):
            yield Piece(self.file, lines[0].number, lines[-1].number, quote[start:end], kind, supports, row, lead)

    def _sentences(self, block: Block, supports: tuple[Support, ...], earlier: Sequence[Piece]) -> Iterator[Piece]:
        text, starts = "", list[tuple[int, int]]()
        for number, line in block.lines:
            starts.append((len(text), number))
            text += line + " "

        def cut(start: int, end: int, *more: Support) -> Piece:
            first = max(number for at, number in starts if at <= start)
            last = max(number for at, number in starts if at < end)
            return Piece(self.file, first, last, _spaced(text[start:end]), block.kind, (*supports, *more))

        places = list(spans(text))
        # What stands under a key, a term or a question is about it as a whole.
        if len(places) > 1 and len(text) <= _SHORT and (block.kind != "text" or block.parents):
            yield cut(places[0][0], places[-1][1])
        before: list[Piece] = []
        for i, (start, end) in enumerate(places):
            nearer = BEFORE if block.kind == "text" else HEADING
            near = [Support(UNDER if _is_label(piece) else nearer, piece) for piece in reversed(before[-_BEFORE:])]
            near += [Support(EARLIER, piece) for piece in reversed(earlier) if block.kind != "entry"]
            back = i
            while back and i - back < 2 and _PRONOUN.match(text, *places[back]):
                back -= 1
            if back < i:  # "He lived there": quoted with the sentence that says who and where
                yield cut(places[back][0], end, *near[i - back :])
                near = []
            before.append(cut(start, end, *near))
            yield before[-1]

    def _body(self, i: int, block: Block, lead: Piece, first: int = 0) -> Iterator[Piece]:
        """What follows a heading, a question or a lead-in: one paragraph, or a list as a whole."""
        last = block.lines[-1]
        below = [*takewhile(lambda one: last in one.parents or last in one.headings, self.blocks[i + 1 :])]
        below = [*takewhile(lambda one: one.kind not in ("heading", "question"), below)]
        if below and below[0].kind == "text":
            below = below[:1]
        below = [*takewhile(lambda one: one is below[0] or one.kind != "text", below)]
        if not below:
            return
        lines: list[Line] = []
        size = 0
        for number in range(first or below[0].lines[0].number, below[-1].lines[-1].number + 1):
            line = self.lines.get(number)
            size += len(line.text) if line else 0
            if line is None or len(lines) >= _MOST_LINES or size > _MOST_CHARACTERS:
                break
            lines.append(line)
        if lines and lines[-1].number >= below[0].lines[0].number:
            kind = below[0].kind if len(below) == 1 else "item"
            yield from self._whole(lines, kind, (Support(UNDER, lead), *self._supports(block)), lead=lead)


def _is_label(piece: Piece) -> bool:
    """Whether it is like the date before what a diary says of that day."""
    return len(piece.quote.split()) <= 3


def _spaced(text: str) -> str:
    return " ".join(text.split())
