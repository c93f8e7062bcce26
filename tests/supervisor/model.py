"""What OTP's rules say a tree does, in plain data: no processes, no clock, nothing of Axon.

Written from the rules (in brackets), to be compared with the real thing. A supervisor is a record with a mailbox; a
step puts messages there and `run` works them off. What happened is told line by line in `trace`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Reason: TypeAlias = str
Restart: TypeAlias = Literal["permanent", "transient", "temporary"]
Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdown: TypeAlias = Literal["never", "any_significant", "all_significant"]
Outcome: TypeAlias = Literal["ok", "ignored", "failed"]
Status: TypeAlias = Literal["running", "stopped", "restarting"]


@dataclass(frozen=True)
class Plan:
    """What the specs of workers and supervisors have in common."""

    id: str
    restart: Restart = "permanent"
    significant: bool = False
    backoff: float | None = None


@dataclass(frozen=True)
class WorkerPlan(Plan):
    """fails, ignores: the start attempts that do; breaks: terminate raises."""

    traps: bool = True
    brutal: bool = False
    breaks: bool = False
    fails: frozenset[int] = frozenset()
    ignores: frozenset[int] = frozenset()


@dataclass(frozen=True)
class SupervisorPlan(Plan):
    """A supervisor and its initial children."""

    strategy: Strategy = "one_for_one"
    max_restarts: int = 1
    max_seconds: float = 5.0
    auto_shutdown: AutoShutdown = "never"
    children: tuple[WorkerPlan | SupervisorPlan, ...] = ()


@dataclass(eq=False)
class Child:
    """One line in a supervisor's list; `due` marks the retry that is not stale."""

    plan: WorkerPlan | SupervisorPlan
    process: Worker | Sup | None = None
    due: object = None

    @property
    def status(self) -> Status:
        if self.process is not None:
            return "running"
        return "restarting" if self.due is not None else "stopped"


@dataclass(eq=False)
class Worker:
    """An incarnation of a worker; `number` is that of its start attempt."""

    plan: WorkerPlan
    path: str
    number: int
    home: Sup
    alive: bool = True


@dataclass(eq=False)
class Sup:
    """An incarnation of a supervisor."""

    plan: SupervisorPlan
    path: str
    home: Sup | None
    children: list[Child] = field(default_factory=list[Child])
    restarts: list[float] = field(default_factory=list[float])
    mailbox: deque[Exited | Retry] = field(default_factory=deque["Exited | Retry"])
    alive: bool = True

    def find(self, id: str) -> Child | None:
        return next((child for child in self.children if child.plan.id == id), None)


@dataclass(frozen=True, eq=False)
class Exited:
    """A child's exit signal."""

    process: Worker | Sup
    reason: Reason


@dataclass(frozen=True, eq=False)
class Retry:
    """A message to itself: a restart that was put off (`counted`), or that has failed."""

    child: Child
    counted: bool


def is_clean(reason: Reason) -> bool:
    """Normal for a transient child (A30)."""
    return reason.startswith(("normal", "shutdown"))


