"""Where requests wait for their account: one event loop's queue, limits and breaker."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic_ai.exceptions import ModelHTTPError

from ..errors import DeadlineExceeded
from ..process import deadline_at
from ..telemetry import Event, bus
from ._breaker import Breaker
from ._errors import RequestTooLarge
from ._events import AccountParked, BreakerClosed, BreakerHalfOpened, BreakerOpened, RampEnded
from ._queue import FairQueue, Ticket, Waiter
from ._weather import kind_of, retry_after_of, text_of
from ._window import Window


@dataclass(frozen=True, kw_only=True)
class Options:
    """What an account was made with."""

    name: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    failures: int
    probe_every: float
    ramp: float
    retry_parked_after: float | None


class Watcher(Protocol):
    """Who wants to know whether a request waits."""

    def waits(self, wait: Wait | None) -> None:
        """From now on the request waits; None: it does not any more."""
        ...

    def stalled(self) -> bool:
        """Whether a request that is being cancelled is so because the provider stands still."""
        ...


class Gate:
    """Lets requests pass, one by one, when limits and weather allow it."""

    def __init__(self, options: Options, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self.in_flight: int = 0
        self.error: str | None = None
        """What the provider said last."""
        self.requests: Window = Window(options.requests_per_minute)
        self.tokens: Window = Window(options.tokens_per_minute)
        self.queue: FairQueue = FairQueue()
        per_minute = options.requests_per_minute
        self.breaker: Breaker = Breaker(
            failures=options.failures,
            probe_every=options.probe_every,
            ramp=options.ramp,
            chance=random.random,
            rate=None if per_minute is None else per_minute / 60,
        )
        self._options = options
        self._answered: set[str] = set()
        self._more: float | None = None  # tokens that requests use beyond what they are estimated at, on average
        self._timer: asyncio.TimerHandle | None = None

    # -- waiting

    async def admit(self, who: str, tokens: int, watcher: Watcher | None) -> Ticket:
        """Wait until a request may be sent. Raises `RequestTooLarge`, `DeadlineExceeded`."""
        limit, due = self.tokens.limit, deadline_at.get()
        if limit is not None and tokens > limit:
            raise RequestTooLarge(self._options.name, tokens, limit)
        expected, now = self._expected(tokens), self.loop.time()
        waiter = Waiter(who, tokens, expected, self._cost(expected), due, self.loop.create_future())
        self.queue.push(waiter)
        self.pump()
        if waiter.ticket.done():
            return waiter.ticket.result()
        if watcher is not None:
            watcher.waits(Wait(self, now))
        try:
            async with asyncio.timeout_at(due):
                return await waiter.ticket
        except BaseException as error:
            if waiter.ticket.done() and not waiter.ticket.cancelled():
                self._give_back(waiter.ticket.result())
            elif waiter.is_queued:
                self.queue.remove(waiter)
                self.pump()
            if isinstance(error, TimeoutError):
                raise DeadlineExceeded(f"the account {self._options.name!r}") from error
            raise
        finally:
            if watcher is not None:
                watcher.waits(None)

    def _expected(self, tokens: int) -> int:
        """The tokens of a request with the answer it will get, as far as earlier ones tell."""
        expected = tokens + round(self._more or 0.0)
        return expected if self.tokens.limit is None else min(expected, self.tokens.limit)

    def _cost(self, tokens: int) -> float:
        """The share of a minute that a request takes."""
        requests, limit = self.requests.limit, self.tokens.limit
        return max(1 / requests if requests else 0.0, tokens / limit if limit else 0.0) or 1.0

    def pump(self) -> None:
        """Let pass who may, and come back when the next one may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self.loop.time()
        while (head := self.queue.head()) is not None:
            if head.ticket.done() or (head.due is not None and head.due <= now):  # whoever waits hears it elsewhere
                self.queue.remove(head)
                continue
            at = max(self.breaker.next_at(now), self.requests.next_at(now, 1), self.tokens.next_at(now, head.tokens))
            if at > now:
                if at < math.inf and self._timer is None:  # who is told of a probe may have come here meanwhile
                    self._timer = self.loop.call_at(at, self.pump, context=Context())
                return
            self.queue.pop()
            head.ticket.set_result(self._let_pass(head, now))

    def _let_pass(self, waiter: Waiter, now: float) -> Ticket:
        leave = self.breaker.let_pass(now)
        if leave.is_probe:
            self._tell(
                BreakerHalfOpened, lambda: BreakerHalfOpened(account=self._options.name, probe=self.breaker.probes_sent)
            )
        self.in_flight += 1
        entries = self.requests.add(now, 1), self.tokens.add(now, waiter.tokens)
        return Ticket(leave, waiter.who, *entries, estimate=waiter.estimate)

    # -- what becomes of a request

    def _give_back(self, ticket: Ticket) -> None:
        """It was not sent."""
        now = self.loop.time()
        self.requests.settle(ticket.request, 0, now)
        self.tokens.settle(ticket.tokens, 0, now)
        self.dropped(ticket)

    def dropped(self, ticket: Ticket) -> None:
        """It ended, and says nothing about the account."""
        self.breaker.dropped(ticket.leave)
        self._close(ticket)

    def answered(self, ticket: Ticket, model: str) -> None:
        """The provider answers it."""
        self._answered.add(model)
        now, began = self.loop.time(), self.breaker.since
        if not self.breaker.succeeded(ticket.leave, now, len(self.queue)):
            return
        name, ramp, waiting = self._options.name, self._options.ramp, len(self.queue)
        self.error = None
        self._tell(BreakerClosed, lambda: BreakerClosed(account=name, seconds=now - began, ramp=ramp, waiting=waiting))
        self.loop.call_at(now + ramp, self._ramp_over, self.breaker.since, context=Context())
        self.pump()

    def _ramp_over(self, since: float) -> None:
        if self.breaker.is_well and self.breaker.since == since:
            self._tell(RampEnded, lambda: RampEnded(account=self._options.name, waiting=len(self.queue)))
        self.pump()

    def ended(self, ticket: Ticket, tokens: int) -> None:
        """Its answer is complete, and took so many tokens."""
        if tokens:
            more = max(0, tokens - ticket.estimate)
            self._more = more if self._more is None else self._more + 0.1 * (more - self._more)
            self.tokens.settle(ticket.tokens, tokens, self.loop.time())
        self._close(ticket)

    def failed(self, ticket: Ticket, error: BaseException) -> bool:
        """It failed; returns whether that is the weather, so that it waits and is sent again."""
        kind, retry_after, now = kind_of(error), retry_after_of(error), self.loop.time()
        if kind == "auth" and self._is_of_one_model(error):
            kind = "own"
        was_current = self.breaker.is_current(ticket.leave)
        if kind == "own":
            self.breaker.dropped(ticket.leave)
        else:
            text = text_of(error)
            if kind in ("quota", "auth"):
                seconds = self._options.retry_parked_after if retry_after is None else retry_after
                self._park(ticket, now, text, seconds)
            else:
                self._fail(ticket, now, text, at_once=kind == "limit", retry_after=retry_after)
        self._close(ticket)
        return kind != "own" and not (was_current and self.breaker.is_well)

    def stalled(self, ticket: Ticket) -> None:
        """The provider began an answer, or nothing, and then stood still for too long."""
        self._fail(ticket, self.loop.time(), "its answers stand still", at_once=False, retry_after=None)
        self._close(ticket)

    def _fail(self, ticket: Ticket, now: float, text: str, *, at_once: bool, retry_after: float | None) -> None:
        is_current = self.breaker.is_current(ticket.leave)
        opened = self.breaker.failed(ticket.leave, now, at_once=at_once, retry_after=retry_after)
        if is_current or opened:  # an error that is out of date is no reason for how things are
            self.error = text
        if opened:
            name, seconds = self._options.name, self.breaker.next_at(now) - now
            self._tell(BreakerOpened, lambda: BreakerOpened(account=name, error=text, seconds=seconds))

    def _park(self, ticket: Ticket, now: float, text: str, seconds: float | None) -> None:
        if self.breaker.park(ticket.leave, now, seconds):
            self.error = text
            name = self._options.name
            self._tell(AccountParked, lambda: AccountParked(account=name, error=text, seconds=seconds))

    def _is_of_one_model(self, error: BaseException) -> bool:
        """Whether a 403 is about a model that this account never had, while it has others."""
        model = getattr(error, "model_name", "")
        forbidden = isinstance(error, ModelHTTPError) and error.status_code == 403
        return forbidden and bool(self._answered) and model not in self._answered

    def _close(self, ticket: Ticket) -> None:
        if ticket.is_open:
            ticket.is_open = False
            self.in_flight -= 1
        self.pump()

    def resume(self) -> None:
        """Send a probe as soon as that may be."""
        if self.breaker.resume(self.loop.time()):
            self.pump()

    def _tell(self, kind: type[Event], event: Callable[[], Event]) -> None:
        home = bus(self.loop)
        if home.wants(kind):
            home.emit(event())


@dataclass(frozen=True)
class Wait:
    """A request that waits for its account; what it says is true at the moment of asking."""

    gate: Gate
    began: float

    @property
    def state(self) -> Literal["throttled", "parked"]:
        """Why it waits."""
        return "parked" if self.gate.breaker.state(self.gate.loop.time()) == "parked" else "throttled"

    @property
    def since(self) -> float:
        """When that began, on the loop's clock."""
        return max(self.began, self.gate.breaker.since) if self.state == "parked" else self.began

    @property
    def until(self) -> float | None:
        """When the account may be asked again, None if that is not known."""
        breaker = self.gate.breaker
        return None if breaker.is_well else breaker.until(self.gate.loop.time())

    @property
    def error(self) -> str | None:
        """What the provider said last, if that is why it waits."""
        return None if self.gate.breaker.is_well else self.gate.error
