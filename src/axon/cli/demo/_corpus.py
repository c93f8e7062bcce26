"""A corpus exists so that an agent can search a folder, read its lines, and be held to what it quotes."""

from __future__ import annotations

import difflib
import math
import posixpath
import sqlite3
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Self

from ._blocks import is_code
from ._folder import Contents, Line, TextFile, read_folder
from ._passages import Passage, passages
from ._words import clutter, parts, searchable, telling, unspaced, words

_MOST_TERMS = 48
_CANDIDATES = 200


class CorpusClosed(ValueError):
    """The corpus was searched after `close()`."""


class FileNotInFolder(LookupError):
    """No text file of this name is in the folder.

    Attributes:
        file: the name that was asked for.
        near: names that look like it, best first; may be empty.

    """

    def __init__(self, file: str, near: tuple[str, ...] = ()) -> None:
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        super().__init__(f"there is no text file {file!r} in the folder{hint}")
        self.file = file
        self.near = near

    def __reduce__(self) -> tuple[type[FileNotInFolder], tuple[str, tuple[str, ...]]]:
        return type(self), (self.file, self.near)


class FileOutsideFolder(LookupError):
    """A path that leads out of the folder; nothing there may be read."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file!r} is outside the folder; only files inside it may be read")
        self.file = file

    def __reduce__(self) -> tuple[type[FileOutsideFolder], tuple[str]]:
        return type(self), (self.file,)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that matches a query.

    Attributes:
        file: name of the file, relative to the folder.
        first_line: its first line, from 1.
        last_line: its last line, included.
        text: these lines, joined by newlines; of a very long line, the part that matches.
        above: lines they stand under, such as headings, the header of a table, the key of a value.
        score: 0 to 1, mostly the share of the query that the passage has, rare words counting more.

    """

    file: str
    first_line: int
    last_line: int
    text: str
    score: float
    above: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """How much a corpus holds; `skipped` says why files were left out, and how many of each."""

    files: int
    lines: int
    passages: int
    skipped: Mapping[str, int]


class _Term(NamedTuple):
    word: str
    expression: str
    rows: frozenset[int]