class Tree:
    """A tree as the rules have it."""

    def __init__(self, plan: SupervisorPlan) -> None:
        self.now = 0.0
        self.trace: list[str] = []
        self.attempts: Counter[str] = Counter()
        self.timers: list[tuple[float, Sup, Retry]] = []
        self.root: Sup | None = None
        outcome, started = self._start(plan, None)
        if outcome == "ok" and isinstance(started, Sup):
            self.root = started

    # -- what one sees

    def supervisors(self, of: Sup | None = None) -> Iterator[Sup]:
        top = of or self.root
        if top is not None and top.alive:
            yield top
            for child in top.children:
                if isinstance(child.process, Sup) and child.process.alive:
                    yield from self.supervisors(child.process)

    def workers(self) -> list[Worker]:
        found = [child.process for sup in self.supervisors() for child in sup.children]
        return [worker for worker in found if isinstance(worker, Worker) and worker.alive]

    # -- what happens from outside

    def die(self, workers: list[Worker], reason: Reason) -> None:
        """These end at once, before their supervisor looks; `killed` is the only end without terminate."""
        for worker in workers:
            if worker.alive:
                breaks = worker.plan.breaks and reason != "killed"
                self._exit(worker, "Boom" if breaks else reason)
        self.run()

    def kill(self, sup: Sup) -> None:
        """A killed supervisor: its children hear of it over their links, and nobody waits for them (A25)."""
        self._exit(sup, "killed")
        self._orphans(sup)
        self.run()

    def _orphans(self, sup: Sup) -> None:
        for child in sup.children:
            process = child.process
            if isinstance(process, Worker) and process.alive:
                process.alive = False
                breaks = process.plan.traps and process.plan.breaks
                self.trace.append(f"exited {process.path} {'Boom' if breaks else 'killed'}")
            elif isinstance(process, Sup) and process.alive:
                self._stop_all(process)
                process.alive = False
                self.trace.append(f"exited {process.path} killed")

    def advance(self, to: float) -> None:
        """Time passes, and restarts that were put off are due; of those due at the same moment all are in the mailbox
        before the supervisor looks at one.
        """
        while self.timers and (first := min(due for due, _, _ in self.timers)) <= to:
            self.now = first
            for due, sup, retry in self.timers:
                if due == first:
                    sup.mailbox.append(retry)
            self.timers = [timer for timer in self.timers if timer[0] != first]
            self.run()
        self.now = to

    # -- calls

    def start_child(self, sup: Sup, plan: WorkerPlan | SupervisorPlan) -> str:
        """A78."""
        known = sup.find(plan.id)
        if known is not None:
            return "ChildAlreadyStarted" if known.status == "running" else "ChildAlreadyPresent"
        child = Child(plan)
        outcome = self._start_in(sup, child)
        if outcome == "failed":
            return "StartFailed"
        if outcome == "ok" or plan.restart != "temporary":
            sup.children.append(child)
        return "ok"

    def terminate_child(self, sup: Sup, id: str) -> str:
        """A79, A57."""
        child = sup.find(id)
        if child is None:
            return "ChildNotFound"
        self._stop(sup, child)
        if child.plan.restart == "temporary":
            sup.children.remove(child)
        return "ok"

    def restart_child(self, sup: Sup, id: str) -> str:
        """A80."""
        child = sup.find(id)
        if child is None:
            return "ChildNotFound"
        if child.status != "stopped":
            return "ChildRunning" if child.status == "running" else "ChildRestarting"
        return "StartFailed" if self._start_in(sup, child) == "failed" else "ok"

    def delete_child(self, sup: Sup, id: str) -> str:
        """A81."""
        child = sup.find(id)
        if child is None:
            return "ChildNotFound"
        if child.status != "stopped":
            return "ChildRunning" if child.status == "running" else "ChildRestarting"
        sup.children.remove(child)
        return "ok"

    def stop(self, reason: Reason) -> None:
        """Stop the root (A14, A26)."""
        if self.root is not None:
            self._stop_all(self.root)
            self._exit(self.root, reason)

    # -- processes

    def _start(self, plan: WorkerPlan | SupervisorPlan, home: Sup | None) -> tuple[Outcome, Worker | Sup | None]:
        path = plan.id if home is None else f"{home.path}/{plan.id}"
        if isinstance(plan, WorkerPlan):
            assert home is not None, "a worker has a supervisor"
            self.attempts[path] += 1
            number = self.attempts[path]
            if number in plan.fails or number in plan.ignores:
                outcome: Outcome = "failed" if number in plan.fails else "ignored"
                self.trace.append(f"{outcome} {path}")
                return outcome, None
            self.trace.append(f"started {path}")
            return "ok", Worker(plan, path, number, home)
        sup = Sup(plan, path, home)
        sup.children = [Child(each) for each in plan.children]
        for child in list(sup.children):  # one after another; all or none (A1, A3)
            outcome = self._start_in(sup, child)
            if outcome == "failed":
                self._stop_all(sup)
                self.trace.append(f"failed {path}")
                return "failed", None
            if outcome == "ignored" and child.plan.restart == "temporary":  # A6
                sup.children.remove(child)
        self.trace.append(f"started {path}")
        return "ok", sup

    def _start_in(self, sup: Sup, child: Child) -> Outcome:
        child.due = None
        outcome, child.process = self._start(child.plan, sup)
        return outcome

    def _exit(self, process: Worker | Sup, reason: Reason) -> None:
        process.alive = False
        self.trace.append(f"exited {process.path} {reason}")
        if process.home is not None:
            process.home.mailbox.append(Exited(process, reason))

    def _stop(self, sup: Sup, child: Child) -> None:
        """The shutdown protocol (A14–A18); the exit it causes is consumed by it (A42)."""
        process, child.process, child.due = child.process, None, None
        if process is None or not process.alive:
            return
        process.alive = False
        reason = "shutdown"
        if isinstance(process, Sup):
            self._stop_all(process)
        elif process.plan.brutal:
            reason = "killed"
        elif process.plan.traps and process.plan.breaks:
            reason = "Boom"
        self.trace.append(f"exited {process.path} {reason}")

    def _stop_all(self, sup: Sup) -> None:
        for child in reversed(sup.children):
            self._stop(sup, child)

    # -- a supervisor at work

    def run(self) -> None:
        """Work off all mailboxes. Only one supervisor has mail at a time, unless one was killed."""
        while busy := [sup for sup in self.supervisors() if sup.mailbox]:
            sup = busy[0]
            message = sup.mailbox.popleft()
            if isinstance(message, Exited):
                self._exited(sup, message)
            elif message.child.due is message:  # a stale one is ignored (A59)
                if message.counted:
                    self._restart_group(sup, message.child)
                else:
                    self._restart(sup, message.child)

    def _exited(self, sup: Sup, message: Exited) -> None:
        child = next((child for child in sup.children if child.process is message.process), None)
        if child is None:
            return None
        child.process = None
        plan = child.plan
        if plan.restart == "permanent" or (plan.restart == "transient" and not is_clean(message.reason)):
            return self._restart(sup, child)
        if plan.restart == "temporary":  # A31
            sup.children.remove(child)
        if plan.significant:  # A66, A68
            others = any(each.plan.significant and each.status != "stopped" for each in sup.children)
            if sup.plan.auto_shutdown == "any_significant" or not others:
                self._end(sup)
        return None

    def _restart(self, sup: Sup, child: Child) -> None:
        """A46: count, and give up if these were too many."""
        child.due = None
        sup.restarts = [then for then in sup.restarts if self.now - then <= sup.plan.max_seconds] + [self.now]
        if len(sup.restarts) > sup.plan.max_restarts:
            self.trace.append(f"gave up {sup.path}")
            self._end(sup)
        elif child.plan.backoff is not None:
            child.due = retry = Retry(child, True)
            self.timers.append((self.now + child.plan.backoff, sup, retry))
        else:
            self._restart_group(sup, child)

    def _restart_group(self, sup: Sup, child: Child) -> None:
        """A36–A41, A58."""
        child.due = None  # if one before it fails it is stopped, not restarting
        position = sup.children.index(child)
        first = {"one_for_one": position, "one_for_all": 0, "rest_for_one": position}[sup.plan.strategy]
        members = [child] if sup.plan.strategy == "one_for_one" else sup.children[first:]
        for member in reversed(members):
            if member is not child:
                self._stop(sup, member)
                if member.plan.restart == "temporary":  # A40
                    sup.children.remove(member)
        for member in members:
            if member in sup.children and self._start_in(sup, member) == "failed":
                member.due = retry = Retry(member, False)
                sup.mailbox.append(retry)
                return

    def _end(self, sup: Sup) -> None:
        """A51: the others stop, and it exits `shutdown`."""
        self._stop_all(sup)
        self._exit(sup, "shutdown")
