"""An answer exists as claims that each point at lines of a file, so that anybody can check it."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StringConstraints, model_validator

from ._corpus import Corpus

MOST_LINES = 40
"""A citation of more lines than this is refused: nobody could check it at a glance."""

_WORD = re.compile(r"\w")

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]


class Citation(BaseModel):
    """Where in the folder the words stand.

    Attributes:
        file: name of the file, relative to the folder.
        first_line: first line of the quote, from 1.
        last_line: last line of the quote, included.
        quote: the words of these lines, exactly; only white space may differ.

    """

    model_config = ConfigDict(frozen=True)

    file: str = Field(description="name of the file, as the search gave it", min_length=1)
    first_line: PositiveInt = Field(description="first line of the quote, from 1")
    last_line: PositiveInt = Field(description="last line of the quote, included")
    quote: _Text = Field(description="the words of these lines, copied exactly; one or two sentences")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last_line < self.first_line:
            raise ValueError(f"last_line {self.last_line} is before first_line {self.first_line}")
        if not _WORD.search(self.quote):
            raise ValueError(f"the quote {self.quote!r} has no word in it")
        return self


class Claim(BaseModel):
    """One statement of an answer, and the lines that say so."""

    model_config = ConfigDict(frozen=True)

    text: _Text = Field(description="the statement, in one sentence")
    citations: tuple[Citation, ...] = Field(description="the lines that say so; at least one", min_length=1)


class Answer(BaseModel):
    """What the folder says about a question; `found` is False, and there are no claims, when it says nothing."""

    model_config = ConfigDict(frozen=True)

    claims: tuple[Claim, ...] = Field(default=(), description="the answer, the most important claim first")
    found: bool = Field(description="false, with no claims, if the folder does not answer the question")

    @model_validator(mode="after")
    def _found_is_claimed(self) -> Self:
        if self.found != bool(self.claims):
            raise ValueError("found needs at least one claim" if self.found else "not found, but there are claims")
        return self


def check_citations(answer: Answer, corpus: Corpus) -> list[str]:
    """One sentence for each citation that does not hold, such as "claim 2: a.md has only 30 lines"; none if all hold."""
    return [
        f"claim {number}: {problem}"
        for number, claim in enumerate(answer.claims, 1)
        for citation in claim.citations
        if (problem := _problem(citation, corpus))
    ]


def _problem(citation: Citation, corpus: Corpus) -> str | None:
    file, first, last = citation.file, citation.first_line, citation.last_line
    try:
        count = corpus.line_count(file)
    except LookupError as error:
        return str(error)
    if last > count:
        return f"{file} has only {count} lines, so lines {first} to {last} are not all there"
    if last - first >= MOST_LINES:
        return f"lines {first} to {last} of {file} are too many to check; cite at most {MOST_LINES}"
    lines = _spaced(" ".join(line.text for line in corpus.read(file, first, last)))
    if _spaced(citation.quote) not in lines:
        where = f"line {first} of {file} does" if first == last else f"lines {first} to {last} of {file} do"
        return f"{where} not contain the words {citation.quote!r}; copy them exactly as they stand"
    return None


def _spaced(text: str) -> str:
    return " ".join(text.split())
