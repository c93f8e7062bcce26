"""The rules Z1 to Z11: what asyncio cannot give, and what Axon promises instead, each shown with the real fault."""

from __future__ import annotations

import ast
import asyncio
import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import axon
from axon import Down, ExitReason, GenServer, ServerDied, Supervisor, call, cast, child
from axon.process import KILL_GRACE, receive, runtime, spawn

SRC = Path(__file__).resolve().parents[2] / "src" / "axon"


@dataclass
class Notes:
    """What happened in a server, seen from outside."""

    seen: list[str] = field(default_factory=list[str])
    release: asyncio.Event = field(default_factory=asyncio.Event)


class Patient(GenServer[Notes]):
    """A server on which the faults are tried."""

    notes: Notes
    trap_exit = True

    def init(self) -> Notes:
        self.notes.seen.append("init")
        return self.notes

    @call
    def ping(self, state: Notes) -> str:
        return "pong"

    @call(timeout=None)
    async def hold_out(self, state: Notes) -> None:
        """Swallow every cancellation until it is released."""
        while not state.release.is_set():
            try:
                await state.release.wait()
            except asyncio.CancelledError:
                state.seen.append("cancelled")

    @call(timeout=None)
    async def clean_up(self, state: Notes) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            state.seen.append("finally")

    @call
    async def stray(self, state: Notes) -> None:
        """A library awaits a future that somebody else has cancelled."""
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        broken.cancel()
        await broken

    @cast
    def leave(self, state: Notes) -> None:
        raise SystemExit(3)

    def terminate(self, state: Notes, reason: ExitReason) -> None:
        state.seen.append(f"terminate {reason!r}")


class Untrapping(Patient):
    trap_exit = False


@pytest.mark.real_clock
@pytest.mark.slow
async def test_z1_without_preemption_a_blocking_handler_delays_everybody_and_timers_fire_at_the_next_turn() -> None:
    """A callback that never awaits stalls the loop; what was due meanwhile comes at the first turn after it."""

    class Blocks(GenServer[None]):
        def init(self) -> None:
            return None

        @cast
        def block(self, state: None) -> None:
            until = time.monotonic() + 0.3
            while time.monotonic() < until:  # the fault itself
                pass

    blocks, patient = await axon.start(Blocks()), await axon.start(Patient(Notes()))
    inbox: list[float] = []

    async def listen() -> None:
        await receive()
        inbox.append(asyncio.get_running_loop().time())

    listener = spawn(listen)
    began = asyncio.get_running_loop().time()
    axon.send_after(0.05, listener, "due")
    blocks.block()
    await axon.wait_down(listener)
    assert 0.3 <= inbox[0] - began < 2
    assert await patient.ping() == "pong"
    for server in (blocks, patient):
        await axon.stop(server)


async def test_z2_kill_is_a_request_and_after_a_bounded_grace_a_declaration() -> None:
    """A handler that swallows every cancellation is declared dead, once, and listed until its task comes home."""
    notes = Notes()
    patient = await axon.start(Patient(notes))
    asking = asyncio.create_task(patient.hold_out())
    await asyncio.sleep(0.01)
    began = asyncio.get_running_loop().time()
    axon.exit(patient, axon.kill)
    assert (await axon.wait_down(patient)).reason == axon.killed
    assert asyncio.get_running_loop().time() - began == pytest.approx(KILL_GRACE)
    assert notes.seen.count("cancelled") > 5
    assert [process.reason for process in runtime().zombies] == [axon.killed]
    with pytest.raises(ServerDied):
        await asking
    notes.release.set()
    await asyncio.sleep(0.01)
    assert not runtime().zombies


async def test_z3_an_untrapped_exit_runs_pythons_cleanup_but_not_terminate() -> None:
    """The suspended handler unwinds its `finally`; no `terminate` follows."""
    notes = Notes()
    patient = await axon.start(Untrapping(notes))
    asking = asyncio.create_task(patient.clean_up())
    await asyncio.sleep(0.01)
    axon.exit(patient, axon.shutdown)
    with pytest.raises(ServerDied) as died:
        await asking
    assert died.value.reason == axon.shutdown
    assert notes.seen == ["init", "finally"]


async def test_z4_a_process_killed_before_its_first_step_is_dead_for_everybody() -> None:
    """Its body never runs, and yet its death is told."""
    ran: list[str] = []

    async def body() -> None:
        ran.append("ran")

    process = spawn(body)
    axon.exit(process, axon.kill)
    assert axon.whereis(process) is None
    assert process.reason == axon.killed
    await asyncio.sleep(0)
    assert ran == []


async def test_z4_also_when_somebody_cancels_its_task() -> None:
    async def body() -> None:
        raise AssertionError("never runs")

    process = spawn(body)
    assert process.task is not None
    process.task.cancel()
    assert isinstance((await axon.wait_down(process)).reason, asyncio.CancelledError)


async def test_z5_a_cancelled_error_of_a_librarys_own_is_a_crash() -> None:
    """A transient child is restarted after it, as after any failure."""
    notes = Notes()
    async with Supervisor([child(Patient(notes), restart="transient")]) as supervisor:
        patient = supervisor.get(Patient)
        with pytest.raises(ServerDied) as died:
            await patient.stray()
        assert isinstance(died.value.reason, asyncio.CancelledError)
        await asyncio.sleep(0.01)
        assert await patient.ping() == "pong"
    assert notes.seen.count("init") == 2


