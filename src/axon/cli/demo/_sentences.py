"""Sentences exist because a good quote is one: found across wrapped lines, and chosen by what a question asks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from ._corpus import Line
from ._words import clutter, parts, stem, telling, unspaced, words

MOST_CHARACTERS = 400
"""A longer sentence is cut to the stretch that says most about the question."""

ENOUGH = 0.45
"""A sentence with a smaller share of the question than this does not answer it."""

_LONG_QUESTION = 6
_WRAPPED = 50
_REASON = re.compile(r"\b(?:because|since|so that|therefore|to avoid|reason)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\b\d")
_ITEM = re.compile(r"\s*(?:[-*+•|@]|\d+[.)]|#{1,6} |//|/\*|<|>|\.\. )")
_COMMENT = re.compile(r"\s*(#|//|>)\s")
_HEADING = re.compile(r"#{1,6}\s+\S")
_UNDERLINE = re.compile(r"\s*([-=~^*+#])\1{2,}\s*$")
_BLOCK_END = re.compile(r"[;:{}()\[|=\\]\s*$|[.!?。！？।]\s*$")
_SENTENCE_END = re.compile(
    r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\betc\.)(?<!\bincl\.)(?<!\bcf\.)(?<!\bvs\.)(?<=[.!?])[\"'”’)\]*_`]*\s+(?=[^a-z\s])|(?<=[。！？।])"
)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffd]")
_ADORNMENT = re.compile(r"^(?:[-*+•>|#/]+\s+|\d+[.)]\s+)+|[\s|]+$|\*\*")


@dataclass(frozen=True)
class Sentence:
    """A sentence, list item or line of code, and where it stands.

    Attributes:
        file: name of the file.
        first_line: its first line, from 1.
        last_line: its last line, included.
        quote: its words, with single spaces where lines end.
        heading: the heading it stands under, or "".

    """

    file: str
    first_line: int
    last_line: int
    quote: str
    heading: str = ""

    @property
    def plain(self) -> str:
        """The quote without the marks of a list, table, comment or heading before it."""
        return _ADORNMENT.sub("", self.quote) or self.quote

    @cached_property
    def words(self) -> Words:
        """What it says."""
        return Words(self.quote)

    @cached_property
    def heading_words(self) -> Words:
        """What its heading and the name of its file say."""
        return Words(f"{self.heading} {self.file}")


class Words:
    """The words of a text, ready to be compared with those of a question."""

    def __init__(self, text: str) -> None:
        self.all = words(text)
        self._joined = f" {' '.join(self.all)} "
        plain = {part for word in self.all for part in parts(word)}
        self._plain = plain.union(self.all)
        self._stems = {stem(word) for word in plain}
        self._pairs = set(pairwise(stem(word) for word in self.all))

    def joins(self, one: str, other: str) -> bool:
        """Whether `one` stands right before `other`."""
        return (stem(one), stem(other)) in self._pairs

    def define(self, term: str) -> bool:
        """Whether they say what `term` is."""
        return any((stem(term), verb) in self._pairs for verb in ("is", "are", "means", "was"))

    def have(self, term: str, loosely: bool = False) -> bool:
        """Whether `term` is among them; inflected too, and loosely also as a word that begins alike."""
        if " " in term:
            return f" {term} " in self._joined
        if term in self._plain or stem(term) in self._stems:
            return True
        if term.isascii() and not loosely and len(parts(term)) > 1:
            return term in self._joined
        if loosely or not (term.isascii() or unspaced(term)):
            begin = term[: max(3, math.ceil(len(term) * 0.75))]
            return any(word.startswith(begin) for word in self._plain)
        return False


def sentences(file: str, lines: Iterable[Line]) -> Iterator[Sentence]:
    """The sentences in some lines of a file, each with the heading above it."""
    heading = ""
    for block in _blocks(lines):
        if _HEADING.match(block[0].text):
            heading = block[0].text.strip("# \t")
        text, starts = "", list[tuple[int, int]]()
        for number, line in block:
            starts.append((len(text), number))
            text += line + " "
        for start, end in _spans(text):
            quote = " ".join(text[start:end].split())
            first = max(number for at, number in starts if at <= start)
            last = max(number for at, number in starts if at < end)
            yield Sentence(file, first, last, quote, heading)


def best(candidates: Sequence[Sentence], weights: Mapping[str, float], question: str, most: int = 3) -> list[Sentence]:
    """The sentences that say most about a question, best first, none that repeats another.

    Args:
        candidates: what may be quoted; of equals, the earlier one is taken.
        weights: the words of the question, and how much each of them says.
        question: the question, for what kind of answer it wants.
        most: at most so many.

    """
    total = sum(weights.values())
    # Nobody's sentence has most of the words of a very long question.
    enough = total * ENOUGH * min(1, _LONG_QUESTION / max(len(weights), 1))
    loose = {term for term in weights if not any(c.words.have(term) for c in candidates)}
    asked = _Asked(question)
    rated: list[tuple[float, Sentence]] = []
    for candidate in candidates:
        said = {term for term in weights if candidate.words.have(term, term in loose)}
        under = {term for term in weights if term not in said and candidate.heading_words.have(term)}
        value = sum(weights[term] for term in said) + 0.4 * sum(weights[term] for term in under)
        if said and value >= enough:
            rated.append((value / total * _form(candidate) + asked.fit(candidate, said), candidate))
    rated.sort(key=lambda pair: -pair[0])
    chosen: list[Sentence] = []
    for score, candidate in rated:
        if len(chosen) < most and score >= 0.75 * rated[0][0] and not any(_alike(candidate, c) for c in chosen):
            chosen.append(candidate)
    return chosen


class _Asked:
    """What kind of answer a question wants."""

    def __init__(self, question: str) -> None:
        first, second, *_ = [*words(question), "", ""]
        self._definition = first in ("what", "who", "define")
        self._reason = first == "why"
        self._number = first == "when" or (first == "how" and second in ("many", "much", "long", "old", "big"))
        self._pairs = list(pairwise(telling(question)[: _LONG_QUESTION * 4]))

    def fit(self, sentence: Sentence, said: set[str]) -> float:
        """How much a sentence is of that kind; `said` are the words of the question in it."""
        begin = Words(sentence.plain[: len(sentence.plain) // 3 + 10])
        value = 0.05 * any(begin.have(term) for term in said)
        value += 0.1 * any(sentence.words.joins(one, other) for one, other in self._pairs)
        if self._definition:
            value += 0.1 * any(sentence.words.define(term) for term in said)
        if self._reason:
            value += 0.15 * (_REASON.search(sentence.quote) is not None)
        if self._number:
            value += 0.15 * (_NUMBER.search(sentence.quote) is not None)
        return value


def _form(sentence: Sentence) -> float:
    """How much a sentence looks like a statement: headings, questions, mere names and symbols do less."""
    count, quote = len(sentence.words.all), sentence.quote
    value = 1.0
    if count < 5 and not any(unspaced(word) for word in sentence.words.all):
        value *= 0.5
    if _HEADING.match(quote):
        value *= 0.6
    if sentence.plain.endswith(("?", "？", ":", "：")):
        value *= 0.6
    if count > 40:
        value *= 0.85
    return value * (1 - min(4 * clutter(quote), 0.7))


def _alike(one: Sentence, other: Sentence) -> bool:
    if one.file == other.file and one.first_line <= other.last_line and other.first_line <= one.last_line:
        return one.quote in other.quote or other.quote in one.quote
    first, second = set(one.words.all), set(other.words.all)
    return len(first & second) > 0.7 * min(len(first), len(second))


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Lines that belong together: a wrapped paragraph or list item, or one line of anything else."""
    block: list[Line] = []
    for line in lines:
        if not line.text.strip() or _UNDERLINE.match(line.text):
            if block:
                yield block
            block = []
        elif block and not _goes_on(block[-1], line):
            yield block
            block = [line]
        else:
            block.append(line)
    if block:
        yield block


