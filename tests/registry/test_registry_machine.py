"""Registries and topics against pure models: whoever registers, subscribes, broadcasts or dies, in whatever order.

For a long run: `AXON_EXAMPLES=20000 pytest tests/registry/test_registry_machine.py --timeout 0`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, NamedTuple, ParamSpec

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from workers import T, Worker, end, process_of, seen, settle

import axon
from axon import NameTaken, PubSub, Registry
from axon.registry import Entry, Keys
from axon.testing import virtual_clock

P = ParamSpec("P")
NUMBER = st.integers(0, 1000)
KEY = st.sampled_from("abc")
VALUE = st.integers(0, 3)


class Workers(RuleBasedStateMachine):
    """What both models share: workers that start, act and die, numbered in the order they start."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=virtual_clock)
        self.workers: list[Worker] = []
        self.alive: list[int] = []

    def of(self, number: int) -> int:
        """One of those who live."""
        return self.alive[number % len(self.alive)]

    def act(self, action: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """Do something in the loop as a plain coroutine."""

        async def within() -> T:
            value = action(*args, **keywords)
            await settle()
            return value

        return self.runner.run(within())

    def do(self, who: int, action: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """Do something in the name of a worker."""
        return self.runner.run(self.workers[who].do(action, *args, **keywords))

    @initialize()
    def begin(self) -> None:
        for _ in range(3):
            self.start()

    @precondition(lambda self: len(self.alive) < 5)
    @rule()
    def start(self) -> None:
        self.add(self.runner.run(axon.start(Worker())))

    def add(self, worker: Worker) -> None:
        self.alive.append(len(self.workers))
        self.workers.append(worker)

    @precondition(lambda self: len(self.alive) > 1)
    @rule(number=NUMBER)
    def die(self, number: int) -> None:
        who = self.of(number)
        self.alive.remove(who)
        self.forget(who)
        self.act(axon.exit, self.workers[who], axon.kill)

    def forget(self, who: int) -> None:
        """The model of a death."""
        raise NotImplementedError

    def teardown(self) -> None:
        for who in self.alive:
            self.runner.run(end(self.workers[who]))
        self.runner.close()


class Registration(NamedTuple):
    key: str
    who: int
    value: int | None


class Registrations(Workers):
    """`entries` is the whole model, in the order they were registered."""

    kind: ClassVar[Keys] = "unique"

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry[str, int]("model", keys=self.kind)
        self.entries: list[Registration] = []

    def forget(self, who: int) -> None:
        self.entries = [entry for entry in self.entries if entry.who != who]

    def is_taken(self, key: str) -> bool:
        return self.kind == "unique" and any(entry.key == key for entry in self.entries)

    @rule(number=NUMBER, key=KEY, value=VALUE)
    def register(self, number: int, key: str, value: int) -> None:
        who = self.of(number)
        if self.is_taken(key):
            with pytest.raises(NameTaken):
                self.do(who, self.registry.register, key, value)
        else:
            self.do(who, self.registry.register, key, value)
            self.entries.append(Registration(key, who, value))

    @precondition(lambda self: self.kind == "unique" and len(self.alive) < 5)
    @rule(key=KEY, value=st.none() | VALUE)
    def start_under_a_key(self, key: str, value: int | None) -> None:
        name = self.registry.via(key, value)
        if self.is_taken(key):
            with pytest.raises(NameTaken):
                self.runner.run(axon.start(Worker(), name=name))
        else:
            self.add(self.runner.run(axon.start(Worker(), name=name)))
            self.entries.append(Registration(key, self.alive[-1], value))

    @rule(number=NUMBER, key=KEY)
    def unregister(self, number: int, key: str) -> None:
        who = self.of(number)
        self.do(who, self.registry.unregister, key)
        self.entries = [entry for entry in self.entries if (entry.key, entry.who) != (key, who)]

    @rule(number=NUMBER, key=KEY, value=VALUE)
    def unregister_match(self, number: int, key: str, value: int) -> None:
        who = self.of(number)
        self.do(who, self.registry.unregister_match, key, lambda known: known == value)
        self.entries = [entry for entry in self.entries if entry != (key, who, value)]

    @precondition(lambda self: self.kind == "unique")
    @rule(number=NUMBER, key=KEY, value=VALUE)
    def update_value(self, number: int, key: str, value: int) -> None:
        who = self.of(number)
        old = [entry.value for entry in self.entries if (entry.key, entry.who) == (key, who)]
        answer = self.do(who, self.registry.update_value, key, lambda _: value)
        assert answer == ((value, old[0]) if old else None)
        self.entries = [
            Registration(key, who, value) if (entry.key, entry.who) == (key, who) else entry for entry in self.entries
        ]

    @invariant()
    def everybody_sees_the_entries_of_the_model(self) -> None:
        def look() -> None:
            number = {process_of(self.workers[who]): who for who in self.alive}
            assert self.registry.count() == len(self.entries)
            for key in "abc":
                found = [(number[process], value) for process, value in self.registry.lookup(key)]
                assert found == [(entry.who, entry.value) for entry in self.entries if entry.key == key]
                dispatched: list[list[Entry[int]]] = []
                self.registry.dispatch(key, dispatched.append)
                assert dispatched == ([self.registry.lookup(key)] if found else [])
                if self.kind == "unique":
                    holder = axon.whereis(self.registry.via(key))
                    assert [number[holder]] == [who for who, _ in found] if holder else not found
            for who in self.alive:
                mine = [entry for entry in self.entries if entry.who == who]
                assert sorted(self.registry.keys(self.workers[who])) == sorted(entry.key for entry in mine)
                for key in "abc":
                    values = self.registry.values(key, self.workers[who])
                    assert values == [entry.value for entry in mine if entry.key == key]

        self.act(look)


class DuplicateRegistrations(Registrations):
    kind = "duplicate"


class Topics(Workers):
    """`subscribed` says who gets what is broadcast, `inboxes` what each worker has got."""

    def __init__(self) -> None:
        super().__init__()
        self.news = PubSub()
        self.subscribed: list[tuple[str, int]] = []
        self.inboxes: dict[int, list[object]] = {}
        self.sent = 0

    def forget(self, who: int) -> None:
        self.subscribed = [pair for pair in self.subscribed if pair[1] != who]

    @rule(number=NUMBER, topic=KEY)
    def subscribe(self, number: int, topic: str) -> None:
        who = self.of(number)
        self.do(who, self.news.subscribe, topic)
        self.subscribed.append((topic, who))

    @rule(number=NUMBER, topic=KEY)
    def unsubscribe(self, number: int, topic: str) -> None:
        who = self.of(number)
        self.do(who, self.news.unsubscribe, topic)
        self.subscribed = [pair for pair in self.subscribed if pair != (topic, who)]

    @rule(number=NUMBER, topics=st.lists(KEY, min_size=1, max_size=4), omits=st.booleans())
    def broadcast(self, number: int, topics: list[str], omits: bool) -> None:
        """Several in a row, and plain sends among them: each receiver gets them in this order."""
        sender, to = self.of(number), self.of(number // 7)
        first = self.sent

        def broadcast_all() -> None:
            for topic in topics:
                self.sent += 1
                if omits:
                    self.news.broadcast_from(axon.current(), topic, self.sent)
                else:
                    self.news.broadcast(topic, self.sent)
                axon.send(self.workers[to], -self.sent)

        self.do(sender, broadcast_all)
        for message, topic in enumerate(topics, first + 1):
            for subscribed, who in self.subscribed:
                if subscribed == topic and not (omits and who == sender):
                    self.inboxes.setdefault(who, []).append(message)
            self.inboxes.setdefault(to, []).append(-message)

    @invariant()
    def everybody_has_got_what_the_model_says_in_order(self) -> None:
        for who in self.alive:
            assert self.runner.run(seen(self.workers[who])) == self.inboxes.get(who, [])

        def look() -> None:
            for topic in "abc":
                subscribers = [process_of(self.workers[who]) for known, who in self.subscribed if known == topic]
                assert self.news.subscribers(topic) == subscribers

        self.act(look)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Registrations, DuplicateRegistrations])
def test_registries_agree_with_the_model(machine: type[Registrations]) -> None:
    """The same entries, in the same order, whoever asks and however, after every step."""
    run_state_machine_as_test(machine, settings=settings.get_profile("registry"))


@pytest.mark.slow
def test_topics_agree_with_the_model() -> None:
    """The same messages in the same order in every mailbox."""
    run_state_machine_as_test(Topics, settings=settings.get_profile("registry"))
