"""The parts of a pool that are plain data, each against a model that only knows the rules."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from axon import InvalidOption
from axon.port import Recycle
from axon.port._choice import Choice, Key, Load, Ticket, chosen, home_of
from axon.port._queue import Desk, Line
from axon.port._recycling import EVERY

EXAMPLES = int(os.environ.get("AXON_EXAMPLES", "300"))

keys = st.integers() | st.text() | st.binary()
parts = st.floats(min_value=0.0, max_value=1.0)


# -- where keys go


@given(key=keys, size=st.integers(min_value=1, max_value=64))
def test_with_one_place_more_a_key_stays_or_moves_to_that_one(key: Key, size: int) -> None:
    before, after = home_of(key, size), home_of(key, size + 1)
    assert 0 <= before < size
    assert after in (before, size)


def test_keys_are_spread_evenly() -> None:
    spread = Counter(home_of(f"user-{number}", 8) for number in range(8000))
    assert set(spread) == set(range(8))
    assert all(800 < count < 1200 for count in spread.values())


# -- who is chosen


def load(number: int, tickets: int = 0, strikes: int = 0, last: int = 0, capacity: int = 3) -> Load:
    made = Load(number, capacity, is_open=True, strikes=strikes, last=last)
    made.tickets |= {Ticket() for _ in range(tickets)}
    return made


loads = st.lists(
    st.builds(
        load,
        number=st.integers(0, 9),
        tickets=st.integers(0, 2),
        strikes=st.integers(0, 3),
        last=st.integers(0, 99),
    ),
    min_size=1,
    unique_by=lambda one: one.number,
)


@given(free=loads)
def test_the_least_busy_of_those_that_have_not_crashed_is_chosen(free: list[Load]) -> None:
    found = chosen(free, "least_busy")
    assert found.strikes == min(one.strikes for one in free)
    assert found.in_flight == min(one.in_flight for one in free if one.strikes == found.strikes)


@given(free=loads)
def test_round_robin_chooses_who_was_given_nothing_for_the_longest_time(free: list[Load]) -> None:
    found = chosen(free, "round_robin")
    assert found.last == min(one.last for one in free if one.strikes == min(each.strikes for each in free))


@given(free=loads, home=st.integers(0, 9), how=st.sampled_from(["least_busy", "round_robin"]))
def test_a_hint_leads_to_its_own_worker_unless_that_one_has_crashed(free: list[Load], home: int, how: Choice) -> None:
    found = chosen(free, how, home)
    own = [one for one in free if one.number == home and not one.strikes]
    assert found is (own[0] if own else chosen(free, how))


def test_who_has_crashed_has_room_for_one_until_it_has_answered() -> None:
    assert load(0, strikes=1).room == 1
    assert load(0, strikes=1, tickets=1).room == 0
    assert load(0).room == 3


# -- who waits


class LineMachine(RuleBasedStateMachine):
    """A line is a list."""

    @initialize()
    def begin(self) -> None:
        self.line: Line[int] = Line()
        self.model: list[tuple[int, int | None]] = []
        self.next = 0

    @rule(place=st.none() | st.integers(0, 3), first=st.booleans())
    def comes(self, place: int | None, first: bool) -> None:
        self.next += 1
        self.line.add(self.next, place, first=first)
        self.model.insert(0 if first else len(self.model), (self.next, place))

    @rule(places=st.sets(st.integers(0, 3)), held=st.sets(st.integers(1, 9)))
    def is_taken(self, places: set[int], held: set[int]) -> None:
        able = [item for item, place in self.model if (place is None or place in places) and item not in held]
        assert self.line.take(places, lambda item: item in held) == (able[0] if able else None)
        self.model = [entry for entry in self.model if not able or entry[0] != able[0]]

    @rule(item=st.integers(1, 9))
    def is_dropped(self, item: int) -> None:
        before = len(self.model)
        self.model = [entry for entry in self.model if entry[0] != item]
        assert self.line.drop(item) == (len(self.model) < before)

    @rule(step=st.integers(0, 3))
    def places_change(self, step: int) -> None:
        where = dict(self.model)
        self.line.move(lambda item: None if where[item] is None else (item + step) % 4)
        self.model = [(item, None if place is None else (item + step) % 4) for item, place in self.model]

    @invariant()
    def it_is_what_the_list_is(self) -> None:
        assert list(self.line) == [item for item, _ in self.model]
        assert len(self.line) == len(self.model)


TestLine = LineMachine.TestCase


class DeskMachine(RuleBasedStateMachine):
    """Workers come and go, tickets are asked for and given back: whatever happens, the rules of a pool hold."""

    @initialize(how=st.sampled_from(["least_busy", "round_robin"]), capacity=st.integers(1, 3))
    def begin(self, how: Choice, capacity: int) -> None:
        self.desk, self.capacity = Desk(how), capacity
        self.asked: list[Ticket] = []  # in this order, and not given back
        self.was_given: set[Ticket] = set()
        self.add_place()

    def add_place(self) -> None:
        self.desk.loads[len(self.desk.loads)] = Load(len(self.desk.loads), self.capacity)

    def hand_out(self) -> None:
        line = [ticket for ticket in self.asked if ticket.load is None]
        given = self.desk.hand_out()
        assert set(given) <= set(line)
        for ticket in given:
            assert ticket.load is not None
            assert ticket.load.is_open
            assert not ticket.strict or ticket.load.number == home_of(ticket.key or 0, len(self.desk.loads))
            overtaken = line[: line.index(ticket)]
            same = [other for other in overtaken if other.load is None and not other.strict]
            assert same == [], "nobody who takes any worker is overtaken"
        self.was_given |= set(given)

    @rule(key=st.none() | st.integers(0, 5), strict=st.booleans())
    def asks(self, key: int | None, strict: bool) -> None:
        ticket = Ticket(key=key, strict=strict and key is not None)
        self.asked.append(ticket)
        self.desk.wait(ticket)
        self.hand_out()

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def gives_back_or_gives_up(self, data: st.DataObject) -> None:
        ticket = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        assert self.desk.give_back(ticket) == (ticket in self.was_given)
        self.hand_out()

    @rule(data=st.data(), is_open=st.booleans())
    def a_worker_opens_or_closes(self, data: st.DataObject, is_open: bool) -> None:
        self.desk.loads[data.draw(st.integers(0, len(self.desk.loads) - 1))].is_open = is_open
        self.hand_out()

    @rule(data=st.data())
    def a_worker_dies(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.desk.loads) - 1))
        dead = self.desk.loads[number]
        self.desk.loads[number] = Load(number, self.capacity, strikes=dead.strikes + 1)
        self.hand_out()

    @rule(data=st.data())
    def a_worker_is_replaced(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.desk.loads) - 1))
        self.desk.leaving.append(self.desk.loads[number])
        self.desk.loads[number] = Load(number, self.capacity, is_open=True)
        self.hand_out()

    @rule(more=st.booleans())
    def its_size_changes(self, more: bool) -> None:
        if more:
            self.add_place()
        elif len(self.desk.loads) > 1:
            self.desk.leaving.append(self.desk.loads.pop(len(self.desk.loads) - 1))
        self.desk.resized()
        self.hand_out()

    @invariant()
    def nobody_has_more_than_it_may(self) -> None:
        for one in self.desk.loads.values():
            assert len(one.tickets) <= self.capacity
            if one.strikes:
                assert len(one.tickets) <= 1

    @invariant()
    def every_ticket_is_in_the_line_or_at_a_worker(self) -> None:
        waiting = set(self.desk.line)
        assert waiting == {ticket for ticket in self.asked if ticket.load is None}
        assert all(ticket in ticket.load.tickets for ticket in self.asked if ticket.load is not None)

    @invariant()
    def nobody_waits_who_could_be_served(self) -> None:
        size = len(self.desk.loads)
        held = {ticket.key for one in self.desk.leaving for ticket in one.tickets if ticket.strict}
        for one in self.desk.loads.values():
            keys = [ticket.key for ticket in one.tickets if ticket.strict]
            held |= {key for key in keys if home_of(key or 0, size) != one.number}
        for ticket in self.desk.line:
            if not ticket.strict:
                assert all(one.room <= 0 for one in self.desk.loads.values())
            elif ticket.key not in held:
                assert self.desk.loads[home_of(ticket.key or 0, size)].room <= 0

    @invariant()
    def a_strict_key_is_at_one_worker_that_lives(self) -> None:
        alive = [*self.desk.loads.values(), *self.desk.leaving]
        where = {(ticket.key, id(one)) for one in alive for ticket in one.tickets if ticket.strict}
        keys = [key for key, _ in where]
        assert len(keys) == len(set(keys))


TestDesk = DeskMachine.TestCase
TestDesk.settings = settings(max_examples=EXAMPLES, deadline=None)


# -- who is replaced


@given(jitter=parts, chance=parts, age=st.floats(0, 200), served=st.integers(0, 200), memory=st.integers(0, 200))
def test_a_limit_is_reached_between_its_jittered_part_and_itself(
    jitter: float, chance: float, age: float, served: int, memory: int
) -> None:
    recycle = Recycle(max_age=100, max_requests=100, max_memory=100, jitter=jitter)
    share = recycle.share_of(chance)
    assert 1 - jitter <= share <= 1
    why = recycle.why(share, age=age, served=served, memory=memory)
    if why is None:
        assert max(age, served, memory) < 100
    else:
        assert {"age": age, "requests": served, "memory": memory}[why] >= 100 * (1 - jitter) - 1


@given(ages=st.lists(st.tuples(st.floats(0, 50), parts)), chosen_memory=st.booleans())
def test_the_next_look_is_when_something_may_be_due(ages: list[tuple[float, float]], chosen_memory: bool) -> None:
    recycle = Recycle(max_age=40, max_memory=1 if chosen_memory else None)
    left = recycle.next_look(ages)
    ahead = [40 * share - age for age, share in ages if 40 * share > age]
    assert left == min([*ahead, EVERY] if chosen_memory else ahead, default=None)
    assert left is None or left > 0, "who is due and has to wait is looked at when the others are through"


@given(ages=st.lists(st.floats(0, 99)), at_once=st.integers(1, 5), under_way=st.integers(0, 6))
def test_never_more_are_replaced_at_once_than_may_be(ages: list[float], at_once: int, under_way: int) -> None:
    found = Recycle(at_once=at_once).chosen([(age, age) for age in ages], under_way)
    assert found == sorted(ages, reverse=True)[: len(found)]
    assert len(found) == min(len(ages), max(0, at_once - under_way))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_age", 0),
        ("max_age", "1"),
        ("max_requests", 0),
        ("max_requests", True),
        ("max_memory", 1.5),
        ("jitter", 1.1),
        ("jitter", -0.1),
        ("at_once", 0),
    ],
)
def test_limits_that_cannot_be_are_refused(option: str, value: object) -> None:
    with pytest.raises(InvalidOption, match=option):
        Recycle(**{option: value})  # type: ignore[arg-type]
