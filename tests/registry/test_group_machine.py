"""Groups against a pure model: whoever joins, leaves, watches, dies or is picked, in whatever order.

For a long run: `AXON_EXAMPLES=20000 pytest tests/registry/test_group_machine.py --timeout 0`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

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
from workers import T, Worker, end, seen, settle

import axon
from axon import Group, GroupMonitor, Joined, Left, NoMembers, group, monitor_scope, which_groups
from axon.testing import virtual_clock

Where: TypeAlias = tuple[str, str]
"""A scope and a group in it."""
News: TypeAlias = tuple[str, tuple[int, ...]]
"""`Joined` or `Left`, and who."""

NUMBER = st.integers(0, 11)
SOME = st.lists(NUMBER, max_size=4)
WHERE = st.sampled_from([("default", "a"), ("default", "a"), ("default", "b"), ("other", "a")])
HOW: st.SearchStrategy[axon.registry.How] = st.sampled_from(["round_robin", "least_mailbox"])


@dataclass
class Watch:
    """One monitor: what its messages must have said of each group."""

    watcher: int
    scope: str
    group: str | None
    news: dict[str, list[News]] = field(default_factory=dict[str, list[News]])

    def tells_of(self, where: Where) -> bool:
        return self.scope == where[0] and self.group in (None, where[1])


class Groups(RuleBasedStateMachine):
    """Workers are numbered in the order they start. `members` is the whole model: who is in which group, each
    membership as (its own number, the worker's), the one first whose turn is next.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=virtual_clock)
        self.workers: list[Worker] = []
        self.alive: list[int] = []
        self.joined = 0
        self.members: dict[Where, list[tuple[int, int]]] = {}
        self.watches: dict[GroupMonitor, Watch] = {}
        self.picked: dict[tuple[Where, int], tuple[set[int], int]] = {}

    def act(self, action: Callable[[], T]) -> T:
        """Do something in the loop, and let everybody look at it."""

        async def within() -> T:
            value = action()
            await settle()
            return value

        return self.runner.run(within())

    def of(self, number: int) -> int:
        """One of those who live."""
        return self.alive[number % len(self.alive)]

    def tell(self, where: Where, kind: str, who: Sequence[int]) -> None:
        for watch in self.watches.values():
            if who and watch.tells_of(where):
                watch.news.setdefault(where[1], []).append((kind, tuple(who)))

    def remove(self, where: Where, who: int) -> None:
        """The oldest membership of this worker ends."""
        members = self.members[where]
        members.remove(min(membership for membership in members if membership[1] == who))
        if not members:
            del self.members[where]

    def is_member(self, where: Where, who: int) -> bool:
        return any(member == who for _, member in self.members.get(where, ()))

    # -- what happens

    @initialize()
    def begin(self) -> None:
        for _ in range(3):
            self.start()

    @precondition(lambda self: len(self.alive) < 4)
    @rule()
    def start(self) -> None:
        self.alive.append(len(self.workers))
        self.workers.append(self.runner.run(axon.start(Worker())))

    @rule(where=WHERE, some=SOME)
    def join(self, where: Where, some: list[int]) -> None:
        who = [self.of(number) for number in some]
        self.act(lambda: at(where).join(*[self.workers[one] for one in who]))
        for one in who:
            self.joined += 1
            self.members.setdefault(where, []).append((self.joined, one))
        self.tell(where, "Joined", who)

    @rule(where=WHERE, some=SOME)
    def leave(self, where: Where, some: list[int]) -> None:
        who = [self.of(number) for number in some]
        answer = self.act(lambda: at(where).leave(*[self.workers[one] for one in who]))
        left: list[int] = []
        for one in who:
            if self.is_member(where, one):
                self.remove(where, one)
                left.append(one)
        assert answer == bool(left)
        self.tell(where, "Left", left)

    @precondition(lambda self: len(self.alive) > 1)
    @rule(number=NUMBER, reason=st.sampled_from([axon.normal, axon.shutdown, axon.killed]))
    def die(self, number: int, reason: axon.Reason) -> None:
        who = self.of(number)
        self.alive.remove(who)
        for monitor in [m for m, watch in self.watches.items() if watch.watcher == who]:
            del self.watches[monitor]
        for where in list(self.members):
            while self.is_member(where, who):
                self.remove(where, who)
                self.tell(where, "Left", [who])
        worker = self.workers[who]
        if reason == axon.killed:
            self.act(lambda: axon.exit(worker, axon.kill))
        else:
            self.runner.run(axon.stop(worker, reason))

    @precondition(lambda self: len(self.alive) < len(self.workers))
    @rule(where=WHERE, number=NUMBER)
    def join_with_a_dead_one(self, where: Where, number: int) -> None:
        dead = [worker for who, worker in enumerate(self.workers) if who not in self.alive]

        def attempt() -> None:
            with pytest.raises(axon.NoProcess):
                at(where).join(self.workers[self.alive[0]], dead[number % len(dead)])

        self.act(attempt)

    @rule(where=WHERE, number=NUMBER)
    def watch(self, where: Where, number: int) -> None:
        who = self.of(number)
        monitor, members = self.runner.run(self.workers[who].do(at(where).monitor))
        assert sorted(map(self.workers.index, members)) == sorted(m for _, m in self.members.get(where, ()))
        self.watches[monitor] = Watch(who, *where)

    @rule(where=WHERE, number=NUMBER)
    def watch_scope(self, where: Where, number: int) -> None:
        who, scope = self.of(number), where[0]
        monitor, groups = self.runner.run(self.workers[who].do(monitor_scope, scope=scope))
        assert {name: len(members) for name, members in groups.items()} == {
            name: len(members) for (of, name), members in self.members.items() if of == scope
        }
        self.watches[monitor] = Watch(who, scope, None)

    @precondition(lambda self: self.watches)
    @rule(number=NUMBER)
    def demonitor(self, number: int) -> None:
        monitor = list(self.watches)[number % len(self.watches)]
        worker = self.workers[self.watches.pop(monitor).watcher]
        assert self.runner.run(worker.do(axon.demonitor, monitor))
        assert not self.runner.run(worker.do(axon.demonitor, monitor))

    @rule(where=WHERE, how=HOW)
    def pick(self, where: Where, how: axon.registry.How) -> None:
        """Everybody's mailbox is empty, so that both ways go by turns."""
        if where not in self.members:
            with pytest.raises(NoMembers):
                self.act(lambda: at(where).pick(how=how))
            return
        picked = self.act(lambda: at(where).pick(how=how))
        members = self.members[where]
        assert picked == self.workers[members[0][1]]
        members.append(members.pop(0))

    @rule(where=WHERE, key=st.integers(0, 9))
    def pick_by_key(self, where: Where, key: int) -> None:
        """While nobody comes a key stays where it is, and who comes may take it, but does not move it to another."""
        now = {who for _, who in self.members.get(where, ())}
        if not now:
            return
        picked = self.workers.index(self.act(lambda: at(where).pick(key=key)))
        assert picked in now
        before, last = self.picked.get((where, key), (now, picked))
        if now <= before and last in now:
            assert picked == last
        if now >= before and picked in before:
            assert picked == last
        self.picked[where, key] = now, picked

    # -- what must be

    @invariant()
    def everybody_sees_the_members_of_the_model(self) -> None:
        for where in [("default", "a"), ("default", "b"), ("other", "a")]:
            members = self.act(at(where).members)
            assert sorted(map(self.workers.index, members)) == sorted(m for _, m in self.members.get(where, ()))
        for scope in ("default", "other"):
            named = self.act(partial(which_groups, scope=scope))
            assert named == sorted(name for of, name in self.members if of == scope)

    @invariant()
    def every_watcher_was_told_what_the_model_says(self) -> None:
        for monitor, watch in self.watches.items():
            news: dict[str, list[News]] = {}
            for message in self.runner.run(seen(self.workers[watch.watcher])):
                match message:
                    case Joined(from_, name, members) | Left(from_, name, members) if from_ is monitor:
                        who = tuple(self.workers.index(member) for member in members if isinstance(member, Worker))
                        news.setdefault(name, []).append((type(message).__name__, who))
                    case _:
                        pass
            assert news == watch.news

    def teardown(self) -> None:
        for who in self.alive:
            self.runner.run(end(self.workers[who]))
        assert self.act(which_groups) == []
        self.runner.close()


def at(where: Where) -> Group[Worker]:
    scope, name = where
    return group(Worker, name, scope=scope)


@pytest.mark.slow
def test_groups_agree_with_the_model() -> None:
    """The same members, answers, picks, and messages to watchers, after every step."""
    run_state_machine_as_test(Groups, settings=settings.get_profile("registry"))
