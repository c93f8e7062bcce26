"""What a gateway does, in figures that Prometheus can read; it hears of everything through telemetry."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ..agent import TurnBegan, TurnEnded, TurnQueued
from ..telemetry import ChildRestarted, DeadLetter, Event, ProcessCrashed, attach
from ._events import AgentDeleted, RequestServed

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""The upper bounds of the buckets of times: of answers from a database, and of agents that work for minutes."""

Lengths = Callable[[], Iterable[tuple[str, int]]]
"""Agents, and how many messages wait in the mailbox of each now."""


class _Times:
    """A histogram of times."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """The counts up to each bound, as Prometheus has them."""
        return list(zip([*map(str, SECONDS), "+Inf"], accumulate(self.counts), strict=True))


@dataclass(slots=True)
class _Agent:
    """The figures of one agent."""

    name: str
    turns: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])
    seconds: _Times = field(default_factory=_Times)
    waited: _Times = field(default_factory=_Times)
    queued: int = 0
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


class Metrics(Collector):
    """The figures of one event loop, from when it is made until `close`.

        metrics = Metrics()
        ...
        body, content_type = metrics.exposition(request.headers.get("accept", ""))

    An agent's figures have its process as a label, by the last part of its path, which is its id; they go when the
    agent is deleted. mailboxes: tells the lengths of their mailboxes when somebody looks, default nobody. Counting is a
    few additions: what Prometheus reads is made of them when it asks. https://prometheus.io/docs/practices/naming/
    """

    def __init__(self, mailboxes: Lengths | None = None) -> None:
        self._mailboxes = mailboxes
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._errors: Counter[tuple[str, str, int]] = Counter()
        self._latency: defaultdict[tuple[str, str], _Times] = defaultdict(_Times)
        self._agents: dict[str, _Agent] = {}
        self._restarts: Counter[str] = Counter()
        self._crashes: Counter[str] = Counter()
        self._letters: Counter[str] = Counter()
        self.registry: CollectorRegistry = CollectorRegistry()
        """Where they are found, and where a program may add figures of its own."""
        self.registry.register(self)
        self._detach = [
            attach(self._served, RequestServed),
            attach(self._queued, TurnQueued),
            attach(self._began, TurnBegan),
            attach(self._ended, TurnEnded),
            attach(self._restarted, ChildRestarted),
            attach(self._crashed, ProcessCrashed),
            attach(self._lost, DeadLetter),
            attach(self._deleted, AgentDeleted),
        ]

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All figures as text, and its content type: the format of Prometheus, or OpenMetrics if that is accepted."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # of a version that is none
            encode, content_type = choose_encoder("")
        return encode(self.registry), content_type

    def close(self) -> None:
        """Hear no more; the figures stay."""
        for detach in self._detach:
            detach()

    # -- what is heard

    def _served(self, event: RequestServed) -> None:
        self._requests[event.edge, event.route, event.status] += 1
        self._latency[event.edge, event.route].add(event.seconds)
        if event.error_type:
            self._errors[event.edge, event.error_type, event.status] += 1

    def _queued(self, event: TurnQueued) -> None:
        self._of(event).queued = event.queued

    def _began(self, event: TurnBegan) -> None:
        self._of(event).queued = event.queued

    def _ended(self, event: TurnEnded) -> None:
        agent = self._of(event)
        agent.turns[event.outcome] += 1
        agent.seconds.add(event.seconds)
        agent.waited.add(event.waited)
        agent.requests += event.requests
        agent.tokens_in += event.input_tokens
        agent.tokens_out += event.output_tokens
        if event.cost_usd:
            agent.cost += float(event.cost_usd)
        if event.error:
            agent.errors[event.error] += 1
        if event.outcome == "interrupted":  # all that wait end with their server, and are taken anew by the next
            agent.queued = 0

    def _restarted(self, event: ChildRestarted) -> None:
        self._restarts[event.path] += 1

    def _crashed(self, event: ProcessCrashed) -> None:
        self._crashes[event.path] += 1

    def _lost(self, event: DeadLetter) -> None:
        self._letters[event.why] += 1

    def _deleted(self, event: AgentDeleted) -> None:
        for figures in (self._agents, self._restarts, self._crashes):
            figures.pop(event.path, None)

    def _of(self, event: Event) -> _Agent:
        known = self._agents.get(event.path)
        if known is None:
            known = self._agents[event.path] = _Agent(event.path.rpartition("/")[2])
        return known

    # -- what is read

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment, as prometheus-client asks for them."""
        requests = _count("axon_requests", "Requests answered.", "edge", "route", "status")
        for (edge, route, status), number in self._requests.items():
            requests.add_metric([edge, route, str(status)], number)
        errors = _count("axon_errors", "Requests answered with an error.", "edge", "error_type", "status")
        for (edge, error, status), number in self._errors.items():
            errors.add_metric([edge, error, str(status)], number)
        latency = _times("axon_request_seconds", "From a request to the end of its answer.", "edge", "route")
        for (edge, route), times in self._latency.items():
            latency.add_metric([edge, route], times.buckets, times.total)
        yield from (requests, errors, latency)
        yield from self._figures_of_agents()
        for name, text, label, counted in (
            ("axon_restarts", "Processes started again by their supervisor.", "process", self._restarts),
            ("axon_crashes", "Processes that ended abnormally.", "process", self._crashes),
            ("axon_dead_letters", "Messages that nobody took.", "why", self._letters),
        ):
            family = _count(name, text, label)
            for key, number in counted.items():
                family.add_metric([key], number)
            yield family
        if self._mailboxes is not None:
            waiting = GaugeMetricFamily("axon_mailbox_length", "Messages that wait in a mailbox.", labels=["agent"])
            for agent, length in self._mailboxes():
                waiting.add_metric([agent], length)
            yield waiting

    def _figures_of_agents(self) -> Iterator[Metric]:
        turns = _count("axon_turns", "Turns that are over.", "agent", "outcome")
        errors = _count("axon_turn_errors", "Turns without an answer.", "agent", "error_type")
        seconds = _times("axon_turn_seconds", "From a message to its answer, waiting included.", "agent")
        waited = _times("axon_queue_seconds", "How long turns waited for those before them.", "agent")
        queued = GaugeMetricFamily("axon_turns_queued", "Turns that wait for those before them.", labels=["agent"])
        requests = _count("axon_model_requests", "Requests to models.", "agent")
        tokens = _count("axon_tokens", "Tokens of requests to models.", "agent", "direction")
        cost = _count("axon_cost_usd", "What these cost, as far as their prices are known.", "agent")
        for agent in self._agents.values():
            for outcome, number in agent.turns.items():
                turns.add_metric([agent.name, outcome], number)
            for error, number in agent.errors.items():
                errors.add_metric([agent.name, error], number)
            seconds.add_metric([agent.name], agent.seconds.buckets, agent.seconds.total)
            waited.add_metric([agent.name], agent.waited.buckets, agent.waited.total)
            queued.add_metric([agent.name], agent.queued)
            requests.add_metric([agent.name], agent.requests)
            tokens.add_metric([agent.name, "input"], agent.tokens_in)
            tokens.add_metric([agent.name, "output"], agent.tokens_out)
            cost.add_metric([agent.name], agent.cost)
        yield from (turns, errors, seconds, waited, queued, requests, tokens, cost)


def _count(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, labels=labels)


def _times(name: str, text: str, *labels: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, text, labels=labels)
