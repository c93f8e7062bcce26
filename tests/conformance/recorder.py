"""The recorder of what happens in one tree, in the words of the recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from canon import Event
from reasons import show

import axon
from axon import GenServer, Process, Supervisor
from axon.telemetry import ProcessExited, ProcessIgnored, ProcessStarted, ProcessStartFailed, attach


@dataclass(frozen=True)
class Known:
    """One process of the tree; `handle` is its address."""

    path: str
    incarnation: int
    process: Process
    handle: GenServer[Any]


class Recorder:
    """What happens in one tree, as the recordings write it.

    Telemetry tells the path only; which incarnation it was, is known from those that entered `init`.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.attempts: Counter[str] = Counter()
        self.known: dict[Process, Known] = {}
        self.latest: dict[str, Known] = {}
        self._last_attempt: dict[str, Known] = {}
        self.answers: dict[int, str] = {}
        """OTP's answers to requests to start a child, by the identity of what was sent: Axon's do not tell an ignored
        start, and the askers may wake in any order.
        """
        self._ignored: set[Process] = set()
        self._up: dict[str, list[Known]] = {}

    def listen(self) -> Callable[[], None]:
        """Record from now on, until what is returned is called."""
        ends = (
            attach(self._started, ProcessStarted),
            attach(self._ignored_start, ProcessIgnored),
            attach(self._failed_start, ProcessStartFailed),
            attach(self._exited, ProcessExited),
        )

        def end() -> None:
            for detach in ends:
                detach()

        return end

    def enter(self, handle: GenServer[Any]) -> int:
        """A process entered its `init`; returns which attempt at its path this is."""
        process = axon.current()
        path = _in_tree(process.path)
        self.attempts[path] += 1
        entry = Known(path, self.attempts[path], process, handle)
        self.known[process] = self._last_attempt[path] = entry
        return entry.incarnation

    def exit_received(self, sender: Process | None, reason: axon.ExitReason) -> None:
        me = self.known[axon.current()]
        origin = "outside" if sender is None else self.known[sender].path
        self._add("exit_received", me, reason=show(reason), **{"from": origin})

    def start_answered(self, request: object, child: str) -> None:
        """The running supervisor is about to answer the request to start its child `child`."""
        entry = self._last_attempt[f"{self.known[axon.current()].path}/{child}"]
        self.answers[id(request)] = "{ok,undefined}" if entry.process in self._ignored else "{ok,pid}"

    def alive(self) -> list[Known]:
        return [entry for entry in self.known.values() if entry.process.reason is None]

    def _add(self, kind: str, entry: Known, **fields: Any) -> None:
        self.events.append({"event": kind, "path": entry.path, "incarnation": entry.incarnation, **fields})

    def _started(self, event: ProcessStarted) -> None:
        path = _in_tree(event.path)
        entry = self.latest[path] = self._last_attempt[path]
        self._up.setdefault(path, []).append(entry)
        self._add("started", entry)

    def _ignored_start(self, event: ProcessIgnored) -> None:
        entry = self._last_attempt[_in_tree(event.path)]
        self._ignored.add(entry.process)
        self._add("ignored", entry)

    def _failed_start(self, event: ProcessStartFailed) -> None:
        self._add("start_failed", self._last_attempt[_in_tree(event.path)], reason=show(event.reason))

    def _exited(self, event: ProcessExited) -> None:
        here = self._up.get(_in_tree(event.path), [])
        # A killed supervisor's children may still end when the new ones are up: the one that has just ended is meant.
        entry = next((known for known in here if known.process.reason is not None), None)
        if entry is None:
            return  # the driver's own exit, and processes of other trees
        here.remove(entry)
        if isinstance(entry.handle, Supervisor):
            self._add("supervisor_exit", entry, reason=show(event.reason))
        else:
            called = show(event.terminate_reason) if event.terminated else None
            fields = {"reason": show(event.reason), "terminate_called": event.terminated, "terminate_reason": called}
            self._add("terminated", entry, **fields)


def _in_tree(path: str) -> str:
    """The path below the driver, which is the parent of the root."""
    return path.partition("/")[2]
