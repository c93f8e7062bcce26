"""Blocks exist because a line means little alone: an item needs its lead-in, a value its key, an answer its question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._folder import Line
from ._tables import RULE, Row, rows
from ._words import STOP_WORDS, word_set

Kind: TypeAlias = Literal["text", "heading", "question", "item", "row", "entry", "code", "log"]

_CODE = word_set(
    "py js mjs ts tsx jsx go rs java kt c h cc cpp hpp cs rb php pl pm sh bash zsh lua swift scala sql r jl ex exs erl"
    " css scss html xml vue makefile dockerfile gradle tf nix el hs ml clj proto"
)
_DATA = word_set("yml yaml toml ini cfg conf properties env json lock")

_HEADING = re.compile(r"(#{1,6})\s+\S")
_SECTION = re.compile(r"\s*\[{1,2}[^\[\]]+\]{1,2}\s*$")
_BOLD = re.compile(r"\s*(\*\*|__)[^*_]+\1:?\s*$")
_UNDERLINE = re.compile(r"\s*([-=~^*+#.])\1{2,}\s*$")
_DRAWN = re.compile(r"\W*")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_ITEM = re.compile(r"\s*(?:[-*+•–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S")
_ENTRY = re.compile(
    r"\s*(?:[-*+]\s+)?[\"'`*_]*[^\W_](?:[^:=!?;,|{}.]|\.(?=\S)){0,47}?[\"'`*_]*\s*(?::[\"'`*_]*(?:\s|$)|=(?![=>]))"
)
_ASSIGNED = re.compile(r"\s*(?:\w+ ){0,3}[\w.]+(?:: ?\w+)? ?= ?[\"'\d-]")
_NAMING = re.compile(r"[\W_]*(?:name|title)\W", re.IGNORECASE)
_LETTERS = re.compile(r"\w")
_LOG = re.compile(
    r"\W{0,2}(?:\d{4}-\d\d-\d\d[T ]\d\d:|[A-Z][a-z]{2}\s+\d{1,2}\s\d\d:\d\d|\d\d:\d\d:\d\d|(?:\d{1,3}\.){3}\d)"
)
_COMMENT = re.compile(r"\s*(?:#|//+|--|;+|/?\*+)(?:\s|!|$)")
_DOCSTRING = re.compile(r'"""|\'\'\'')
_QUESTION = re.compile(r"\s*(?:[-*+>]\s+|\d+[.)]\s+)?[*_]{0,2}(?:Q(?:uestion)?\s*\d*\s*[:.)]).*|.*[?？][*_\"]{0,3}\s*$")
_TWO = re.compile(r"\w[.!?]\s+[A-Z]")
_END = re.compile(r"[.!?:;。！？।][\"'”’)\]*_`]*\s*$")
_CLOSED = re.compile(r"[.,;!?]\s*$")
_OPENS = re.compile(r"[,(–—-]\s*$|\b(?:Dr|Mr|Mrs|Ms|Prof|St|No|[A-Z])\.$")
_WRAPPED = 50
_ANSWERS = 4


