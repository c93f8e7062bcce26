"""A question exists here as the words that an answer must have, and the shape of what it must tell."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise, takewhile

from . import _english
from ._forms import is_participle, stem
from ._shapes import AMOUNT, DATE, NAME, OCCASION, PLACE, REASON, SCALES
from ._wording import Term
from ._words import STOP_WORDS, folded, telling, word_set, words

TOPIC = 0.25
"""A word in this share of the passages says what the folder is about, and need not be in an answer."""

_ASKING = frozenset(["who", "whom", "whose", "what", "which", "when", "where", "why", "how"])
_BEING = frozenset(["is", "are", "was", "were"])
_DOING = frozenset(["do", "does", "did"])
_SMALL = STOP_WORDS | _BEING | _DOING | {"of", "with"}
_WORD = re.compile(r"\w+|\W+$")
_KEYS = {"when": Term("date"), "where": Term("place"), "how": Term("price")}
_LIGHT, _COMMON, _TIMES, _NAMED = (
    frozenset(map(stem, word_set(text))) for text in (_english.LIGHT, _english.COMMON, _english.TIMES, _english.NAMED)
)


@dataclass(frozen=True, eq=False)
class Demand:
    """A word of the question that an answer should have.

    Attributes:
        term: the word.
        weight: how much it says; rare words say more.
        fixed: it is a name, a number or an identifier.
        light: it may be missing, as "called" in "What is the ship called?".
        done: it says what is done ("sold" in "How many units were sold?").
        scale: the shape of what tells it without the word, as "40 m" tells how tall something is.
        joined: it and its neighbours in the question as one word.

    """

    term: Term
    weight: float
    fixed: bool
    light: bool
    done: bool
    scale: re.Pattern[str] | None
    joined: tuple[str, ...]


class Question:
    """What a question asks for.

    Attributes:
        text: the question.
        demands: its words that carry meaning.
        asked: the noun after "which", "what" or "how many", or "".
        named: whether a name answers without that noun: "Which company makes it?", "Acme makes it."
        focus: what it is about ("population" in "What is the population of Lyon?"): hardly ever missing.
        exact: whether the focus is what is asked for, and not what something is asked of.
        key: what an entry or a column with the answer is often called, or None.
        must: the shape of every answer, or None if it has none.
        may: the shape of many answers, or None.
        who: the verb after "who", if any.
        counted: whether it asks how many or how much.
        when: whether it asks for a time, which more words can tell than `must` knows.

    """

    def __init__(self, text: str, counts: Mapping[str, int], passages: int) -> None:
        """counts: in how many of all the passages each word is found."""
        self.text = text
        self._said = {*_WORD.findall(text.lower())}
        order = words(text)
        asks = next((i for i, word in enumerate(order) if word in _ASKING), None)
        kind = "" if asks is None else order[asks]
        following = order if asks is None else order[asks + 1 :]
        after = following[0] if following else ""
        self.asked = _asked(kind, following)
        self.demands = list(_demands(text, order, counts, passages, self.asked))
        what_is = kind in ("what", "which", "who") and after in _BEING
        who_did = kind == "who" and after not in _SMALL
        if who_did and after in ("first", "also", "originally") and following[1:]:
            after = following[1]
        about = {self.asked} if self.asked else {after} if who_did else _about(following, whole=what_is)
        self.focus = [demand for demand in self.demands if demand.term.word in about]
        self.exact = bool(self.asked) or what_is or who_did
        self.named = stem(self.asked) in _NAMED
        self.key = _KEYS.get(kind)
        self.when = kind == "when"
        self.who = self.focus[0].term if who_did and self.focus else None
        self.counted = kind == "how" and bool(self.asked)
        self.must: re.Pattern[str] | None = None
        self.may: re.Pattern[str] | None = None
        if self.when or (stem(self.asked) in _TIMES and kind != "how"):
            self.must, self.may = DATE, OCCASION
        elif kind == "how":
            self.must = AMOUNT if after in ("many", "much") else SCALES.get(stem(after))
        elif kind == "why":
            self.must = REASON
        elif kind == "where":
            self.must = PLACE
        elif kind in ("who", "whom") or self.asked:
            self.may = NAME
        elif what_is:
            self.may = next((demand.scale for demand in self.focus if demand.scale), None)

    def told(self, shape: re.Pattern[str], text: str) -> bool:
        """Whether the text has something of this shape that is not in the question itself."""
        return any(not self._said.issuperset(_WORD.findall(match[0].lower())) for match in shape.finditer(text))

    def scaled(self, demand: Demand, text: str) -> bool:
        """Whether a text tells without the word what the word asks for."""
        if demand.scale is None:
            return False
        own = bool(self.asked) and demand in self.focus
        return self.told(demand.scale, text) if own else demand.scale.search(text) is not None


def _asked(kind: str, following: Sequence[str]) -> str:
    if kind == "how" and following and following[0] in ("many", "much"):
        following = following[1:]
    elif kind not in ("what", "which", "whose"):
        return ""
    return following[0] if following and following[0] not in _SMALL else ""


def _about(following: Sequence[str], *, whole: bool) -> set[str]:
    """The words after "what is the", up to the next small word; in other questions the last of them may be a verb."""
    run = [*takewhile(lambda word: word not in STOP_WORDS, dropwhile(lambda word: word in STOP_WORDS, following))]
    return set(run if whole else run[:-1])


def _demands(text: str, order: Sequence[str], counts: Mapping[str, int], passages: int, asked: str) -> Iterator[Demand]:
    fixed = _fixed(text)
    terms = [Term(word, fixed=word in fixed) for word in telling(text)]
    # A common word may be missing where enough is left to tell what the question is about; so may the topic of it all.
    left = [term for term in terms if term.stem not in _LIGHT | _COMMON]
    light = _LIGHT | _COMMON if len(left) > 1 else _LIGHT
    topics = [term for term in left if counts.get(term.word, 0) >= max(TOPIC * passages, 2) and term.word != asked]
    if len(left) > len(topics) + (not asked):
        light |= {term.stem for term in topics}
    done = {after for before, after in pairwise(order) if before in _BEING}
    done.add(_verb(order))
    pairs = list(pairwise(terms))
    for term in terms:
        named = term.word in fixed
        yield Demand(
            term,
            weight=math.log(1 + passages / max(counts.get(term.word, 0), 1)),
            fixed=named,
            light=not named and term.stem in light,
            done=term.word in done,
            scale=None if named else DATE if term.word == asked and term.stem in _TIMES else SCALES.get(term.stem),
            joined=tuple(one.word + other.word for one, other in pairs if term in (one, other)),
        )


def _verb(order: Sequence[str]) -> str:
    """The verb in "When was the old lighthouse built in Northport?" and "What does the lighthouse keeper earn?", or ""."""
    at = next((i for i, word in enumerate(order) if word in _DOING | _BEING), len(order))
    run = [*takewhile(lambda word: word not in STOP_WORDS, dropwhile(lambda word: word in STOP_WORDS, order[at + 1 :]))]
    if len(run) < 2 or (order[at] in _BEING and not is_participle(run[-1])):
        return ""
    return "" if {"have", "has", "had", "be", "get"}.intersection(order) else run[-1]


def _fixed(text: str) -> set[str]:
    """The words of a question that are names, numbers or identifiers."""
    tokens = text.split()
    # "What Is The Name Of" says nothing by its capitals.
    small = [token for token in tokens[1:] if folded(token) in STOP_WORDS]
    titled = bool(small) and all(token[0].isupper() for token in small)
    found: set[str] = set()
    for i, token in enumerate(tokens):
        bare = token.strip("\"'“”‘’()[]?!.,;:`*")
        number = any(c.isdigit() for c in bare)
        joined = any(c in "_/@\\." for c in bare) or (not bare.isupper() and bare[1:] != bare[1:].lower())
        name = bare[:1].isupper() and not titled and (i > 0 or folded(bare) not in STOP_WORDS)
        if number or joined or name:
            found.update(words(bare))
    return found - STOP_WORDS
