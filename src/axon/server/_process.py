"""The process behind a GenServer: one message at a time through its handlers, with a task only when one is needed.

Plain handlers run in the runtime's run queue. Before the first `async` callback takes a step the process gets an
asyncio task, which from then on runs everything it does: `asyncio.timeout`, `TaskGroup` and clients opened in
`init` all see one task. Both ways share every rule: a callback either returns or leaves a coroutine to be awaited,
and `_completed` or `_failed` say what follows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from types import CoroutineType
from typing import Any, cast

from ..errors import DeadlineExceeded, Ignored, ServerDied, StartFailed
from ..process import Exit, ExitReason, Process, Runtime, Started, Stop, Timer, disconnect, is_clean, normal
from ._deferred import answer_later, isfuture
from ._driven import Pending, Phase
from ._genserver import NO_TERMINATE, GenServer
from ._mailbox import SYSTEM, Item
from ._quiet import is_news_to
from ._report import report_end, report_start
from ._request import Request
from ._serving import ServingProcess
from ._starting import StartingProcess
from ._status import crash_of, dead_letter
from ._stream import Channel
from ._verbs import Ignore


class ServerProcess(StartingProcess):
    """One incarnation of a server."""

    __slots__ = ()
    # Said again, so that every checker infers the same for what is assigned here.
    reason: ExitReason | None
    sends_in: Runtime | None
    terminated_with: ExitReason | None
    busy: bool
    calm: bool
    context: Context | None
    mailbox: list[Item] | None
    backlog: list[Item] | None
    links: dict[Process, None] | None
    task: asyncio.Task[None] | None
    stops: bool
    limit: int | None
    idle_timer: Timer | None
    room: deque[asyncio.Future[None]] | None
    obeys: Process | None
    handle: GenServer[Any]
    state: Any
    item: Item | None
    handed: tuple[Started, object] | None
    phase: Phase
    in_hook: bool

    stopping: ExitReason | None = None  # what it has asked for itself
    ack: asyncio.Future[None] | None = None  # of the starter who waits
    outcome: StartFailed | Ignored | None = None
    parting: tuple[Request, object] | None = None  # the answer that follows `terminate`
    work: set[asyncio.Future[Any]] | None = None
    forsaken: set[asyncio.Future[Any]] | None = None  # the part of it that nobody waits for any more

    @property
    def kind(self) -> str:
        return type(self.handle).__name__

    # -- one callback

    def _next(self) -> Pending:
        """Start the next callback that is due; returns what is left of it."""
        if self.exit_requested is not None:
            self.die(self.exit_requested)
            return None
        if self.continuations:
            return self._invoke(self.handle.handle_continue, self.state, self.continuations.pop(0))
        item = self.take()
        if item is not None:
            return self._handle(item)
        self.busy = False
        return None

    def _handle(self, item: Item) -> Pending:
        handler, args, keywords, request = item
        if keywords is SYSTEM:
            return self._system(args, request)
        if not self.calm and self.idle_timer is not None:
            self.cancel_idle()
        if request is not None and request.carries:
            if request.due is not None and self.runtime.loop.time() >= request.due:
                request.fail(DeadlineExceeded(self.path))
                dead_letter(self.handle, self.slot, item, "deadline passed")
                return None
            request.enter()
        self.item = item
        self.remember(item)
        if handler is None:
            if self.is_parents_exit(args):
                return self._stop(args.reason)
            return self._invoke(self.handle.handle_info, self.state, args)
        try:
            value = self.apply(handler, args, keywords)
        except BaseException as error:
            return self._failed(error)
        if type(value) is CoroutineType:
            return cast("Coroutine[Any, Any, Any]", value)
        return self._completed(value)

    def _system(self, function: Callable[[ServerProcess], object], request: Request | None) -> Pending:
        idle = self.idle_seconds
        try:
            answer = function(self)
        except BaseException as error:
            if request is not None:
                request.fail(error)
            return None
        if isinstance(answer, CoroutineType):  # a stop whose `terminate` is to be awaited
            return cast("Coroutine[Any, Any, Any]", answer)
        if request is not None:
            request.answer(answer)
        if idle is not None and self.phase == "running":
            self.arm_idle(idle)  # a system message restarts the whole idle time (rule B42)
        self._see_whether_calm()
        return None

    def _invoke(self, function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Pending:
        self.in_hook = True
        try:
            value = function(*args, **keywords)
        except BaseException as error:
            return self._failed(error)
        if type(value) is CoroutineType:
            return cast("Coroutine[Any, Any, Any]", value)
        return self._completed(value)

    def _completed(self, value: object) -> Pending:
        """What follows a callback that returned."""
        self.in_hook = False
        item = self.item
        if item is not None and self.calm and self.runtime.in_place:  # as below, without what is known of a message
            self.item = None
            if item[3] is not None:
                self._answer(item, item[3], value)
            return None
        if self.reason is not None:  # a zombie comes home
            return None
        if self.exit_requested is not None:
            self.die(self.exit_requested)
            return None
        if self.phase == "terminating":
            self._end(normal if self.terminated_with is None else self.terminated_with)
            return None
        if self.phase == "init":
            self.state = value
            self.phase = "running"
            report_start(self)
            self._tell_starter()
        elif item is not None:
            self.item = None
            request = item[3]
            if request is not None:
                self._answer(item, request, value)
        if not self.calm:
            if self.stopping is not None:
                return self._stop(self.stopping)
            if self.idle_seconds is not None:
                self.arm_idle(self.idle_seconds)
            self._see_whether_calm()
        return None

    def _see_whether_calm(self) -> None:
        self.calm = (
            self.phase == "running"
            and self.reason is None
            and self.exit_requested is None
            and self.idle_seconds is None
            and not self.suspended
            and not self.continuations
            and not self.room
            and type(self) is ServerProcess  # a traced one takes the long way
            and self.runtime.in_place
        )

    def _answer(self, item: Item, request: Request, value: object) -> None:
        if item[0] is not None and item[0].kind == "stream" and not request.is_abandoned:
            value = Channel(self, value, request.due)  # takes the request's deadline and callers along
        if request.carries:
            request.leave()
        if isfuture(value):
            answer_later(self, value, request)
        elif self.stopping is not None:
            self.parting = (request, value)
        else:
            request.answer(value)

    def _failed(self, error: BaseException) -> Pending:
        """What follows a callback that raised."""
        self.in_hook = False
        asked, item, request = self.exit_requested, self.item, None if self.item is None else self.item[3]
        if self.reason is not None:
            return None
        if asked is not None:
            self.die(asked if isinstance(error, asyncio.CancelledError) or not is_clean(asked) else error)
            return None
        if self.phase == "init":
            self._not_started(error)
            return None
        if self.phase == "terminating":
            self._end(error.reason if isinstance(error, Stop) else error)
            return None
        if isinstance(error, Stop):
            return self._stop(error.reason)
        if item is None or request is None:
            return self._stop(error)
        late = request.due is not None and request.due - self.runtime.loop.time() < 1e-6  # timers round
        if late and isinstance(error, TimeoutError):
            error = DeadlineExceeded(self.path)
        elif item[0] is None or not isinstance(error, item[0].raises):
            return self._stop(error)
        if request.carries:
            request.leave()
        self.item = None
        request.fail(error)
        return self._completed(None)  # it may have asked for a stop or an idle time

    def crashed_in_place(self, error: BaseException) -> ServerDied | None:
        item, context = self.item, self.context
        assert item is not None, "it has just handled a call"
        assert context is not None, "and that in its context"
        handler: Any = item[0]
        if (
            not self.calm
            or self.handed is not None
            or isinstance(error, Stop)
            or (handler.raises and isinstance(error, handler.raises))
            or type(self.handle).terminate is not NO_TERMINATE
        ):
            return None
        # As `_failed`, `_stop` and `_end`, without the questions whose answers are known: 1 of 15 µs.
        self.phase, self.terminated_with, self.item = "terminating", error, None
        parent = self.parent
        if isinstance(parent, ServingProcess) and isinstance(error, Exception) and is_news_to(parent, self):
            self.reason, self.calm, self.sends_in, self.links = error, False, None, None
            self.state = self.context = None
            if self.slot.home is None:
                self.slot.left_by(self)
            else:
                self.slot.process = None
            if parent.links is not None:
                del parent.links[self]
            parent.handle_now((None, Exit(self, error), None, None))
        else:
            context.run(self.die, error)
            self._seen_to_at_once()
        return ServerDied(self, error)

    # -- starting and ending

    def _not_started(self, error: BaseException) -> None:
        if isinstance(error, Ignore):
            self.outcome = Ignored(self.path)
            self.die(normal)
        else:
            self.die(error.reason if isinstance(error, Stop) else error)

    def _stop(self, reason: ExitReason) -> Pending:
        """End in order: `terminate(state, reason)` first, then a parting answer if there is one, then death."""
        self.phase, self.terminated_with, self.calm = "terminating", reason, False
        if self.idle_timer is not None:
            self.cancel_idle()
        if self.item is not None and self.item[3] is not None and self.item[3].carries:
            self.item[3].leave()  # its deadline is not that of terminate
        if type(self.handle).terminate is NO_TERMINATE and self.exit_requested is None:
            self._end(reason)  # 0.3 µs less
            return None
        return self._invoke(self.handle.terminate, self.state, reason)

    def stop_in_place(self, reason: ExitReason) -> None:
        """An orderly end in the turn of who asks for it: of an idle, calm server."""
        self.busy = True
        if type(self.handle).terminate is not NO_TERMINATE:
            self.stops = True
            self.settle(self._stop, reason)
            return
        # As `_stop` and `_end`, without the questions whose answers are known.
        if reason is normal and self.ends_alone():
            return
        self.phase, self.terminated_with = "terminating", reason
        context = Context() if self.context is None else self.context
        context.run(self.die, reason)
        if self.parent is not None:
            self._seen_to_at_once()

    def ends_alone(self) -> bool:
        """End an idle, calm server in order, if that concerns nobody: no `terminate`, no task, no link, nothing that is
        kept in its `__dict__`, no listener. Then `die` would find nothing to do but to mark it dead (0.5 µs less).
        """
        if (
            self.links is not None
            or self.monitors is not None
            or self.task is not None
            or (self.timers or self.mailbox or self.backlog or self.__dict__)
            or (self.runtime.collectors or self.runtime.bus.listeners)
            or type(self.handle).terminate is not NO_TERMINATE
            or self.slot.process is not self
        ):
            return False
        self.busy = True
        self.phase, self.terminated_with, self.reason = "terminating", normal, normal
        self.calm, self.sends_in, self.state, self.context = False, None, None, None
        self.slot.left_by(self)
        return True

    def stop_soon(self, reason: ExitReason) -> None:
        """Queue an orderly end: it comes after the messages that are in the mailbox now."""

        def stop(process: ServerProcess) -> Pending:
            return process._stop(reason)

        self.enqueue((None, stop, SYSTEM, None))
        self.stop_is_queued()

    def _end(self, reason: ExitReason) -> None:
        if self.parting is not None:
            (request, value), self.parting = self.parting, None
            request.answer(value)
        self.die(reason)

    @property
    def in_callback(self) -> bool:
        """Whether one of its callbacks is under way: that of the message at hand, or one without."""
        return self.item is not None or self.in_hook

    @property
    def runs_user_code(self) -> bool:
        return self.in_callback

    def die(self, reason: ExitReason) -> None:
        if self.reason is not None:
            return
        if self.slot.process is self:
            self.slot.left_by(self)
        starting = self.phase == "init"
        if starting:
            self.calm = False  # that it did not start is news, whatever the reason
            if self.outcome is None:
                self.outcome = StartFailed(self.path, reason)
            if self.obeys is not None:  # the starter gets the error, and no exit signal besides (rule B7)
                disconnect(self, self.obeys)
        Process.die(self, reason)  # `super()` costs 50 ns
        if starting:
            self._tell_starter()
        if self.waker is not None:
            self.wake_task()

    def _tell_starter(self) -> None:
        """Who waits for `init` may look."""
        if self.ack is not None and not self.ack.done():
            self.ack.set_result(None)

    def ends_quietly(self, reason: ExitReason) -> bool:
        return self.phase != "init" and (reason is normal or is_clean(reason))

    def report(self, reason: ExitReason) -> None:
        if self.phase == "init":
            report_start(self)
        else:
            report_end(self, reason)

    def shown(self, reason: ExitReason) -> tuple[object, tuple[str, ...]]:
        return crash_of(self, reason)

    def discard(self) -> None:
        """Everyone who waits for this incarnation hears that it died; casts go to the dead letters."""
        reason = self.reason or normal
        if self.item is not None and self.item[3] is not None:
            self.item[3].fail(ServerDied(self, reason))
        if self.parting is not None:  # killed in its terminate; otherwise it has been answered
            self.parting[0].fail(ServerDied(self, reason))
            self.parting = None
        idle = self.mailbox is None and self.backlog is None and self.batch is None
        for item in () if idle else reversed(self.all_mail()):
            handler, _, _, request = item
            if request is not None and request.is_call:
                request.fail(ServerDied(self, reason))
            elif handler is not None:
                dead_letter(self.handle, self.slot, item, "died before handling it")
        if self.work is not None:
            for work in list(self.work):
                work.cancel()
        if self.room is not None:
            self.clear_line()
        if self.idle_timer is not None:
            self.cancel_idle()
        self.item = self.state = self.backlog = None
        self.context = None  # it holds the process, which is freed at once without that ring
