"""Tasks of every kind under random treatment: the real thing against `task_model.py`, step by step.

For a long run: `AXON_EXAMPLES=20000 pytest tests/task/test_task_machine.py --timeout 0`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast

import pytest
from hypothesis import event, example, given, note, settings
from hypothesis import strategies as st
from owners import Boom
from task_model import CLEANUP, How, Kind, Plan, World

import axon
from axon import Down, Exit, Exited, ExitReason, Finished, Process, TaskReply, TaskSupervisor
from axon import Task as RealTask
from axon.process import receive, runtime, spawn, trap_exit
from axon.telemetry import ProcessCrashed, attach
from axon.testing import virtual_clock


class Broken(Exception):
    """A cleanup that failed."""


@dataclass(frozen=True)
class Begin:
    owner: int
    plan: Plan


@dataclass(frozen=True)
class EndOwner:
    owner: int
    reason: str


@dataclass(frozen=True)
class Signal:
    task: int
    reason: str


@dataclass(frozen=True)
class ShutDown:
    task: int
    how: How


@dataclass(frozen=True)
class Terminate:
    task: int


@dataclass(frozen=True)
class Supervise:
    what: Literal["stop", "kill"]


@dataclass(frozen=True)
class Wait:
    seconds: float


Treatment: TypeAlias = Begin | EndOwner | Signal | ShutDown | Terminate | Supervise | Wait

# Numbers whose sums do not meet, so that nothing hangs on which of two comes first.
SECONDS = st.sampled_from([0.0, 0.371, 1.913, 4.817, 7.753])
SHUTDOWNS: st.SearchStrategy[How] = st.sampled_from([5.019, 2.207, "brutal_kill", "infinity"])
KINDS: st.SearchStrategy[Kind] = st.sampled_from(
    ["finishes", "crashes", "leaves", "hangs", "saves", "slow", "breaks", "traps", "stubborn"]
)
SIGNALS: dict[str, ExitReason] = {
    "shutdown": axon.shutdown,
    "Boom()": Boom(),
    "kill": axon.kill,
    "normal": axon.normal,
}
SMALL = st.integers(0, 7)


def legal(plan: Plan) -> Plan:
    """One that never goes by itself may not have all the time of the world; what is awaited is temporary."""
    endless = plan.kind in ("traps", "stubborn") and plan.shutdown == "infinity"
    plan = replace(plan, shutdown=5.019) if endless else plan
    return plan if plan.made == "start_child" else replace(plan, restart="temporary")


PLANS = st.builds(
    Plan,
    kind=KINDS,
    seconds=SECONDS,
    made=st.sampled_from(["async_", "async_nolink", "start_child"]),
    restart=st.sampled_from(["temporary", "transient", "permanent"]),
    shutdown=SHUTDOWNS,
).map(legal)
TREATMENTS: st.SearchStrategy[Treatment] = st.one_of(
    st.builds(Begin, SMALL, PLANS),
    st.builds(Begin, SMALL, PLANS),
    st.builds(Begin, SMALL, PLANS),
    st.builds(Wait, st.sampled_from([0.203, 0.607, 2.411, 6.133])),
    st.builds(EndOwner, SMALL, st.sampled_from(list(SIGNALS))),
    st.builds(Signal, SMALL, st.sampled_from(list(SIGNALS))),
    st.builds(ShutDown, SMALL, st.sampled_from([2.207, "brutal_kill"])),
    st.builds(Terminate, SMALL),
    st.builds(Supervise, st.sampled_from(["stop", "kill", "kill"])),
)

# -- the real thing


A_MOMENT = 1e-6
"""More than the clock's sums are off by."""


