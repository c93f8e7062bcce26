"""Wording exists to say whether a text has a word that a question asks for, in whatever form."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

from ._forms import kin, root, stem
from ._words import STOP_WORDS, parts, unspaced, words

SAME, FAMILY, KIN = 1.0, 0.9, 0.8
"""How well a word is matched by itself or an inflection of it, by one of its family, by one of like meaning."""


class Term:
    """A word of a question, in all forms that it may have in an answer; of a name, in none but its own."""

    def __init__(self, word: str, *, fixed: bool = False) -> None:
        self.word = word
        self.fixed = fixed and word.isascii() and word.isalpha()
        self.longest = len(word) + (3 if len(word) > 4 else 1)  # "Normans", "Amazonian", but not "carpet"
        self.parts = parts(word) if " " not in word else []
        self.loose = 1 < len(self.parts) < 4 and not any(c.isdigit() for c in word)  # "3.8" is not 3 and 8
        self.stem = stem(word)
        self.root = root(word)
        self.kin = {stem(other) for other in kin(word) | kin(self.root)}
        # Endings of other languages are not known: words that begin alike count as the same.
        self.begin = "" if word.isascii() or unspaced(word) else word[: max(3, math.ceil(len(word) * 0.75))]


class Words:
    """The words of a text, ready to be compared with the terms of a question."""

    def __init__(self, text: str) -> None:
        self.all = words(text)
        self.plain = {part for word in self.all for part in parts(word)}.union(self.all)
        telling = [word for word in self.plain if word not in STOP_WORDS or kin(word)]
        self._stems = set(map(stem, telling))
        self._roots = set(map(root, telling))
        self.plain.update(one + other for one, other in pairwise(self.all))

    def match(self, term: Term) -> float:
        """How well they have the term, 0 to 1."""
        if term.word in self.plain:
            return SAME
        if term.fixed:
            return SAME if any(word.startswith(term.word) and len(word) <= term.longest for word in self.plain) else 0.0
        if " " in term.word:
            return SAME if f" {term.word} " in f" {' '.join(self.all)} " else 0.0
        if term.stem in self._stems:
            return SAME
        if term.loose and all(part in self.plain or stem(part) in self._stems for part in term.parts):
            return SAME
        if term.begin and any(word.startswith(term.begin) for word in self.plain):
            return SAME
        if term.root in self._roots:
            return FAMILY
        return 0.0 if term.kin.isdisjoint(self._stems) and term.kin.isdisjoint(self._roots) else KIN

    def tell_more(self, terms: Iterable[Term]) -> bool:
        """Whether they say more than a question that has these terms."""
        known = {term.stem for term in terms}.union(*(term.parts for term in terms))
        return any(stem(word) not in known for word in self.all)
