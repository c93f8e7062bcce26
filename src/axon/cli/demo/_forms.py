"""Forms exist because a question rarely has the very words of its answer: "built" asks for "building", "cost" for "price"."""

from __future__ import annotations

from functools import lru_cache

from . import _english

_VOWELS = frozenset("aeiouy")
_SUFFIXES = ("ational", "ations", "ation", "ments", "ment", "ness", "ances", "ance", "ences", "ence", "ities", "ity",
             "ions", "ion", "ers", "er", "ors", "or", "ist", "ants", "ant", "ents", "ent", "ally", "ly", "al", "ive",
             "able", "ible", "i")  # fmt: skip
_LONG = frozenset(
    {"ational", "ations", "ation", "ions", "ion", "ors", "or"}
)  # "station" is no "state", "author" no "auth"


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """What the inflected forms of an English word have in common: "rotates", "rotated", "rotating", "rotate"."""
    return _IRREGULAR.get(word) or _inflected(word)


@lru_cache(maxsize=50_000)
def root(word: str) -> str:
    """What words of one family have in common: "supplier", "supplies" and "supply"; shorter than their `stem`."""
    short = stem(word)
    for suffix in _SUFFIXES:
        if short.endswith(suffix) and len(short) - len(suffix) >= (5 if suffix in _LONG else 4):
            return _bare(short[: -len(suffix)]).removesuffix("i")
    return short


def is_participle(word: str) -> bool:
    """Whether it looks like "built", "painted" or "taken"."""
    return word.endswith("ed") or (word in _IRREGULAR and stem(word) != _inflected(word))


def kin(word: str) -> frozenset[str]:
    """The words that may stand in its place, irregular forms of it included."""
    return _KIN.get(stem(word), frozenset())


def _inflected(word: str) -> str:
    if not word.isascii() or not word.isalpha() or len(word) < 4:
        return word
    if word.endswith(("ies", "ied")) and len(word) > 4:
        return word[:-3] + "i"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return _bare(word[:-1])
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) >= 3 and not _VOWELS.isdisjoint(base) and not word.endswith("eed"):
            if base[-1] == base[-2] and base[-1] not in "lsz" and len(base) > 3:
                return base[:-1]
            shape = [letter in _VOWELS for letter in base]
            if shape == [False, True, False] and base[-1] not in "wx":
                return base + "e"  # "noted", not "fixed"
            return _bare(base)
    return _bare(word)


def _bare(word: str) -> str:
    if word.endswith("y") and len(word) > 3 and word[-2] not in _VOWELS:
        return word[:-1] + "i"
    return word[:-1] if (word.endswith("e") and len(word) > 4) or (word.endswith("ll") and len(word) > 5) else word


def _groups(table: str) -> list[list[str]]:
    return [group.split() for group in table.split(";")]


_IRREGULAR = {form: _inflected(group[0]) for group in _groups(_english.IRREGULAR) for form in group}
_KIN: dict[str, frozenset[str]] = {}
for _group in [*_groups(_english.KIN), *_groups(_english.IRREGULAR)]:
    for _one in map(stem, _group):
        _KIN[_one] = _KIN.get(_one, frozenset()).union(_group)
