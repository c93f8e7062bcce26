"""The door for threads: calls that block their thread, casts that do not."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from servers import Async, Boom, Plain, Start, State, each_kind, note, raising, seen, sleeping

import axon
from axon import Supervisor, from_thread

pytestmark = pytest.mark.real_clock


@each_kind
async def test_a_thread_may_call_and_gets_the_answer(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())
    assert await asyncio.to_thread(from_thread.call, server.echo, 42) == 42


@each_kind
async def test_and_what_an_awaited_call_would_raise(start: Start, kind: type[Plain]) -> None:
    server, boom = await start(kind()), Boom()
    with pytest.raises(axon.ServerDied) as caught:
        await asyncio.to_thread(from_thread.call, server.do, raising(boom))
    assert caught.value.reason is boom
    with pytest.raises(axon.NoProcess):
        await asyncio.to_thread(from_thread.call, server.echo, 1)


@each_kind
async def test_messages_of_one_thread_stay_in_order(start: Start, kind: type[Plain]) -> None:
    server = await start(kind())

    def send_all() -> None:
        for number in range(20):
            from_thread.cast(server.tell, note(("cast", number)))
            from_thread.call(server.do, note(("call", number)))

    await asyncio.to_thread(send_all)
    assert await seen(server) == [(way, number) for number in range(20) for way in ("cast", "call")]


async def test_many_threads_at_once(start: Start) -> None:
    server = await start(Async())

    def send_all(name: str) -> None:
        for number in range(20):
            from_thread.call(server.do, note((name, number)))

    with ThreadPoolExecutor(4) as pool:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(pool, send_all, name) for name in "abcd"))
    noted = await seen(server)
    assert len(noted) == 80
    for name in "abcd":
        sent = [(name, number) for number in range(20)]
        assert [item for item in noted if item in sent] == sent


async def test_a_thread_that_no_loop_started(start: Start) -> None:
    server, answers = await start(Plain()), list[object]()
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        answers.append(from_thread.call(server.echo, 1))
        loop.call_soon_threadsafe(done.set)

    thread = threading.Thread(target=work)
    thread.start()
    await done.wait()
    thread.join()
    assert answers == [1]


async def test_a_deadline_reaches_through_a_thread(start: Start) -> None:
    server = await start(Async())
    async with axon.deadline(0.005):
        with pytest.raises(axon.DeadlineExceeded):
            await asyncio.to_thread(from_thread.call, server.do, sleeping(10))


async def test_the_door_is_closed_inside_the_loop(start: Start) -> None:
    server = await start(Plain())
    with pytest.raises(axon.WrongLoop, match="await"):
        from_thread.call(server.echo, 1)
    with pytest.raises(axon.WrongLoop, match="await"):
        from_thread.cast(server.tell, note(1))
    assert await seen(server) == []


async def test_only_requests_of_started_handles_pass(start: Start) -> None:
    server = await start(Plain())
    no_calls: list[Any] = [server.tell, print, asyncio.sleep, server.handle_info]
    no_casts: list[Any] = [server.echo, print, asyncio.sleep, server.handle_info]

    def use_all() -> None:
        for wrong in no_calls:
            with pytest.raises(axon.InvalidOption) as caught:
                from_thread.call(wrong)
            assert (caught.value.option, caught.value.value) == ("function", wrong)
        for wrong in no_casts:
            with pytest.raises(axon.InvalidOption) as caught:
                from_thread.cast(wrong)
            assert (caught.value.option, caught.value.value) == ("function", wrong)
        with pytest.raises(axon.NotStarted):
            from_thread.call(Plain().echo, 1)
        with pytest.raises(axon.NotStarted):
            from_thread.cast(Plain().tell, note(1))

    await asyncio.to_thread(use_all)
    assert await seen(server) == []


async def test_a_supervisors_methods_pass_too() -> None:
    async with Supervisor([]) as sup:
        server = await asyncio.to_thread(from_thread.call, sup.start_child, Plain())
        assert await asyncio.to_thread(from_thread.call, server.echo, 1) == 1
        await asyncio.to_thread(from_thread.call, sup.terminate_child, "Plain")


def test_a_server_whose_loop_is_closed_is_gone() -> None:
    async def main() -> Plain:
        return await axon.start(Plain())

    server = asyncio.run(main())
    with pytest.raises(axon.NoProcess, match="its event loop does not run"):
        from_thread.call(server.echo, 1)
    with pytest.raises(axon.NoProcess, match="its event loop does not run"):
        from_thread.cast(server.tell, note(1))


async def test_a_handler_that_calls_itself_through_a_thread_waits_out_its_patience(start: Start) -> None:
    server = await start(Async())

    async def through_a_thread(state: State) -> str:
        async with axon.deadline(0.005):
            with pytest.raises(axon.DeadlineExceeded):
                await asyncio.to_thread(from_thread.call, server.echo, 1)
        return "a thread makes no wait edge"

    assert await server.do(through_a_thread) == "a thread makes no wait edge"


async def test_functions_about_a_handle_or_a_process_pass_too(start: Start) -> None:
    server = await start(Plain())
    process = axon.whereis(server)
    assert process is not None
    await asyncio.to_thread(from_thread.cast, axon.send, server, note(7))
    assert await asyncio.to_thread(from_thread.call, axon.get_state, server) is not None
    await asyncio.to_thread(from_thread.call, axon.stop, process)
    assert axon.whereis(server) is None


@pytest.mark.slow
def test_a_call_whose_loop_ends_meanwhile_ends_too() -> None:
    """Whether the program's loop is closed in order or only stopped: the thread never waits for ever."""
    for stop_only in (False, True):
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(axon.start(Async()))
        failed: list[BaseException] = []
        thread = threading.Thread(target=_ask_in_vain, args=(server, failed))
        loop.call_later(0.05, loop.stop)
        loop.call_soon(thread.start)
        loop.run_forever()
        if not stop_only:
            loop.run_until_complete(_cancel_all())
        thread.join(5)
        assert [type(error) for error in failed] == [axon.ServerDied]
        loop.run_until_complete(_cancel_all())
        loop.close()


def _ask_in_vain(server: Async, failed: list[BaseException]) -> None:
    try:
        from_thread.call(server.do, sleeping(60))
    except BaseException as error:
        failed.append(error)


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        assert task is not None
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_other_functions_in_a_thread_say_which_door_to_take(start: Start) -> None:
    server = await start(Plain())
    for use in (axon.whereis, axon.statistics, axon.wait_down, axon.monitor):
        with (
            pytest.raises(axon.WrongLoop, match="from_thread")
            if use is not axon.monitor
            else pytest.raises(axon.NotInProcess)
        ):
            await asyncio.to_thread(_run, use, server)


def _run(use: Any, server: Plain) -> None:
    made = use(server)
    if asyncio.iscoroutine(made):
        made.send(None)
