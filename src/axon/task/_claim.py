"""An owner's claim to the outcome of a task: given once, to the owner alone, by its await or by message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

from ..errors import NotPicklable, TaskAlreadyAwaited
from ..process import Down, Monitor, Process, connect, disconnect, monitor, shutdown
from ._outcome import Exited, Finished, TaskReply
from ._owner import Owner, at_end, not_at_end, refuse_others
from ._work import WorkProcess

if TYPE_CHECKING:
    from ._task import Task

R_co = TypeVar("R_co", covariant=True)


class Claim(Generic[R_co]):
    """What `Task` is inside.

    `_closed` says why there is nothing to be had any more. While `_is_awaited` the owner waits, so that no message is
    needed; `_is_told` says that messages were put into the mailbox.
    """

    __slots__ = ("__weakref__", "_closed", "_given", "_is_awaited", "_is_told", "_owner", "_process", "monitor")

    def __init__(
        self, owner: Owner, process: WorkProcess | None, given: Finished[R_co] | None = None, *, linked: bool = False
    ) -> None:
        self.monitor: Monitor | None = None
        self._owner: Owner = owner
        self._process: WorkProcess | None = process
        self._given: Finished[R_co] | None = given
        self._closed: str | None = None
        self._is_awaited = False
        self._is_told = False
        if process is None:
            return
        process.on_death(self._ended)
        if isinstance(owner, Process):
            self.monitor = monitor(process)
            if linked:
                connect(owner, process)
        elif linked:
            at_end(owner, self._owner_ended)

    @property
    def process(self) -> Process | None:
        """The process that does the work; None for a task made by `completed`."""
        return self._process

    @property
    def path(self) -> str:
        """Where the task is, from the root: its process's labels joined by `/`."""
        return "completed" if self._process is None else self._process.path

    def __axon_process__(self) -> Process | None:
        return self._process

    def __repr__(self) -> str:
        outcome = self._outcome
        return (
            f"<{type(self).__name__} {self.path}, {'running' if outcome is None else type(outcome).__name__.lower()}>"
        )

    def __reduce__(self) -> str:
        raise NotPicklable(f"{self!r} belongs to its owner, in one event loop")

    # -- the outcome

    @property
    def _outcome(self) -> Finished[R_co] | Exited | None:
        return self._given if self._process is None else self._process.outcome

    def _check_owner(self) -> None:
        refuse_others(self._owner, self.path)

    def _claim(self) -> None:
        """Raise unless the running code may have the outcome."""
        self._check_owner()
        if self._closed is not None:
            raise TaskAlreadyAwaited(self.path, self._closed)
        if self._is_awaited:
            raise TaskAlreadyAwaited(self.path, "its owner waits for it elsewhere")

    def _close(self, why: str) -> None:
        """Nobody waits for it any more: no message of it comes, and those that came are taken back."""
        self._closed = self._closed or why
        watch, owner = self.monitor, self._owner
        if watch is not None and isinstance(owner, Process):
            _unwatch(watch, owner)
            if self._is_told:
                owner.take_back(self._is_mine)

    def _is_mine(self, message: object) -> bool:
        if isinstance(message, Down):
            return message.monitor is self.monitor
        return isinstance(message, TaskReply) and message.task is self

    # -- the end of the task, and of its owner

    def _unlink(self) -> None:
        if self._process is None:
            return
        if isinstance(self._owner, Process):
            disconnect(self._owner, self._process)
        else:
            not_at_end(self._owner, self._owner_ended)

    def _owner_ended(self) -> None:
        """A plain coroutine that ended, however it did, would never ask for this."""
        if self._process is not None:
            self._process.runtime.signal(self._process.receive_exit, None, shutdown)

    def _ended(self) -> None:
        """The task ends in this very step; the signals of links and monitors follow."""
        watch, owner = self.monitor, self._owner
        if not isinstance(owner, Process):
            not_at_end(owner, self._owner_ended)
        elif watch is not None and self._is_awaited:
            _unwatch(watch, owner)
        elif self._closed is None:
            self._is_told = True
            self._reply(owner)

    def _tell(self) -> None:
        """The owner does not wait any more. What it would have been told meanwhile is told now."""
        owner, process, watch = self._owner, self._process, self.monitor
        if watch is None or process is None or process.reason is None or self._closed is not None or self._is_told:
            return
        if isinstance(owner, Process) and owner.reason is None:
            self._is_told = True
            self._reply(owner)
            owner.deliver(Down(watch, process, process.reason))

    def _reply(self, owner: Process) -> None:
        outcome = self._outcome
        if isinstance(outcome, Finished) and owner.reason is None:
            owner.deliver(TaskReply(cast("Task[object]", self), outcome.value))


def _unwatch(watch: Monitor, owner: Process) -> None:
    watch.drop()
    if owner.monitoring is not None:
        owner.monitoring.discard(watch)
