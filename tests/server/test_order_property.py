"""Any senders, any servers, any mix of calls, casts and messages: order per sender, one outcome per call, no rest."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from servers import Boom

import axon
from axon import GenServer, call, cast
from axon.process import runtime, spawn
from axon.telemetry import DeadLetter, attach
from loops import a_loop

Way = Literal["call", "impatient call", "cast", "send"]


@dataclass(frozen=True)
class Message:
    """The `number`-th of its sender."""

    sender: int
    number: int
    way: Way
    to: int
    seconds: float | None
    """How long its handler takes; None is a plain handler, 0 a coroutine that does not suspend."""


class Recorder(GenServer[list[Message]]):
    """Writes down what it handles."""

    handled: list[Message]

    def init(self) -> list[Message]:
        return self.handled

    @call(timeout=None)
    def ask(self, state: list[Message], message: Message) -> Message:
        state.append(message)
        return message

    @call(timeout=None)
    async def ask_slowly(self, state: list[Message], message: Message) -> Message:
        await take_time(state, message)
        return message

    @cast
    def tell(self, state: list[Message], message: Message) -> None:
        state.append(message)

    @cast
    async def tell_slowly(self, state: list[Message], message: Message) -> None:
        await take_time(state, message)

    def handle_info(self, state: list[Message], message: object) -> Awaitable[None] | None:
        assert isinstance(message, Message)
        if message.seconds is None:
            state.append(message)
            return None
        return take_time(state, message)

    @cast
    def crash(self, state: list[Message]) -> None:
        raise Boom


async def take_time(state: list[Message], message: Message) -> None:
    state.append(message)
    if message.seconds:
        await asyncio.sleep(message.seconds)


@dataclass
class Run:
    """What happened."""

    servers: list[Recorder]
    sent: list[Message] = field(default_factory=list[Message])
    outcomes: list[tuple[Message, object]] = field(default_factory=list[tuple[Message, object]])
    letters: list[DeadLetter] = field(default_factory=list[DeadLetter])

    async def send(self, message: Message) -> None:
        server = self.servers[message.to]
        self.sent.append(message)
        if message.way == "send":
            axon.send(server, message)
        elif message.way == "cast":
            (server.tell if message.seconds is None else server.tell_slowly)(message)
        else:
            asking = (server.ask if message.seconds is None else server.ask_slowly)(message)
            try:
                async with asyncio.timeout(0.003 if message.way == "impatient call" else None):
                    self.outcomes.append((message, await asking))
            except (axon.CallError, TimeoutError) as error:
                self.outcomes.append((message, error))

    def of(self, sender: int, to: int, messages: list[Message]) -> list[Message]:
        return [one for one in messages if (one.sender, one.to) == (sender, to)]


SERVERS, SENDERS = 3, 3
Step = tuple[Way | Literal["wait", "crash", "kill"], int, float | None]

ways = st.sampled_from(["call", "impatient call", "cast", "send"])
times = st.sampled_from([None, None, 0.0, 0.001, 0.01])
sending = st.tuples(ways, st.integers(0, SERVERS - 1), times)
waiting = st.tuples(st.just("wait"), st.just(0), st.sampled_from([0.0, 0.001, 0.02]))
ending = st.tuples(st.sampled_from(["crash", "kill"]), st.integers(0, SERVERS - 1), st.none())
scripts = st.lists(st.lists(st.one_of(sending, sending, sending, waiting), max_size=12), min_size=1, max_size=SENDERS)
deadly = st.lists(
    st.lists(st.one_of(sending, sending, sending, waiting, ending), max_size=12), min_size=1, max_size=SENDERS
)


async def play(senders: list[list[Any]], in_place: bool, as_processes: bool) -> Run:
    runtime().in_place = in_place
    run = Run([await axon.start(Recorder([])) for _ in range(SERVERS)])
    attach(run.letters.append, DeadLetter)

    async def follow(sender: int, steps: list[Step]) -> None:
        for number, (what, to, seconds) in enumerate(steps):
            match what:
                case "wait":
                    await asyncio.sleep(seconds or 0)
                case "crash":
                    run.servers[to].crash()
                case "kill":
                    axon.exit(run.servers[to], axon.kill)
                case _:
                    await run.send(Message(sender, number, what, to, seconds))

    if as_processes:
        processes = [spawn(follow, sender, steps) for sender, steps in enumerate(senders)]
        assert all([(await axon.wait_down(process)).reason in (axon.normal, axon.noproc) for process in processes])
    else:
        await asyncio.gather(*(follow(sender, steps) for sender, steps in enumerate(senders)))
    await asyncio.sleep(1)
    for server in run.servers:
        if axon.whereis(server) is not None:
            statistics = axon.statistics(server)
            assert (statistics.queued, statistics.pending) == (0, 0)
            await axon.stop(server)
    await asyncio.sleep(0.001)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return run


def played(senders: list[list[Any]], in_place: bool, as_processes: bool) -> Run:
    with asyncio.Runner(loop_factory=a_loop) as runner:
        return runner.run(play(senders, in_place, as_processes))


def check_outcomes(run: Run, allowed: tuple[type[Exception], ...]) -> None:
    """Every call has one outcome, and an answer is the answer to that very call."""
    asked = [message for message in run.sent if message.way.endswith("call")]
    assert Counter(message for message, _ in run.outcomes) == Counter(asked)
    for message, outcome in run.outcomes:
        if isinstance(outcome, Exception):
            late = message.way == "impatient call" and type(outcome) is TimeoutError
            assert late or isinstance(outcome, allowed)
        else:
            assert outcome is message


EXAMPLES = int(os.environ.get("AXON_EXAMPLES", "30"))
property_of = settings(max_examples=EXAMPLES, deadline=None)


@property_of
@given(senders=scripts, in_place=st.booleans(), as_processes=st.booleans())
def test_b21_each_sender_is_served_in_its_order_and_every_message_once(
    senders: list[list[Any]], in_place: bool, as_processes: bool
) -> None:
    run = played(senders, in_place, as_processes)
    for to, server in enumerate(run.servers):
        for sender in range(len(senders)):
            assert run.of(sender, to, server.handled) == run.of(sender, to, run.sent)
    check_outcomes(run, ())
    assert run.letters == []


@property_of
@given(senders=deadly, in_place=st.booleans(), as_processes=st.booleans())
def test_b18_also_when_servers_die_of_it(senders: list[list[Any]], in_place: bool, as_processes: bool) -> None:
    run = played(senders, in_place, as_processes)
    handled = [message for server in run.servers for message in server.handled]
    assert len(handled) == len(set(handled)), "nothing is handled twice"
    for to, server in enumerate(run.servers):
        for sender in range(len(senders)):
            served, sent = run.of(sender, to, server.handled), run.of(sender, to, run.sent)
            assert served == sent[: len(served)], "in order, and nothing after a gap"
    check_outcomes(run, (axon.ServerDied, axon.NoProcess))
    for message, outcome in run.outcomes:
        assert message in handled or isinstance(outcome, Exception)
    casts = [message for message in run.sent if message.way == "cast"]
    lost = [letter for letter in run.letters if letter.text.startswith("tell")]
    missing = len(casts) - sum(message.way == "cast" for message in handled) - len(lost)
    taken_by_the_dead = sum(what == "kill" for steps in senders for what, _, _ in steps)
    assert 0 <= missing <= taken_by_the_dead, "lost casts are counted, but for those that were just being handled"


@given(senders=scripts, as_processes=st.booleans())
@settings(max_examples=EXAMPLES // 2, deadline=None)
def test_whether_calls_are_answered_in_place_cannot_be_seen(senders: list[list[Any]], as_processes: bool) -> None:
    runs = [played(senders, in_place, as_processes) for in_place in (True, False)]
    for sender in range(len(senders)):
        for to in range(SERVERS):
            first, second = (run.of(sender, to, run.servers[to].handled) for run in runs)
            assert first == second
