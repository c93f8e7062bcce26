"""What a test of killed processes sees: lives one after the other, and what has happened in the world meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worlds import Moment, read_log

from axon.store import Journal, Store
from forge import Forge
from places import Durable

Event = list[Any]


@dataclass
class History:
    """The lives of one agent in one store, and the world around them."""

    forge: Forge
    place: Durable
    log: Path
    scenario: str = "turn"
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def begins(self, at: str = "", when: Moment = "before", **life: Any) -> int:
        """Start a process that is to be killed there; returns its id."""
        named = {"store": self.place.code, "log": str(self.log), "scenario": self.scenario, "options": self.options}
        return self.forge.start({**named, "at": at, "when": when, **life})

    def lives(self, at: str = "", when: Moment = "before", **life: Any) -> int:
        """Have a process live to its end, and say how that was."""
        return self.forge.wait(self.begins(at, when, **life))

    def is_killed_after(self, events: int, seconds: float, **life: Any) -> None:
        """Have a process killed from outside, so long after so many more events, unless it has ended by then."""
        bell = self.log.with_suffix(".bell")
        os.mkfifo(bell)
        process = self.begins(bell=str(bell), **life)
        with bell.open("rb", buffering=0) as rings:
            while events > 0 and (rung := rings.read(events)):
                events -= len(rung)
            time.sleep(seconds)  # the instant between two events is what the test draws
            os.kill(process, signal.SIGKILL)  # it waits for the forge if it has ended already
            assert self.forge.wait(process) in {0, -signal.SIGKILL}
        bell.unlink()

    def dies(self, at: str, when: Moment = "before", **life: Any) -> None:
        """Have a process killed there."""
        assert self.lives(at, when, **life) == -signal.SIGKILL, self.last

    def ends_well(self, **life: Any) -> Event:
        """Have a process live to its end; returns what came of it."""
        assert self.lives(**life) == 0, self.last
        assert self.last[0] == "outcome"
        return self.last

    def goes_on_in_a_port(self, *strikes: tuple[str, Moment], **life: Any) -> Event:
        """Have an agent live in processes of its own which are killed there one after the other, while the program that
        asks it lives to its end; returns what came of it.
        """
        (at, when), *then = strikes or (("", "before"),)
        return self.ends_well(**{"port": "forked", "at": at, "when": when, "then": then, **life})

    @property
    def deaths(self) -> int:
        return sum(event[0] == "killed" for event in self.events)

    @property
    def events(self) -> list[Event]:
        return read_log(str(self.log))

    @property
    def last(self) -> Event:
        return (self.events or [["nothing"]])[-1]

    @property
    def outcome(self) -> dict[str, Any]:
        """What the last process that ended well had; all others had the same."""
        outcomes: list[dict[str, Any]] = [event[1] for event in self.events if event[0] == "outcome"]
        assert all(outcome == outcomes[0] for outcome in outcomes)
        return outcomes[0]

    def journal(self) -> Journal:
        return read(self.place.store())


def read(store: Store) -> Journal:
    async def reading() -> Journal:
        try:
            journal = await store.read("survivor")
        finally:
            await store.close()
        assert journal is not None
        return journal

    return asyncio.run(reading())


@dataclass
class Ledger:
    """What may not happen any more, and what nobody can know, as the events say."""

    answered: int = 0
    ended: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    done: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    in_flight: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    unknown: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def take(self, event: Event) -> None:
        match event:
            case ["request", place]:
                assert place >= self.answered, f"the model was asked again for answer {place}"
            case ["effect", name, key]:
                turn, call = key.split("/")[1], key.rsplit("/", 1)[1]
                assert (turn, call) not in self.ended, f"{name} had ended and was run again"
                assert name == "look" or (turn, call) not in self.done, f"{name} is not idempotent and was run again"
                self.done.add((turn, call))
            case ["kept", "response", *_]:
                self.answered += 1
            case ["kept", "reset", *_]:
                self.answered = 0
            case ["kept", "tool_intended", turn, call]:
                self.in_flight.add((turn, call))
            case ["kept", "tool_deferred", turn, call]:
                self.in_flight.discard((turn, call))
            case ["kept", "tool_done" | "tool_failed" | "tool_unknown", turn, call]:
                self.in_flight.discard((turn, call))
                self.ended.add((turn, call))
            case ["killed" | "full" | "taken over", *_]:
                self.unknown |= {(turn, call) for turn, call in self.in_flight if not call.endswith("-look")}
            case _:
                pass


def nothing_is_done_twice(history: History) -> Ledger:
    """No model request that was kept, no tool call whose end was kept, and no other tool that is not idempotent; and the
    journal has all that was acknowledged.
    """
    ledger = Ledger()
    for event in history.events:
        ledger.take(event)
    kept = [(kind, turn) for what, kind, turn, _ in filter(is_kept, history.events) if what]
    assert kept == [(entry.record.kind, turn_of(entry.record.body)) for entry in history.journal().entries]
    for turn in {turn for kind, turn in kept if kind == "accepted"}:
        assert kept.count(("accepted", turn)) == 1, "a message is taken once"
        assert kept.count(("committed", turn)) + kept.count(("ended", turn)) == 1, "and answered once"
    return ledger


def is_kept(event: Event) -> bool:
    return bool(event[0] == "kept")


def turn_of(body: bytes) -> str:
    turn: str = json.loads(body)["turn"]
    return turn


def told_unknown(conversation: Iterable[dict[str, Any]]) -> set[str]:
    """The calls of which the model was told that nobody knows their effect."""
    return {
        part["tool_call_id"]
        for message in conversation
        for part in message["parts"]
        if part["part_kind"] == "tool-return" and "may or may not" in str(part["content"])
    }


def without(calls: set[str], conversation: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation without what these calls returned."""
    return [
        {**message, "parts": [part for part in message["parts"] if not _is_of(calls, part)]} for message in conversation
    ]


def _is_of(calls: set[str], part: dict[str, Any]) -> bool:
    if part["part_kind"] == "tool-return":
        return part["tool_call_id"] in calls
    return part.get("content") == "an attachment" and any(call.endswith("-attach") for call in calls)
