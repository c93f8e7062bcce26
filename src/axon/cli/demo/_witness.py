"""A server that watches the agents and keeps what the runtime says about their ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import axon
from axon import Down, GenServer, Monitor, call, cast

LOOK_AGAIN = 0.01
"""Seconds until the witness looks whether a restarted agent is back."""


@dataclass
class Log:
    """What was seen: each `Down` as (agent, reason)."""

    downs: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    watched: dict[Monitor, tuple[str, GenServer[Any]]] = field(default_factory=dict[Monitor, Any])


@dataclass(frozen=True)
class _Again:
    name: str
    agent: GenServer[Any]


class Witness(GenServer[Log]):
    """Monitors agents over their restarts."""

    def init(self) -> Log:
        """Nothing seen yet."""
        return Log()

    @cast
    def watch(self, state: Log, name: str, agent: GenServer[Any]) -> None:
        """Note every end of this agent from now on."""
        if axon.whereis(agent) is None:
            axon.send_after(LOOK_AGAIN, self, _Again(name, agent))
        else:
            state.watched[axon.monitor(agent)] = (name, agent)

    @call
    def downs(self, state: Log) -> list[tuple[str, str]]:
        """Every end so far: (agent, reason)."""
        return list(state.downs)

    def handle_info(self, state: Log, message: object) -> None:
        """A `Down` is noted, and the agent watched again when it is back."""
        match message:
            case Down(monitor, _, reason):
                name, agent = state.watched.pop(monitor)
                state.downs.append((name, repr(reason)))
                self.watch(name, agent)
            case _Again(name, agent):
                self.watch(name, agent)
            case _:
                pass
