"""Axon in OpenTelemetry: a span for each request that is handled, and counts of what goes wrong.

It uses the API alone (the extra `otel`), which does nothing until the program sets up an SDK.
https://opentelemetry.io/docs/languages/python/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import Token
from typing import TYPE_CHECKING
from weakref import ref

from ..errors import ServerDied, UsageError
from ._bus import attach, bus
from ._events import ChildRestarted, DeadLetter, ProcessCrashed, ZombieDeclared

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import Span, SpanContext, Tracer, TracerProvider

    from ._tracer import Receiver

SCOPE = "axon"
"""The instrumentation scope of all spans and metrics."""


def instrument(
    tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> Callable[[], None]:
    """Report the servers of the running event loop to OpenTelemetry; returns the function that ends it.

    tracer_provider, meter_provider: default the program's global ones.

    **Spans.** Each call, cast and stream that a handler gets is a span named `Counter.increment`, from the start of the
    handler to its answer, which may come later; a stream's ends with the stream. It is the child of the span in which
    the request was made, in whatever server or plain coroutine that was, and the parent of all that the handler and its
    tasks do. A handler that crashes, and deferred work that fails, gives status ERROR with the exception; an error
    declared with `@call(raises=…)` is an answer and gives `error.type` alone. Attributes: `code.function.name`,
    `error.type`, `axon.process.path`, `axon.message.kind` (call, cast or stream).

    **Metrics.** Counters `axon.requests.handled` (`axon.server`, `axon.message.kind`), `axon.restarts`,
    `axon.crashes` (`error.type`), `axon.dead_letters` (`axon.dead_letter.why`), `axon.zombies`; and the gauge
    `axon.mailbox.length` (`axon.server`), the longest mailbox of the servers of a class. No path is an attribute:
    every value of one is a time series of its own, and paths are as many as there are agents.

    Servers that nobody instruments do no work for it. Raises `UsageError` if the loop is instrumented already, and
    `RuntimeError` outside an event loop.
    """
    from opentelemetry import metrics, trace

    home = bus()
    if home.tracer is not None:
        raise UsageError("this event loop is instrumented already; call what instrument() returned first")
    meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
    restarts = meter.create_counter("axon.restarts", "{restart}", "children that were started again")
    crashes = meter.create_counter("axon.crashes", "{crash}", "processes that ended abnormally")
    letters = meter.create_counter("axon.dead_letters", "{message}", "messages that nobody took")
    zombies = meter.create_counter("axon.zombies", "{process}", "killed processes that did not end in time")
    handled = meter.create_counter("axon.requests.handled", "{request}", "requests that a handler got")
    tracer = _Tracer(trace.get_tracer(SCOPE, tracer_provider=tracer_provider), handled.add)
    meter.create_observable_gauge(
        "axon.mailbox.length", [tracer.mailboxes], "{message}", "the longest mailbox of a class of servers"
    )
    ends = [
        attach(lambda _: restarts.add(1), ChildRestarted),
        attach(lambda event: crashes.add(1, {"error.type": _type_of(event.reason)}), ProcessCrashed),
        attach(lambda event: letters.add(1, {"axon.dead_letter.why": event.why}), DeadLetter),
        attach(lambda _: zombies.add(1), ZombieDeclared),
    ]
    home.tracer = tracer

    def detach() -> None:
        if home.tracer is tracer:
            home.tracer = None
        tracer.forget()
        for end in ends:
            end()

    return detach


def _type_of(reason: object) -> str:
    """The class of an exception, or what a reason such as `killed` is called."""
    return type(reason).__qualname__ if isinstance(reason, BaseException) else str(reason)


class _Tracer:
    """Makes a `_Handling` of every request, and remembers whose mailboxes there are."""

    def __init__(self, tracer: Tracer, count: Callable[[int, dict[str, str]], None]) -> None:
        self.start_span = tracer.start_span
        self.count = count
        self._receivers: dict[int, tuple[str, ref[Receiver]]] = {}

    def follow(self, receiver: Receiver, server: type[object], function: Callable[..., object], kind: str) -> _Handling:
        key = id(receiver)
        if key not in self._receivers:
            self._receivers[key] = server.__name__, ref(receiver, lambda _: self._receivers.pop(key, None))
        return _Handling(self, receiver, server, function, kind)

    def forget(self) -> None:
        """Nothing is observed any more: an instrument cannot be taken back."""
        self._receivers.clear()

    def mailboxes(self, options: CallbackOptions) -> Iterator[Observation]:
        """The longest mailbox of each class of servers; the reader asks in a thread of its own."""
        from opentelemetry.metrics import Observation

        longest: dict[str, int] = {}
        for server, known in list(self._receivers.values()):
            receiver = known()
            if receiver is not None:
                longest[server] = max(longest.get(server, 0), receiver.waiting())
        for server, length in longest.items():
            yield Observation(length, {"axon.server": server})


class _Handling:
    """One request: its parent is the span of its sender, and its span the current one while its handler runs."""

    __slots__ = ("_attributes", "_name", "_parent", "_receiver", "_server", "_span", "_token", "_tracer")

    def __init__(
        self, tracer: _Tracer, receiver: Receiver, server: type[object], function: Callable[..., object], kind: str
    ) -> None:
        from opentelemetry.trace import get_current_span

        self._tracer, self._receiver, self._server = tracer, receiver, server.__name__
        self._name = f"{self._server}.{function.__name__}"
        self._attributes = {
            "code.function.name": f"{function.__module__}.{function.__qualname__}",
            "axon.message.kind": kind,
        }
        self._parent: SpanContext = get_current_span().get_span_context()
        self._span: Span | None = None
        self._token: Token[Context] | None = None

    def enter(self) -> None:
        from opentelemetry.context import attach
        from opentelemetry.trace import NonRecordingSpan, set_span_in_context

        kind = self._attributes["axon.message.kind"]
        self._tracer.count(1, {"axon.server": self._server, "axon.message.kind": kind})
        self._attributes["axon.process.path"] = self._receiver.path
        parent = set_span_in_context(NonRecordingSpan(self._parent))
        self._span = self._tracer.start_span(self._name, parent, attributes=self._attributes)
        self._token = attach(set_span_in_context(self._span))

    def leave(self) -> None:
        from opentelemetry.context import detach

        token, self._token = self._token, None
        if token is not None:
            detach(token)

    def end(self, error: BaseException | None, *, failed: bool) -> None:
        from opentelemetry.trace import Status, StatusCode

        span, self._span = self._span, None
        if span is None:
            return
        if error is not None:
            reason = error.reason if isinstance(error, ServerDied) else error
            span.set_attribute("error.type", _type_of(reason))
            if failed:
                span.record_exception(reason if isinstance(reason, BaseException) else error)
                span.set_status(Status(StatusCode.ERROR, repr(reason)))
        span.end()
