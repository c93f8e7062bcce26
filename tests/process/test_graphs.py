"""Whole graphs of linked, monitoring and trapping processes, compared with a pure model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals_model import Member, Model, Told
from subjects import KINDS, Kind, Subject, quiet, subject

import axon
from axon import Down, Exit, ExitReason, Monitor, kill, killed, noproc, normal, shutdown
from axon.process import runtime, trap_exit
from loops import a_loop

EXAMPLES = int(os.environ.get("AXON_EXAMPLES", "300"))

REASONS: tuple[ExitReason, ...] = (
    normal,
    shutdown,
    shutdown("deploy"),
    killed,
    noproc,
    kill,
    RuntimeError("boom"),
    ValueError("bang"),
)
SIZE = 5
WHO = st.integers(0, SIZE - 1)
REASON = st.sampled_from(REASONS)
TRAP = st.tuples(st.just("trap"), WHO, st.booleans())
LINK = st.tuples(st.just("link"), WHO, WHO)
MONITOR = st.tuples(st.just("monitor"), WHO, WHO)
EXIT = st.tuples(st.just("exit"), WHO, WHO, REASON)
END = st.tuples(st.just("end"), WHO, REASON)
REMOVE = st.tuples(st.sampled_from(["unlink", "demonitor"]), WHO, WHO)
Operation = (
    tuple[str, int, int] | tuple[str, int, bool] | tuple[str, int, int, ExitReason] | tuple[str, int, ExitReason]
)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Kind], list[Operation]]:
    """The kinds of the processes, and what they do: first they make a graph, then they change and end it."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=SIZE, max_size=SIZE))
    graph = draw(st.lists(st.one_of(TRAP, LINK, LINK, MONITOR), min_size=4, max_size=20))
    ends = draw(st.lists(st.one_of(EXIT, EXIT, END, END, LINK, MONITOR, TRAP, REMOVE), min_size=1, max_size=8))
    return kinds, [*graph, *ends]


@dataclass
class Graph:
    """The same operations as the model's, done by processes."""

    members: list[Subject]
    monitors: dict[tuple[int, int], list[Monitor]] = field(default_factory=dict[tuple[int, int], list[Monitor]])

    def trap(self, who: int, flag: bool) -> None:
        self.members[who].do(trap_exit, flag)

    def link(self, who: int, other: int) -> None:
        def attempt() -> None:
            try:
                axon.link(self.members[other].process)
            except axon.NoProcess:
                self.members[who].seen.append(("refused", other, noproc))

        self.members[who].do(attempt)

    def unlink(self, who: int, other: int) -> None:
        self.members[who].do(axon.unlink, self.members[other].process)

    def monitor(self, who: int, other: int) -> None:
        def attempt() -> None:
            target = self.members[other].process
            made = axon.monitor(target)
            if target.reason is None and who != other:
                self.monitors.setdefault((who, other), []).append(made)

        self.members[who].do(attempt)

    def demonitor(self, who: int, other: int) -> None:
        def attempt() -> None:
            if self.monitors.get((who, other)):
                axon.demonitor(self.monitors[who, other].pop(0))

        self.members[who].do(attempt)

    def exit(self, who: int, other: int, reason: ExitReason) -> None:
        self.members[who].do(axon.exit, self.members[other].process, reason)

    def end(self, who: int, reason: ExitReason) -> None:
        def attempt() -> None:
            if isinstance(reason, BaseException):
                raise reason.with_traceback(None)
            trap_exit(False)
            raise axon.Stop(reason)

        self.members[who].do(attempt)

    def told(self, who: int) -> list[Told]:
        """What a process was told, in the model's words."""
        number = {member.process: n for n, member in enumerate(self.members)}
        words: list[Told] = []
        for message in self.members[who].seen:
            match message:
                case Exit(axon.Process() as sender, reason):
                    words.append(("exit", number[sender], reason))
                case Down(monitor, _, reason):
                    words.append(("down", number[monitor.target], reason))  # type: ignore[index]
                case _:
                    words.append(message)  # type: ignore[arg-type]
        return words


async def with_graph(kinds: list[Kind], use: Callable[[Graph], Coroutine[None, None, None]]) -> None:
    async with AsyncExitStack() as stack:
        await use(Graph([await stack.enter_async_context(subject(kind)) for kind in kinds]))


@pytest.mark.slow
@settings(deadline=None, max_examples=EXAMPLES)
@given(graphs())
def test_who_dies_of_what_and_who_is_told_agrees_with_the_model(drawn: tuple[list[Kind], list[Operation]]) -> None:
    """The same deaths for the same reasons, the same messages, and in the same order from each sender."""
    kinds, operations = drawn
    model = Model([Member() for _ in kinds])

    async def compare(graph: Graph) -> None:
        for name, who, *rest in operations:
            alive = model.members[who].reason is None
            getattr(graph, name)(who, *rest)
            await quiet()
            if alive:
                getattr(model, name)(who, *rest)
            assert [m.process.reason for m in graph.members] == [m.reason for m in model.members]
        for number, member in enumerate(model.members):
            for sender in range(SIZE):
                heard = [told for told in graph.told(number) if told[1] == sender]
                expected = [told for told in member.told if told[1] == sender]
                if member.reason is None:
                    assert heard == expected
                    continue
                sure = [told for told in member.told_for_sure() if told[1] == sender]
                assert heard[: len(sure)] == sure
                # In a chain of deaths the schedule says whether it lives to hear of the others.
                assert all(told[2] == model.members[sender].reason for told in heard[len(sure) :])

    with asyncio.Runner(loop_factory=a_loop) as runner:
        runner.run(with_graph(kinds, compare))


@pytest.mark.slow
@settings(deadline=None, max_examples=EXAMPLES)
@given(graphs())
def test_everything_at_once_leaves_a_consistent_graph(drawn: tuple[list[Kind], list[Operation]]) -> None:
    """Without a pause between the operations the order is the runtime's, but every rule still holds in the end."""

    kinds, operations = drawn

    async def storm(graph: Graph) -> None:
        made: dict[Monitor, tuple[int, int]] = {}
        for name, who, *rest in operations:
            getattr(graph, name)(who, *rest)
        await quiet()
        for pair, monitors in graph.monitors.items():
            made.update(dict.fromkeys(monitors, pair))
        processes = [member.process for member in graph.members]
        for number, process in enumerate(processes):
            downs = [message for message in graph.members[number].seen if isinstance(message, Down)]
            assert len({down.monitor for down in downs}) == len(downs)  # one Down a monitor
            for down in downs:
                if down.process is not None:
                    assert down.reason is down.process.reason  # with the true reason
            if process.reason is not None:
                assert (process.links, process.monitors, process.monitoring, process.waiting()) == (None, None, None, 0)
                continue
            assert not process.waiting()
            for peer in process.links or ():
                assert peer.reason is None
                assert process in (peer.links or ())  # nobody is linked to the dead
            told = {down.monitor for down in downs}
            for monitor, (watcher, target) in made.items():
                if watcher == number:  # who still watches has been told of every death
                    assert (monitor in told) == (processes[target].reason is not None)
        assert runtime().zombies == {}

    with asyncio.Runner(loop_factory=a_loop) as runner:
        runner.run(with_graph(kinds, storm))
