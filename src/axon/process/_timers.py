"""Messages to be sent later: a list and a heap behind one timer of the loop.

Of 10,000 due at once a `loop.call_later` takes 2.9 µs to arm and to call an empty function, one of these 1.3, in which
its message is delivered and handled, too (3.11).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from contextvars import Context
from heapq import heapify, heappop, heappush
from math import inf
from operator import attrgetter, itemgetter
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVarTuple

from ..errors import InvalidOption

if TYPE_CHECKING:
    from ._process import Process

Ts = TypeVarTuple("Ts")

GRAIN = 1e-5
"""Seconds that a timer may be late, so that one that is due as good as together with the next needs no arming of its
own. Selectors count in milliseconds, so this is lost among them."""


_NOTHING = object()


class Timer:
    """One pending delivery; keep it to cancel it. Made by `send_after` and `start_timer`."""

    # The message itself, not a bound method and a tuple: each timer is one thing for the garbage collector, not three.
    __slots__ = ("_fire", "_what", "_when", "target")

    # No constructor, which would take half of what a timer takes to make: its heap fills it.
    _when: float
    _fire: Callable[..., None]  # without a target
    _what: Any  # the arguments of `fire`, or the message to the target; in the end, _NOTHING
    target: Process | None

    @property
    def is_pending(self) -> bool:
        """Whether it is still to fire."""
        return self._what is not _NOTHING

    def __repr__(self) -> str:
        return f"<Timer {f'due at {self._when:.3f}' if self.is_pending else 'done'}>"


Entry: TypeAlias = "tuple[float, int, Timer]"
"""When it is due, the how many-eth it was, and what comes of it."""

_WHEN = attrgetter("_when")


class TimerHeap:
    """All timers of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, serve: Callable[[Callable[[], None]], None]) -> None:
        self._loop = loop
        self._serve = serve  # calls a function that delivers, and serves who has mail then
        # The loop's time, without its frame if it is asyncio's own (40 ns, not 70).
        self.time: Callable[[], float] = monotonic if type(loop).time is asyncio.BaseEventLoop.time else loop.time
        # Those armed since any fired, in that order: most fire or are cancelled before they need a place in the heap,
        # which is 0.3 µs with its tuple and what the garbage collector has to do for that.
        self._fresh: list[Timer] = []
        self._heap: list[Entry] = []
        self._serial = 0
        self._cancelled = 0  # of those in both
        self._armed: asyncio.TimerHandle | None = None
        self._arm_before = inf  # what is due earlier than this needs a new arming
        self._context = Context()  # what fires is nobody's doing, not that of the process that armed the heap

    def __len__(self) -> int:
        """How many are kept, those included that are cancelled and not yet let go."""
        return len(self._fresh) + len(self._heap)

    def after(self, seconds: float, fire: Callable[[*Ts], None], *args: *Ts) -> Timer:
        """Call `fire(*args)` once, `seconds` from now at the earliest, never in this turn of the loop."""
        timer = Timer()
        timer._when = when = self.time() + seconds
        timer._fire, timer._what, timer.target = fire, args, None
        self._fresh.append(timer)
        if when < self._arm_before:
            self._arm(when)
        return timer

    def send(self, seconds: float, target: Process, message: object) -> Timer:
        """Deliver a message to a live process in the same way, unless that dies first."""
        timer, time = Timer(), self.time
        timer._when = when = time() + seconds
        timer._what, timer.target = message, target
        self._fresh.append(timer)
        if when < self._arm_before:
            self._arm(when)
        pending = target.timers
        if pending is None:
            target.timers = {timer}
        else:
            pending.add(timer)
        return timer

    def fired(self) -> Timer:
        """One that is done."""
        timer = Timer()
        timer._when, timer._what, timer.target = self.time(), _NOTHING, None
        return timer

    def cancel(self, timer: Timer) -> None:
        """Nothing comes of it any more, if it has not fired."""
        if timer._what is _NOTHING:
            return
        timer._what, target = _NOTHING, timer.target
        if target is not None and target.timers is not None:
            target.timers.discard(timer)
        self._cancelled = cancelled = self._cancelled + 1
        if cancelled > 64 and cancelled * 2 > len(self._fresh) + len(self._heap) and self._arm_before != -inf:
            self._heap = [entry for entry in self._heap if entry[2]._what is not _NOTHING]
            heapify(self._heap)
            self._arm_next()
            self._cancelled = 0

    def left(self, timer: Timer) -> float | None:
        """Seconds until it fires, or None if it has fired or was cancelled."""
        return None if timer._what is _NOTHING else max(0.0, timer._when - self.time())

    def pending(self) -> list[Timer]:
        """Those that are still to fire, the next one first."""
        timers = [timer for _, _, timer in sorted(self._heap)] + self._fresh
        return sorted((timer for timer in timers if timer._what is not _NOTHING), key=_WHEN)

    def _arm(self, when: float) -> None:
        if self._armed is not None:
            self._armed.cancel()
        self._armed = self._loop.call_at(when, self._run, context=self._context)
        self._arm_before = when - GRAIN

    def _arm_next(self) -> None:
        """Arm for the first of all."""
        self._settle()
        if self._heap:
            self._arm(self._heap[0][0])
        else:
            if self._armed is not None:
                self._armed.cancel()
            self._armed, self._arm_before = None, inf

    def _settle(self) -> None:
        """What is pending and not in the heap yet goes there."""
        heap, entries, serial = self._heap, list[Entry](), self._serial
        for timer in self._fresh:
            if timer._what is _NOTHING:
                self._cancelled -= 1
            else:
                serial += 1
                entries.append((timer._when, serial, timer))
        self._fresh, self._serial = [], serial
        if len(entries) * 16 > len(heap):
            heap += entries
            heap.sort()  # which leaves a heap
        else:
            for entry in entries:
                heappush(heap, entry)

    def _run(self) -> None:
        self._armed, self._arm_before = None, -inf  # what is armed meanwhile is seen to at the end
        try:
            self._serve(self._fire_due)
        finally:
            self._arm_next()

    def _fire_due(self) -> None:
        """Call and deliver what is due; what one that raises leaves stays."""
        # The clock's own resolution, as asyncio does: a timer may not be late by a whole turn for a rounding error.
        due = iter(self._take_due(self.time() + 1e-9))
        last: Process | None = None
        messages: list[object] = []  # for the last target: one frame for all of them, not one each (60 ns)
        try:
            for timer in due:
                what, target = timer._what, timer.target
                if what is _NOTHING:
                    self._cancelled -= 1
                    continue
                timer._what = _NOTHING
                if target is not last:
                    if last is not None:
                        last.deliver_all(messages)
                    last, messages = target, []
                if target is None:
                    timer._fire(*what)
                elif target.timers is not None:
                    target.timers.discard(timer)
                    messages.append(what)
            if last is not None:
                last.deliver_all(messages)
        finally:
            self._fresh[:0] = due  # left by one that raised

    def _take_due(self, now: float) -> list[Timer]:
        """Those that are due, in order."""
        heap, fresh, due = self._heap, self._fresh, list[Timer]()
        while heap and heap[0][0] <= now:
            if len(due) * 16 > len(heap):  # many at once: to sort them costs half of taking them one by one
                heap.sort()
                count = bisect_right(heap, now, key=itemgetter(0))
                due += [timer for _, _, timer in heap[:count]]
                del heap[:count]
                break
            due.append(heappop(heap)[2])
        newly = [timer for timer in fresh if timer._when <= now]
        if newly:
            self._fresh = [] if len(newly) == len(fresh) else [timer for timer in fresh if timer._when > now]
            due += newly
            due.sort(key=_WHEN)
        return due


def checked_seconds(value: object, option: str) -> float:
    """`value` as seconds >= 0; `InvalidOption` otherwise."""
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InvalidOption(option, value, "a number of seconds >= 0")
    if not value >= 0:
        raise InvalidOption(option, value, "a number of seconds >= 0")
    return float(value)