async def test_z6_a_cancel_is_not_lost_when_it_meets_an_answer() -> None:
    """The answer and the cancel come in one turn: the caller is cancelled, which `wait_for` of 3.11 forgets."""
    reply: axon.Reply[str] = axon.Reply()

    class Asked(GenServer[None]):
        def init(self) -> None:
            return None

        @call
        def ask(self, state: None) -> asyncio.Future[str]:
            return reply

    asked = await axon.start(Asked())
    asking = asyncio.create_task(asked.ask())
    await asyncio.sleep(0.01)
    reply.set_result("now")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await axon.stop(asked)


def test_z6_wait_for_is_nowhere_in_the_runtime() -> None:
    suspects = [text for file in SRC.rglob("*.py") if "wait_for" in (text := file.read_text())]
    nodes = [node for text in suspects for node in ast.walk(ast.parse(text))]
    names = {getattr(node, key, "") for node in nodes for key in ("attr", "id", "name")}
    assert "wait_for" not in names


async def test_z7_system_exit_is_the_exit_reason_and_the_loop_goes_on() -> None:
    patient = await axon.start(Patient(Notes()))
    patient.leave()
    reason = (await axon.wait_down(patient)).reason
    assert isinstance(reason, SystemExit)
    assert reason.code == 3

    async def body() -> None:
        raise SystemExit(4)

    assert isinstance((await axon.wait_down(spawn(body))).reason, SystemExit)


async def test_z7_a_keyboard_interrupt_in_a_process_stops_the_programs_of_the_loop_in_order() -> None:
    notes = Notes()

    async def body() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with Supervisor([Patient(notes)]):
            spawn(body)
            await asyncio.Event().wait()
    assert notes.seen == ["init", "terminate shutdown"]


@pytest.mark.real_clock
async def test_z8_a_thread_outlives_the_process_that_started_it() -> None:
    """The process is gone at once; the thread does its work to the end."""
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        go.wait(5)
        done.set()

    async def body() -> None:
        await asyncio.to_thread(work)

    process = spawn(body)
    await asyncio.sleep(0.01)
    axon.exit(process, axon.shutdown)
    assert (await axon.wait_down(process)).reason == axon.shutdown
    assert not done.is_set()
    go.set()
    assert await asyncio.to_thread(done.wait, 5)


async def test_z9_a_restart_builds_its_state_from_init_alone() -> None:
    """What the crash left half-written in the state is gone with it."""

    class Account(GenServer[dict[str, int]]):
        def init(self) -> dict[str, int]:
            return {"a": 10, "b": 0}

        @call
        def transfer(self, state: dict[str, int]) -> None:
            state["a"] -= 5
            raise OSError("power cut")

        @call
        def total(self, state: dict[str, int]) -> int:
            return sum(state.values())

    async with Supervisor([Account()]) as bank:
        account = bank.get(Account)
        with pytest.raises(ServerDied):
            await account.transfer()
        await asyncio.sleep(0.01)
        assert await account.total() == 10


async def test_z10_the_fields_of_a_spec_are_shared_by_its_incarnations() -> None:
    """A mutable field is one object for all of them; a mutable default is refused, as in any dataclass."""
    notes = Notes()
    async with Supervisor([Patient(notes)]) as supervisor:
        patient = supervisor.get(Patient)
        for _ in range(2):
            axon.exit(patient, axon.kill)
            await asyncio.sleep(0.01)
            assert await patient.ping() == "pong"
    assert notes.seen.count("init") == 3
    with pytest.raises(ValueError, match="mutable default"):
        type("Careless", (GenServer,), {"__annotations__": {"kept": list[int]}, "kept": []})


async def test_z11_nobody_sees_a_dead_process_alive() -> None:
    """Whoever gets the `Down` finds the name free, and the address empty."""
    found: list[object] = []
    patient = await axon.start(Patient(Notes()), name="patient")

    async def watch() -> None:
        monitor = axon.monitor(patient)
        message = await receive()
        assert isinstance(message, Down)
        found.extend([message.monitor is monitor, axon.whereis("patient"), axon.whereis(patient)])

    watcher = spawn(watch)
    await asyncio.sleep(0)
    axon.exit(patient, axon.kill)
    assert (axon.whereis("patient"), axon.whereis(patient)) == (None, None)
    await axon.wait_down(watcher)
    assert found == [True, None, None]


async def test_z_a_deadline_does_not_leak_into_what_is_started_under_it() -> None:
    """It bounds the requests of its block, and not for ever those of a server that happened to start in it."""

    class Starts(GenServer[axon.Process]):
        patient: Patient

        def init(self) -> axon.Process:
            return spawn(self.work)

        async def work(self) -> None:
            await asyncio.sleep(60)
            answers.append(await self.patient.ping())

        async def handle_info(self, state: axon.Process, message: object) -> None:
            answers.append(await self.patient.ping())

    answers: list[str] = []
    patient = await axon.start(Patient(Notes()))
    async with axon.deadline(1):
        starts = await axon.start(Starts(patient))
        worker = await axon.get_state(starts)
        axon.send_after(30, starts, "later")
    assert isinstance(worker, axon.Process)
    await axon.wait_down(worker)
    assert answers == ["pong", "pong"]
    for server in (starts, patient):
        await axon.stop(server)


seen_by = ContextVar("seen_by", default="nobody")


async def test_z_context_variables_of_a_starter_do_not_leak_into_what_it_starts() -> None:
    """Deadlines of others travel in context variables, pydantic-ai's among them."""
    read: list[str] = []

    async def body() -> None:
        read.append(seen_by.get())

    token = seen_by.set("the starter")
    await axon.wait_down(spawn(body))
    seen_by.reset(token)
    assert read == ["nobody"]
