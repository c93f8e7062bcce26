"""Every error that Axon raises, in one tree, so that a program can catch exactly the situation it can act on.

AxonError
├─ UsageError               the program is wrong; nothing was sent or started
│  ├─ InvalidOption         an option has a value it cannot have          .option .value
│  ├─ InvalidHandler        a handler's hints do not fit its server       .handler
│  ├─ WrongArguments        a request does not fit its handler's signature  .handler
│  ├─ NotStarted            this spec was never started: it has no address
│  ├─ WrongLoop             a handle was used from another thread or event loop
│  ├─ NotInProcess          only a process can do this                    .function
│  ├─ NotPicklable          an address does not leave its event loop
│  ├─ NotSuspended          only a suspended server can be asked this      .target
│  ├─ NotTaskOwner          only who made a task may await it             .task .owner
│  ├─ TaskAlreadyAwaited    a task's outcome is given once                .task .why
│  └─ WrongServer           the name or id belongs to a server of another class
├─ ProcessDead              a process that was declared dead tried to send (a zombie)
├─ CallError                a request was not answered                    .target
│  ├─ NoProcess             nobody is at the address (OTP's noproc)       .restart_in
│  │  └─ NoMembers          nobody is in the group to pick from
│  ├─ ServerDied            the server died before it answered            .reason
│  ├─ CallTimeout           the caller's patience ended                   .after
│  ├─ DeadlineExceeded      the deadline around the request passed
│  ├─ AnswerCancelled       the work that was to give the answer was cancelled
│  ├─ CallCycle             the answer would wait for itself              .cycle
│  └─ MailboxFull           the mailbox is at its limit                   .limit .message
├─ StartError               a process did not start                       .child
│  ├─ StartFailed           its init failed, exited or took too long      .reason
│  ├─ Ignored               its init chose not to start (`raise Ignore`)
│  └─ NameTaken             a live process holds the name                 .name .holder
├─ ChildError               a supervisor refused                          .id
│  ├─ ChildNotFound  ChildRunning  ChildRestarting  ChildAlreadyPresent  ChildAlreadyStarted
│  └─ MaxChildrenReached    it has as many as it may have                 .limit
├─ TaskError                a task gave its owner no result               .task
│  ├─ TaskExit              it ended without one                          .reason
│  └─ TaskTimeout           none came in time                             .after
├─ WireError  StoreError  MCPServerError  PythonEnvError   drawn in axon.wire, axon.store, axon.mcp and axon.env
└─ SupervisorDied           the supervisor of this block ended by itself  .reason .why
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AnswerCancelled",
    "AxonError",
    "CallCycle",
    "CallError",
    "CallTimeout",
    "ChildAlreadyPresent",
    "ChildAlreadyStarted",
    "ChildError",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "DeadlineExceeded",
    "Ignored",
    "InvalidHandler",
    "InvalidOption",
    "MailboxFull",
    "MaxChildrenReached",
    "NameTaken",
    "NoMembers",
    "NoProcess",
    "NotInProcess",
    "NotPicklable",
    "NotStarted",
    "NotSuspended",
    "NotTaskOwner",
    "ProcessDead",
    "ServerDied",
    "StartError",
    "StartFailed",
    "SupervisorDied",
    "TaskAlreadyAwaited",
    "TaskError",
    "TaskExit",
    "TaskTimeout",
    "UsageError",
    "WrongArguments",
    "WrongLoop",
    "WrongServer",
]


class AxonError(Exception):
    """The root of the tree."""

    def __repr__(self) -> str:  # without quotes: in errors that hold others these would double at every level
        return f"{type(self).__name__}({self})"


class UsageError(AxonError):
    """The program is wrong: nothing was sent, nothing was started. Fix the code, do not catch it."""


class InvalidOption(UsageError, ValueError):
    """An option has a value that it cannot have: `option` is its name, `value` what was given, `expected` what it takes."""

    def __init__(self, option: str, value: object, expected: str) -> None:
        super().__init__(f"{option} must be {expected}, got: {value!r}")
        self.option = option
        self.value = value
        self.expected = expected


class InvalidHandler(UsageError, TypeError):
    """A handler of a server class cannot work: raised when the class is made, or at the first start."""

    def __init__(self, handler: str, problem: str) -> None:
        super().__init__(f"{handler}: {problem}")
        self.handler = handler
        self.problem = problem


class WrongArguments(UsageError, TypeError):
    """A request does not fit the signature of its handler: raised at the caller, and nothing was sent."""

    def __init__(self, handler: str, problem: str) -> None:
        super().__init__(f"{handler}(): {problem}")
        self.handler = handler
        self.problem = problem


class NotStarted(UsageError):
    """A spec was used as an address before it was started."""


class WrongLoop(UsageError):
    """A handle was used outside the thread and event loop it belongs to; see `axon.from_thread`."""


class NotInProcess(UsageError):
    """`function` acts for the calling process, and the caller is a plain coroutine."""

    def __init__(self, function: str, instead: str = "") -> None:
        super().__init__(f"{function}() acts for the calling process, and no process is running{instead}")
        self.function = function


class NotPicklable(UsageError, TypeError):
    """Handles and processes are addresses in one event loop; pickling one is refused."""


class NotTaskOwner(UsageError):
    """`task` belongs to `owner`, who made it: nobody else awaits it, asks after it, ignores it or shuts it down."""

    def __init__(self, task: str, owner: str, caller: str, instead: str = "") -> None:
        super().__init__(f"{task} belongs to {owner}, which made it; {caller} cannot have its outcome{instead}")
        self.task = task
        self.owner = owner


class TaskAlreadyAwaited(UsageError):
    """The outcome of `task` is given once; `why` says what became of it."""

    def __init__(self, task: str, why: str) -> None:
        super().__init__(f"the outcome of {task} cannot be had any more: {why}")
        self.task = task
        self.why = why


class NotSuspended(UsageError):
    """Code can only be changed while the server handles nothing: `await axon.suspend(...)` first."""

    def __init__(self, target: str) -> None:
        super().__init__(f"{target} is not suspended; `await axon.suspend(...)` it before its code is changed")
        self.target = target


class WrongServer(UsageError, TypeError):
    """The name or child id exists, but its server is of another class than the one asked for."""


class ProcessDead(AxonError):
    """Code of a process that was declared dead is still running and tried to send, call or reply."""

    def __init__(self, path: str, reason: object) -> None:
        super().__init__(f"{path} was declared dead ({reason!r}); what it still sends is refused")
        self.path = path
        self.reason = reason


class CallError(AxonError):
    """A request was not answered. `target` names the server."""

    def __init__(self, target: str, message: str) -> None:
        super().__init__(message)
        self._target: object = target  # its path, or the process, which tells its path when somebody looks

    @property
    def target(self) -> str:
        """The path of the server, or what the request was for."""
        return str(getattr(self._target, "path", self._target))


class NoProcess(CallError):
    """Nobody is at the address, so the request was not made (OTP's `noproc`).

    `restart_in` is the time in seconds until the supervisor's next attempt, 0.0 when it is under way, None when
    no restart is due.
    """

    def __init__(self, target: str, detail: str = "", restart_in: float | None = None) -> None:
        due = "" if restart_in is None else f"; a restart is due in {restart_in:.3g} s"
        super().__init__(target, f"no process at {target}{': ' + detail if detail else ''}{due}")
        self.restart_in = restart_in


class NoMembers(NoProcess):
    """A member was to be picked from a group, and nobody is in it. `target` is its scope and name."""

    def __init__(self, target: str) -> None:
        super().__init__(target, "the group has no members")


class ServerDied(CallError):
    """The server died before it answered. `reason` is its exit reason; an exception is also the `__cause__`."""

    def __init__(self, target: object, reason: object) -> None:
        self._target = target  # a text takes 2 µs, of 20 for a crash and a restart
        self.reason = reason
        if isinstance(reason, BaseException):
            self.__cause__: BaseException | None = reason

    def __str__(self) -> str:
        died = self
        while isinstance(died.reason, ServerDied):  # of a chain that waited for one another the last says why
            died = died.reason
        return f"{self.target} died before it answered: {'' if died is self else f'{died.target} had died: '}{died.reason!r}"


class CallTimeout(CallError, TimeoutError):
    """No answer came within `after` seconds. The request is still executed; a late answer is dropped."""

    def __init__(self, target: str, after: float) -> None:
        super().__init__(target, f"no answer from {target} within {after:g} s")
        self.after = after


class DeadlineExceeded(CallError, TimeoutError):
    """The deadline around the request passed. Work that had not started is dropped."""

    def __init__(self, target: str) -> None:
        super().__init__(target, f"the deadline passed before {target} answered")


class AnswerCancelled(CallError):
    """The server lives, but the task or future that was to give this answer was cancelled."""

    def __init__(self, target: str) -> None:
        super().__init__(target, f"{target} was to answer later, and the work for it was cancelled")


class CallCycle(CallError):
    """The request would wait for itself: each server in `cycle` waits for the next one, the last for the first."""

    def __init__(self, cycle: Sequence[str]) -> None:
        super().__init__(cycle[-1], "a call would wait for itself: " + " -> ".join(cycle))
        self.cycle: tuple[str, ...] = tuple(cycle)


class MailboxFull(CallError):
    """The mailbox holds `limit` messages; `message` (handler name, arguments) was not sent."""

    def __init__(self, target: str, limit: int, message: object) -> None:
        super().__init__(target, f"the mailbox of {target} is full (mailbox={limit}): {message!r} was not sent")
        self.limit = limit
        self.message = message


class StartError(AxonError):
    """A process did not start. `child` names it."""

    def __init__(self, child: str, message: str) -> None:
        super().__init__(message)
        self.child = child


class StartFailed(StartError):
    """init failed, exited or took too long. `reason` is the exit reason; an exception is also the `__cause__`."""

    def __init__(self, child: str, reason: object) -> None:
        super().__init__(child, f"{child} failed to start: {reason!r}")
        self.reason = reason
        cause = getattr(reason, "term", reason)  # shutdown(StartFailed(...)): a supervisor's child did not start
        if isinstance(cause, BaseException):
            self.__cause__: BaseException | None = cause

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StartFailed) and (self.child, self.reason) == (other.child, other.reason)

    def __hash__(self) -> int:
        return hash(self.child)


class Ignored(StartError):
    """init raised `Ignore`: the process chose not to start, and that is no failure."""

    def __init__(self, child: str) -> None:
        super().__init__(child, f"{child} chose not to start (Ignore)")


class NameTaken(StartError):
    """A live process holds the name `name`; `holder` is its path."""

    def __init__(self, name: str, holder: str, child: str) -> None:
        super().__init__(child, f"the name {name!r} is held by {holder}, so {child} cannot have it")
        self.name = name
        self.holder = holder


class ChildError(AxonError):
    """A supervisor refused an operation on the child `id`."""

    situation: str = "cannot do that with"

    def __init__(self, supervisor: str, id: str) -> None:
        super().__init__(f"{supervisor}: child {id!r} {self.situation}")
        self.supervisor = supervisor
        self.id = id


class ChildNotFound(ChildError):
    """The supervisor has no child with this id."""

    situation = "is not known here"


class ChildRunning(ChildError):
    """The child runs; stop it first with `terminate_child`."""

    situation = "is running; terminate_child() it first"


class ChildRestarting(ChildError):
    """The child is between two attempts of a restart; `terminate_child` gives these up."""

    situation = "is being restarted; terminate_child() gives that up"


class ChildAlreadyPresent(ChildError):
    """The id is in use by a child that does not run; `restart_child` or `delete_child` it."""

    situation = "is present but does not run; restart_child() or delete_child() it"


class ChildAlreadyStarted(ChildError):
    """The id is in use by a running child."""

    situation = "runs already under this id"


class MaxChildrenReached(ChildError):
    """A supervisor has `limit` children already (its `max_children`), those that wait for a restart included."""

    def __init__(self, supervisor: str, id: str, limit: int) -> None:
        self.situation: str = f"was not started: there are as many as there may be (max_children={limit})"
        super().__init__(supervisor, id)
        self.limit = limit


class TaskError(AxonError):
    """A task gave its owner no result. `task` is its path."""

    def __init__(self, task: str, message: str) -> None:
        super().__init__(message)
        self.task = task


class TaskExit(TaskError):
    """The task ended without a result. `reason` is its exit reason; an exception is also the `__cause__`."""

    def __init__(self, task: str, reason: object) -> None:
        super().__init__(task, f"{task} ended without a result: {reason!r}")
        self.reason = reason
        if isinstance(reason, BaseException):
            self.__cause__: BaseException | None = reason


class TaskTimeout(TaskError, TimeoutError):
    """The task gave no result within `after` seconds."""

    def __init__(self, task: str, after: float) -> None:
        super().__init__(task, f"no result of {task} within {after:g} s")
        self.after = after


class SupervisorDied(AxonError):
    """The supervisor of an `async with` block ended by itself, so the block was cancelled.

    `reason` is its exit reason, and the `__cause__` is the crash that made it give up, if one did.
    """

    def __init__(self, path: str, reason: object, why: str = "") -> None:
        super().__init__(f"{path} ended with {reason!r}{': ' + why if why else ''}")
        self.path = path
        self.reason = reason
        self.why = why
