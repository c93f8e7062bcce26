"""Words exist to compare a question with text in any script: what counts as a word, and which words carry meaning."""

from __future__ import annotations

import re
import unicodedata

# Python's \w leaves out combining marks, which many scripts write inside their words.
_MARKS = "".join(chr(c) for c in range(0x300, 0x1E00) if unicodedata.category(chr(c)).startswith("M"))
_WORD = re.compile(rf"[\w{_MARKS}]+(?:[-_.'’/:@][\w{_MARKS}]+)*")
_PART = re.compile(rf"(?:(?!_)[\w{_MARKS}])+")
_POSSESSIVE = re.compile(r"['’](?:s|re|ve|ll|d|m)$")

# Scripts written without spaces (and Korean, whose particles stick to the word): read as pairs of characters.
_UNSPACED = (
    r"[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005\u3040-\u30ff\u3130-\u318f"
    r"\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
_RUN = re.compile(f"{_UNSPACED}+")

_ENGLISH = """
a about above after again all also am an and any are aren't as at be because been before being below between both but
by can can't cannot could describe did didn't do does doesn't doing don't each else ever every explain few for from
further get gets give gives got had has have having he her here hers him his how however i if in into is isn't it its
just know let like many may me might more most much must my need no nor not of off on once one only or other our ours
out over own please same say says shall she should so some such tell than that the their them then there these they
thing things this those through to too under until up upon us use used using very want was wasn't we were what
whatever when where whether which while who whom whose why will with won't would yes yet you your
exist exists happen happens happened look looks mean means take takes
"""
# Only words that mean nothing in English either: "die", "war" or "man" must stay findable.
_OTHERS = """
wie wird werden ein eine einen einem einer der das und oder nicht ist sind mit für von dem den des im auf zum zur wo
warum welche welcher welches wann wer gibt es le la les des un une et est sont dans quel quelle quels quelles comment
pourquoi quand qui que quoi el los las una y en del por para cómo qué cuál cuáles dónde cuándo quién il lo gli di che
della como o os um uma het een hoe wat waarom и в на не что как какие какой какая где когда почему кто это для по из
"""
_ENDINGS = ("ations", "ation", "ments", "ment", "ings", "ing", "ness", "ers", "er", "ors", "or", "ies", "ions",
            "ion", "ed", "es", "ly", "s", "e", "y")  # fmt: skip


def folded(text: str) -> str:
    """`text` without differences of case, width and accents."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", "".join(c for c in spread if not "\u0300" <= c <= "\u036f"))


STOP_WORDS = frozenset(folded(word) for word in (_ENGLISH + _OTHERS).split())
"""Words that say nothing about what a question is about, folded."""


def searchable(text: str) -> str:
    """`text` for the index: folded, and scripts without spaces as pairs of characters ("東京都" as "東京 京都 都")."""
    flat = folded(text)
    return flat if flat.isascii() else _RUN.sub(_pairs, flat)


def words(text: str) -> list[str]:
    """The words of `text` in order, folded; scripts without spaces give pairs of characters."""
    flat = folded(text)
    if not flat.isascii():
        # Without its last single character: a pair says more, and a run of one stays as it is.
        flat = _RUN.sub(lambda run: f" {' '.join(_paired(run[0]) or [run[0]])} ", flat)
    return [word for found in _WORD.findall(flat) if (word := _POSSESSIVE.sub("", found).strip("_")) and parts(word)]


def parts(word: str) -> list[str]:
    """The plain words in a compound such as `one_for_all` or `asyncio.wait_for`."""
    return _PART.findall(word)


def telling(text: str) -> list[str]:
    """The different words of `text` that carry meaning, in order; none if all of them are stop words."""
    return [word for word in dict.fromkeys(words(text)) if word not in STOP_WORDS]


def unspaced(word: str) -> bool:
    """Whether `word` is in a script that is written without spaces."""
    return _RUN.match(word) is not None


def stem(word: str) -> str:
    """What is left of an English word without a common ending: "restarted" and "restarts" give the same."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return stem(word[: -len(ending)])
    return word


def clutter(text: str) -> float:
    """How much of `text` is brackets, quotes and operators, 0 to 1: below 0.05 in prose, above 0.1 in code and data."""
    return sum(map(text.count, '{}[]()<>"=;|\\_')) / max(len(text), 1)


def _paired(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


def _pairs(run: re.Match[str]) -> str:
    # The last character alone closes the run, so that a search for one character finds it as a prefix.
    return f" {' '.join([*_paired(run[0]), run[0][-1]])} "
