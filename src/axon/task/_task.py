"""The task itself: a function that runs in a process of its own, and its result, for whoever made it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from ..process import Process, acting, connect
from ..supervisor import Shutdown
from ._await import OnTimeout, await_many, shut_down, yield_many
from ._claim import Claim
from ._options import StreamOptions, checked_stream
from ._outcome import Exited, Finished
from ._owner import owner_here
from ._pool import Pool
from ._stream import TaskStream
from ._work import begin, work

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

AWAIT_TIMEOUT = 5.0
"""Seconds an owner waits unless told otherwise, as in Elixir."""


class Task(Claim[R_co]):
    """A function that runs in a process of its own, and its result: `page = await Task.async_(fetch, url)`.

    Who makes a task owns it and alone may await it, once: a process (a server, a task), or in a plain coroutine the
    asyncio task. A process and its task are linked: when one ends abnormally so does the other, with the same reason,
    unless it traps exits; for a task that may fail use `TaskSupervisor.async_nolink`. Between a plain coroutine and
    its task a failure is raised by the `await`, as `TaskExit`, and the task is ended when the asyncio task ends.

    The function is plain or `async def`; an awaitable that it returns is awaited. It runs on the event loop: what
    blocks belongs into `asyncio.to_thread`. `raise Stop(reason)` ends it without a result. Callers and deadline of
    the owner hold in it, other context variables do not.

    If its owner is a process that does not await it, a task that has ended is a message: `TaskReply` and then
    `Down`, or `Down` alone.

    Not for a fixed set of coroutines that share one fate and end with a block: that is `asyncio.TaskGroup`.
    https://hexdocs.pm/elixir/Task.html
    """

    __slots__ = ()

    # -- making one

    @overload
    @staticmethod
    def async_(fn: Callable[P, Awaitable[R]], /, *args: P.args, **keywords: P.kwargs) -> Task[R]: ...
    @overload
    @staticmethod
    def async_(fn: Callable[P, R], /, *args: P.args, **keywords: P.kwargs) -> Task[R]: ...
    @staticmethod
    def async_(fn: Callable[..., Any], /, *args: Any, **keywords: Any) -> Task[Any]:
        """Run `fn(*args, **keywords)` in a new process, linked to the caller, who is to await it.

        Raises `InvalidOption` if `fn` is no function. For work whose result nobody needs use `Task.start`.
        https://hexdocs.pm/elixir/Task.html#async/1
        """
        owner = owner_here("Task.async_")
        return Task(owner, begin(work(fn, args, keywords, owner)), linked=True)

    @staticmethod
    def start(fn: Callable[P, object], /, *args: P.args, **keywords: P.kwargs) -> Process:
        """Run `fn(*args, **keywords)` in a new process, and forget about it; a failure is reported, nobody restarts it.

        For work that is to end with something use `TaskSupervisor.start_child`.
        https://hexdocs.pm/elixir/Task.html#start/1
        """
        return begin(work(fn, args, keywords))

    @staticmethod
    def start_link(fn: Callable[P, object], /, *args: P.args, **keywords: P.kwargs) -> Process:
        """As `start`, linked to the calling process. Raises `NotInProcess` in a plain coroutine.

        https://hexdocs.pm/elixir/Task.html#start_link/1
        """
        me = acting("Task.start_link", "; in a plain coroutine use Task.start or a TaskSupervisor")
        process = begin(work(fn, args, keywords))
        connect(me, process)
        return process

    @staticmethod
    def completed(value: R) -> Task[R]:
        """A task that has finished with `value`, without a process: for where a task is asked for and none is needed.

        https://hexdocs.pm/elixir/Task.html#completed/1
        """
        return Task(owner_here("Task.completed"), None, Finished(value))

    # -- having its outcome

    def __await__(self) -> Generator[Any, None, R_co]:
        return self.wait().__await__()

    async def wait(self, timeout: float | None = AWAIT_TIMEOUT) -> R_co:
        """The result of the task; `await task` is this with the default.

        timeout: seconds to wait, default 5; None waits without limit. A deadline around it replaces the timeout.

        Raises `TaskExit` if the task ended without a result, with the exception as its cause; `TaskTimeout` or
        `DeadlineExceeded` if it is late: it still runs then, until it is `shutdown` or its owner ends. Raises at once
        `NotTaskOwner` for anybody but the owner, `TaskAlreadyAwaited` the second time, and `CallCycle` if the task
        waits for its owner. A wait that is cancelled, by `asyncio.timeout` for instance, may be repeated.
        https://hexdocs.pm/elixir/Task.html#await/2
        """
        return (await await_many([self], timeout))[0]

    @staticmethod
    async def await_many(tasks: Iterable[Task[R]], timeout: float | None = AWAIT_TIMEOUT) -> list[R]:
        """The results of all these tasks, in their order; raises as `wait` does as soon as one of them fails.

        timeout: seconds for all together, default 5; None waits without limit. Those that are late or had not ended
        when another one failed still run, and cannot be awaited any more.
        https://hexdocs.pm/elixir/Task.html#await_many/2
        """
        return await await_many(tasks, timeout)

    async def yield_(self, timeout: float | None = AWAIT_TIMEOUT) -> Finished[R_co] | Exited | None:
        """The outcome of the task, or None if it runs on after `timeout` seconds (default 5): then ask again.

        A failure of the task is an outcome here and raises nothing, so it is for tasks that are not linked. Raises
        `NotTaskOwner`, and `TaskAlreadyAwaited` when the outcome was given before.
        https://hexdocs.pm/elixir/Task.html#yield/2
        """
        return (await yield_many([self], timeout, None, "nothing"))[0]

    @staticmethod
    async def yield_many(
        tasks: Iterable[Task[R]],
        timeout: float | None = AWAIT_TIMEOUT,
        *,
        limit: int | None = None,
        on_timeout: OnTimeout = "nothing",
    ) -> list[tuple[Task[R], Finished[R] | Exited | None]]:
        """Each task with its outcome, in their order; None for those that run on.

        timeout: seconds for all together, default 5; None waits without limit. limit: how many outcomes are enough,
        default all. on_timeout: what to do with the tasks that are late: `nothing` (default, ask again), `ignore` or
        `kill_task`. https://hexdocs.pm/elixir/Task.html#yield_many/2
        """
        given = list(tasks)
        return list(zip(given, await yield_many(given, timeout, limit, on_timeout), strict=True))

    # -- having done with it

    async def shutdown(self, timeout: Shutdown = AWAIT_TIMEOUT) -> Finished[R_co] | Exited | None:
        """End the task; returns its outcome if it has one by then, and None if it went as it was told.

        timeout: seconds it has to end in order, default 5; then it is killed, and the outcome is `Exited(killed)`.
        `brutal_kill` kills it at once, `infinity` waits as long as it takes. If the outcome was given before it is
        `Exited(noproc)`. The owner is not hurt by it. Raises `NotTaskOwner`.
        https://hexdocs.pm/elixir/Task.html#shutdown/2
        """
        return (await shut_down([self], timeout))[0]

    def ignore(self) -> Finished[R_co] | Exited | None:
        """Unlink the task and let it run on; returns its outcome if it has one already, else nobody ever hears of it.

        Raises `NotTaskOwner`, `TaskAlreadyAwaited`. https://hexdocs.pm/elixir/Task.html#ignore/1
        """
        self._claim()
        self._unlink()
        outcome = self._outcome
        self._close("it was ignored")
        return outcome

    # -- many of them

    @overload
    @staticmethod
    def async_stream(
        fn: Callable[[T], Awaitable[R]], items: Iterable[T], /, **options: Unpack[StreamOptions]
    ) -> TaskStream[R]: ...
    @overload
    @staticmethod
    def async_stream(
        fn: Callable[[T], R], items: Iterable[T], /, **options: Unpack[StreamOptions]
    ) -> TaskStream[R]: ...
    @staticmethod
    def async_stream(
        fn: Callable[[Any], Any], items: Iterable[Any], /, **options: Unpack[StreamOptions]
    ) -> TaskStream[Any]:
        """Run `fn(item)` for each item, each in a task of its own and not too many at once: see `TaskStream`.

            async for outcome in Task.async_stream(fetch, urls, max_concurrency=8):
                match outcome:
                    case Finished(page): ...
                    case Exited(reason): ...

        items: any iterable, taken as room is made. max_concurrency: tasks at the same time, default the number of
        CPUs. ordered: outcomes in the order of the items (default True) or as they come. timeout: seconds for each
        task, default 5; None without limit. on_timeout: a task that is late ends the stream with `TaskTimeout`
        (`exit`, the default), or is killed and its outcome is `Exited(TaskTimeout(...))` (`kill_task`).
        zip_input_on_exit: whether each `Exited` carries its item as `input`, default False.

        The tasks are linked to the reader: one that fails ends the reader, or in a plain coroutine the stream, with
        `TaskExit`; a reader that traps exits gets `Exited`. Raises `InvalidOption`.
        https://hexdocs.pm/elixir/Task.html#async_stream/3
        """
        return TaskStream(Pool(fn, items, checked_stream(fn, items, options), begin, linked=True))