class Corpus:
    """The text of one folder as it was when it was opened; safe to use from several tasks and threads.

    Attributes:
        root: the folder, resolved.
        statistics: how much it holds.

    """

    def __init__(self, contents: Contents) -> None:
        self.root = contents.root
        self._files = {file.name: file for file in contents.files}
        self._passages = [passage for file in contents.files for passage in passages(file)]
        self.statistics = Statistics(
            files=len(self._files),
            lines=sum(len(file.lines) for file in contents.files),
            passages=len(self._passages),
            skipped=contents.skipped,
        )
        self._lock = Lock()
        self._open = True
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        # Marks (M*) are inside the words of many scripts. Without content the index is a third of the size.
        self._db.execute(
            "CREATE VIRTUAL TABLE passage USING fts5(body, heading, content='', "
            """tokenize="porter unicode61 remove_diacritics 2 categories 'L* N* Co M*'")"""
        )
        self._db.executemany(
            "INSERT INTO passage (rowid, body, heading) VALUES (?, ?, ?)",
            ((i, searchable(p.text), searchable(f"{_above(p)} {p.file.name}")) for i, p in enumerate(self._passages)),
        )
        self._db.commit()

    @classmethod
    def open(cls, folder: Path, only: Collection[str] | None = None) -> Self:
        """Read and index every text file below `folder`; see `read_folder` for what is left out.

        only: names at the top of the folder; nothing else is looked at. Default: everything.

        Blocks for about a second per 10 MB of text.

        Raises:
            FolderNotFound: there is nothing at `folder`.
            NotAFolder: it is not a directory.
            NoReadableText: nothing in it could be read as text.

        """
        return cls(read_folder(folder, only))

    def search(self, query: str, limit: int = 8) -> list[Hit]:
        """The passages that match free text best, best first; none when no word of it is anywhere.

        English inflections of a word match too. Stop words count only when there is nothing else, and then as one
        phrase. If no word is found as it stands, words that begin like it are.

        Raises:
            CorpusClosed: after `close()`.

        """
        with self._opened() as db:
            terms = self._terms(db, query)
            ranks = self._ranks(db, [term.expression for term in terms if term.rows])
        weights = {term.word: self.weight(len(term.rows)) for term in terms}
        total, top = sum(weights.values()), min(ranks.values(), default=0.0)
        scores = {
            row: (0.8 * sum(weights[term.word] for term in terms if row in term.rows) / total + 0.2 * rank / top)
            * _plainness(self._passages[row])
            for row, rank in ranks.items()
        }
        hits: dict[str, Hit] = {}
        for row in sorted(scores, key=lambda row: (-scores[row], row)):
            passage = self._passages[row]
            text = passage.text
            if len(hits) < limit and (same := " ".join(text.split())) not in hits:
                score = round(scores[row], 3)
                hits[same] = Hit(passage.file.name, passage.first_line, passage.last_line, text, score, passage.above)
        return list(hits.values())

    def frequencies(self, query: str) -> dict[str, int]:
        """In how many passages each telling word of `query` is found; 0 says that the folder has no such word.

        Raises:
            CorpusClosed: after `close()`.

        """
        with self._opened() as db:
            return {term.word: len(term.rows) for term in self._terms(db, query)}

    def weight(self, frequency: int) -> float:
        """How much a word found in `frequency` passages says: the rarer, the more."""
        return math.log(1 + len(self._passages) / max(frequency, 1))

    def read(self, file: str, first_line: int, last_line: int) -> list[Line]:
        """The lines of a file from `first_line` to `last_line`, both included and counted from 1.

        Numbers beyond the file are clipped to it, so the list may be shorter, or empty.

        Raises:
            FileNotInFolder: no text file has this name; `near` has names like it.
            FileOutsideFolder: the path leads out of the folder.

        """
        first = max(first_line, 1)
        lines = self._file(file).lines[first - 1 : max(last_line, 0)]
        return [Line(number, text) for number, text in enumerate(lines, first)]

    def line_count(self, file: str) -> int:
        """How many lines a file has.

        Raises:
            FileNotInFolder: no text file has this name; `near` has names like it.
            FileOutsideFolder: the path leads out of the folder.

        """
        return len(self._file(file).lines)

    def close(self) -> None:
        """Free the index; closing again is harmless. `read` still works."""
        with self._lock:
            self._open = False
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            if not self._open:
                raise CorpusClosed(f"the corpus of {str(self.root)!r} is closed")
            yield self._db

    def _terms(self, db: sqlite3.Connection, query: str) -> list[_Term]:
        asked = telling(query)[:_MOST_TERMS]
        if not asked:
            phrase = " ".join(words(query)[:_MOST_TERMS])
            return [_term(db, phrase, f'"{phrase}"')] if phrase else []
        terms: dict[str, _Term] = {}
        for word in asked:
            term = _term(db, word, _expression(word))
            # A compound that is nowhere as such is asked for by its parts.
            split = [] if term.rows else [part for part in telling(" ".join(parts(word))) if part != word]
            for found in [_term(db, part, _expression(part)) for part in split] or [term]:
                terms[found.word] = found
        for shortened in (1.0, 0.75):
            if any(term.rows for term in terms.values()):
                break
            terms = {word: _term(db, word, _beginning(word, shortened)) for word in terms}
        return _without_chance_pairs(list(terms.values()))

    def _ranks(self, db: sqlite3.Connection, expressions: list[str]) -> dict[int, float]:
        """The best candidates and their bm25, which is below zero, the best lowest."""
        if not expressions:
            return {}
        rows: list[tuple[int, float]] = db.execute(
            "SELECT rowid, bm25(passage, 1.0, 0.6) FROM passage WHERE passage MATCH ? ORDER BY 2, 1 LIMIT ?",
            (" OR ".join(expressions), _CANDIDATES),
        ).fetchall()
        # bm25 is 0 or above for a word in most passages; the order then still holds.
        return {row: min(rank, -1e-9) for row, rank in rows}

    def _file(self, name: str) -> TextFile:
        if found := self._files.get(name):
            return found
        plain = posixpath.normpath(name.replace("\\", "/"))
        inside = plain.removeprefix(posixpath.join(self.root.as_posix(), ""))
        if inside.startswith(("/", "../")) or inside == "..":
            raise FileOutsideFolder(name)
        if found := self._files.get(inside):
            return found
        raise FileNotInFolder(name, self._near(inside))

    def _near(self, name: str) -> tuple[str, ...]:
        base = posixpath.basename(name)
        same = [known for known in self._files if posixpath.basename(known) == base]
        alike = difflib.get_close_matches(name, islice(self._files, 2_000), 3)
        return tuple(dict.fromkeys([*same, *alike]))[:3]


def _plainness(passage: Passage) -> float:
    """How much a passage is likely to say something in words: prose more than programs, and these more than tests."""
    name = passage.file.name.lower()
    share = 0.7 if is_code(name) else 1.0
    return share * (0.8 if "test" in name else 1.0) * (1 - min(2 * clutter(passage.text), 0.4))


def _above(passage: Passage) -> str:
    return " ".join(line.text[:200] for line in passage.above)


def _term(db: sqlite3.Connection, word: str, expression: str) -> _Term:
    rows = db.execute("SELECT rowid FROM passage WHERE passage MATCH ?", (expression,)).fetchall()
    return _Term(word, expression, frozenset(row for (row,) in rows))


def _without_chance_pairs(terms: list[_Term]) -> list[_Term]:
    """`terms` without as many of the pairs of characters that are nowhere as there are such that are somewhere.

    About half of the pairs in a sentence straddle two words, and say nothing when they are not found.
    """
    pairs = [term for term in terms if unspaced(term.word)]
    chance = {term.word for term in [t for t in pairs if not t.rows][: sum(bool(t.rows) for t in pairs)]}
    return [term for term in terms if term.word not in chance]


def _expression(word: str) -> str:
    """An FTS5 expression for one word; quoted, so that nothing in it is taken for an operator."""
    if unspaced(word) and len(word) == 1:
        return f'"{word}" *'
    # The index knows English endings only; in other alphabets words that begin alike count as the same.
    return f'"{word}"' if word.isascii() or unspaced(word) or len(word) < 5 else _beginning(word, 0.75)


def _beginning(word: str, share: float) -> str:
    return f'"{word[: max(3, math.ceil(len(word) * share))]}" *'
