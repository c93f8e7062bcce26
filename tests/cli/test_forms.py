"""A word of the question is found in the forms that it may have in an answer, and in no other word."""

from __future__ import annotations

import pytest

from axon.cli.demo._wording import Term, Words
from axon.cli.demo._words import folded


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("restarted", "it restarts"), ("built", "the building of"), ("lit", "to light the lamp"), ("stops", "stopped"),
        ("rating", "rated"), ("cities", "a city"), ("controlled", "control"), ("two", "2 boats"), ("spun", "it spins"),
        ("supplier", "supplied by"), ("difficulty", "difficult"), ("coolant", "cooled"),
        ("price", "it costs"), ("wrote", "the author"), ("mayor", "Mayor"), ("1000", "1,000 boats"),
        ("health-check", "health check"), ("queue_full", "QueueFull"), ("capacity", "WithCapacity"),
        ("e-mail", "email"), ("каспийским", "каспийское"),
    ],
)  # fmt: skip
def test_a_word_matches(asked: str, text: str) -> None:
    assert Words(text).match(Term(folded(asked))) > 0


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("station", "the state"), ("author", "auth"), ("note", "not here"), ("3.8", "3.1 and 8"), ("cat", "category"),
        ("living", "Livia"), ("found", "founded"), ("109", "101"),
    ],
)  # fmt: skip
def test_another_word_does_not(asked: str, text: str) -> None:
    assert Words(text).match(Term(asked)) == 0


def test_a_name_matches_itself_and_who_is_named_after_it() -> None:
    assert Words("the Normans").match(Term("norman", fixed=True)) == 1
    assert Words("Amazonian forests").match(Term("amazon", fixed=True)) == 1
    assert Words("the restart window").match(Term("windows", fixed=True)) == 0


def test_the_nearer_the_form_the_more_it_counts() -> None:
    term = Term("supplier")
    matches = [Words(text).match(term) for text in ("suppliers", "supplied", "the vendor")]
    assert matches == sorted(matches, reverse=True)
    assert len(set(matches)) == 3
