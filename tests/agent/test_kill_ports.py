"""The kill table across a port: the agent's own process is killed, its supervisor here starts another one, and whoever
asked is attached again. Nothing here is started twice but that process.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from kill_table import TABLE, Strike, it_is_as_if_nothing_had_been, strikes_at
from killed import History, turn_of
from worlds import NEXT, PIECE, Moment

from axon.agent import Boundary

pytestmark = [pytest.mark.kill, pytest.mark.slow]


@pytest.mark.parametrize(("boundary", "when", "scenario"), TABLE)
def test_a_kill_at_any_boundary_across_a_port(
    boundary: Boundary, when: Moment, scenario: str, history: History, undisturbed: Callable[[str], History]
) -> None:
    """Its asker has one answer, however many processes it took."""
    history.scenario = scenario
    strikes = strikes_at(boundary, when)
    history.goes_on_in_a_port(*strikes)
    assert history.deaths in {len(strikes), len(strikes) - 1}, "there may be no next one"
    it_is_as_if_nothing_had_been(history, undisturbed(scenario))


@pytest.mark.parametrize("scenario", ["turn", "stream"])
def test_killed_at_every_single_step_on_the_way_across_a_port(
    scenario: str, history: History, undisturbed: Callable[[str], History]
) -> None:
    history.scenario = scenario
    each: Strike = (NEXT, "after")
    history.goes_on_in_a_port(*[each] * 100)
    assert history.deaths > 15
    it_is_as_if_nothing_had_been(history, undisturbed(scenario))


@pytest.mark.parametrize("scenario", ["turn", "stream"])
def test_killed_in_a_process_that_was_executed_anew(
    scenario: str, history: History, undisturbed: Callable[[str], History]
) -> None:
    """The others here are forks of one that has loaded what they need; nothing that is done depends on it."""
    history.scenario = scenario
    history.goes_on_in_a_port((Boundary.TOOL_DONE, "after"), port="executed")
    assert history.deaths == 1
    it_is_as_if_nothing_had_been(history, undisturbed(scenario))


def test_killed_in_the_middle_of_a_stream_across_a_port(
    history: History, undisturbed: Callable[[str], History]
) -> None:
    """Its reader comes back with the id of its last event, and reads no event twice."""
    history.scenario = "stream"
    history.goes_on_in_a_port((PIECE, "before"), (Boundary.TOOL_DONE, "after"), (PIECE, "before"))
    assert history.deaths == 3
    it_is_as_if_nothing_had_been(history, undisturbed("stream"))


def born(history: History) -> list[int]:
    """The agent's processes, in order."""
    return [event[1] for event in history.events if event[0] == "born"]


def waits_for(what: Callable[[], bool], history: History) -> None:
    due = time.monotonic() + 30
    while not what():
        assert time.monotonic() < due, history.last
        time.sleep(0.002)


def kinds_of(history: History) -> Counter[Any]:
    """How often each record was kept."""
    return Counter(event[1] for event in history.events if event[0] == "kept")


def every_turn_is_done_once(history: History, turns: int, responses: int) -> None:
    """No message is taken or answered twice, no answer that is kept is asked for again, no effect is made twice."""
    entries = history.journal().entries  # what was said to be kept may lack what a process was killed right after
    kinds = Counter(Boundary(entry.record.kind) for entry in entries)
    assert (kinds[Boundary.ACCEPTED], kinds[Boundary.COMMITTED], kinds[Boundary.RESPONSE]) == (turns, turns, responses)
    committed = [turn_of(e.record.body) for e in entries if e.record.kind == Boundary.COMMITTED]
    assert len(set(committed)) == turns
    effects = [event[2] for event in history.events if event[0] == "effect" and event[1] != "look"]
    assert len(effects) == len(set(effects))


@pytest.mark.parametrize("seed", range(2))
def test_its_process_is_killed_at_random_instants(seed: int, history: History) -> None:
    """From outside, wherever that is, eight times; whoever asked has the answer."""
    chance = random.Random(seed)
    process = history.begins(port="forked", options={"attempts": 1000})
    waits_for(lambda: bool(kinds_of(history)), history)  # a first start that fails would be its starter's to repeat
    killed = list[int]()
    while len(killed) < 8 and history.last[0] != "outcome":
        if born(history)[-1] in killed:
            time.sleep(0.002)
            continue
        time.sleep(chance.uniform(0, 0.1))  # the instant is what the test draws
        killed.append(born(history)[-1])
        with suppress(ProcessLookupError):  # the turn is over
            os.kill(killed[-1], signal.SIGKILL)
    assert history.forge.wait(process) == 0, history.last
    assert history.outcome["output"] == "all is done"
    every_turn_is_done_once(history, 1, 5)


@pytest.mark.parametrize("seed", range(2))
def test_the_program_is_killed_together_with_the_process_of_its_agent(seed: int, history: History) -> None:
    """Its guard ends that process, which may go on for a moment: what it still writes is refused once there is a next one."""
    chance = random.Random(seed)
    for _ in range(4):
        history.is_killed_after(chance.randrange(2, 12), chance.uniform(0, 0.01), port="forked")
    history.ends_well(port="forked", options={"attempts": 1000})
    assert history.outcome["output"] == "all is done"
    every_turn_is_done_once(history, 1, 5)


# -- what is said to it meanwhile


def test_a_message_and_a_hint_that_come_while_its_process_is_started_again_are_not_lost(history: History) -> None:
    """Both wait for the start: `steer` is told to the turn that goes on, and the message comes after that."""
    history.goes_on_in_a_port(scenario="down")
    first = ["wait", "and hurry", "an attachment"]
    assert ["steered", True] in history.events
    assert history.last == ["outcome", [first, [*first, "what next?", "an attachment"]]]
    every_turn_is_done_once(history, 2, 10)


def test_a_turn_is_cancelled_while_its_process_is_started_again(history: History) -> None:
    history.goes_on_in_a_port(scenario="given up")
    assert ["cancelled", True] in history.events
    assert history.last == ["outcome", ["what next?", "an attachment"]]


def test_an_approval_is_waited_for_across_the_death_of_the_process_that_asked(history: History) -> None:
    """It is asked for once, and somebody else decides while nobody is there, or when the next process waits."""
    process = history.begins(at=Boundary.APPROVAL_ASKED, when="after", port="forked", grants=False)
    waits_for(lambda: history.deaths == 1, history)
    assert history.lives(scenario="approves") == 0
    waits_for(lambda: kinds_of(history)[Boundary.APPROVAL_ASKED] == 2, history)
    assert history.lives(scenario="approves") == 0
    assert history.forge.wait(process) == 0, history.last
    assert [event[0] for event in history.events].count("decided") == 2
    assert [effect for what, effect, *_ in history.events if what == "effect" and effect in {"guarded", "unlock"}] == [
        "guarded",
        "unlock",
    ]
    every_turn_is_done_once(history, 1, 5)


def test_runs_beside_the_conversation_and_many_go_on_across_the_deaths_of_their_process(history: History) -> None:
    strikes: list[Any] = [(NEXT, "after"), (NEXT, "before")] * 4
    history.goes_on_in_a_port(*strikes, scenario="beside", options={"attempts": 1000})
    assert history.deaths == len(strikes)
    assert history.last == ["outcome", ["all is done"] * 5]
    every_turn_is_done_once(history, 5, 25)
