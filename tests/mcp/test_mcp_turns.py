"""Lines that take turns, against a plain model: a list of what waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.mcp._turns import Turns

STEPS = st.lists(st.one_of(st.sampled_from("abc"), st.none()), max_size=60)


@given(STEPS)
def test_what_waits_is_served_once_in_its_order_and_nobody_twice_before_another(steps: list[str | None]) -> None:
    turns: Turns[tuple[str, int]] = Turns()
    waiting: list[tuple[str, int]] = []
    since_served: dict[str, int] = {}
    for number, key in enumerate(steps):
        if key is not None:
            turns.add(key, (key, number))
            waiting.append((key, number))
            continue
        if not waiting:
            with pytest.raises(LookupError):
                turns.take()
            continue
        taken = turns.take()
        assert taken == next(item for item in waiting if item[0] == taken[0])
        for other in {item[0] for item in waiting} - {taken[0]}:
            since_served[other] = since_served.get(other, 0) + 1
            assert since_served[other] <= 2  # there are three lines
        since_served[taken[0]] = 0
        waiting.remove(taken)
    assert sorted(turns) == sorted(waiting)
    assert len(turns) == len(waiting)


@given(STEPS, st.sampled_from("abc"))
def test_what_is_dropped_is_gone_and_the_others_keep_their_order(steps: list[str | None], unwanted: str) -> None:
    turns: Turns[tuple[str, int]] = Turns()
    items = [(key, number) for number, key in enumerate(steps) if key is not None]
    for item in items:
        turns.add(item[0], item)
    assert sorted(turns.drop(lambda item: item[0] == unwanted)) == [item for item in items if item[0] == unwanted]
    left = [turns.take() for _ in range(len(turns))]
    for key in "abc":
        kept = [item for item in items if item[0] == key != unwanted]
        assert [item for item in left if item[0] == key] == kept
