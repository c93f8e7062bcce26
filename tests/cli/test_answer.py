"""An answer is well formed by its types, and true to the folder by `check_citations`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from axon.cli.demo._answer import Answer, Citation, Claim, check_citations
from axon.cli.demo._corpus import Corpus

MakeCorpus = Callable[[dict[str, str | bytes]], Corpus]
FILE = "Alpha beta.\nGamma\tdelta epsilon\nzeta.\n"


def answer(*citations: Citation) -> Answer:
    return Answer(claims=tuple(Claim(text="It is so.", citations=(one,)) for one in citations), found=True)


def cite(quote: str, first: int, last: int, file: str = "a.txt") -> Citation:
    return Citation(file=file, first_line=first, last_line=last, quote=quote)


def test_nothing_found_is_an_answer_without_claims() -> None:
    assert Answer(found=False).claims == ()


@pytest.mark.parametrize(
    "data",
    [
        {"found": True},
        {"found": False, "claims": [{"text": "x", "citations": [cite("x", 1, 1)]}]},
        {"found": True, "claims": [{"text": "x", "citations": ()}]},
        {"found": True, "claims": [{"text": " ", "citations": [cite("x", 1, 1)]}]},
    ],
)
def test_found_means_claims_and_a_claim_means_citations(data: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Answer.model_validate(data)


@pytest.mark.parametrize(
    ("quote", "first", "last"),
    [("", 1, 1), ("  ", 1, 1), ("…!", 1, 1), ("x", 0, 1), ("x", 2, 1), ("x" * 2_001, 1, 1)],
)
def test_a_citation_has_words_and_lines_in_order(quote: str, first: int, last: int) -> None:
    with pytest.raises(ValidationError):
        cite(quote, first, last)


def test_an_answer_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        cite("x", 1, 1).__setattr__("quote", "y")


@pytest.mark.parametrize(
    ("quote", "first", "last"),
    [("Alpha beta.", 1, 1), ("beta. Gamma delta", 1, 2), ("epsilon\n  zeta", 2, 3)],
)
def test_a_quote_on_its_lines_holds_whatever_the_white_space(
    make_corpus: MakeCorpus, quote: str, first: int, last: int
) -> None:
    assert check_citations(answer(cite(quote, first, last)), make_corpus({"a.txt": FILE})) == []


@pytest.mark.parametrize(
    ("citation", "sentence"),
    [
        (cite("Alpha", 1, 1, "b.txt"), "claim 1: there is no text file 'b.txt'"),
        (cite("Alpha", 1, 1, "../a.txt"), "claim 1: '../a.txt' is outside the folder"),
        (cite("Alpha", 1, 4), "claim 1: a.txt has only 3 lines"),
        (cite("Alpha", 2, 3), "claim 1: lines 2 to 3 of a.txt do not contain the words 'Alpha'"),
        (cite("alpha beta", 1, 1), "claim 1: line 1 of a.txt does not contain the words 'alpha beta'"),
    ],
)
def test_each_wrong_citation_is_told_in_a_sentence(make_corpus: MakeCorpus, citation: Citation, sentence: str) -> None:
    (problem,) = check_citations(answer(citation), make_corpus({"a.txt": FILE}))
    assert problem.startswith(sentence)


def test_a_citation_of_too_many_lines_is_refused(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus({"a.txt": "word\n" * 100})
    assert check_citations(answer(cite("word", 1, 40)), corpus) == []
    assert "too many" in check_citations(answer(cite("word", 1, 41)), corpus)[0]


def test_the_sentence_says_which_claim_is_wrong(make_corpus: MakeCorpus) -> None:
    problems = check_citations(answer(cite("Alpha", 1, 1), cite("nope", 1, 1)), make_corpus({"a.txt": FILE}))
    assert [problem.partition(":")[0] for problem in problems] == ["claim 2"]
