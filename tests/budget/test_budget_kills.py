"""Real processes that share a budget in SQLite or PostgreSQL, and are killed with SIGKILL while they write to it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import pytest
import spenders
from spenders import STEPS, Life, events

from axon.budget import Balance, Budget
from forge import Forge
from places import Durable

pytestmark = [pytest.mark.kill, pytest.mark.slow]

WRITES = 2 * STEPS
"""To a budget in a turn: each request is admitted, and counted."""
TOKENS = sum(100 + place for place in range(1, STEPS + 1))


@pytest.fixture(scope="module")
def nursery() -> Iterator[Forge]:
    nursery = Forge(Path(spenders.__file__))
    yield nursery
    nursery.close()


def balance(durable: Durable) -> Balance:
    async def look() -> Balance:
        store = durable.store()
        found = await Budget("acme", tokens=10_000, store=store).balance()
        await store.close()
        return found

    return asyncio.run(look())


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, WRITES + 1))
def test_whenever_an_agent_is_killed_the_counters_are_what_was_answered(
    at: int, when: Literal["before", "after"], nursery: Forge, durable: Durable, tmp_path: Path
) -> None:
    """All of it but a response whose counting was never committed; that request is made again, and counted then."""
    log = tmp_path / "log"
    log.touch()
    life = Life(durable.code, str(log), at=at, when=when)
    assert nursery.wait(nursery.start(asdict(life))) == -signal.SIGKILL

    killed = events(log)[-1]
    was_counting = killed[1]
    lost = [events(log)[-2][1]] if was_counting and when == "before" else []
    answered = [event[1] for event in events(log) if event[0] == "answered"]
    counted = balance(durable)
    assert counted.spent.tokens == sum(answered) - sum(lost)
    assert counted.spent.requests == len(answered) - len(lost)

    assert nursery.wait(nursery.start(asdict(Life(durable.code, str(log))))) == 0
    assert events(log)[-1] == ["outcome", "done", TOKENS]
    answered = [event[1] for event in events(log) if event[0] == "answered"]
    counted = balance(durable)
    assert counted.spent.tokens == sum(answered) - sum(lost)
    assert counted.spent.requests == len(answered) - len(lost)
    assert len(answered) == STEPS + was_counting


def test_processes_that_share_a_budget_never_spend_the_same_money(
    nursery: Forge, durable: Durable, tmp_path: Path
) -> None:
    """Four at a time, some of them killed at random; in the end the grant is spent, all of it and no more."""
    log = tmp_path / "log"
    log.touch()
    life = Life(durable.code, str(log), kind="spender")
    running = [nursery.start(asdict(life)) for _ in range(4)]
    kills = 0
    for _ in range(3):
        time.sleep(random.uniform(0.01, 0.1))
        victim = running.pop(0)
        os.kill(victim, signal.SIGKILL)
        kills += nursery.wait(victim) == -signal.SIGKILL
        running.append(nursery.start(asdict(life)))
    assert [nursery.wait(one) for one in running] == [0] * 4, events(log)[-3:]
    answered = [event[1] for event in events(log) if event[0] == "answered"]
    counted = balance(durable)
    assert {event[1] for event in events(log) if event[0] == "outcome"} == {600}
    assert (counted.spent.requests, counted.spent.tokens) == (60, 600)
    assert 60 <= len(answered) <= 60 + kills, "of each that was killed one answer may not have been counted"