def _goes_on(before: Line, line: Line) -> bool:
    if line.number != before.number + 1 or len(before.text) < _WRAPPED or _HEADING.match(before.text):
        return False
    comment, comment_before = _COMMENT.match(line.text), _COMMENT.match(before.text)
    if comment and comment_before:
        return comment[1] == comment_before[1]
    return not _ITEM.match(line.text) and not _BLOCK_END.search(before.text)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of a block are; the longest are cut between words."""
    for clean_start, clean_end in _between(_UNPRINTABLE, text, 0, len(text)):
        for start, end in _between(_SENTENCE_END, text, clean_start, clean_end):
            while end - start > MOST_CHARACTERS:
                cut = 1 + text.rfind(" ", start + MOST_CHARACTERS // 2, start + MOST_CHARACTERS)
                cut = cut or start + MOST_CHARACTERS
                yield from _trimmed(text, start, cut)
                start = cut
            yield from _trimmed(text, start, end)


def _between(separator: re.Pattern[str], text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in separator.finditer(text, start, end):
        yield start, match.end()
        start = match.end()
    yield start, end


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    stretch = _UNPRINTABLE.sub(" ", text[start:end])
    if any(character.isalnum() for character in stretch):
        yield start + len(stretch) - len(stretch.lstrip()), start + len(stretch.rstrip())
