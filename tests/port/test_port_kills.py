"""However a child process ends: the right reason within its bound, its siblings undisturbed, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

import pytest
from port_marks import gone_within, is_alive
from port_running import Running
from port_servers import Counter, Doomed

import axon
from axon import Supervisor, child
from axon.port import BadFrame, GuardLost, Limits, OutOfMemory, OutOfTime, PortExited, PortHung, PortOverran, isolated
from axon.port._frames import Kind, encode
from axon.port._reasons import error_as_data, reason_as_data
from axon.port._spawner import Spawner

pytestmark = [pytest.mark.real_clock, pytest.mark.slow, pytest.mark.kill]

R = TypeVar("R")

ROUNDS = int(os.environ.get("AXON_ROUNDS", "10"))
HANG = 1.5
GRACE = 0.5
MEMORY = Limits(memory=400 * 2**20)


def doomed(**options: object) -> Doomed:
    return isolated(Doomed(), hang=HANG, grace=GRACE, **options)  # type: ignore[arg-type]


async def reason_of(ending: Awaitable[object]) -> axon.ExitReason:
    """Why the server died that was asked this."""
    with pytest.raises(axon.ServerDied) as died:
        async with axon.deadline(30):
            await ending
    reason = died.value.reason
    assert isinstance(reason, BaseException | axon.Reason)
    return reason


@pytest.fixture
async def sibling() -> AsyncIterator[Counter]:
    """It lives beside the one that dies, under the same guard, and does not notice."""
    async with Supervisor([isolated(Counter())], max_restarts=0) as sup:
        counter = sup.get(Counter)
        before = await counter.process()
        yield counter
        assert await counter.process() == before


async def killed(server: Doomed) -> None:
    reason = await reason_of(server.kill())
    assert isinstance(reason, PortExited)
    assert (reason.exit_code, reason.signal) == (None, "SIGKILL")


async def killed_from_outside(server: Doomed) -> None:
    os.kill(await server.process(), signal.SIGKILL)
    reason = (await axon.wait_down(server)).reason
    assert isinstance(reason, PortExited)
    assert reason.signal == "SIGKILL"


async def exits(server: Doomed) -> None:
    reason = await reason_of(server.exit(7))
    assert isinstance(reason, PortExited)
    assert (reason.exit_code, reason.signal) == (7, None)
    assert reason.said[-1] == "goodbye"


async def segfaults(server: Doomed) -> None:
    reason = await reason_of(server.segfault())
    assert isinstance(reason, PortExited)
    assert reason.signal == "SIGSEGV"
    assert any("Segmentation fault" in line for line in reason.said)


async def is_stopped(server: Doomed) -> None:
    reason = await reason_of(server.stop_process())
    assert isinstance(reason, PortHung)
    assert reason.state == "stopped"


async def loops_in_c(server: Doomed) -> None:
    reason = await reason_of(server.loop_in_c())
    assert isinstance(reason, PortHung)
    assert reason.state == "running"


async def computes_in_c(server: Doomed) -> None:
    reason = await reason_of(server.compute_in_c())
    assert isinstance(reason, PortHung)
    assert reason.state == "running"


async def breaks_the_protocol(server: Doomed) -> None:
    reason = await reason_of(server.write_garbage())
    assert isinstance(reason, BadFrame)


async def eats_memory(server: Doomed) -> None:
    reason = await reason_of(server.eat_memory())
    assert isinstance(reason, OutOfMemory)
    assert reason.limit == MEMORY.memory


async def eats_native_memory(server: Doomed) -> None:
    """Python is not asked for it, and the library that asked ends the process."""
    reason = await reason_of(server.eat_native_memory())
    assert isinstance(reason, OutOfMemory)
    assert (reason.limit, reason.signal) == (MEMORY.memory, "SIGABRT")


async def floods(server: Doomed, to: int = 1, line: bytes = b"flood\n") -> None:
    """Its output is read at a bounded pace, and its request is over at its deadline."""
    with pytest.raises(axon.DeadlineExceeded):
        async with axon.deadline(0.3):
            await server.flood(to, line)
    reason = (await axon.wait_down(server)).reason
    assert isinstance(reason, PortOverran)
    assert reason.handler == "Doomed.flood"


async def floods_stderr_without_an_end_of_line(server: Doomed) -> None:
    """Of which the last lines are kept, and no more."""
    await floods(server, 2, b"flood")


async def leaves_grandchildren(server: Doomed) -> None:
    """Also those that hide in sessions of their own, and whose parents are gone."""
    pids = await server.fork_away()
    assert all(map(is_alive, pids))
    await reason_of(server.kill())
    assert not any(map(is_alive, pids))


ENDS: dict[Callable[[Doomed], Awaitable[None]], float] = {
    killed: 0.0,
    killed_from_outside: 0.0,
    exits: 0.0,
    segfaults: 0.0,
    is_stopped: HANG,
    loops_in_c: HANG,
    computes_in_c: HANG,
    breaks_the_protocol: 0.0,
    eats_memory: 0.0,
    eats_native_memory: 0.0,
    floods: 0.3 + GRACE,
    floods_stderr_without_an_end_of_line: 0.3 + GRACE,
    leaves_grandchildren: 0.0,
}
"""Each with the seconds after which it is seen: when the last sign of life is so old, or the deadline and grace are over."""
SLACK = 4.0
"""Seconds more that a loaded machine may take to fill memory, to start a grandchild or to be heard."""


async def within_its_bound(end: Callable[[Doomed], Awaitable[None]], server: Doomed) -> None:
    began = time.monotonic()
    await end(server)
    took = time.monotonic() - began
    assert ENDS[end] <= took + 0.3, "signs of life are some time old when somebody begins to look"
    assert took < ENDS[end] + SLACK


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_every_end_of_a_child_has_its_reason_and_a_restart_follows(
    end: Callable[[Doomed], Awaitable[None]], sibling: Counter
) -> None:
    async with Supervisor([child(doomed(limits=MEMORY), id="doomed")]) as sup:
        server = sup.get(Doomed, "doomed")
        before = await server.process()
        assert await server.increment(3) == 3
        await within_its_bound(end, server)
        assert not is_alive(before)
        assert await soon(server.increment) == 1
        assert await server.process() != before
        assert await sibling.increment() == 1


async def soon(ask: Callable[[], Awaitable[R]]) -> R:
    """The answer, as soon as somebody is there again."""
    while True:
        try:
            return await ask()
        except axon.NoProcess:
            await asyncio.sleep(0.02)


SLOW = [end for end, seconds in ENDS.items() if seconds >= HANG]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_in_any_order_nothing_is_left_behind(seed: int, sibling: Counter, tmp_path: Path) -> None:
    """Neither of children, nor of programs that are killed with theirs."""
    chance = random.Random(seed)
    ends = chance.sample([end for end in ENDS if end not in SLOW], 3)
    if seed % 3 == 0:
        ends[chance.randrange(3)] = chance.choice(SLOW)
    for end in ends:
        server = await axon.start(doomed(limits=MEMORY))
        await within_its_bound(end, server)
        assert await sibling.increment(0) == 0
    if seed % 5 == 0:
        await asyncio.to_thread(a_program_is_killed, tmp_path / "said")
        assert await sibling.increment(0) == 0


def a_program_is_killed(said: Path) -> None:
    program = Running(said)
    program.process.kill()
    assert program.ends() == -signal.SIGKILL
    assert gone_within([*program.pids, program.guard], 5)


@pytest.mark.parametrize(
    ("restart", "end", "again"),
    [
        ("permanent", "leave", True),
        ("transient", "leave", False),
        ("transient", "exit", True),
        ("transient", "kill", True),
        ("temporary", "kill", False),
    ],
)
async def test_its_supervisor_decides_by_the_reason(
    restart: Literal["permanent", "transient", "temporary"], end: str, again: bool
) -> None:
    """A process that exits with 0 behind the back of its server is none that ended in order."""
    ways: dict[str, Callable[[Doomed], Awaitable[None]]] = {
        "leave": lambda server: server.leave(""),
        "exit": lambda server: server.exit(0),
        "kill": lambda server: server.kill(),
    }
    async with Supervisor([child(doomed(), id="doomed", restart=restart)]) as sup:
        server = sup.get(Doomed, "doomed")
        with pytest.raises(axon.ServerDied):
            await ways[end](server)
        if again:
            assert await soon(server.increment) == 1
        else:
            with pytest.raises(axon.NoProcess) as absent:
                await server.increment()
            assert absent.value.restart_in is None


async def test_one_that_ends_again_and_again_is_its_supervisors_end() -> None:
    with pytest.raises(axon.SupervisorDied):
        async with Supervisor([child(doomed(), id="doomed")], max_restarts=1) as sup:
            for _ in range(2):
                with pytest.raises(axon.ServerDied):
                    await soon(sup.get(Doomed, "doomed").kill)
            await asyncio.sleep(30)


@pytest.mark.parametrize(
    "garbage",
    [
        bytes([0, 0, 0, 0, 99]) + bytes(8),
        encode(Kind.REQUEST, 1, b"{}"),
        encode(Kind.READY, 0, b"{}"),
        encode(Kind.EXIT, 0, b"because"),
        encode(Kind.LOG, 0, b"\xff"),
        encode(Kind.ERROR, 1, b"[]"),
        encode(Kind.FAILED, 1, reason_as_data(axon.normal)),
    ],
    ids=["no kind", "not a child's", "no token", "no reason", "no text", "no error", "too late"],
)
async def test_whatever_is_no_frame_ends_its_sender(garbage: bytes) -> None:
    server = await axon.start(doomed())
    assert isinstance(await reason_of(server.write_garbage(garbage)), BadFrame)


async def test_more_items_of_a_stream_than_were_asked_for_end_their_sender() -> None:
    """They would wait here, in the memory of the program that reads."""
    server = await axon.start(doomed())
    async with server.count(1000) as items:
        assert await anext(items) == 0
        reason = await reason_of(server.write_garbage(encode(Kind.ITEM, 1, b"0") * 100))
    assert isinstance(reason, BadFrame)
    assert reason.problem == "more than 16 items of a stream that were not asked for yet"


async def test_an_error_that_no_future_takes_costs_its_asker_the_answer_and_no_child() -> None:
    server = await axon.start(doomed())
    error = error_as_data(StopIteration("it"))
    with pytest.raises(RuntimeError, match="StopIteration"):
        await server.write_garbage(encode(Kind.ERROR, 1, error))  # of the first request, which is this one
    assert await server.increment() == 1
    await axon.stop(server)


async def test_processor_time_has_a_limit() -> None:
    server = await axon.start(isolated(Doomed(), limits=Limits(cpu=1)))
    reason = await reason_of(server.burn())
    assert isinstance(reason, OutOfTime)
    assert reason.limit == 1


async def test_files_have_limits(tmp_path: Path) -> None:
    """They are errors of the system, where the server can handle them."""
    server = await axon.start(isolated(Doomed(), limits=Limits(open_files=32, file_size=1000)))
    reason = await reason_of(server.open_files(100))
    assert isinstance(reason, OSError)
    server = await axon.start(isolated(Doomed(), limits=Limits(open_files=32, file_size=1000)))
    reason = await reason_of(server.fill_file(str(tmp_path / "file")))
    assert isinstance(reason, OSError)
    assert (tmp_path / "file").stat().st_size <= 1000


async def test_a_grandchild_that_ignores_sigterm_is_killed() -> None:
    server = await axon.start(doomed())
    pids = await server.fork_away(ignores_term=True)
    await axon.stop(server)
    assert gone_within(pids, 2)


async def test_who_is_killed_here_is_gone_there() -> None:
    server = await axon.start(doomed())
    pids = [await server.process(), *await server.fork_away()]
    axon.exit(server, axon.kill)
    assert await asyncio.to_thread(gone_within, pids, 3)


async def test_a_guard_that_is_killed_takes_its_children_along_and_the_next_start_has_another_one() -> None:
    """What they had in other sessions is swept up."""
    server = await axon.start(doomed())
    pids = [await server.process(), *await server.fork_away(ignores_term=True)]
    guard = axon.process.runtime().spawner
    assert isinstance(guard, Spawner)
    os.kill(guard._pid, signal.SIGKILL)
    reason = (await axon.wait_down(server)).reason
    assert isinstance(reason, GuardLost)
    assert await asyncio.to_thread(gone_within, pids, 2)
    server = await axon.start(doomed())
    assert await server.increment() == 1
    await axon.stop(server)


async def test_the_last_word_of_a_child_counts_also_if_the_guard_is_killed_then() -> None:
    server = await axon.start(doomed())
    await server.write_garbage(encode(Kind.EXIT, 0, reason_as_data(axon.shutdown("enough"))))
    guard = axon.process.runtime().spawner
    assert isinstance(guard, Spawner)
    os.kill(guard._pid, signal.SIGKILL)
    assert (await axon.wait_down(server)).reason == axon.shutdown("enough")
    await axon.stop(await axon.start(doomed()))


async def test_a_guard_that_stands_still_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its children are killed past it, and then it is."""
    monkeypatch.setattr("axon.port._spawner.PATIENCE", 0.5)
    monkeypatch.setattr("axon.port._child_process.BURIAL", 0.2)
    server = await axon.start(doomed())
    pid = await server.process()
    guard = axon.process.runtime().spawner
    assert isinstance(guard, Spawner)
    os.kill(guard._pid, signal.SIGSTOP)
    began = time.monotonic()
    reason = await reason_of(server.close_channel())
    assert isinstance(reason, PortExited)
    assert reason.signal == "SIGKILL"
    await asyncio.wait({guard.gone}, timeout=5)
    assert guard.gone.done()
    assert time.monotonic() - began < 4
    assert await asyncio.to_thread(gone_within, [pid], 2)


async def test_who_stops_a_server_does_not_wait_for_a_guard_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axon.port._spawner.PATIENCE", 0.5)
    monkeypatch.setattr("axon.port._child_process.BURIAL", 0.2)
    server = await axon.start(doomed())
    guard = axon.process.runtime().spawner
    assert isinstance(guard, Spawner)
    os.kill(guard._pid, signal.SIGSTOP)
    async with asyncio.timeout(5):
        with suppress(axon.ServerDied):
            await axon.stop(server)
