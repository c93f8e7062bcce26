"""What the rules say a dynamic supervisor does, in plain data: no processes, no clock, nothing of Axon.

Written from the rules (in brackets), to be compared with the real thing. The supervisor is a record with a mailbox; a
step puts messages there and `run` works them off. What happened is told line by line in `trace`.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Reason: TypeAlias = str
Outcome: TypeAlias = Literal["ok", "ignored", "failed"]


@dataclass(frozen=True)
class Plan:
    """A child: `fails` and `ignores` are the start attempts that do, `breaks` says that its terminate raises."""

    id: str
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    backoff: float | None = None
    traps: bool = True
    brutal: bool = False
    breaks: bool = False
    fails: frozenset[int] = frozenset()
    ignores: frozenset[int] = frozenset()


@dataclass(eq=False)
class Child:
    """One child; `row` is the number of its restarts since it was stable, `since` when that row began."""

    plan: Plan
    alive: bool = False
    number: int = 0
    due: object = None
    row: int = 0
    since: float = 0.0
    wait: float = 0.0
    looping: bool = False
    stable: object = None

    @property
    def status(self) -> str:
        return "running" if self.alive else "restarting"


@dataclass(frozen=True, eq=False)
class Exited:
    """A child's exit signal."""

    child: Child
    reason: Reason


@dataclass(frozen=True, eq=False)
class Retry:
    """A message to itself: a restart that was put off (`counted`), or that has failed."""

    child: Child
    counted: bool


@dataclass(frozen=True, eq=False)
class Stable:
    """A child has run for so long that its failures are forgotten."""

    child: Child


def is_clean(reason: Reason) -> bool:
    """Normal for a transient child (A30)."""
    return reason.startswith(("normal", "shutdown"))


@dataclass
class Dynamic:
    """A dynamic supervisor as the rules have it."""

    max_restarts: int
    max_seconds: float
    max_children: int
    now: float = 0.0
    alive: bool = True
    children: list[Child] = field(default_factory=list[Child])
    restarts: list[float] = field(default_factory=list[float])
    mailbox: deque[Exited | Retry] = field(default_factory=deque[Exited | Retry])
    timers: list[tuple[float, Retry | Stable]] = field(default_factory=list[tuple[float, Retry | Stable]])
    trace: list[str] = field(default_factory=list[str])
    attempts: Counter[str] = field(default_factory=Counter[str])

    # -- what happens from outside

    def start_child(self, plan: Plan) -> str:
        """A78, A87."""
        if len(self.children) >= self.max_children:
            return "MaxChildrenReached"
        child = Child(plan)
        outcome = self._start(child)
        if outcome != "ok":
            return "Ignored" if outcome == "ignored" else "StartFailed"
        self.children.append(child)
        return "ok"

    def terminate_child(self, id: str) -> str:
        """A86, A57."""
        child = next((child for child in self.children if child.plan.id == id), None)
        if child is None:
            return "ChildNotFound"
        if child.alive:
            self._stop(child)
        self._drop(child)
        return "ok"

    def die(self, children: list[Child], reason: Reason) -> None:
        """These end at once, before their supervisor looks; `killed` is the only end without terminate."""
        for child in children:
            told = "Boom" if child.plan.breaks and reason != "killed" else reason
            self._exit(child, told)
            self.mailbox.append(Exited(child, told))
        self._run()

    def advance(self, to: float) -> None:
        """Time passes: restarts that were put off are due, and those that run are stable."""
        while self.timers and min(when for when, _ in self.timers) <= to:
            self.now = min(when for when, _ in self.timers)
            due = [message for when, message in self.timers if when == self.now]
            self.timers = [timer for timer in self.timers if timer[0] > self.now]
            for message in due:
                if isinstance(message, Retry):
                    self.mailbox.append(message)
                elif message.child.stable is message and message.child.alive:
                    self._recovered(message.child)
            self._run()
        self.now = to

    def stop(self, reason: Reason) -> None:
        """A45: all at once, then itself."""
        for child in self.children:
            if child.alive:
                self._stop(child)
        self.trace.append(f"exited {reason}")
        self.alive = False
        self.children.clear()

    # -- its work

    def _run(self) -> None:
        while self.mailbox and self.alive:
            message = self.mailbox.popleft()
            child = message.child
            if isinstance(message, Exited):
                if child in self.children:
                    self._exited(child, message.reason)
            elif child.due is message:  # a stale one is ignored (A59)
                if message.counted:
                    self._start_again(child)
                else:
                    self._restart(child)

    def _exited(self, child: Child, reason: Reason) -> None:
        """A29–A31; who is not restarted is gone."""
        restart = child.plan.restart
        if restart == "permanent" or (restart == "transient" and not is_clean(reason)):
            self._restart(child)
        else:
            self._drop(child)

    def _restart(self, child: Child) -> None:
        """A46: count, and give up if these were too many."""
        child.due = None
        self.restarts = [then for then in self.restarts if self.now - then <= self.max_seconds] + [self.now]
        if len(self.restarts) > self.max_restarts:
            self.trace.append("gave up")
            return self.stop("shutdown")
        if child.row == 0:
            child.since = self.now
        child.row += 1
        if child.row == 3:
            child.looping = True
            self.trace.append(f"loop {child.plan.id}")
        if child.plan.backoff is None:
            return self._start_again(child)
        child.wait = child.plan.backoff * child.row
        child.due = retry = Retry(child, True)
        self.timers.append((self.now + child.wait, retry))

    def _start_again(self, child: Child) -> None:
        """A54, A55, A61."""
        outcome = self._start(child)
        if outcome == "failed":
            child.due = retry = Retry(child, False)
            self.mailbox.append(retry)
        elif outcome == "ignored":
            self._drop(child)
        else:
            child.stable = stable = Stable(child)
            self.timers.append((self.now + max(self.max_seconds, child.wait), stable))

    def _recovered(self, child: Child) -> None:
        if child.looping:
            self.trace.append(f"over {child.plan.id} {child.row}")
        child.row, child.wait, child.looping = 0, 0.0, False

    def _drop(self, child: Child) -> None:
        child.due = child.stable = None
        self.children.remove(child)

    # -- processes

    def _start(self, child: Child) -> Outcome:
        plan, child.due = child.plan, None
        self.attempts[plan.id] += 1
        number = self.attempts[plan.id]
        if number in plan.fails or number in plan.ignores:
            outcome: Outcome = "failed" if number in plan.fails else "ignored"
            self.trace.append(f"{outcome} {plan.id}")
            return outcome
        child.alive, child.number = True, number
        self.trace.append(f"started {plan.id}")
        return "ok"

    def _exit(self, child: Child, reason: Reason) -> None:
        child.alive, child.stable = False, None
        self.trace.append(f"exited {child.plan.id} {reason}")

    def _stop(self, child: Child) -> None:
        """The shutdown protocol (A14–A18)."""
        plan = child.plan
        self._exit(child, "killed" if plan.brutal else "Boom" if plan.traps and plan.breaks else "shutdown")
