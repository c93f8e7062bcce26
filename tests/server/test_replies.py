"""Answers that come later: a handler returns a future, and the server goes on with its next message."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from servers import Async, Boom, Plain, Start, State, each_kind, now, settle

import axon
from axon import GenServer, Reply, call, cast


class Desk(GenServer[dict[str, Reply[str]]]):
    """Keeps its askers waiting until somebody knows the answer."""

    def init(self) -> dict[str, Reply[str]]:
        return {}

    @call(timeout=None)
    def ask(self, state: dict[str, Reply[str]], question: str) -> Reply[str]:
        state[question] = Reply()
        return state[question]

    @call(timeout=3)
    def ask_in_haste(self, state: dict[str, Reply[str]], question: str) -> Reply[str]:
        state[question] = Reply()
        return state[question]

    @cast
    def answer(self, state: dict[str, Reply[str]], question: str, answer: str) -> None:
        state[question].set_result(answer)

    @cast
    def refuse(self, state: dict[str, Reply[str]], question: str, error: Exception) -> None:
        state[question].set_exception(error)

    @call
    def open_questions(self, state: dict[str, Reply[str]]) -> list[str]:
        return [question for question, reply in state.items() if not reply.done()]

    @call
    def lend(self, state: dict[str, Reply[str]], question: str) -> list[Reply[str]]:
        return [state[question]]

    @call
    def answer_and_die(self, state: dict[str, Reply[str]], question: str, answer: str) -> None:
        state[question].set_result(answer)
        raise Boom


class AsyncDesk(Desk):
    @call(timeout=None)
    async def ask(self, state: dict[str, Reply[str]], question: str) -> Reply[str]:
        await asyncio.sleep(0)
        state[question] = Reply()
        return state[question]

    @cast
    async def answer(self, state: dict[str, Reply[str]], question: str, answer: str) -> None:
        await asyncio.sleep(0)
        state[question].set_result(answer)


both_desks = pytest.mark.parametrize("kind", [Desk, AsyncDesk])


@both_desks
async def test_b23_a_server_goes_on_while_its_asker_waits_for_a_later_answer(start: Start, kind: type[Desk]) -> None:
    desk = await start(kind())
    asking = asyncio.create_task(desk.ask("why?"))
    await settle()
    assert await desk.open_questions() == ["why?"]
    assert axon.statistics(desk).pending == 1
    desk.answer("why?", "because")
    assert await asking == "because"
    assert await desk.open_questions() == []
    assert axon.statistics(desk).pending == 0


@each_kind
async def test_b23_any_process_may_answer(start: Start, kind: type[Plain]) -> None:
    desk, other = await start(Desk()), await start(kind())
    asking = asyncio.create_task(desk.ask("who?"))
    await settle()
    [reply] = await desk.lend("who?")
    await other.do(lambda _: reply.set_result("somebody else"))
    assert await asking == "somebody else"


async def test_b23_a_plain_coroutine_may_answer_too(start: Start) -> None:
    desk = await start(Desk())
    asking = asyncio.create_task(desk.ask("who?"))
    await settle()
    [reply] = await desk.lend("who?")
    reply.set_result("a coroutine")
    assert await asking == "a coroutine"


async def test_b24_the_first_answer_counts_and_later_ones_are_ignored(start: Start) -> None:
    desk = await start(Desk())
    asking = asyncio.create_task(desk.ask("which?"))
    await settle()
    desk.answer("which?", "the first")
    desk.answer("which?", "the second")
    desk.refuse("which?", Boom())
    assert await asking == "the first"
    assert await desk.open_questions() == []


async def test_an_error_is_an_answer_too_and_the_server_lives(start: Start) -> None:
    desk = await start(Desk())
    asking = asyncio.create_task(desk.ask("why?"))
    await settle()
    desk.refuse("why?", Boom("no idea"))
    with pytest.raises(Boom, match="no idea"):
        await asking
    assert await desk.open_questions() == []


@both_desks
async def test_an_asker_whose_server_dies_first_hears_it_at_once(start: Start, kind: type[Desk]) -> None:
    desk = await start(kind())
    asking = asyncio.create_task(desk.ask("why?"))
    await settle()
    [reply] = await desk.lend("why?")
    axon.exit(desk, axon.shutdown)
    with pytest.raises(axon.ServerDied) as caught:
        await asking
    assert caught.value.reason == axon.shutdown
    reply.set_result("too late")


async def test_b19_an_answer_given_before_the_death_stands(start: Start) -> None:
    desk = await start(Desk())
    asking = asyncio.create_task(desk.ask("why?"))
    await settle()
    with pytest.raises(axon.ServerDied):
        await desk.answer_and_die("why?", "because")
    assert await asking == "because"


async def test_b17_a_later_answer_after_the_callers_timeout_is_dropped(start: Start) -> None:
    desk = await start(Desk())
    with pytest.raises(axon.CallTimeout):
        await desk.ask_in_haste("why?")
    assert now() == 3
    assert await desk.open_questions() == ["why?"], "the timeout ends the waiting and not the work"
    desk.answer("why?", "because")
    again = asyncio.create_task(desk.ask("how?"))
    await settle()
    assert not again.done(), "the late answer is not taken for another one's"
    desk.answer("how?", "so")
    assert await again == "so"


# -- tasks


class Kitchen(GenServer[list[asyncio.Task[str]]]):
    """Cooks in tasks of its own."""

    finished: list[str]

    def init(self) -> list[asyncio.Task[str]]:
        return []

    @call
    def cook(self, state: list[asyncio.Task[str]], dish: str, seconds: float) -> asyncio.Task[str]:
        task = asyncio.get_running_loop().create_task(self._cook(dish, seconds))
        state.append(task)
        return task

    @call
    async def cook_async(self, state: list[asyncio.Task[str]], dish: str, seconds: float) -> asyncio.Task[str]:
        await asyncio.sleep(0)
        state.append(asyncio.create_task(self._cook(dish, seconds)))
        return state[-1]

    async def _cook(self, dish: str, seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
            if dish == "poison":
                raise Boom(dish)
            self.served(dish)
            return f"a {dish}"
        finally:
            self.finished.append(dish)

    @cast
    def served(self, state: list[asyncio.Task[str]], dish: str) -> None:
        self.finished.append(f"served {dish}")

    @call
    def busy(self, state: list[asyncio.Task[str]]) -> int:
        return sum(not task.done() for task in state)


@pytest.mark.parametrize("how", ["cook", "cook_async"])
async def test_a_task_answers_when_it_is_done_and_the_server_goes_on_meanwhile(start: Start, how: str) -> None:
    kitchen = await start(Kitchen([]))
    orders = [asyncio.create_task(getattr(kitchen, how)(dish, 2)) for dish in ("soup", "pie")]
    await settle()
    assert await kitchen.busy() == 2
    assert await asyncio.gather(*orders) == ["a soup", "a pie"]
    assert now() == pytest.approx(2, abs=0.01)
    await settle()
    assert "served soup" in kitchen.finished, "results come home by cast"


async def test_a_failing_task_fails_its_asker_and_not_the_server(start: Start) -> None:
    kitchen = await start(Kitchen([]))
    with pytest.raises(Boom, match="poison"):
        await kitchen.cook("poison", 1)
    assert await kitchen.busy() == 0


async def test_the_callers_timeout_does_not_cancel_the_task(start: Start) -> None:
    kitchen = await start(Kitchen([]))
    with pytest.raises(axon.CallTimeout):
        await kitchen.cook("roast", 8)
    assert await kitchen.busy() == 1
    await asyncio.sleep(5)
    assert kitchen.finished == ["roast", "served roast"]


@pytest.mark.parametrize("reason", [axon.shutdown, axon.kill, Boom()], ids=repr)
async def test_the_servers_death_cancels_its_tasks_and_tells_their_askers(
    start: Start, reason: axon.ExitReason
) -> None:
    kitchen = await start(Kitchen([]))
    order = asyncio.create_task(kitchen.cook("roast", 4))
    await settle()
    axon.exit(kitchen, reason)
    await asyncio.wait([order])
    assert now() < 1
    error = order.exception()
    assert isinstance(error, axon.ServerDied)
    assert error.reason == (axon.killed if reason == axon.kill else reason)
    await settle()
    assert kitchen.finished == ["roast"], "cancelled, its cleanup ran"


async def test_a_task_that_somebody_cancels_is_an_error_for_its_asker_and_not_for_the_server(start: Start) -> None:
    kitchen = await start(Kitchen([]))
    order = asyncio.create_task(kitchen.cook("roast", 4))
    await settle()
    state = await axon.get_state(kitchen)
    assert isinstance(state, list)
    state[0].cancel()
    await asyncio.wait([order])
    assert now() < 1
    assert isinstance(order.exception(), axon.CallError)
    assert await kitchen.busy() == 0


async def test_calls_of_a_task_carry_its_deadline_and_its_callers(start: Start) -> None:
    other, server = await start(Async()), await start(Plain(), name="server")
    found: list[Any] = []

    async def work() -> None:
        found.append([process.path for process in axon.callers()])
        await other.do(lambda _: asyncio.sleep(10))

    async with axon.deadline(2):
        with pytest.raises(axon.DeadlineExceeded):
            await server.do(lambda _: asyncio.get_running_loop().create_task(work()))
    assert now() == 2
    assert found == [[]]


# -- futures


@each_kind
async def test_a_future_that_is_done_already_answers_too(start: Start, kind: type[Plain]) -> None:
    def done(state: State) -> asyncio.Future[int]:
        future = asyncio.get_running_loop().create_future()
        future.set_result(42)
        return future

    server = await start(kind())
    assert await server.do(done) == 42


async def test_one_future_may_answer_many_askers(start: Start) -> None:
    shared: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = await start(Plain())
    askers = [asyncio.create_task(server.do(lambda _: shared)) for _ in range(3)]
    await settle()
    shared.set_result("for all")
    assert await asyncio.gather(*askers) == ["for all"] * 3


async def test_many_later_answers_come_in_any_order(start: Start) -> None:
    desk = await start(Desk())
    asking = {name: asyncio.create_task(desk.ask(name)) for name in "abcde"}
    await settle()
    for name in "cebad":
        desk.answer(name, name.upper())
    assert [await asking[name] for name in "abcde"] == list("ABCDE")


@each_kind
async def test_stop_self_with_a_later_answer_fails_its_asker(start: Start, kind: type[Plain]) -> None:
    def stop(state: State) -> Reply[int]:
        axon.stop_self(axon.shutdown)
        return Reply()

    server = await start(kind())
    with pytest.raises(axon.ServerDied) as caught:
        await server.do(stop)
    assert caught.value.reason == axon.shutdown


async def test_work_is_not_lost_when_another_asker_fails(start: Start) -> None:
    desk = await start(Desk())
    patient = asyncio.create_task(desk.ask("why?"))
    impatient = asyncio.create_task(desk.ask("how?"))
    await settle()
    impatient.cancel()
    await settle()
    desk.answer("how?", "so")
    desk.answer("why?", "because")
    assert await patient == "because"


@both_desks
async def test_work_that_is_cancelled_is_told_as_that_and_the_server_lives(start: Start, kind: type[Desk]) -> None:
    desk = await start(kind())
    asking = asyncio.create_task(desk.ask("why?"))
    await settle()
    (await axon.get_state(desk))["why?"].cancel()
    with pytest.raises(axon.AnswerCancelled, match="was to answer later"):
        await asking
    assert axon.whereis(desk) is not None


@both_desks
async def test_a_reply_that_nobody_waits_for_is_not_kept(start: Start, kind: type[Desk]) -> None:
    desk = await start(kind())
    for number in range(20):
        with pytest.raises(axon.DeadlineExceeded):
            async with axon.deadline(0.1):
                await desk.ask(str(number))
    assert axon.statistics(desk).pending == 0
    desk.answer("3", "at last")  # nobody hears it, and nothing breaks
    await settle()
    assert axon.whereis(desk) is not None


@pytest.mark.slow
@pytest.mark.fifo("eight thousand that could run, and what they cost the processor")
@both_desks
async def test_many_open_questions_cost_no_more_each_in_whatever_order_they_are_answered(
    start: Start, kind: type[Desk]
) -> None:
    async def cost(number: int) -> float:
        desk = await start(kind())
        asked = [asyncio.create_task(desk.ask(str(n))) for n in range(number)]
        await settle()
        begun = time.process_time()
        for n in reversed(range(number)):
            desk.answer(str(n), "yes")
        await asyncio.gather(*asked)
        return (time.process_time() - begun) / number

    few, many = [await cost(n) for n in (500, 8_000)]
    assert many < few * 8  # removing each from a list of all would make it 16 times and more


async def test_a_reply_may_be_given_in_the_very_turn_in_which_its_caller_leaves(start: Start) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    desk = await start(Desk())
    asking = asyncio.create_task(desk.ask("why?"))
    await settle()
    [reply] = await desk.lend("why?")
    asking.cancel()
    reply.set_result("because")
    await asyncio.wait([asking])
    await settle()
    assert asking.cancelled()
    assert complaints == []
