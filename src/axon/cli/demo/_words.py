"""Words exist to compare a question with text in any script: what counts as a word, and which words carry meaning."""

from __future__ import annotations

import re
import unicodedata

from . import _english

# Python's \w leaves out combining marks, which many scripts write inside their words.
_MARKS = "".join(chr(c) for c in range(0x300, 0x1E00) if unicodedata.category(chr(c)).startswith("M"))
_WORD = re.compile(rf"[\w{_MARKS}]+(?:[-_.'’/:@][\w{_MARKS}]+)*")
_PART = re.compile(rf"(?:(?!_)[\w{_MARKS}])+")
_THOUSANDS = re.compile(r"(?<![\w,.])\d{1,3}(?:,\d{3})+(?![\w,])")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_POSSESSIVE = re.compile(r"['’](?:s|re|ve|ll|d|m)$")

ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""What a program writes to colour its output: it stands in logs, and means nothing."""

# Scripts written without spaces (and Korean, whose particles stick to the word): read as pairs of characters.
_UNSPACED = (
    r"[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005\u3040-\u30ff\u3130-\u318f"
    r"\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
_RUN = re.compile(f"{_UNSPACED}+")


def folded(text: str) -> str:
    """`text` without differences of case, width and accents."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", "".join(c for c in spread if not "\u0300" <= c <= "\u036f"))


def word_set(*texts: str) -> frozenset[str]:
    """The words of some lists, folded."""
    return frozenset(folded(word) for text in texts for word in text.split())


STOP_WORDS = word_set(_english.STOP_WORDS, _english.FOREIGN_STOP_WORDS)
"""Words that say nothing about what a question is about, folded."""

_FOREIGN = word_set(_english.FOREIGN_STOP_WORDS) - word_set(_english.STOP_WORDS)
_HOMONYMS = word_set(_english.HOMONYMS)


def searchable(text: str) -> str:
    """`text` for the index: folded, and scripts without spaces as pairs of characters ("東京都" as "東京 京都 都")."""
    # "101,200" may be two cells of a table.
    flat = _plain(_THOUSANDS.sub(lambda number: f"{number[0]} {number[0].replace(',', '')}", text))
    return flat if flat.isascii() else _RUN.sub(_pairs, flat)


def words(text: str) -> list[str]:
    """The words of `text` in order, folded; `camelCase` as `camel_case`, scripts without spaces as pairs of characters."""
    flat = _plain(_THOUSANDS.sub(lambda number: number[0].replace(",", ""), text))
    if not flat.isascii():
        # Without its last single character: a pair says more, and a run of one stays as it is.
        flat = _RUN.sub(lambda run: f" {' '.join(_paired(run[0]) or [run[0]])} ", flat)
    return [word for found in _WORD.findall(flat) if (word := _POSSESSIVE.sub("", found).strip("_")) and parts(word)]


def parts(word: str) -> list[str]:
    """The plain words in a compound such as `one_for_all` or `asyncio.wait_for`."""
    return _PART.findall(word)


def telling(text: str) -> list[str]:
    """The different words of `text` that carry meaning, in order; none if all of them are stop words."""
    found = list(dict.fromkeys(words(text)))
    small = STOP_WORDS if _FOREIGN.isdisjoint(found) else STOP_WORDS | _HOMONYMS
    return [word for word in found if word not in small]


def unspaced(word: str) -> bool:
    """Whether `word` is in a script that is written without spaces."""
    return _RUN.match(word) is not None


def clutter(text: str) -> float:
    """How much of `text` is brackets, quotes and operators, 0 to 1: below 0.05 in prose, above 0.1 in code and data."""
    return sum(map(text.count, '{}[]()<>"=;|\\_')) / max(len(text), 1)


def _plain(text: str) -> str:
    return folded(_HUMP.sub("_", ESCAPE.sub("", text)))


def _paired(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


def _pairs(run: re.Match[str]) -> str:
    # The last character alone closes the run, so that a search for one character finds it as a prefix.
    return f" {' '.join([*_paired(run[0]), run[0][-1]])} "
