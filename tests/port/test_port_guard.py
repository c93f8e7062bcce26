"""The guard is not to be blocked, deceived or outrun, and ends nobody who is not its own."""

from __future__ import annotations

import array
import asyncio
import errno
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from port_daemons import COMET, SPRING, Breeder, open_files
from port_marks import descriptors, is_alive, marked
from port_servers import Counter

import axon
from axon import Supervisor
from axon.port import _guard, isolated
from axon.port._proc import MARK, all_pids, is_lost, mark_of, others, pid_space, send_if
from axon.port._spawner import PROGRAM, Spawner
from axon.process import runtime

pytestmark = [pytest.mark.real_clock, pytest.mark.slow, pytest.mark.kill]

BLIND = f"""
import sys, types
port = sys.modules["port"] = types.ModuleType("port")
port.__path__ = [{str(PROGRAM.parent)!r}]
from port import _guard, _proc
def read(path):
    raise PermissionError(13, "Permission denied")
_proc.read = read
_guard.main()
"""
"""A guard that cannot read /proc."""


class Guarded:
    """A guard as its runtime has it, without the runtime."""

    def __init__(self, *program: str) -> None:
        self.socket, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-S", *program, str(os.getpid())]
        self.process = subprocess.Popen(command, stdin=theirs.fileno())
        theirs.close()
        self._data = b""
        self._null = os.open(os.devnull, os.O_RDWR)

    def order(self, number: int, *argv: str) -> None:
        self._send(
            {
                "number": number,
                "argv": argv,
                "env": {MARK: f"0-0-x.{number}"},
                "limits": {},
                "cwd": None,
                "descriptors": 4,
            },
            4,
        )

    def signal(self, number: int, which: signal.Signals) -> None:
        self._send({"number": number, "signal": int(which)}, 0)

    def _send(self, order: dict[str, object], descriptors: int) -> None:
        body = json.dumps(order).encode()
        fds = array.array("i", [self._null] * descriptors)
        attached = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if descriptors else []
        self.socket.sendmsg([struct.pack("!I", len(body)) + body], attached)

    def hear(self) -> dict[str, Any]:
        while len(self._data) < 4 or len(self._data) < 4 + struct.unpack_from("!I", self._data)[0]:
            data, fds, _, _ = socket.recv_fds(self.socket, 65536, 64)
            assert data
            self._data += data
            for fd in fds:
                os.close(fd)
        (length,) = struct.unpack_from("!I", self._data)
        message, self._data = json.loads(self._data[4 : 4 + length]), self._data[4 + length :]
        return dict(message)

    def close(self) -> None:
        self.socket.close()
        os.close(self._null)
        assert self.process.wait(6) == 0


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    guard = Guarded(str(PROGRAM))
    yield guard
    guard.close()


def test_a_runtime_that_stands_still_holds_no_guard_up(guarded: Guarded) -> None:
    """What it does not read waits with the guard, which goes on starting and ending children."""
    for number in range(500):
        guarded.order(number, "/bin/true")
    heard = [guarded.hear() for _ in range(1000)]
    assert sorted(message["exited"] for message in heard if "exited" in message) == list(range(500))
    assert {message["status"] for message in heard if "exited" in message} == {0}


def test_a_signal_for_a_child_that_has_ended_reaches_nobody(guarded: Guarded) -> None:
    """Its id may be another's by then: the guard knows, since it is the one that takes note of its end."""
    guarded.order(1, "/bin/true")
    assert [next(iter(guarded.hear())), next(iter(guarded.hear()))] == ["spawned", "exited"]
    guarded.signal(1, signal.SIGKILL)
    guarded.order(2, "/bin/sleep", "20")
    assert guarded.hear()["spawned"] == 2
    guarded.signal(2, signal.SIGTERM)
    assert guarded.hear()["status"] == -signal.SIGTERM


def test_a_guard_that_cannot_read_proc_ends_children_with_their_groups() -> None:
    """Whoever is in a group of his own cannot be found there."""
    guard = Guarded("-c", BLIND)
    guard.order(1, "/bin/sh", "-c", "trap '' TERM; sleep 20 & sleep 20 & exit 3")
    child = guard.hear()["pid"]
    assert guard.hear()["status"] == 3
    due = time.monotonic() + 2
    while any(group_of(pid) == child for pid in all_pids()):
        assert time.monotonic() < due
        time.sleep(0.01)
    guard.close()


def group_of(pid: int) -> int:
    try:
        return os.getpgid(pid) if is_alive(pid) else 0
    except ProcessLookupError:
        return 0


def test_a_program_that_does_not_begin_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder may be on a disk that does not answer."""
    monkeypatch.setattr(_guard, "BEGIN", 0.05)
    read, write = os.pipe()
    assert _guard._said(read) == "it did not begin within 0.05 s"
    os.close(write)


def test_a_start_for_which_there_is_no_process_keeps_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "too many processes")

    monkeypatch.setattr(os, "fork", fork)
    before, guard = descriptors(), object.__new__(_guard.Guard)
    with pytest.raises(BlockingIOError):
        guard._start({"number": 1, "env": {MARK: "some"}}, [])
    assert descriptors() == before


async def test_what_the_program_has_open_for_others_reaches_neither_guard_nor_children() -> None:
    """Descriptors that are handed on when a program is started, such as the sockets of some libraries."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    os.set_inheritable(read, True)
    server = await axon.start(isolated(Breeder()))
    spawner = runtime().spawner
    assert isinstance(spawner, Spawner)
    assert f"pipe:[{os.fstat(write).st_ino}]" in open_files()
    assert f"pipe:[{os.fstat(write).st_ino}]" not in [*open_files(spawner._pid), *await server.open_files()]
    os.close(write)
    assert os.read(read, 1) == b""
    os.close(read)
    await axon.stop(server)


