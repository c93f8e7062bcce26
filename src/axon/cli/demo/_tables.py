"""Tables exist in many spellings (pipes, commas, tabs, columns of spaces); here each row finds its header."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from itertools import islice, takewhile
from typing import NamedTuple

from ._folder import Line

RULE = re.compile(r"[\s|:+=-]*(?:--|==|:-)[\s|:+=-]*$")
"""The line below a table's header, or around a table: dashes, pipes and the like only."""

_SUFFIXES = (".csv", ".tsv", ".tab", ".psv")
_SEPARATOR = re.compile(r"[\t;,|]|  ")
_SPACES = re.compile(r"\s{2,}|\t")
_MOST_CELL = 40


class Row(NamedTuple):
    """One row of a table: its header, if it has one, and its cells."""

    header: Line | None
    names: tuple[str, ...]
    cells: tuple[str, ...]


def rows(file: str, lines: Sequence[Line]) -> Mapping[int, Row]:
    """The rows among some lines of a file by line number; a header is a row, too, without one of its own."""
    found: dict[int, Row] = {}
    i = 0
    while i < len(lines):
        taken = _piped(lines, i) or _separated(file, lines, i)
        found.update(taken)
        i += max(len(taken), 1)
    return found


def _piped(lines: Sequence[Line], i: int) -> dict[int, Row]:
    """A table of pipes that begins there: with a rule below its header, or with a pipe before each line."""
    if "|" not in lines[i].text or RULE.match(lines[i].text):
        return {}
    below = [*takewhile(lambda line: "|" in line.text or RULE.match(line.text), islice(lines, i, None))]
    ruled = len(below) > 1 and RULE.match(below[1].text) is not None
    if not ruled and not (len(below) > 1 and below[0].text.lstrip().startswith("|")):
        return {}
    header = below[0] if ruled else None
    names = _cells(below[0].text) if ruled else ()
    return {line.number: Row(None if line is header else header, names, _cells(line.text)) for line in below}


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def _separated(file: str, lines: Sequence[Line], i: int) -> dict[int, Row]:
    """Lines of equally many cells that begin there; outside of CSV files at least three, with three cells or more."""
    head, text = lines[i], lines[i].text.strip()
    if not _SEPARATOR.search(text):
        return {}
    sure = file.lower().endswith(_SUFFIXES)
    for separator in ("\t", ";", ",", "|", "  "):
        if separator not in text or not (sure or (i + 2 < len(lines) and separator in lines[i + 2].text.strip())):
            continue
        names = _split(head.text, separator)
        if len(names) < (2 if sure else 3) or not all(0 < len(name) <= _MOST_CELL for name in names):
            continue
        if any(name[0].isdigit() or name.endswith(".") for name in names):
            continue
        same = takewhile(lambda line: len(_split(line.text, separator)) == len(names), islice(lines, i + 1, None))  # noqa: B023
        below = {line.number: Row(head, names, _split(line.text, separator)) for line in same}
        if sure or len(below) >= 2:
            return {head.number: Row(None, names, names), **below}
    return {}


def _split(line: str, separator: str) -> tuple[str, ...]:
    if separator == "  ":
        return tuple(_SPACES.split(line.strip()))
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), list[str]())
    except csv.Error:
        return ()
    return tuple(cell.strip() for cell in cells)
