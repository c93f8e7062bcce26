"""The kill table: real processes, killed with SIGKILL at every boundary that a journal knows, started again, killed again."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from killed import History, nothing_is_done_twice, told_unknown, without
from worlds import NEXT, PIECE, Moment

from axon.agent import Boundary
from forge import Forge
from places import InFile

pytestmark = [pytest.mark.kill, pytest.mark.slow]

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


@pytest.fixture(scope="module")
def undisturbed(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], History]:
    """What a scenario leaves if nothing is killed."""
    known: dict[str, History] = {}

    def whole(scenario: str) -> History:
        if scenario not in known:
            home = tmp_path_factory.mktemp(scenario)
            known[scenario] = History(forge, InFile(home / "axon.db"), home / "log", scenario)
            known[scenario].ends_well()
        return known[scenario]

    return whole


def it_is_as_if_nothing_had_been(history: History, whole: History) -> None:
    """All but what a tool returned whose end nobody knows, which the model is told."""
    ledger = nothing_is_done_twice(history)
    outcome, expected = history.outcome, whole.outcome
    unknown = told_unknown(outcome["told"])
    assert unknown == {call for turn, call in ledger.unknown if turn == "go"}
    assert without(unknown, outcome["told"]) == without(unknown, expected["told"])
    assert outcome["result"] == outcome["told"]
    assert (outcome["output"], outcome["requests"]) == (expected["output"], expected["requests"])


@pytest.mark.parametrize(("boundary", "when", "scenario"), TABLE)
def test_a_kill_at_any_boundary(
    boundary: Boundary, when: Moment, scenario: str, history: History, undisturbed: Callable[[str], History]
) -> None:
    """Killed exactly before what is written is durable, in the open transaction, or exactly after; then at the next boundary."""
    history.scenario = scenario
    if boundary is Boundary.TOOL_UNKNOWN:
        history.dies(Boundary.TOOL_DONE, "before")
    history.dies(boundary, when)
    again: Moment = "after" if when == "before" else "before"
    history.lives(NEXT, again)  # there may be no next one
    history.ends_well()
    it_is_as_if_nothing_had_been(history, undisturbed(scenario))


def test_the_table_has_every_boundary() -> None:
    assert {row.values[0] for row in TABLE} == set(Boundary)
    assert len(Boundary) >= 12


@pytest.mark.parametrize("scenario", ["turn", "stream"])
def test_killed_at_every_single_step_on_the_way(
    scenario: str, history: History, undisturbed: Callable[[str], History]
) -> None:
    """Each process gets one step further than the last one."""
    history.scenario = scenario
    deaths = 0
    while history.lives(NEXT, "after") != 0:
        assert history.last[0] == "killed", history.last
        deaths += 1
    assert deaths > 15
    it_is_as_if_nothing_had_been(history, undisturbed(scenario))


def test_killed_in_the_middle_of_a_stream(history: History, undisturbed: Callable[[str], History]) -> None:
    """The answer that was under way is asked for again, whole."""
    history.scenario = "stream"
    history.dies(PIECE)
    assert [event for event in history.events if event[0] == "request"] == [["request", 0]]
    history.dies(Boundary.TOOL_DONE, "after")
    history.dies(PIECE)
    history.ends_well()
    it_is_as_if_nothing_had_been(history, undisturbed("stream"))


@pytest.mark.parametrize("scenario", ["turn", "stream"])
def test_killed_at_random_instants(scenario: str, history: History, undisturbed: Callable[[str], History]) -> None:
    """From outside, wherever that is, eight times."""
    history.scenario, history.options = scenario, {"attempts": 1000}
    chance = random.Random(7)
    for _ in range(8):
        history.is_killed_after(chance.randrange(1, 12), chance.uniform(0, 0.01))
    history.ends_well()

    kinds = [Boundary(entry.record.kind) for entry in history.journal().entries]
    assert (kinds.count(Boundary.ACCEPTED), kinds.count(Boundary.COMMITTED)) == (1, 1)
    assert kinds.count(Boundary.RESPONSE) == 5, "a request whose answer is kept is not made again"
    effects = [name for what, name, *_ in history.events if what == "effect" and name != "look"]
    assert len(effects) == len(set(effects))
    outcome, expected = history.outcome, undisturbed(scenario).outcome
    unknown = told_unknown(outcome["told"])
    assert without(unknown, outcome["told"]) == without(unknown, expected["told"])
    assert {"pay", "attach", "guarded", "unlock"} - set(effects) <= {call.split("-")[1] for call in unknown}
