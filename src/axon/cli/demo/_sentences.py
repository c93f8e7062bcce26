"""Sentences exist because a good quote is one, and a full stop does not always end one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import _english
from ._words import ESCAPE, STOP_WORDS, word_set

MOST_CHARACTERS = 600
"""Text without an end of a sentence for longer than this is cut into stretches that overlap by half."""

_END = re.compile(r"(?:[.!?…]|\.{3})[\"'”’»)\]*_`]*\s+(?=[^\s])|[。！？।]+[」』”）]*\s*")
_TITLES, _BEFORE_NUMBERS, _INSIDE, _PERHAPS_LAST = (
    word_set(text) for text in (_english.TITLES, _english.BEFORE_NUMBERS, _english.INSIDE, _english.PERHAPS_LAST)
)
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_TOKEN = re.compile(r"[^\s(\[\"'“‘*_`/]*$")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffd]|\x1b(?!\[)")


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of `text` are; each has a letter or digit, and no control character."""
    for start, end in _cut(text):
        while end - start > MOST_CHARACTERS:
            stop = 1 + text.rfind(" ", start + MOST_CHARACTERS // 2, start + MOST_CHARACTERS) or start + MOST_CHARACTERS
            yield from _trimmed(text, start, stop)
            half = (start + stop) // 2
            start = 1 + text.find(" ", half, stop) or half
        yield from _trimmed(text, start, end)


def _cut(text: str) -> Iterator[tuple[int, int]]:
    for clean_start, clean_end in _printable(text):
        start = clean_start
        for match in _END.finditer(text, clean_start, clean_end):
            if text[match.start()] != "." or _is_end(text, start, match):
                yield start, match.end()
                start = match.end()
        yield start, clean_end


def _is_end(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether this full stop ends a sentence: not after an abbreviation, a title or an initial, nor before a small letter."""
    following = text[match.end() : match.end() + 40]
    if following[0].islower():
        return False
    token = _TOKEN.search(text, max(start, match.start() - 40), match.start())
    before = token[0].lower() if token else ""
    if before in _TITLES or before in _INSIDE:
        return False
    if before in _BEFORE_NUMBERS and following[0].isdigit():
        return False
    if before.isdigit() and len(before) <= 3 and match.start() - len(before) <= start:
        return False  # the number of an item
    if before in _PERHAPS_LAST or _DOTTED.fullmatch(before) or (len(before) == 1 and before.isalpha()):
        # Then only a word that often begins a sentence says that one has ended.
        word = re.match(r"[^\W\d_]+", following)
        return word is not None and word[0].lower() in STOP_WORDS and (before != "i" or len(word[0]) > 1)
    return True


def _printable(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _UNPRINTABLE.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    stretch = ESCAPE.sub(lambda match: " " * len(match[0]), text[start:end])
    if any(character.isalnum() for character in stretch):
        yield start + len(stretch) - len(stretch.lstrip()), start + len(stretch.rstrip())
