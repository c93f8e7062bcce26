"""Whatever a child process does, and whenever: a port ends for one reason, every request ends once, and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections import Counter as Tally
from contextlib import nullcontext, suppress
from unittest import mock

import pytest
from port_marks import descriptors
from port_servers import Counter, Refused
from port_simulation import FakeChild, FakeSpawner, PortLoop

import axon
from axon.port import BadFrame, GuardLost, PortExited, PortHung, PortOverran, isolated, port_status
from axon.port._child_process import LAST_WORDS
from axon.port._life import TERM_GRACE, Life
from axon.process import runtime
from axon.testing import Faults
from axon.testing._choices import Choices

SEEDS = int(os.environ.get("AXON_EXAMPLES", "100"))
HANG, GRACE, START = 3.0, 1.0, 5.0
PATIENCE = 5.0
"""Seconds that a call waits for its answer by default."""

SLACK = 0.3
"""Seconds that may be lost on the way: timers are late, bytes come one by one."""
BOUNDS = {
    "died": 0.1 + LAST_WORDS,
    "lost": 0.0,
    "garbage": 0.1,
    "hung": HANG,
    "left": GRACE + TERM_GRACE + 0.1,
    "overran": 0.1,
    "failed": 0.0,
}
"""Seconds after which a port has ended at the latest once its child did that."""

DRAWN = {
    ("starting", "ready"),
    ("starting", "draining"),
    ("ready", "busy"),
    ("busy", "ready"),
    ("ready", "draining"),
    ("busy", "draining"),
    *((phase, "dead") for phase in ("starting", "ready", "busy", "draining", "dead")),
}
"""How a port may change."""


async def asks(counter: Counter, outcomes: Tally[str]) -> None:
    """One request, of any kind, with a deadline or without; it has one outcome, in time."""
    began, bound = asyncio.get_running_loop().time(), PATIENCE
    deadline = random.choice([None, 0.2, 1.0, 4.0])
    kind = random.choice(["call", "call", "cast", "stream"])
    outcome = "answered"
    try:
        async with axon.deadline(deadline) if deadline is not None else nullcontext():
            if kind == "call":
                await counter.increment()
            elif kind == "cast":
                counter.reset()
            else:
                bound = 60.0
                async with counter.count(3) as numbers:
                    async for number in numbers:
                        if random.random() < 0.1:
                            break
                        assert number >= 0
    except (axon.AxonError, Refused) as error:
        outcome = type(error).__name__
    outcomes[outcome] += 1
    late = asyncio.get_running_loop().time() - began - min(bound, deadline or bound)
    assert late < 1.0, (kind, outcome, late)


def reason_fits(reason: axon.ExitReason, child: FakeChild, asked: set[str]) -> bool:
    """Whether a port may end for this reason, given what its child did and what it was told."""
    did = set(child.did)
    match reason:
        case BadFrame():
            return "garbage" in did
        case PortHung():
            return "hung" in did
        case PortOverran():
            return "overran" in did or child.overran(GRACE - SLACK)
        case GuardLost():
            return "lost" in did
        case PortExited():
            return any(fact.startswith("died") for fact in did) and "left" not in did  # what it says counts
        case Refused():
            return bool({"left", "failed"} & did)
        case axon.Reason():
            return "left" in did or bool({"stop", "kill"} & asked)
        case _:
            return False


async def a_life(loop: PortLoop, spawner: FakeSpawner, outcomes: Tally[str]) -> None:
    """From a start to whatever end."""
    spec = isolated(Counter(), hang=HANG, grace=GRACE, start_within=START)
    began = loop.time()
    try:
        counter = await axon.start(spec)
    except (axon.StartFailed, axon.Ignored) as failed:
        assert loop.time() - began < START + 3
        outcomes[f"start: {type(failed).__name__}"] += 1
        return
    process = axon.whereis(counter)
    assert process is not None
    ends: list[axon.ExitReason | None] = []
    gone = asyncio.Event()
    ended_at: list[float] = []

    def ended() -> None:
        ends.append(process.reason)
        ended_at.append(loop.time())
        gone.set()

    process.on_death(ended)
    asking = [asyncio.ensure_future(asks(counter, outcomes)) for _ in range(random.randrange(6))]
    await asyncio.sleep(random.uniform(0, 10))
    asking += [asyncio.ensure_future(asks(counter, outcomes)) for _ in range(random.randrange(6))]
    end = random.choice(["wait", "stop", "kill", "guard"])
    asked = {end}
    if end == "stop":
        began = loop.time()
        with suppress(axon.AxonError):
            await axon.stop(counter)
        assert loop.time() - began < PATIENCE + GRACE + TERM_GRACE + 3, "a stop has a bound"
    elif end == "kill":
        axon.exit(counter, axon.kill)
    elif end == "guard":
        spawner.is_lost()
    with suppress(TimeoutError):
        async with asyncio.timeout(30):
            await gone.wait()
    if not gone.is_set():  # it lives on, and nobody minds
        status = port_status(counter)
        (its_child,) = [one for one in spawner.children if one.path == process.path]
        assert status.in_flight == len(its_child.due.keys() - its_child.over.keys())
        assert status.phase == ("busy" if status.in_flight else "ready")
        asked.add("stop")
        with suppress(axon.AxonError):
            await axon.stop(counter)
    await gone.wait()
    for one in asking:
        await one
    (reason,) = ends
    assert reason is not None
    if process.path in loop.kills:
        asked.add("kill")
    (its_child,) = [one for one in spawner.children if one.path == process.path]
    assert reason_fits(reason, its_child, asked), (reason, its_child.did, asked)
    ends_anyway = "left" in its_child.did or "stop" in asked  # within its grace, whatever else it does
    for fact, since in its_child.did.items():
        if not (ends_anyway and fact in {"hung", "overran"}):
            assert ended_at[0] - since < BOUNDS[fact.partition(" ")[0]] + SLACK, (fact, since, ended_at)
    outcomes[f"end: {type(reason).__name__}"] += 1


async def lives(loop: PortLoop, outcomes: Tally[str]) -> None:
    """Some ports at a time under one guard."""
    spawner = FakeSpawner(runtime(), loop)
    await asyncio.gather(*(a_life(loop, spawner, outcomes) for _ in range(3)))
    await asyncio.sleep(3)
    assert all(child.status is not None for child in spawner.children), "no process is left"
    assert spawner.users == 0
    assert loop.readers == {}
    assert loop.failures == []
    assert runtime().timers.pending() == []


def simulated(seed: int) -> tuple[Tally[str], list[tuple[str, str]], int]:
    """What came of a schedule, and how its ports changed."""
    changes: list[tuple[str, str]] = []

    def noting(life: Life, name: str, value: object) -> None:
        if name == "phase":
            changes.append((getattr(life, "phase", "starting"), str(value)))
        object.__setattr__(life, name, value)

    outcomes = Tally[str]()
    faults = Faults(kill=0.001, victims="Counter*", most_kills=1, late=0.05)
    loop = PortLoop(Choices(seed), faults, 1_000_000)
    before = descriptors()
    with mock.patch.object(Life, "__setattr__", noting), asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            runner.run(lives(loop, outcomes))
        except BaseException as error:
            error.add_note(f"the seed is {seed}; it broke at step {loop.steps}")
            raise
        finally:
            loop.end_choices()
    assert descriptors() == before, f"seed {seed}"
    return outcomes, changes, loop.digest


@pytest.mark.slow
def test_whatever_a_child_does_its_port_ends_once_and_nothing_is_left() -> None:
    outcomes, seen = Tally[str](), set[tuple[str, str]]()
    for seed in range(SEEDS):
        came, changes, _ = simulated(seed)
        outcomes += came
        seen |= {change for change in changes if change[0] != change[1] or change[0] == "dead"}
    gc.collect()
    assert seen - {("starting", "starting")} <= DRAWN
    if SEEDS >= 100:
        ends = {name for name in outcomes if name.startswith("end: ")}
        assert ends >= {f"end: {name}" for name in ("BadFrame", "PortHung", "PortOverran", "PortExited", "GuardLost")}
        assert {"answered", "ServerDied", "DeadlineExceeded", "Refused", "BadMessage"} <= set(outcomes)


def test_a_schedule_is_decided_by_its_seed() -> None:
    assert simulated(3) == simulated(3)