def is_code(file: str) -> bool:
    """Whether a file is a program, by its name."""
    return file.lower().rpartition("/")[2].rpartition(".")[2] in _CODE


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together, and the lines that they stand under.

    Attributes:
        kind: what they look like.
        lines: the lines themselves, without gaps.
        headings: the headings of the sections they are in, the outermost first.
        parents: what they need to be understood: the header of a row, the key of a value, the lead-in of a list, the
            question before an answer, the function around a line of code; the nearest last.
        row: the cells, of a row.

    """

    kind: Kind
    lines: tuple[Line, ...]
    headings: tuple[Line, ...] = ()
    parents: tuple[Line, ...] = ()
    row: Row | None = None


def blocks(file: str, lines: Sequence[Line]) -> Iterator[Block]:
    """The blocks of a file, or of some lines of it in order: where numbers are left out, a paragraph ends."""
    return _Outline(file, lines).blocks()


class _Outline:
    """What the line at hand stands under."""

    def __init__(self, file: str, lines: Sequence[Line]) -> None:
        self.code, self.data = is_code(file), file.lower().rpartition(".")[2] in _DATA
        self.lines = lines
        self.rows: Mapping[int, Row] = {} if self.code else rows(file, lines)
        self.quoted = set(_quoted(lines)) if self.code else set[int]()
        self.headings: list[tuple[int, Line]] = []
        self.indents: list[tuple[int, Line]] = []
        self.lead: tuple[Line, ...] = ()
        self.question: tuple[Line, ...] = ()
        self.answers = 0
        self.titles: dict[int, Line] = {}

    def blocks(self) -> Iterator[Block]:
        i, fenced = 0, False
        while i < len(self.lines):
            line = self.lines[i]
            text = line.text
            if _DRAWN.fullmatch(text) and self._divides(line):
                self.titles.clear()
                i += 1
            elif _FENCE.match(text):
                fenced = not fenced
                i += 1
            elif fenced or (self.code and i not in self.quoted and not _COMMENT.match(text)):
                kind: Kind = "entry" if _ASSIGNED.match(text) else "code"
                yield self._under(kind, (line,), indent=True)
                i += 1
            elif (row := self.rows.get(line.number)) is not None:
                if not RULE.match(text):
                    yield self._under("row", (line,), row)
                i += 1
            elif level := self._level(i):
                yield self._heading(level, line)
                i += 1
            else:
                end = i + 1
                while end < len(self.lines) and self._goes_on(end):
                    end += 1
                yield self._text(tuple(self.lines[i:end]))
                i = end

    def _divides(self, line: Line) -> bool:
        """Whether a line without letters is blank, or only draws a line."""
        text = line.text.strip()
        return (
            not text
            or _UNDERLINE.match(text) is not None
            or (line.number not in self.rows and RULE.match(text) is not None)
        )

    def _level(self, i: int) -> int:
        """How deep a heading is, 1 to 6; 0 if it is none."""
        text = self.lines[i].text
        below = self._next(i, 1)
        after_blank = not _LETTERS.search(self._next(i, -1) or "")
        if not self.code and not self.data and (marks := _HEADING.match(text)):
            return len(marks[1])
        if _SECTION.match(text) and (self.data or after_blank):
            return 1
        if self.code:
            return 0
        if below and _UNDERLINE.match(below) and len(text) <= 100 and not _ITEM.match(text) and after_blank:
            return 1 if "=" in below else 2
        if _BOLD.match(text):
            return 6
        words = text.split()
        if self.data or not after_blank or len(text) > 60 or len(words) > 8 or _END.search(text):
            return 0
        if (
            not text[0].isalnum()
            or _ITEM.match(text)
            or _ENTRY.match(text)
            or _LOG.match(text)
            or "," in text
            or (below or "").startswith(": ")
        ):
            return 0
        if text.isupper() and len(text) > 3:
            return 2
        if below and below.strip() and not below[0].isspace() and len(text) >= 0.4 * len(below):
            return 0
        return 0 if not text[0].isupper() else 1 if self.lines[i].number == 1 else 3

    def _next(self, i: int, step: int) -> str | None:
        """The line before or after, if it is here."""
        here = 0 <= i + step < len(self.lines) and self.lines[i + step].number == self.lines[i].number + step
        return self.lines[i + step].text if here else None

    def _goes_on(self, i: int) -> bool:
        before, line = self.lines[i - 1], self.lines[i]
        text, last = line.text, before.text
        if line.number != before.number + 1 or not text.strip() or _UNDERLINE.match(text) or _FENCE.match(text):
            return False
        if self.data or line.number in self.rows or _LOG.match(text) or _asks(last) or _BOLD.match(text):
            return False
        if self.code:
            both = (i in self.quoted, i - 1 in self.quoted)
            return all(both) or (not any(both) and bool(_COMMENT.match(text)) and bool(_COMMENT.match(last)))
        if _HEADING.match(text) or _ITEM.match(text) or _ENTRY.match(text) or last.rstrip().endswith((":", "{", "}")):
            return False
        begin = text.lstrip()
        if text.startswith(": ") or begin[0].islower() or not begin[0].isalnum():
            return True
        if _OPENS.search(last) or last.split()[-1].lower() in STOP_WORDS:
            return True
        return len(last) >= _WRAPPED or (_indent(text) > _indent(last) and bool(_ITEM.match(last)))

    def _heading(self, level: int, line: Line) -> Block:
        self.headings = [(deep, above) for deep, above in self.headings if deep < level]
        block = Block("heading", (line,), tuple(above for _, above in self.headings))
        self.indents, self.lead, self.question = [], (), ()
        if _asks(line.text):
            self.question, self.answers = (line,), _ANSWERS
            return Block("question", (line,), block.headings)
        self.headings.append((level, line))
        return block

    def _text(self, lines: tuple[Line, ...]) -> Block:
        first, whole = lines[0].text, " ".join(line.text for line in lines)
        if _asks(whole) and len(lines) <= 3 and not self.code and not self.data:
            self.question, self.answers, self.lead = lines, _ANSWERS, ()
            return Block("question", lines, tuple(above for _, above in self.headings))
        if _LOG.match(first):
            return self._under("log", lines)
        kind: Kind = "item" if _ITEM.match(first) else "text"
        if _ENTRY.match(first):
            kind = "entry"
        if kind != "item" and not first[0].isspace():
            self.lead = ()
        block = self._under(kind, lines, indent=True)
        if kind != "item" and whole.rstrip().endswith((":", "：")) and not first[0].isspace():
            self.lead = lines[-3:]
        return block

    def _under(self, kind: Kind, lines: tuple[Line, ...], row: Row | None = None, *, indent: bool = False) -> Block:
        parents = [*self.question] if self.answers > 0 else []
        parents += self.lead
        if indent:
            deep, opens = _indent(lines[0].text), lines[-1].text.rstrip().endswith((":", "{", "["))
            while self.indents and self.indents[-1][0] >= deep:
                self.indents.pop()
            parents += [above for _, above in self.indents if above not in parents]
            if lines[-1].text.strip(" {[(") and (kind == "item" or not _CLOSED.search(lines[-1].text)):
                self.indents.append((deep, lines[0]))
            self.titles = {at: title for at, title in self.titles.items() if at <= deep and not (opens and at == deep)}
            if kind == "entry" and not opens and not _ITEM.match(lines[0].text):
                # The first entry of a record, or its name, says what the others are about.
                if deep not in self.titles or _NAMING.match(lines[0].text):
                    self.titles[deep] = lines[0]
                else:
                    parents.append(self.titles[deep])
        if row is not None and row.header is not None:
            parents.append(row.header)
        self.answers -= 1
        return Block(kind, lines, tuple(above for _, above in self.headings), tuple(parents), row)


def _quoted(lines: Sequence[Line]) -> Iterator[int]:
    """Which of the lines are in a docstring, its first and last line included."""
    inside, before = False, Line(0, "")
    for i, line in enumerate(lines):
        if line.number != before.number + 1:
            inside = False
        marks = len(_DOCSTRING.findall(line.text))
        if inside or marks:
            yield i
        # A mark alone that follows no opening line ends a docstring that began above these lines.
        ends = (
            not inside
            and _DOCSTRING.fullmatch(line.text.strip())
            and not before.text.rstrip().endswith((":", "(", "="))
        )
        inside ^= marks % 2 == 1 and not ends
        before = line


def _asks(text: str) -> bool:
    return _QUESTION.fullmatch(text) is not None and not _TWO.search(text)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())
