"""The kill table: every boundary that a journal knows, before and after it, in whatever is going on when it is crossed.

One table for all who are held to it: agents whose whole program is killed, and those in a process of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from killed import History, nothing_is_done_twice, told_unknown, without
from worlds import NEXT, Moment

from axon.agent import Boundary

OTHERS: dict[Boundary, tuple[str, ...]] = {
    Boundary.STEERED: ("steered",),
    Boundary.CANCEL_ASKED: ("cancelled",),
    Boundary.ENDED: ("cancelled",),
    Boundary.ATTEMPT_FAILED: ("hiccup",),
    Boundary.PAUSED: ("stopped",),
    Boundary.RESET: ("reset",),
}
"""Where somebody interferes, or something goes wrong. All others are crossed by a turn, streamed or not."""

TABLE = [
    pytest.param(boundary, when, scenario, id=f"{boundary}-{when}-{scenario}")
    for boundary in Boundary
    for when in ("before", "after")
    for scenario in OTHERS.get(boundary, ("turn", "stream"))
]

Strike = tuple[str, Moment]


def strikes_at(boundary: Boundary, when: Moment) -> Sequence[Strike]:
    """Killed exactly before what is written is durable, in the open transaction, or exactly after; then at the next
    boundary, if there is one.
    """
    first: list[Strike] = [(Boundary.TOOL_DONE, "before")] if boundary is Boundary.TOOL_UNKNOWN else []
    again: Moment = "after" if when == "before" else "before"
    return [*first, (boundary, when), (NEXT, again)]


def it_is_as_if_nothing_had_been(history: History, whole: History) -> None:
    """All but what a tool returned whose end nobody knows, which the model is told."""
    ledger = nothing_is_done_twice(history)
    outcome, expected = history.outcome, whole.outcome
    unknown = told_unknown(outcome["told"])
    assert unknown == {call for turn, call in ledger.unknown if turn == "go"}
    assert without(unknown, outcome["told"]) == without(unknown, expected["told"])
    assert outcome["result"] == outcome["told"]
    assert (outcome["output"], outcome["requests"]) == (expected["output"], expected["requests"])
