"""Calls: ask a server and wait, as long as patience lasts."""

from __future__ import annotations

import asyncio

import pytest
from servers import Async, Plain, Start, State, each_kind, note, now, raising, seen, settle, sleeping

import axon
from axon import GenServer, Stop, call


class Calculator(GenServer[int]):
    begin: int = 0

    def init(self) -> int:
        return self.begin

    @call
    def add(self, state: int, first: int, /, second: int = 1, *rest: int, times: int = 1) -> int:
        return (state + first + second + sum(rest)) * times

    @call
    async def slowly(self, state: int, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @call(timeout=20)
    async def patiently(self, state: int, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @call(timeout=None)
    async def forever(self, state: int, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds


async def test_a_call_takes_the_handlers_arguments_and_gives_its_answer(start: Start) -> None:
    calculator = await start(Calculator(100))
    assert await calculator.add(1) == 102
    assert await calculator.add(1, 2, 3, 4, times=2) == 220


@each_kind
async def test_arguments_and_answers_are_passed_and_not_copied(start: Start, kind: type[Plain]) -> None:
    server, value = await start(kind()), object()
    assert await server.echo(value) is value


async def test_a_call_that_is_not_awaited_was_not_made(start: Start) -> None:
    server = await start(Plain())
    server.do(note(1)).close()
    assert await seen(server) == []


async def test_calls_are_coroutines_that_run_side_by_side(start: Start) -> None:
    servers = [await start(Async()) for _ in range(3)]
    assert await asyncio.gather(*(server.do(sleeping(2)) for server in servers)) == [None] * 3
    assert now() == 2


@pytest.mark.parametrize(("method", "patience"), [("slowly", 5), ("patiently", 20)])
async def test_b13_a_caller_waits_5_seconds_or_as_long_as_the_handler_says(
    start: Start, method: str, patience: float
) -> None:
    server = await start(Calculator())
    ask = getattr(server, method)
    assert await ask(patience - 0.5) == patience - 0.5
    begin = now()
    with pytest.raises(axon.CallTimeout) as caught:
        await ask(patience + 0.5)
    assert now() - begin == pytest.approx(patience)
    assert caught.value.after == patience
    assert isinstance(caught.value, TimeoutError)


async def test_b27_a_request_that_is_made_a_task_is_waited_for_later(start: Start) -> None:
    """OTP's `send_request`: the answer, or why there is none, comes with the task."""
    first, second = await start(Async()), await start(Async())
    requests = [asyncio.create_task(server.do(sleeping(3))) for server in (first, second)]
    await settle()
    axon.exit(second, axon.kill)
    assert await requests[0] is None
    assert now() == 3
    with pytest.raises(axon.ServerDied):
        await requests[1]


async def test_b13_without_a_timeout_a_caller_waits_for_ever(start: Start) -> None:
    server = await start(Calculator())
    assert await server.forever(1_000_000) == 1_000_000


@each_kind
async def test_b14_nobody_at_the_address(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    await axon.stop(server)
    with pytest.raises(axon.NoProcess, match="no process at") as caught:
        await server.echo(1)
    assert caught.value.restart_in is None


async def test_who_asks_again_and_again_while_nobody_is_there_keeps_nobody_from_coming() -> None:
    """A refusal takes a turn of the loop; otherwise this would spin for ever, and the restart never come."""
    async with axon.Supervisor([Plain()]) as supervisor:
        server = supervisor.get(Plain)
        axon.exit(server, ValueError("of somebody else"))
        refused = 0
        while refused < 1000:
            try:
                await server.echo(1)
            except (axon.NoProcess, axon.ServerDied):
                refused += 1
            else:
                break
        assert refused < 1000


async def test_b16_after_a_timeout_the_request_is_still_executed_and_the_server_usable(start: Start) -> None:
    server = await start(Calculator())
    worker = await start(Async())

    async def slow(state: State) -> None:
        await asyncio.sleep(8)
        state.append("done")

    busy = asyncio.create_task(worker.do(slow))
    await settle()
    with pytest.raises(axon.CallTimeout):
        await worker.echo("queued")
    with pytest.raises(axon.CallTimeout):
        await server.slowly(8)
    await busy
    assert await seen(worker) == ["done"]
    assert axon.statistics(worker).recent[-1] == "echo('queued')", "handled though nobody waits"
    assert await server.slowly(1) == 1


@each_kind
async def test_b17_a_late_answer_is_dropped(start: Start, kind: type[Plain]) -> None:
    server, asker = await start(Calculator()), await start(kind())

    async def ask(state: State) -> float:
        with pytest.raises(axon.CallTimeout):
            await server.slowly(7)
        await asyncio.sleep(1)
        return await server.slowly(3)

    assert await asker.do(ask) == 3, "the answer to this request and not to the one before"
    await asyncio.sleep(10)
    assert await seen(asker) == [], "nor does it come as a message"


@each_kind
async def test_b19_an_answer_stands_when_the_server_dies_right_after_it(start: Start, kind: type[Plain]) -> None:
    def answer(state: State) -> str:
        axon.continue_with(raising(Stop(axon.shutdown)))
        return "answer"

    server = await start(kind())
    asking = asyncio.create_task(server.do(answer))
    assert await asking == "answer"
    await settle()
    assert axon.whereis(server) is None


@pytest.mark.parametrize("state_of_request", ["handled", "queued"])
async def test_b20_a_caller_that_gives_up_does_not_disturb_the_server(start: Start, state_of_request: str) -> None:
    server = await start(Async())
    first = asyncio.create_task(server.do(sleeping(2)))
    second = asyncio.create_task(server.do(note("second")))
    await settle()
    given_up = first if state_of_request == "handled" else second
    given_up.cancel()
    await asyncio.wait([given_up])
    assert now() < 0.1
    assert await seen(server) == ["second"], "both were executed"
    assert now() == 2


async def test_b20_nor_does_a_caller_that_dies(start: Start) -> None:
    server, asker = await start(Async()), await start(Plain())
    asking = asyncio.create_task(asker.do(lambda _: server.do(sleeping(2))))
    await settle()
    axon.exit(asker, axon.kill)
    await asyncio.wait([asking])
    await asyncio.sleep(3)
    assert await server.echo(1) == 1


async def test_asyncio_timeout_around_a_call_ends_the_waiting_only(start: Start) -> None:
    server = await start(Calculator())
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(1):
            await server.slowly(3)
    assert not isinstance(caught.value, axon.CallError)
    assert now() == 1
    assert await server.add(1) == 2
    assert now() == 3


async def test_a_timeout_inside_a_handler_is_the_handlers_own(start: Start) -> None:
    async def limited(state: State) -> str:
        try:
            async with asyncio.timeout(1):
                await asyncio.sleep(10)
        except TimeoutError:
            return "late"
        return "in time"

    server = await start(Async())
    assert await server.do(limited) == "late"
    assert await server.do(limited) == "late"


@each_kind
async def test_a_handler_knows_on_whose_behalf_it_runs(start: Start, kind: type[Plain]) -> None:
    def callers(state: State) -> list[str]:
        return [process.path for process in axon.callers()]

    last = await start(kind(), name="last")
    middle = await start(Async(), name="middle")
    first = await start(Async(), name="first")
    assert await last.do(callers) == []
    assert await middle.do(lambda _: last.do(callers)) == ["middle"]
    assert await first.do(lambda _: middle.do(lambda _: last.do(callers))) == ["middle", "first"]
    assert await last.do(callers) == [], "and not on that of an earlier caller"
    await middle.do(lambda _: last.tell(lambda state: state.append(callers(state))))
    assert await seen(last) == [[]], "a cast is on nobody's behalf"