async def test_signals_that_the_program_does_not_take_are_taken_by_guard_and_children() -> None:
    """Threads of some programs leave all signals to another one; the guard waits for SIGCHLD."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])
    try:
        server = await axon.start(isolated(Breeder()))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert await server.blocked() == []
    began = time.monotonic()
    with pytest.raises(axon.ServerDied):
        await server.die()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("code", [COMET, SPRING], ids=["comet", "spring"])
async def test_who_makes_new_processes_all_the_time_is_ended_with_them(code: str) -> None:
    """Though each is gone, or has another one, when it is looked at."""
    before = await asyncio.to_thread(marked)  # children of other tests, such as their servers
    server = await axon.start(isolated(Breeder()))
    for _ in range(3):
        await server.breed(code=code)
    await asyncio.sleep(0.2)
    assert len(await asyncio.to_thread(marked) - before) > 2
    with pytest.raises(axon.ServerDied):
        await server.die()
    due = time.monotonic() + 5
    while left := await asyncio.to_thread(marked) - before:
        assert time.monotonic() < due, left
        await asyncio.sleep(0.02)


async def test_what_another_child_has_left_behind_stays_though_it_hides_whose_it_is() -> None:
    """It is older than the child that ends, so it is not one of its own."""
    first = await axon.start(isolated(Breeder()))
    daemon = await first.leave_daemon()
    await asyncio.sleep(0.05)
    second = await axon.start(isolated(Breeder()))
    its = await second.leave_daemon()
    with pytest.raises(axon.ServerDied):
        await second.die()
    assert (is_alive(daemon), is_alive(its)) == (True, False)
    with pytest.raises(axon.ServerDied):
        await first.die()
    assert not is_alive(daemon)


async def test_a_start_that_is_cancelled_at_any_point_confuses_no_guard() -> None:
    """An order that was begun is said to its end, however large it is."""
    large = {f"LARGE_{number}": "x" * 100_000 for number in range(12)}
    async with Supervisor([isolated(Counter())], max_restarts=0) as sup:
        counter = sup.get(Counter)
        for steps in range(10):
            starting = asyncio.create_task(axon.start(isolated(Counter(), environ=large)))
            for _ in range(steps):
                await asyncio.sleep(0)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
        assert await counter.increment() == 1
        other = await axon.start(isolated(Counter(), environ=large))
        assert await other.increment() == 1
        await axon.stop(other)


async def test_an_order_that_the_system_has_no_room_for_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for descriptors that are under way: there is a limit for those of all programs of a user."""
    tries = iter([OSError(errno.ETOOMANYREFS, "too many"), OSError(errno.ENOBUFS, "no buffers")])
    send = socket.send_fds

    def send_fds(*args: Any) -> int:
        error = next(tries, None)
        if error is not None:
            raise error
        return send(*args)

    monkeypatch.setattr(socket, "send_fds", send_fds)
    counter = await axon.start(isolated(Counter(), start_within=10))
    assert await counter.increment() == 1
    assert next(tries, None) is None
    await axon.stop(counter)


def found_lost(mark: str) -> bool:
    """Whether a process with this mark would be swept up. One that another guard of this machine is faster to sweep up
    says nothing, and another one is looked at.
    """
    while True:
        one = subprocess.Popen(["sleep", "20"], env={MARK: mark})
        while one.poll() is None and mark_of(one.pid) != mark:
            time.sleep(0.001)
        lost, was_there = is_lost(one.pid), mark_of(one.pid) == mark
        one.kill()
        one.wait()
        if was_there:
            return lost


def test_a_sweep_leaves_those_whose_guards_it_cannot_see() -> None:
    """A container has process ids of its own, among which the guard outside has none."""
    assert found_lost(f"1-2-ab.1@{pid_space()}")
    assert not found_lost("1-2-ab.1@4026000000")


def test_a_sweep_leaves_the_program_that_it_is_for() -> None:
    """Which may itself have been started by a child whose guard was killed."""
    one = subprocess.Popen(["sleep", "20"])
    assert one.pid in others()
    assert not {os.getpid(), os.getppid()} & set(others())
    one.kill()
    one.wait()


def test_a_signal_goes_to_who_is_meant_or_to_nobody() -> None:
    """Whoever has the number by then is looked at while he is held."""
    one = subprocess.Popen(["sleep", "20"])
    send_if(one.pid, signal.SIGKILL, lambda pid: False)
    assert one.poll() is None
    send_if(one.pid, signal.SIGKILL, is_alive)
    assert one.wait(5) == -signal.SIGKILL
    send_if(one.pid, signal.SIGKILL, lambda pid: True)
