"""What a gateway does, in figures that Prometheus can read; it hears of everything through telemetry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ..agent import TurnAccepted, TurnBegan, TurnEnded
from ..telemetry import ChildRestarted, DeadLetter, Event, ProcessCrashed, attach
from ._events import AgentDeleted, RequestServed

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""The upper bounds of the buckets of times: of answers from a database, and of agents that work for minutes."""

Lengths = Callable[[], Iterable[tuple[str, int]]]
"""Agents, and how many messages wait in the mailbox of each now."""


class Metrics:
    """The figures of one event loop, from when it is made until `close`.

        metrics = Metrics()
        ...
        body, content_type = metrics.exposition(request.headers.get("accept", ""))

    An agent's figures have its process as a label, by the last part of its path, which is its id; they go when the
    agent is deleted. mailboxes: tells the lengths of their mailboxes when somebody looks, default nobody.
    https://prometheus.io/docs/practices/naming/
    """

    def __init__(self, mailboxes: Lengths | None = None) -> None:
        self.registry: CollectorRegistry = CollectorRegistry(auto_describe=True)
        """Where they are kept, for figures of a program's own."""
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry, buckets=SECONDS)
        self._requests = counter("axon_requests", "Requests answered.", ["edge", "route", "status"])
        self._errors = counter("axon_errors", "Requests answered with an error.", ["edge", "error_type", "status"])
        self._latency = histogram("axon_request_seconds", "From a request to the end of its answer.", ["edge", "route"])
        self._turns = counter("axon_turns", "Turns that are over.", ["agent", "outcome"])
        self._failures = counter("axon_turn_errors", "Turns without an answer.", ["agent", "error_type"])
        self._turn = histogram("axon_turn_seconds", "From a message to its answer, waiting included.", ["agent"])
        self._waited = histogram("axon_queue_seconds", "How long turns waited for those before them.", ["agent"])
        self._queued = Gauge(
            "axon_turns_queued", "Turns that wait for those before them.", ["agent"], registry=self.registry
        )
        self._tokens = counter("axon_tokens", "Tokens of model requests.", ["agent", "direction"])
        self._model = counter("axon_model_requests", "Requests to models.", ["agent"])
        self._cost = counter("axon_cost_usd", "What they cost, as far as their prices are known.", ["agent"])
        self._restarts = counter("axon_restarts", "Processes started again by their supervisor.", ["process"])
        self._crashes = counter("axon_crashes", "Processes that ended abnormally.", ["process"])
        self._letters = counter("axon_dead_letters", "Messages that nobody took.", ["why"])
        if mailboxes is not None:
            self.registry.register(_Mailboxes(mailboxes))
        self._of_agents = (
            self._turns,
            self._failures,
            self._turn,
            self._waited,
            self._queued,
            self._tokens,
            self._model,
            self._cost,
        )
        self._detach = [
            attach(self._served, RequestServed),
            attach(self._accepted, TurnAccepted),
            attach(self._began, TurnBegan),
            attach(self._ended, TurnEnded),
            attach(lambda event: self._restarts.labels(event.path).inc(), ChildRestarted),
            attach(lambda event: self._crashes.labels(event.path).inc(), ProcessCrashed),
            attach(lambda event: self._letters.labels(event.why).inc(), DeadLetter),
            attach(self._deleted, AgentDeleted),
        ]

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All figures as text, and its content type: the format of Prometheus, or OpenMetrics if that is accepted."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def close(self) -> None:
        """Hear no more; the figures stay."""
        for detach in self._detach:
            detach()

    # -- what is heard

    def _served(self, event: RequestServed) -> None:
        status = str(event.status)
        self._requests.labels(event.edge, event.route, status).inc()
        self._latency.labels(event.edge, event.route).observe(event.seconds)
        if event.error_type:
            self._errors.labels(event.edge, event.error_type, status).inc()

    def _accepted(self, event: TurnAccepted) -> None:
        self._queued.labels(_name(event)).set(event.queued)

    def _began(self, event: TurnBegan) -> None:
        name = _name(event)
        self._queued.labels(name).set(event.queued)
        self._waited.labels(name).observe(event.waited)

    def _ended(self, event: TurnEnded) -> None:
        name = _name(event)
        self._turns.labels(name, event.outcome).inc()
        self._turn.labels(name).observe(event.seconds)
        self._model.labels(name).inc(event.requests)
        self._tokens.labels(name, "input").inc(event.input_tokens)
        self._tokens.labels(name, "output").inc(event.output_tokens)
        self._cost.labels(name).inc(float(event.cost_usd))
        if event.error:
            self._failures.labels(name, event.error).inc()
        if event.outcome == "interrupted":  # all that wait end with their server, and are taken anew by the next
            self._queued.labels(name).set(0)

    def _deleted(self, event: AgentDeleted) -> None:
        for figure in self._of_agents:
            figure.remove_by_labels({"agent": event.agent})
        for figure in (self._restarts, self._crashes):
            figure.remove_by_labels({"process": event.path})


class _Mailboxes(Collector):
    """The lengths of mailboxes, at the moment somebody looks."""

    def __init__(self, lengths: Lengths) -> None:
        self._lengths = lengths

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("axon_mailbox_length", "Messages that wait in a mailbox.", labels=["agent"])
        for agent, length in self._lengths():
            family.add_metric([agent], length)
        yield family


def _name(event: Event) -> str:
    """The last part of the path of a process, which is its id among its siblings."""
    return event.path.rpartition("/")[2]
