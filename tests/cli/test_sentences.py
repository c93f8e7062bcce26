"""A sentence ends where a reader says that it does."""

from __future__ import annotations

import pytest

from axon.cli.demo._sentences import MOST_CHARACTERS, spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in spans(text)]


@pytest.mark.parametrize(
    "text",
    [
        "The engineer was Dr. E. J. Marlow of St. Ives.",
        "Prof. Alan B. Whitcombe taught Mr. Okafor.",
        "Nobody rows alone, i.e. from Nov. 3 to March, e.g. in fog.",
        "It lies in the U.S. Virgin Islands, no. 7 on the map, cf. Fig. 3.",
        "Brightwater Ltd. makes filters (approx. 20 a day).",
        "It costs 3.50 EUR and version 2.4.1 is newer.",
        "Ask J. Pratt Jr. who keeps the books.",
        "It opens at 9 a.m. on weekdays.",
        "Rates rose (see p. 12, vol. 3).",
    ],
)
def test_an_abbreviation_does_not_end_it(text: str) -> None:
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("He left. She stayed.", 2),
        ("Is it open? No. It closed at 5 p.m. The next day it rained.", 4),
        ("They sell rope, nails etc. The shop is shut.", 2),
        ('"I left." Then he came.', 2),
        ("Take vitamin C. It helps.", 2),
        ("東京は首都です。大阪は違います。", 2),
        ("यह नदी है। वह पहाड़ है।", 2),
        ("1. First do this.", 1),
    ],
)
def test_a_full_stop_does(text: str, count: int) -> None:
    assert len(sentences(text)) == count


def test_escape_sequences_do_not_split_it_and_are_quoted_as_they_stand() -> None:
    assert sentences("\x1b[31mThe red valve\x1b[0m must be opened.\x1b[0m") == ["The red valve\x1b[0m must be opened."]


def test_other_control_characters_end_it() -> None:
    assert sentences("one\x07two\x00three") == ["one", "two", "three"]


def test_text_without_an_end_is_cut_into_stretches_that_overlap() -> None:
    """So that each stretch of half the length is whole in one of them."""
    text = " ".join(f"word{n}" for n in range(1_000))
    parts = sentences(text)
    assert all(len(part) <= MOST_CHARACTERS for part in parts)
    for start in range(0, len(text) - MOST_CHARACTERS // 3, 50):
        wanted = text[start : start + MOST_CHARACTERS // 3]
        assert any(wanted in part for part in parts)
