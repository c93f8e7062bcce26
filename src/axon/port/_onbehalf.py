"""On whose behalf a request is made, as it crosses: the callers' paths, and the W3C trace parent if there is one."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

from ..process import NOBODY, Callers, Process, Runtime, callers, calling, here, running


class OnBehalf(BaseModel, frozen=True):
    """What a request carries besides its arguments and its deadline."""

    callers: tuple[str, ...] = ()
    traceparent: str | None = None


def on_behalf() -> OnBehalf | None:
    """What the present request carries; None is nothing, as mostly."""
    parent = traceparent()
    if parent is None and calling.get() is None:
        return None
    return OnBehalf(callers=tuple(caller.path for caller in callers()), traceparent=parent)


class Far(Process):
    """A process in another program, of which the path is known."""

    def __init__(self, home: Runtime, path: str) -> None:
        super().__init__(home, None, path)


@contextmanager
def acting_for(home: Runtime, who: OnBehalf | None) -> Generator[None]:
    """Requests made in the block, in its own task, are made on their behalf."""
    if who is None:
        yield
        return
    chain: Callers = None
    for path in reversed(who.callers[1:]):
        chain = (Far(home, path), chain)
    if who.callers:
        running.set(Far(home, who.callers[0]))
        here.set(NOBODY)
        calling.set(chain)
    token = None if who.traceparent is None else _attach(who.traceparent)
    try:
        yield
    finally:
        if token is not None:
            from opentelemetry.context import detach

            detach(token)


def traceparent() -> str | None:
    """The current span, as the header `traceparent` says it: https://www.w3.org/TR/trace-context/#traceparent-header."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    found: Any = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return None
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def _attach(parent: str) -> Any:
    try:
        from opentelemetry.context import attach
        from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
    except ImportError:  # it is an extra, and the other side has it
        return None
    _, trace_id, span_id, flags = parent.split("-")
    context = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return attach(set_span_in_context(NonRecordingSpan(context)))
