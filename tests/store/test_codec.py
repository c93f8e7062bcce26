"""Records carry the format they were written in: older ones are migrated, what cannot be read is never absent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from axon import InvalidOption
from axon.store import Codec, Entry, Record, Unreadable


class Step(BaseModel):
    text: str
    tokens: int


def with_tokens(body: Any) -> object:
    return {**body, "tokens": 0}


def renamed(body: Any) -> object:
    return {"text": body["prompt"]}


STEPS = Codec("step", Step, format=3, migrations={1: renamed, 2: with_tokens})


def entry(record: Record) -> Entry:
    return Entry("agent", 7, record)


def test_a_value_is_read_as_it_was_written() -> None:
    record = STEPS.record(Step(text="hé", tokens=3))
    assert (record.kind, record.format, record.body) == ("step", 3, '{"text":"hé","tokens":3}'.encode())
    assert STEPS.value(entry(record)) == Step(text="hé", tokens=3)


def test_an_older_format_goes_through_each_migration() -> None:
    assert STEPS.value(entry(Record("step", b'{"prompt": "a"}', format=1))) == Step(text="a", tokens=0)
    assert STEPS.value(entry(Record("step", b'{"text": "a"}', format=2))) == Step(text="a", tokens=0)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record("step", b"{}", format=4), "its format 4 is newer than 3, the last this program knows"),
        (Record("other", b"{}", format=3), "its kind is 'other', not 'step'"),
        (Record("step", b'{"text": "a"', format=3), "Invalid JSON"),
        (Record("step", b'{"text": "a"', format=2), "delimiter"),
        (Record("step", b'{"text": 1, "tokens": 1}', format=3), "valid string"),
        (Record("step", b'{"tokens": 1}', format=1), "'prompt'"),
        (Record("step", b"\xff", format=1), "decode"),
        (Record("step", b"[" * 200_000, format=1), "(?i)recursion|stack overflow"),
    ],
)
def test_what_cannot_be_read_says_where_it_is_and_why(record: Record, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        STEPS.value(entry(record))
    assert (caught.value.key, caught.value.position) == ("agent", 7)
    assert str(caught.value).startswith("record 7 of 'agent' cannot be read: ")


@pytest.mark.parametrize("migrations", [{}, {1: renamed}, {2: renamed}, {1: renamed, 2: renamed, 3: renamed}])
def test_a_format_without_its_migrations_is_refused(migrations: Any) -> None:
    """It would make records unreadable that are stored already."""
    with pytest.raises(InvalidOption, match="migrations must be one from each of the formats 1 to 2"):
        Codec("step", Step, format=3, migrations=migrations)