class Real:
    """A real supervisor beside its model."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.reports: Counter[tuple[str, str, str]] = Counter()
        self.runs: Counter[int] = Counter()
        self.numbers: dict[str, int] = {}
        self.tasks: dict[int, RealTask[object]] = {}
        self.processes: dict[int, Process] = {}  # the present incarnations
        self.owners: list[Process] = []
        self.mail: list[list[object]] = []
        self.released = False
        attach(self._crashed, ProcessCrashed)

    async def start_supervisor(self) -> None:
        world = self.world
        spec = TaskSupervisor(
            max_children=world.max_children, max_restarts=world.max_restarts, max_seconds=world.max_seconds
        )
        self.supervisor = await axon.start(spec, name="tasks")

    def _crashed(self, crash: ProcessCrashed) -> None:
        label = crash.path.split("/")[-1]
        name = str(self.numbers[label]) if label in self.numbers else label.split("#")[0]
        if name != "tasks":
            self.reports[name, repr(crash.reason), crash.decision] += 1

    # -- what the processes do

    def begin(self, plan: Plan) -> Callable[[], Awaitable[object]]:
        async def work() -> object:
            me = axon.current()
            number = self.numbers[me.label]
            self.runs[number] += 1
            self.processes[number] = me
            return await self.do(plan, number)

        return work

    async def do(self, plan: Plan, number: int) -> object:
        kind = plan.kind
        trap_exit(kind == "traps")
        if kind in ("finishes", "crashes", "leaves"):
            await asyncio.sleep(plan.seconds)
            if kind == "crashes":
                raise Boom(number)
            if kind == "leaves":
                raise axon.Stop(axon.shutdown)
            return "value"
        while not self.released:
            try:
                await asyncio.sleep(3_600_000)
            except asyncio.CancelledError:
                if kind == "saves":
                    return "value"
                if kind == "slow":
                    await asyncio.sleep(CLEANUP)
                if kind == "breaks":
                    raise Broken(number) from None
                if kind != "stubborn":
                    raise
        return None

    async def owner(self, number: int, traps: bool) -> None:
        trap_exit(traps)
        while True:
            message = await receive()
            if isinstance(message, Exit | Down | TaskReply):
                self.mail[number].append(message)
            elif callable(message):
                pending = cast("Callable[[], Awaitable[object] | None]", message)()
                if pending is None:
                    return
                await pending

    async def in_owner(self, number: int, action: Callable[[], Awaitable[object]]) -> str:
        """What comes of it in that process; nothing if that ends first."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        async def answered() -> None:
            try:
                answer.set_result(await action())
            except axon.AxonError as error:
                answer.set_result(type(error).__name__)

        axon.send(self.owners[number], answered)
        gone = asyncio.create_task(axon.wait_down(self.owners[number]))
        first: list[asyncio.Future[Any]] = [answer, gone]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        return str(answer.result()) if answer.done() else "its owner ended"

    # -- treatments, the same for both

    def living_owner(self, wanted: int) -> int:
        living = [each.number for each in self.world.owners if each.reason is None]
        if not living or (wanted == 7 and len(self.owners) < 4):
            made = self.world.add_owner(traps=wanted % 2 == 0)
            self.mail.append([])
            self.owners.append(spawn(self.owner, made.number, made.traps))
            return made.number
        return living[wanted % len(living)]

    async def treat(self, treatment: Treatment) -> None:
        world = self.world
        world.advance(asyncio.get_running_loop().time())
        match treatment:
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Supervise("kill"):
                axon.exit("tasks", axon.kill) if axon.whereis("tasks") else None
                world.kill_supervisor()
            case Supervise():
                if world.status == "running":
                    world.stop()
                    await axon.stop(self.supervisor)
            case Begin(wanted, plan):
                await self.start(self.living_owner(wanted), plan)
            case EndOwner(wanted, reason):
                self.end_owner(self.living_owner(wanted), reason)
            case _:
                living = sorted(world.tasks(), key=lambda task: task.number)
                if living:
                    await self.treat_task(treatment, living[treatment.task % len(living)].number)

    async def start(self, owner: int, plan: Plan) -> None:
        expected = self.world.start(plan, self.world.owners[owner])

        async def start() -> object:
            work = self.begin(plan)
            if plan.made == "start_child":
                shutdown: Any = plan.shutdown
                process = self.supervisor.start_child(work, restart=plan.restart, shutdown=shutdown)
            else:
                make = self.supervisor.async_ if plan.made == "async_" else self.supervisor.async_nolink
                task = make(work, shutdown=plan.shutdown)
                assert isinstance(expected, int)
                assert task.process is not None
                self.tasks[expected], process = task, task.process
            assert isinstance(expected, int)
            self.numbers[process.label] = expected
            self.processes[expected] = process
            return expected

        assert await self.in_owner(owner, start) == str(expected)

    def end_owner(self, owner: int, reason: str) -> None:
        if reason == "normal":
            axon.send(self.owners[owner], lambda: None)
        else:
            if self.world.owners[owner].traps and reason != "kill":
                return  # it would be a message to it
            axon.exit(self.owners[owner], SIGNALS[reason])
        self.world.end_owner(self.world.owners[owner], "killed" if reason == "kill" else reason)

    async def treat_task(self, treatment: Signal | ShutDown | Terminate, number: int) -> None:
        world, process = self.world, self.processes[number]
        (task,) = [each for each in world.tasks() if each.number == number]
        match treatment:
            case Signal(_, reason):
                axon.exit(process, SIGNALS[reason])
                world.signal(task, reason)
            case Terminate():
                if world.terminate_child(task):
                    await self.supervisor.terminate_child(process)
            case ShutDown(_, how):
                if number not in self.tasks or task.owner.reason is not None:
                    return
                expected: list[str] = []
                world.shut_down(task, how, expected.append)
                answer = await self.in_owner(task.owner.number, lambda: self.shut_down(number, how))
                world.advance(asyncio.get_running_loop().time() + A_MOMENT)
                if answer != "its owner ended":
                    assert [answer] == expected, (answer, expected, world.now)
            case _:
                raise AssertionError(treatment)

    async def shut_down(self, number: int, how: Any) -> str:
        outcome = await self.tasks[number].shutdown(how)
        if isinstance(outcome, Exited):
            return f"Exited {outcome.reason!r}"
        return "Finished" if isinstance(outcome, Finished) else "None"

    # -- what is seen

    def letters(self, owner: int) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {number: [] for number in self.world.owners[owner].mail}
        for message in self.mail[owner]:
            if isinstance(message, TaskReply):
                assert message.value == "value"
                (number,) = [number for number, task in self.tasks.items() if task is message.task]
                found[number].append("TaskReply")
            else:
                assert isinstance(message, Exit | Down)
                sender = message.sender if isinstance(message, Exit) else message.process
                assert sender is not None
                found[self.numbers[sender.label]].append(f"{type(message).__name__} {message.reason!r}")
        return found

    async def compare(self) -> None:
        await asyncio.sleep(0.001)
        world = self.world
        world.advance(asyncio.get_running_loop().time() + A_MOMENT)
        running = axon.whereis("tasks")
        assert (running is not None) == (world.status != "dead")
        if world.status == "running":
            children = [self.numbers[process.label] for process in self.supervisor.children()]
            assert children == [task.number for task in world.children if task.reason is None]
        living = {number for number, process in self.processes.items() if process.reason is None}
        assert living == {task.number for task in world.tasks()}
        for number, owner in enumerate(self.owners):
            reason = world.owners[number].reason
            assert (None if owner.reason is None else repr(owner.reason)) == reason
            if reason is None:
                assert self.letters(number) == world.owners[number].mail
        assert self.runs == world.runs
        assert self.reports == world.reports

    async def clean_up(self) -> None:
        self.released = True
        for process in [*self.owners, *self.processes.values()]:
            axon.exit(process, axon.kill)
        if (running := axon.whereis("tasks")) is not None:
            axon.exit(running, axon.kill)
        await asyncio.sleep(2)
        for task in list(runtime().zombies.values()):
            task.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.sleep(1)


