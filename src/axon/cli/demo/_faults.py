"""Faults on purpose: what is done to the agents while they work, and a record of what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import axon
from axon import GenServer

Kind: TypeAlias = Literal["tool raises", "agent is killed", "agent hangs"]

HANG_SECONDS = 1.5
"""The deadline of an attempt in which the agent is made to hang, in seconds."""


class ToolBroken(RuntimeError):
    """What a sabotaged tool raises: a defect nobody foresaw, as far as the agent can tell."""


@dataclass
class Fault:
    """One fault: it strikes the given attempt at a question, when the agent's first tool starts."""

    kind: Kind
    question: int
    attempt: int
    agent: str | None = None
    asker_saw: str | None = None

    def hook(self, agent: GenServer[Any], name: str) -> Callable[[str], Awaitable[None]]:
        """What the agent's tools await when they start."""

        async def strike(tool: str) -> None:
            if self.agent is not None:
                return
            self.agent = name
            if self.kind == "tool raises":
                raise ToolBroken(f"{tool}: the disk is on fire")
            if self.kind == "agent is killed":
                axon.exit(agent, axon.kill)
            await asyncio.Event().wait()

        return strike


@dataclass
class Faults:
    """The plan: every kind strikes once, spread over the questions and, if these are few, over their attempts."""

    questions: int
    enabled: bool
    planned: list[Fault] = field(default_factory=list[Fault])

    def __post_init__(self) -> None:
        if self.enabled:
            self.planned = [
                Fault(kind, number % self.questions, number // self.questions + 1)
                for number, kind in enumerate(get_args(Kind))
            ]

    def due(self, question: int, attempt: int) -> Fault | None:
        """The fault that strikes this attempt, if one does."""
        return next((f for f in self.planned if (f.question, f.attempt) == (question, attempt)), None)

    @property
    def struck(self) -> list[Fault]:
        """Those that have happened."""
        return [fault for fault in self.planned if fault.agent is not None]
