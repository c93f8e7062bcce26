"""The choice exists so that what is quoted answers the question, and nothing is quoted if nothing does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ._blocks import is_code
from ._forms import stem
from ._pieces import BEFORE, HEADING, Piece
from ._question import Demand, Question
from ._shapes import NAME, PLACE
from ._wording import KIN, SAME, Words
from ._words import STOP_WORDS, clutter, folded

ENOUGH = 0.5
"""A piece that has less than this share of the question is no answer."""

CLOSE = 0.93
"""A second answer is given only if it is as good as this share of the best."""

_LIGHT = 0.4
_CODE = re.compile(r"`\w+_\w+_\w+`")
_ASKS = re.compile(
    r"\W*(?:Q\W|\w* ?(?:who|whom|whose|what|which|when|where|why|how|is|are|was|were|do|does|did|can|could|has|have|had"
    r"|will|would|may|should|shall|must)\b)|[^a-zA-Z]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Chosen:
    """A piece that answers, what else is to be read with it, and how well it fits the question (of best, the most)."""

    piece: Piece
    support: tuple[Piece, ...]
    score: float


def best(candidates: Iterable[Piece], question: Question, most: int = 3) -> list[Chosen]:
    """The pieces that answer the question, best first, none that repeats another; none if nothing does.

    An answer has every word of the question that matters, itself or in what it stands under or comes after, in the
    shape that the question asks for, and says more than the question.
    """
    rated = [chosen for piece in candidates if (chosen := _rated(piece, question))]
    rated.sort(key=lambda chosen: -chosen.score)
    taken: list[Chosen] = []
    for chosen in rated:
        if len(taken) == most or chosen.score < CLOSE * rated[0].score:
            break
        if not any(_alike(chosen.piece, other.piece) for other in taken):
            taken.append(chosen)
    return taken


def _rated(piece: Piece, question: Question) -> Chosen | None:
    if not _may_answer(piece, question):
        return None
    total = value = 0.0
    own, missing, loose, used = list[Demand](), list[Demand](), False, dict[Piece, None]()
    for demand in question.demands:
        worth, place = _worth(piece, demand, question)
        weight = demand.weight * (_LIGHT if demand.light else 1)
        total += weight
        value += weight * worth
        if question.counted and demand in question.focus and place and worth <= HEADING:
            return None
        if 0 < worth <= BEFORE:
            if demand.done or (question.exact and demand in question.focus):
                return None  # what is asked for must be told here, and not of something else before
            if demand.fixed and not question.who and _is_of_another(piece, question):
                return None
            loose = True
        if not worth:
            missing.append(demand)
        elif place is None:
            own.append(demand)
        elif place.first_line:
            used[place] = None
    if missing and not _spares(piece, question, missing):
        return None
    if loose and not any(piece.words.match(demand.term) for demand in own):
        return None
    if value < ENOUGH * (total - sum(demand.weight for demand in missing if demand in question.focus)):
        return None
    if not _tells(piece, question, everything=not missing):
        return None
    return Chosen(piece, tuple(used), value / total * _form(piece) + _fit(piece, question, own))


def _may_answer(piece: Piece, question: Question) -> bool:
    """Whether it is no question itself, no repetition of this one, no mere list of names in code, and no header or gap
    of a table.
    """
    if not re.search(r"\w", _CODE.sub("", piece.quote)):
        return False
    if piece.plain.rstrip("*_\"' ").endswith(("?", "？")) and _ASKS.match(piece.plain):
        return False
    terms = [demand.term for demand in question.demands]
    said = Words(re.split(r"[:=]", piece.quote, maxsplit=1)[-1]) if piece.kind == "entry" else piece.words
    if not terms or not said.tell_more(terms):
        return False
    if piece.lead and not any(piece.lead.words.match(term) for term in terms):
        return False
    if piece.row is None:
        return True
    if piece.row.header is None:
        return not piece.row.names
    named = zip(piece.row.names, piece.row.cells, strict=False)
    return all(cell for name, cell in named if any(Words(name).match(term) for term in terms))


def _worth(piece: Piece, demand: Demand, question: Question) -> tuple[float, Piece | None]:
    """How well a piece has a word of the question, and where else it had to be looked for."""
    if piece.lead is None or piece.kind == "text":  # the words of a list as a whole may be about different things
        if match := _match(piece.words, demand):
            return match, None
        if question.scaled(demand, piece.quote):
            return KIN, None
    best, place = 0.0, None
    for support in piece.supports:
        if support.worth > best:
            match = _match(support.words, demand)
            if not match and support.worth >= HEADING and question.scaled(demand, support.piece.quote):
                match = KIN
            if match * support.worth > best:
                best, place = match * support.worth, support.piece
    return best, place


def _is_of_another(piece: Piece, question: Question) -> bool:
    """Whether it begins with a name that is not in the question."""
    first = piece.plain.split()[0].strip("\"'“”(")
    return first[:1].isupper() and folded(first) not in STOP_WORDS and first not in question.text


def _match(words: Words, demand: Demand) -> float:
    return words.match(demand.term) or SAME * any(word in words.plain for word in demand.joined)


def _spares(piece: Piece, question: Question, missing: Sequence[Demand]) -> bool:
    """Whether nothing is missing that matters."""
    lacking = [demand for demand in missing if not demand.light]
    if any(demand.fixed or demand.scale for demand in lacking):
        return False
    count = sum(not demand.light or demand not in missing for demand in question.demands)
    if lacking and lacking == question.focus and question.asked and not question.counted:
        return count >= 4 or (count == 3 and question.named and NAME.search(piece.quote) is not None)
    if (
        piece.kind in ("row", "entry")
        and count > (2 if question.asked else 3)
        and all(demand.done for demand in lacking)
    ):
        return True  # columns and keys have no verbs
    vital = sum(demand in question.focus for demand in lacking)
    return not lacking or (len(lacking) <= (count - 2) // 2 and vital <= (count >= 6))


def _tells(piece: Piece, question: Question, *, everything: bool) -> bool:
    """Whether it has the shape of an answer; everything: whether it has all words of the question."""
    if question.who and piece.kind == "text" and not question.told(NAME, piece.quote):
        said = [stem(word) for word in piece.words.all]
        return any(other == question.who.stem and word not in STOP_WORDS for word, other in pairwise(said))
    if question.must is None or question.told(question.must, piece.quote):
        return True
    if piece.kind in ("row", "entry", "code") and (question.must is PLACE or any(map(str.isdigit, piece.quote))):
        return True  # what it is, and its unit, is in the header or the key
    # "Before the rain" tells when, but so many words do that the rest must fit.
    return question.when and everything and question.may is not None and question.may.search(piece.quote) is not None


def _fit(piece: Piece, question: Question, own: Sequence[Demand]) -> float:
    """How much a piece is of the kind that is asked for."""
    value = 0.1 * len(own) / len(question.demands)
    if question.may and question.told(question.may, piece.quote):
        value += 0.2
    if question.key and piece.kind == "entry" and Words(piece.plain.partition(":")[0]).match(question.key):
        value += 0.3
    if len(own) < 3 and any(_given(piece, demand) for demand in own):
        value += 0.15
    return value


def _given(piece: Piece, demand: Demand) -> bool:
    """Whether what a word means stands beside brackets: 'Ms. Achebe ("the Tenant")', "TTL (time to live)"."""
    word = re.escape(demand.term.word)
    return re.search(rf"\([\"'“”]?(?:the )?{word}[\"'“”]?\)|\b{word} \(", piece.quote, re.IGNORECASE) is not None


def _form(piece: Piece) -> float:
    """How much a piece looks like a statement: prose more than headings, programs, tests and symbols."""
    value = {"heading": 0.7, "code": 0.8}.get(piece.kind, 1.0)
    if is_code(piece.file):
        value *= 0.7 if "test" in piece.file.lower() else 0.85
    if piece.plain.endswith((":", "：")) and piece.kind != "code":
        value *= 0.6
    return value * (1 - min(2 * clutter(piece.plain), 0.4)) if piece.kind in ("text", "item") else value


def _alike(one: Piece, other: Piece) -> bool:
    if one.file == other.file and one.first_line <= other.last_line and other.first_line <= one.last_line:
        return one.quote in other.quote or other.quote in one.quote
    first, second = set(one.words.all), set(other.words.all)
    return len(first & second) > 0.7 * min(len(first), len(second))