async def live(max_children: int | None, max_restarts: int, treatments: Sequence[Treatment]) -> None:
    world = World(max_children, max_restarts, 4.9137)
    real = Real(world)
    await real.start_supervisor()
    try:
        for treatment in treatments:
            note(f"{asyncio.get_running_loop().time():.3f} {treatment}")
            event(type(treatment).__name__)
            await real.treat(treatment)
            await real.compare()
        await real.treat(Supervise("stop"))
        await real.compare()
    finally:
        await real.clean_up()
    event(f"{len(real.tasks)} tasks awaited")


@pytest.fixture(autouse=True, scope="module")
def _no_log() -> Iterator[None]:
    """Thousands of crashes, each with its traceback, would take longer than the tests."""
    logger = logging.getLogger("axon")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


SLOW = Plan("slow", 0.0, "async_", "temporary", 5.019)
OWNER_CRASHES_MEANWHILE = [
    Begin(1, SLOW),
    Begin(0, replace(SLOW, kind="finishes")),
    Begin(0, replace(SLOW, kind="crashes", seconds=0.371)),
    ShutDown(0, 2.207),
    Wait(2.411),
    Wait(2.411),
]
"""An owner that shuts a task down dies with another one, and does not see to it that the first is gone in time."""


@pytest.mark.slow
@settings(settings.get_profile("task"))
@example(max_children=None, max_restarts=10, treatments=OWNER_CRASHES_MEANWHILE)
@given(
    max_children=st.sampled_from([None, None, 3]),
    max_restarts=st.sampled_from([10, 3, 1]),
    treatments=st.lists(TREATMENTS, min_size=4, max_size=16),
)
def test_tasks_and_their_supervisor_do_what_the_rules_say(
    max_children: int | None, max_restarts: int, treatments: list[Treatment]
) -> None:
    with asyncio.Runner(loop_factory=virtual_clock) as runner:
        runner.run(live(max_children, max_restarts, treatments))
