"""The kill table: real processes, killed with SIGKILL at every boundary that a journal knows, started again, killed again."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from kill_table import TABLE, it_is_as_if_nothing_had_been, strikes_at
from killed import History, told_unknown, without
from worlds import NEXT, PIECE, Moment

from axon.agent import Boundary

pytestmark = [pytest.mark.kill, pytest.mark.slow]


@pytest.mark.parametrize(("boundary", "when", "scenario"), TABLE)
def test_a_kill_at_any_boundary(
    boundary: Boundary, when: Moment, scenario: str, history: History, undisturbed: Callable[[str], History]
) -> None:
    history.scenario = scenario
    *strikes, (following, again) = strikes_at(boundary, when)
    for at, moment in strikes:
        history.dies(at, moment)
    history.lives(following, again)  # there may be no next one
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
