"""What becomes of a task: it finished with a value, or it exited with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ..process import ExitReason

if TYPE_CHECKING:
    from ._task import Task

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Finished(Generic[R_co]):
    """The task's function returned `value` (Elixir's `{:ok, value}`)."""

    value: R_co


@dataclass(frozen=True, slots=True)
class Exited:
    """The task ended without a value, for this `reason` (Elixir's `{:exit, reason}`).

    `input` is what it worked on, in a stream with `zip_input_on_exit=True`.
    """

    reason: ExitReason
    input: object = None


@dataclass(frozen=True, slots=True)
class TaskReply:
    """The message of a task that finished, to an owner that is a process and does not await it.

    A `Down` of `task.monitor` follows; it comes alone if the task exited without a value. Whoever awaits the task
    finds none of them in its mailbox. https://hexdocs.pm/elixir/Task.Supervisor.html#async_nolink/3
    """

    task: Task[object]
    value: object
