"""The reader's end of a stream of tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Generic, TypeVar, Unpack

from ..errors import UsageError
from ..process import running, runtime
from ._options import StreamOptions, checked_stream
from ._outcome import Exited, Finished
from ._owner import Owner, at_end, not_at_end, owner_here, refuse_others
from ._pool import Pool
from ._work import Work, WorkProcess

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class TaskStream(AsyncIterator[Finished[R_co] | Exited], Generic[R_co]):
    """The outcomes of `async_stream`: iterate over it once.

    It is lazy: nothing is begun before the first outcome is asked for, and while the reader is busy with one, those
    under way go on and no further one begins. Only what runs is bounded: outcomes that wait for their turn are kept.
    The first reader owns the stream, nobody else may read on.

    It ends when all items are done, when it raises, when its reader ends, drops it or closes it; what still runs is
    killed then. `async with Task.async_stream(...) as outcomes:` closes it in any case, and waits until nothing runs.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool: Pool | None = pool
        self._owner: Owner | None = None
        self._is_read = False

    def __aiter__(self) -> TaskStream[R_co]:
        return self

    async def __anext__(self) -> Finished[R_co] | Exited:
        """The next outcome. Raises `TaskExit`, `TaskTimeout`, `DeadlineExceeded`, what the items raise, and for tasks
        of a supervisor `NoProcess` and `MaxChildrenReached`; `NotTaskOwner` for anybody but the first reader.
        """
        pool = self._pool
        if pool is None:
            raise StopAsyncIteration
        if self._owner is None:
            self._owner = owner_here("async_stream")
            self._home = runtime()
            at_end(self._owner, pool.kill_all)
            pool.open(self._owner)
        refuse_others(self._owner, "this stream of tasks")
        if self._is_read:
            raise UsageError("somebody waits already for the next outcome of this stream of tasks")
        self._is_read = True
        try:
            return await pool.next()
        except BaseException:
            await self.aclose()
            raise
        finally:
            self._is_read = False

    async def aclose(self) -> None:
        """End the stream now: kill what runs, and wait until it is gone."""
        pool, self._pool = self._pool, None
        if pool is not None:
            if self._owner is not None:
                not_at_end(self._owner, pool.kill_all)
            await pool.close()

    async def __aenter__(self) -> TaskStream[R_co]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._pool is not None and self._owner is not None and not self._home.loop.is_closed():
            # The collector may run in any thread and at any instant.
            self._home.loop.call_soon_threadsafe(self._pool.kill_all)


def outcomes_of(
    fn: Callable[[T], Awaitable[R]], items: Iterable[T], /, **options: Unpack[StreamOptions]
) -> TaskStream[R]:
    """As `Task.async_stream`, but one that fails is an `Exited` among the outcomes, and for the reader alone to know: no
    crash is reported.
    """

    def begin(work: Work) -> WorkProcess:
        return WorkProcess(runtime(), work, running.get(), supervised=True)

    return TaskStream(Pool(fn, items, checked_stream(fn, items, options), begin, linked=False))
