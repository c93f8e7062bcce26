"""Never run: what the type checkers must know about tasks, and the mistakes with them that they must refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar, assert_type

import axon
from axon import (
    Down,
    Exited,
    ExitReason,
    Finished,
    GenServer,
    Process,
    Supervisor,
    Task,
    TaskReply,
    TaskStream,
    TaskSupervisor,
    call,
    child,
)

T = TypeVar("T")
R = TypeVar("R")


class Page:
    text: str


async def fetch(url: str, *, tries: int = 1) -> Page:
    raise NotImplementedError


def count_words(page: Page, least: int = 0) -> int:
    return len(page.text.split()) - least


async def nothing() -> None: ...


def use(*_: object) -> None:
    """A task that nobody awaits, nor passes on, is a mistake."""


def soon(url: str) -> Awaitable[Page]:
    return asyncio.ensure_future(fetch(url))


class Reader(GenServer[list[str]]):
    def init(self) -> list[str]:
        return []

    @call
    async def read(self, state: list[str], url: str) -> Page:
        return await Task.async_(fetch, url)

    def handle_info(self, state: list[str], message: object) -> None:
        match message:
            case TaskReply(task, value):
                use(assert_type(task, Task[object]))
                assert_type(value, object)
            case Down(_, process, _):
                assert_type(process, Process | None)
            case _:
                super().handle_info(state, message)


# -- what a task is of


async def awaited(reader: Reader) -> None:
    use(assert_type(Task.async_(fetch, "url", tries=2), Task[Page]))
    use(assert_type(Task.async_(count_words, Page(), least=3), Task[int]))
    use(assert_type(Task.async_(nothing), Task[None]))
    use(assert_type(Task.async_(soon, "url"), Task[Page]))
    use(assert_type(Task.async_(reader.read, "url"), Task[Page]))
    use(assert_type(Task.async_(partial(fetch, "url", tries=2)), Task[Page]))
    use(assert_type(Task.async_(lambda: 3), Task[int]))
    use(assert_type(Task.completed("x"), Task[str]))
    assert_type(Task.start(fetch, "url"), Process)
    assert_type(Task.start_link(count_words, Page()), Process)

    task = Task.async_(fetch, "url")
    assert_type(await task, Page)
    assert_type(await task.wait(timeout=None), Page)
    assert_type(await task.yield_(1), Finished[Page] | Exited | None)
    assert_type(await task.shutdown("brutal_kill"), Finished[Page] | Exited | None)
    assert_type(task.ignore(), Finished[Page] | Exited | None)
    assert_type(task.process, Process | None)
    axon.exit(task, axon.kill)
    axon.monitor(task)
    await axon.wait_down(task)
    match await task.yield_():
        case Finished(page):
            assert_type(page, Page)
        case Exited(reason):
            assert_type(reason, ExitReason)
        case None:
            pass


async def many(tasks: list[Task[Page]]) -> None:
    assert_type(await Task.await_many(tasks, timeout=10), list[Page])
    assert_type(await Task.await_many(Task.async_(fetch, url) for url in "ab"), list[Page])
    found = await Task.yield_many(tasks, limit=2, on_timeout="kill_task")
    assert_type(found, list[tuple[Task[Page], Finished[Page] | Exited | None]])
    assert_type(await asyncio.gather(*tasks), list[Page])


async def generic(fn: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    return await Task.await_many([Task.async_(fn, item) for item in items])


def a_task_of_less_is_a_task_of_more(task: Task[bool]) -> Task[int]:
    return task


# -- streams


async def streams(tasks: TaskSupervisor) -> None:
    assert_type(Task.async_stream(fetch, ["url"]), TaskStream[Page])
    assert_type(Task.async_stream(count_words, [Page()], max_concurrency=3, ordered=False), TaskStream[int])
    assert_type(tasks.async_stream(fetch, {"url"}, timeout=None, on_timeout="kill_task"), TaskStream[Page])
    assert_type(tasks.async_stream_nolink(count_words, (Page(),), zip_input_on_exit=True), TaskStream[int])
    async for outcome in Task.async_stream(fetch, ["url"]):
        assert_type(outcome, Finished[Page] | Exited)
    async with tasks.async_stream_nolink(fetch, ["url"]) as outcomes:
        pages = [outcome.value async for outcome in outcomes if isinstance(outcome, Finished)]
        assert_type(pages, list[Page])


# -- supervised


async def supervised(sup: Supervisor) -> None:
    assert_type(sup.get(TaskSupervisor), TaskSupervisor)
    assert_type(await sup.start_child(child(TaskSupervisor(max_children=3), id="tasks")), TaskSupervisor)
    async with TaskSupervisor(max_restarts=1, max_seconds=2, name="tasks") as tasks:
        assert_type(tasks, TaskSupervisor)
        use(assert_type(tasks.async_(fetch, "url"), Task[Page]))
        use(assert_type(tasks.async_(count_words, Page(), 3, shutdown="brutal_kill"), Task[int]))
        use(assert_type(tasks.async_nolink(partial(fetch, "url", tries=3), shutdown=1.5), Task[Page]))
        use(assert_type(tasks.async_nolink(nothing), Task[None]))
        started = tasks.start_child(fetch, "url", restart="transient", shutdown="infinity")
        assert_type(started, Process)
        assert_type(tasks.children(), list[Process])
        await tasks.terminate_child(started)
        await tasks.terminate_child(tasks.async_nolink(nothing))


# -- what must be refused


async def wrong_work(tasks: TaskSupervisor) -> None:
    await Task.async_(fetch, 3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await Task.async_(fetch, "url", tris=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await Task.async_(fetch("url"))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Task.start(count_words)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    tasks.start_child(fetch, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    tasks.start_child(fetch)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    tasks.start_child(fetch, "url", tries=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await tasks.async_(fetch, 3)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def wrong_results() -> None:
    _number: Task[int] = Task.async_(fetch, "url")  # type: ignore[call-overload]  # pyright: ignore[reportAssignmentType]
    _text: str = await Task.async_(fetch, "url")  # type: ignore[call-overload]  # pyright: ignore[reportAssignmentType]
    _text = await Task.completed(3)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    async for outcome in Task.async_stream(fetch, ["url"]):
        print(outcome.value)  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


async def forgotten_awaits(task: Task[Page]) -> None:
    Task.async_(fetch, "url")  # type: ignore[unused-awaitable]
    task.wait()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    task.shutdown()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    print(task.text)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


async def wrong_options(task: Task[Page], tasks: TaskSupervisor) -> None:
    await task.wait("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await task.shutdown("kill")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await Task.yield_many([task], on_timeout="exit")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await Task.await_many([fetch("url")])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TaskSupervisor(max_children="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TaskSupervisor(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    tasks.start_child(nothing, restart="always")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await tasks.async_(nothing, shutdown="never")  # type: ignore[call-arg, call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await tasks.terminate_child(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_streams() -> None:
    Task.async_stream(fetch, [3])  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Task.async_stream(fetch, 3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Task.async_stream(fetch, ["url"], on_timeout="ignore")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    Task.async_stream(fetch, ["url"], max_workers=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await Task.async_stream(fetch, ["url"])  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
