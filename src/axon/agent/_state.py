"""What an agent owns: its journal, the turn under way, and those that wait for theirs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pydantic_ai import AgentRunResult
from pydantic_ai.messages import ModelMessage
from pydantic_ai.usage import RunUsage

from ..errors import CallCycle
from ..process import ExitReason, Process, callers, deadline_at, is_clean
from ..server import Reply
from ..store import Approval
from ._answers import Outputs
from ._errors import AgentBusy, MessageIdReused, UnknownMessage
from ._events import TurnResumed
from ._feed import Feed
from ._journal import NOW, Journal
from ._kept import KeptTurn
from ._order import Order, Prompt, content_of, fingerprint_of, kept_order, order_of
from ._passive import Passivation
from ._records import Ended, Paused, Reset, Steered
from ._runs import Runs
from ._status import AgentStatus, RunningTool, TurnStatus
from ._text import Event
from ._turn import Turn
from ._watch import watched

if TYPE_CHECKING:
    from ._agent import AgentServer

RECENT = 2
"""Turns that are over whose events are still kept, for readers that come back."""

R = TypeVar("R")

Admitted: TypeAlias = "tuple[asyncio.Future[AgentRunResult[Any]], Feed[Event] | None]"
"""The answer to come, and the events, if they are kept."""


@dataclass(eq=False, slots=True)
class AgentState:
    """The state of one incarnation; only its own handlers touch it."""

    server: AgentServer[Any, Any]
    process: Process
    runs: Runs[Any, Any]
    journal: Journal
    outputs: Outputs
    ended: Callable[[Turn[Any, Any]], None]
    crash: Callable[[Exception], None]
    turns: dict[str, Turn[Any, Any]] = field(default_factory=dict[str, Turn[Any, Any]])
    current: Turn[Any, Any] | None = None
    cancelled: list[tuple[str, Reply[bool]]] = field(default_factory=list[tuple[str, Reply[bool]]])
    recent: dict[str, Turn[Any, Any]] = field(default_factory=dict[str, Turn[Any, Any]])
    since: float = 0.0
    passivation: Passivation = field(init=False)

    def __post_init__(self) -> None:
        self.passivation = Passivation(self.journal, self.server.passivate_after, self.crash)
        self.process.on_death(self._died)

    # -- messages

    def admit(self, order: Order, *, streamed: bool) -> Admitted:
        """Take a message, or find what became of it. Raises `CallCycle`, `AgentBusy`, `MessageIdReused`, and for a turn
        that is over what `Outputs.result` raises.
        """
        self.refuse_cycle(order)
        id = order.message_id
        turn, recent = self._turn_of(id), self.recent.get(id)
        if self.journal.store is None:
            turn = turn or recent
        if turn is not None:
            _check(order, turn.fingerprint_of(id))
            return turn.outcome, turn.feed if streamed else None
        answer = self.journal.kept.answers.get(id)
        if answer is not None:
            _check(order, answer.fingerprint)
            given: asyncio.Future[AgentRunResult[Any]] = self.process.runtime.loop.create_future()
            given.set_result(self.outputs.result(id, answer, self.journal.kept.messages))
            return given, None if recent is None else recent.feed
        if order.is_reference:
            raise UnknownMessage(id)
        turn = self._meanwhile(order) if self.turns else None
        if turn is None:
            turn = self._accept(order, streamed=streamed)
        return turn.outcome, turn.feed if streamed else None

    def take(self, order: Order, *, streamed: bool) -> asyncio.Future[None]:
        """Take a message, and answer when it is kept."""
        self.admit(order, streamed=streamed)
        turn = self._turn_of(order.message_id)
        return _done(self.process, None) if turn is None or turn.accepted is NOW else self.work(_wait(turn.accepted))

    def turn(self, id: str) -> TurnStatus:
        """What became of a message. Raises `UnknownMessage`."""
        turn = self._turn_of(id)
        if turn is not None and not turn.outcome.done():
            runs = turn is self.current
            return TurnStatus(
                message_id=id, state="running" if runs else "queued", doing=self.status() if runs else None
            )
        answer = self.journal.kept.answers.get(id)
        if answer is not None:
            return TurnStatus(message_id=id, state=answer.how, error=answer.error or None)
        turn = turn or self.recent.get(id)
        if turn is None:
            raise UnknownMessage(id)
        return TurnStatus.of(id, turn.outcome)

    def knows(self, id: str) -> bool:
        """Whether there is or was a turn of this message."""
        return self._turn_of(id) is not None or id in self.recent or id in self.journal.kept.answers

    def _turn_of(self, id: str) -> Turn[Any, Any] | None:
        if not self.turns:
            return None
        found = self.turns.get(id)
        return found or next((turn for turn in self.turns.values() if id in turn.kept.riders), None)

    def _meanwhile(self, order: Order) -> Turn[Any, Any] | None:
        """What `when_busy` says of a message that comes while a turn runs; None if it is to have a turn of its own."""
        when_busy = self.server.when_busy
        if when_busy == "reject":
            raise AgentBusy(self.process.path)
        if when_busy == "steer" and self.current is not None and order.prompt is not None:
            content = content_of(order.prompt)
            if self.current.steer(order.message_id, content):
                fingerprint = fingerprint_of(order.prompt)
                self.journal.jot(Steered(self.current.kept.id, order.message_id, content, fingerprint))
                return self.current
        return None

    def _accept(self, order: Order, *, streamed: bool) -> Turn[Any, Any]:
        due = deadline_at.get()
        left = None if due is None else due - self.process.runtime.loop.time()
        interrupts = self.server.when_busy == "interrupt" and self.current is not None
        durable = self.journal.store is not None
        record = kept_order(order, left, streamed=streamed, first=interrupts, durable=durable)
        accepted = self.journal.note(record) if self.journal.has_checkpoints else NOW
        kept = self.journal.kept.turn(order.message_id) or self.journal.kept.accept(record)
        turn = self._begin(kept, order, accepted)
        if interrupts and self.current is not None:
            self.current.cancel()
        self.next()
        return turn

    def _begin(self, kept: KeptTurn, order: Order, accepted: Awaitable[None]) -> Turn[Any, Any]:
        turn = Turn(self.server, self.runs, self.journal, kept, order, self.outputs, accepted, self.ended, self.crash)
        turn.activity.since = self.process.runtime.loop.time()
        self.turns[kept.id] = turn
        turn.watch = watched(self.process, kept, len(self.turns) - 1)
        return turn

    def refuse_cycle(self, order: Order) -> None:
        """Raise `CallCycle` if the order comes from inside a turn of this agent that waits for its answer.

        Runs are tasks, whose calls the runtime does not hold for waiting; so the turns that wait travel with what their
        tools ask of other agents, and are kept with it. Over servers in between only the callers are known: there any
        turn under way counts.
        """
        mine = [hop for hop in order.hops if hop.agent == self.journal.key]
        under_way = [hop for hop in mine if hop.turn in self.turns and not self.turns[hop.turn].over]
        if under_way:
            hops = order.hops[order.hops.index(under_way[0]) :]
            raise CallCycle([*(hop.path for hop in hops), self.process.path])
        if not mine and self.current is not None and self.process in callers():
            between = callers()[: callers().index(self.process) + 1]
            raise CallCycle([*(process.path for process in reversed(between)), self.process.path])

    # -- turns

    def restore(self) -> None:
        """Go on with what the last incarnation left."""
        for kept in self.journal.kept.queue:
            if kept is None:
                continue
            if kept.history is not None:
                resumed = TurnResumed(
                    path=self.process.path, message_id=kept.id, responses=kept.responses, attempts=kept.attempts
                )
                self.process.runtime.bus.emit(resumed)
            self._begin(kept, order_of(kept.accepted, self.server.agent, self.journal.key, self.journal.store), NOW)
        self.next()

    def next(self) -> None:
        """Start the next turn if none is under way."""
        if self.current is not None:
            return
        head = self.journal.kept.head
        if head is None:
            self.since = self.process.runtime.loop.time()
            self.passivation.idle(self.recent.clear)
        else:
            self.passivation.busy()
            self.current = self.turns[head.id]
            self.current.start()
            if self.current.watch is not None:
                self.current.watch.began(len(self.turns) - 1)

    def over(self, turn: Turn[Any, Any]) -> None:
        """A turn is over."""
        id = turn.kept.id
        del self.turns[id]
        self.recent[id] = turn
        while len(self.recent) > RECENT:
            del self.recent[next(iter(self.recent))]
        if self.journal.kept.turn(id) is not None:  # its task was cancelled by a stranger
            self.journal.jot(Ended(id, "failed", "its task was cancelled", turn.usage))
        if turn is self.current:
            self.current = None
            if self.runs.helpers is not None:
                self.runs.helpers.run_is_over(id)
            self.next()
        if self.cancelled:
            for cancelled, reply in self.cancelled:
                if cancelled == id:
                    reply.set_result(True)
            self.cancelled = [(cancelled, reply) for cancelled, reply in self.cancelled if cancelled != id]

    def is_of_helpers(self, sender: Process | None) -> bool:
        """Whether an exit signal came from the supervisor of its helpers, which gave up."""
        return self.runs.helpers is not None and self.runs.helpers.forget(sender)

    def _died(self) -> None:
        for turn in self.turns.values():
            turn.server_died()

    async def wind_up(self, reason: ExitReason) -> None:
        """End all turns, wait until their tools have cleaned up, and keep that they are to go on with the next start."""
        turns = list(self.turns.values())
        for turn in turns:
            turn.abandon(reason)
        if turns:
            await asyncio.wait([turn.task for turn in turns])
        if self.runs.helpers is not None:
            await self.runs.helpers.end()
        if self.journal.store is not None and is_clean(reason):
            head = self.journal.kept.head
            if head is not None and head.attempts > 0:
                self.journal.jot(Paused(head.id))
            await self.journal.flushed()

    # -- control

    def messages(self) -> asyncio.Future[list[ModelMessage]]:
        """The conversation so far."""
        return _done(self.process, list(self.journal.kept.messages))

    def reset(self) -> None:
        """Begin a new conversation after the turns that are there."""
        self.journal.jot(Reset(""))

    def cancel(self, answer: Reply[bool], message_id: str | None) -> None:
        """End the turn under way, or that of a message, and answer when it has ended."""
        turn = self.current if message_id is None else self.turns.get(message_id)
        if turn is None or turn.over:
            answer.set_result(False)
        else:
            self.cancelled.append((turn.kept.id, answer))
            turn.cancel()

    def steer(self, prompt: Prompt, message_id: str | None) -> asyncio.Future[bool]:
        """Tell the turn under way something, if it is that of this message, and answer when that is kept."""
        content, steer, turn = content_of(prompt), uuid.uuid4().hex, self.current
        if message_id is not None and turn is not self._turn_of(message_id):
            return _done(self.process, False)
        if turn is None or not turn.steer(steer, content):
            return _done(self.process, False)
        return self.work(_then(self.journal.note(Steered(turn.kept.id, steer, content)), True))

    def decide(self, decision: Coroutine[Any, Any, Approval]) -> asyncio.Future[Approval]:
        """Decide an approval, and let the turn that waits for it know."""

        async def decided() -> Approval:
            row = await decision
            for turn in self.turns.values():
                turn.nudge()
            return row

        return self.work(decided())

    def work(self, work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        """Work whose result is an answer."""
        return self.process.runtime.loop.create_task(work)

    def usage(self) -> RunUsage:
        """What all turns have used until now."""
        turn = self.current
        return self.journal.kept.spent + (RunUsage() if turn is None or turn.is_counted else turn.usage)

    def status(self) -> AgentStatus:
        """The picture of this moment."""
        now, turn = self.process.runtime.loop.time(), self.current
        queued = max(0, len(self.turns) - (turn is not None))
        budget = self.server.budget if turn is None else turn.budget
        balance = None if budget is None else budget.seen
        if turn is None:
            return AgentStatus(
                state="idle", seconds=now - self.since, queued=queued, usage=self.usage(), budget=balance
            )
        doing = turn.activity
        tools = tuple(
            RunningTool(name=name, call_id=call_id, seconds=now - began)
            for call_id, (name, began) in doing.tools.items()
        )
        waits = bool(doing.approvals) and not tools
        wait = doing.wait
        since = min(doing.approvals.values()) if waits else doing.since if wait is None else wait.since
        until = doing.until if wait is None else wait.until
        return AgentStatus(
            state="tool" if tools else "approval" if waits else doing.state if wait is None else wait.state,
            seconds=tools[0].seconds if tools else now - since,
            tools=tools,
            approvals=tuple(doing.approvals),
            prompt=turn.order.excerpt,
            message_id=turn.kept.id,
            deadline=None if turn.due is None else turn.due - now,
            resumes_in=None if until is None else until - now,
            error=doing.error if wait is None else wait.error,
            queued=queued,
            usage=self.usage(),
            helpers=turn.helpers_usage,
            budget=balance,
        )


def _check(order: Order, fingerprint: str) -> None:
    if not order.is_reference and fingerprint_of(order.prompt) != fingerprint:
        raise MessageIdReused(order.message_id)


def _done(process: Process, value: R) -> asyncio.Future[R]:
    done: asyncio.Future[R] = process.runtime.loop.create_future()
    done.set_result(value)
    return done


async def _wait(first: Awaitable[None]) -> None:
    await first


async def _then(first: Awaitable[None], value: bool) -> bool:
    await first
    return value
