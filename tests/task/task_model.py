"""What the rules say of a task supervisor, its tasks and their owners, in plain data: no processes, nothing of Axon.

A clock, a list of what is due, and records. A signal changes records, a death tells supervisor, owner and watcher.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["finishes", "crashes", "leaves", "hangs", "saves", "slow", "breaks", "traps", "stubborn"]
"""What a task does: the first three end by themselves, with a value, an error or `shutdown`; the others wait.

When it is told to end, `saves` returns a value, `slow` needs time to clean up, `breaks` fails in its cleanup, `traps`
has only a message, `stubborn` goes on.
"""
How: TypeAlias = "float | Literal['brutal_kill', 'infinity']"
Restart: TypeAlias = Literal["temporary", "transient", "permanent"]
Made: TypeAlias = Literal["async_", "async_nolink", "start_child"]

CLEANUP = 3.33
"""Seconds that a slow one needs."""
AGAIN, GRACE = 0.1, 1.0
"""Seconds until a killed one is cancelled again, and until it is declared dead."""


def is_clean(reason: str) -> bool:
    return reason in ("normal", "shutdown")


@dataclass(frozen=True)
class Plan:
    """What a task is to be."""

    kind: Kind
    seconds: float
    made: Made
    restart: Restart
    shutdown: How


@dataclass(eq=False)
class Owner:
    number: int
    traps: bool
    asked: str | None = None
    reason: str | None = None
    mail: dict[int, list[str]] = field(default_factory=dict[int, list[str]])


@dataclass(eq=False)
class Task:
    """One incarnation."""

    number: int
    plan: Plan
    owner: Owner
    linked: bool
    supervised: bool = True
    has_begun: bool = False
    reason: str | None = None
    asked: str | None = None
    expected: str | None = None
    value: bool = False
    is_closed: bool = False
    at_death: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])


class World:
    """One supervisor and all that has to do with it."""

    def __init__(self, max_children: int | None, max_restarts: int, max_seconds: float) -> None:
        self.max_children, self.max_restarts, self.max_seconds = max_children, max_restarts, max_seconds
        self.now = 0.0
        self.status: Literal["running", "stopping", "dead"] = "running"
        self.is_busy = False
        self.children: list[Task] = []
        self.orphans: list[Task] = []
        self.owners: list[Owner] = []
        self.runs: Counter[int] = Counter()
        self.reports: Counter[tuple[str, str, str]] = Counter()
        self.closed: set[int] = set()
        self._restarts: list[float] = []
        self._unseen: list[Task] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._numbers = count(1)

    # -- time

    def advance(self, now: float) -> None:
        """Let everything happen that is due by then."""
        while self._due and self._due[0][0] <= now:
            self.now, _, happen = heapq.heappop(self._due)
            happen()
        self.now = now

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._order), happen))

    # -- what a program does

    def add_owner(self, traps: bool) -> Owner:
        self.owners.append(Owner(len(self.owners), traps))
        return self.owners[-1]

    def start(self, plan: Plan, owner: Owner) -> str | int:
        """The number of the task, or why there is none (F24, F27)."""
        if self.status != "running":
            return "NoProcess"
        coming = [task for task in self.children if task.reason is None or self._is_restarted(task)]
        if self.max_children is not None and len(coming) >= self.max_children:
            return "MaxChildrenReached"
        number = next(self._numbers)
        if plan.made != "start_child":
            owner.mail[number] = []
        self._begin(number, plan, owner)
        return number

    def _begin(self, number: int, plan: Plan, owner: Owner) -> None:
        task = Task(number, plan, owner, linked=plan.made == "async_")
        self.children.append(task)
        self._after(0, lambda: self._first_step(task))

    def _first_step(self, task: Task) -> None:
        """Its function begins a turn after its start, unless it was told to end by then."""
        if task.reason is not None or task.asked is not None:
            return
        task.has_begun = True
        self.runs[task.number] += 1
        if task.plan.kind in ("finishes", "crashes", "leaves"):
            self._after(task.plan.seconds, lambda: self._ends_by_itself(task))

    def _ends_by_itself(self, task: Task) -> None:
        if task.reason is None and task.asked is None:
            task.value = task.plan.kind == "finishes"
            ends = {"finishes": "normal", "crashes": f"Boom({task.number})", "leaves": "shutdown"}
            self._die(task, ends[task.plan.kind])

    def end_owner(self, owner: Owner, reason: str) -> None:
        """It ends in its own turn, for the first reason it gets, or `killed`."""
        if owner.asked is None:
            owner.asked = reason
            self._after(0, lambda: self._owner_ends(owner))
        elif reason == "killed":
            owner.asked = reason

    def _owner_ends(self, owner: Owner) -> None:
        """Its links tell its tasks (F15, F21)."""
        assert owner.asked is not None
        reason = owner.reason = owner.asked
        if not is_clean(reason):
            self.reports["owner", reason, "none: it has no supervisor and stays down"] += 1
        if reason != "normal":
            for task in self.tasks():
                if task.owner is owner and task.linked:
                    task.expected = task.expected if task.asked else reason
                    self.signal(task, reason)

    def tasks(self) -> list[Task]:
        """Those that live, orphans included."""
        return [task for task in [*self.children, *self.orphans] if task.reason is None]

    def shut_down(self, task: Task, how: How, answer: Callable[[str], None]) -> None:
        """By its owner (F11, F12)."""
        if task.number in self.closed:
            return answer("Exited noproc" if task.reason is not None else "?")
        task.linked = False
        expected = "killed" if how == "brutal_kill" else "shutdown"

        def answered() -> None:
            self.closed.add(task.number)
            task.owner.mail.get(task.number, []).clear()
            answer("Finished" if task.value else "None" if task.reason == expected else f"Exited {task.reason}")

        if task.reason is not None:
            return answered()
        task.is_closed = True
        task.at_death.append(answered)
        self._ask_to_end(task, how, lambda: task.owner.reason is None)
        return None

    def terminate_child(self, task: Task) -> bool:
        """By the supervisor (F25); it does nothing else meanwhile."""
        if self.status != "running" or task.reason is not None:
            return False
        self.is_busy = True

        def ended() -> None:
            self.is_busy = False
            if self.status == "running":
                self._unseen.remove(task)
                self.children.remove(task)
                self._report(task, "none: terminate_child")
                self._look()

        task.at_death.append(ended)
        self._ask_to_end(task, task.plan.shutdown)
        return True

    def kill_supervisor(self) -> None:
        """F22: it leaves no orphan but those who trap exits."""
        if self.status == "dead":
            return
        living = [task for task in self.children if task.reason is None]
        for task in self.children:
            if task.reason is not None:
                self._report(task, "none: its supervisor ended, too")
        self.status, self.is_busy, self.orphans, self.children, self._unseen = "dead", False, living, [], []
        for task in living:
            task.supervised = False
            self.signal(task, "killed")

    def stop(self) -> None:
        """F22: all at once, each with its own time."""
        if self.status != "running":
            return
        self.status = "stopping"
        living = [task for task in self.children if task.reason is None]
        for task in living:
            task.at_death.append(self._stopped)
            self._ask_to_end(task, task.plan.shutdown)
        self._stopped()

    def _stopped(self) -> None:
        if self.status == "stopping" and all(task.reason is not None for task in self.children):
            self.status = "dead"
            for task in self.children:
                self._report(task, "none: its supervisor is stopping")
            self.children = []

    # -- signals

    def _ask_to_end(self, task: Task, how: How, insists: Callable[[], bool] = lambda: True) -> None:
        """Who asks kills it after its time, if it is still there itself to see that (`insists`)."""
        task.expected = "killed" if how == "brutal_kill" else "shutdown"
        if isinstance(how, float):
            self._after(how, lambda: self.signal(task, "kill") if insists() else None)
        self.signal(task, "kill" if how == "brutal_kill" else "shutdown")

    def signal(self, task: Task, reason: str) -> None:
        """An exit signal: `kill` cannot be refused, `killed` is that of a link."""
        kind = task.plan.kind
        if task.reason is not None or reason == "normal":
            return
        if not task.has_begun:
            if task.asked is None or reason in ("kill", "killed"):
                task.asked = "killed" if reason == "kill" else reason
                self._after(0, lambda: self._die(task, task.asked or reason))
            return
        if kind == "traps" and reason != "kill":
            return
        if reason in ("kill", "killed"):
            self._kill(task)
        elif task.asked is None:
            task.asked = reason
            if kind == "saves":
                task.value = True
            if kind == "slow":
                self._after(CLEANUP, lambda: self._die(task, reason))
            elif kind != "stubborn":
                broken = kind == "breaks" and is_clean(reason)
                self._dies(task, f"Broken({task.number})" if broken else reason)

    def _kill(self, task: Task) -> None:
        before, task.asked = task.asked, "killed"
        if task.plan.kind == "stubborn":
            if before != "killed":
                self._after(GRACE, lambda: self._die(task, "killed"))
        elif task.plan.kind == "slow" and before is None:
            self._after(AGAIN, lambda: self._die(task, "killed"))
        else:
            self._dies(task, "killed")

    # -- deaths

    def _dies(self, task: Task, reason: str) -> None:
        """In its own turn, after whoever signals now has signalled all."""
        self._after(0, lambda: self._die(task, reason))

    def _die(self, task: Task, reason: str) -> None:
        if task.reason is not None:
            return
        task.reason = reason
        owner = task.owner
        mail = None if task.is_closed or owner.reason is not None else owner.mail.get(task.number)
        if task.value and mail is not None:
            mail.append("TaskReply")
        if self.status != "dead":
            self._unseen.append(task)
        if task.linked and owner.reason is None:
            if owner.traps:
                owner.mail[task.number].append(f"Exit {reason}")
            elif reason != "normal":
                self.end_owner(owner, reason)
        if mail is not None and owner.reason is None:
            mail.append(f"Down {reason}")
        for happen in task.at_death:
            happen()
        self._look()

    def _look(self) -> None:
        """The supervisor comes round to the exits of its children, unless it is busy."""
        while self._unseen and self.status == "running" and not self.is_busy:
            task = self._unseen.pop(0)
            self.children.remove(task)
            if not self._is_restarted(task):  # F23, F26
                self._report(task, f"none: it is {task.plan.restart}")
                continue
            self._restarts = [then for then in self._restarts if self.now - then <= self.max_seconds] + [self.now]
            too_many = len(self._restarts) > self.max_restarts
            self._report(task, "the supervisor gives up" if too_many else "restart")
            if too_many:
                self.stop()
            else:
                self._begin(task.number, task.plan, task.owner)

    def _is_restarted(self, task: Task) -> bool:
        if task.plan.made != "start_child" or task.plan.restart == "temporary" or task.reason is None:
            return False
        return task.plan.restart == "permanent" or not is_clean(task.reason)

    def _report(self, task: Task, decision: str) -> None:
        assert task.reason is not None
        if not is_clean(task.reason) and task.reason != task.expected:
            self.reports[str(task.number), task.reason, decision] += 1
