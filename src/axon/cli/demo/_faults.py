"""Faults on purpose: what is done to the agents, and to the provider of their model, while they work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, TypeAlias, get_args

import axon
from axon.agent import idempotency_key

from ._effects import Effects
from ._provider import Provider
from ._session import Pen, Struck

Kind: TypeAlias = Literal["tool raises", "agent is killed", "agent hangs", "provider is overloaded"]

HANG_SECONDS = 1.5
"""Seconds a tool may take while agents are made to hang, and a little more in large folders."""


class ToolBroken(RuntimeError):
    """What a sabotaged tool raises: a defect nobody foresaw, as far as the agent can tell."""


class Faults:
    """Every kind strikes once, spread over the questions, when a tool of that question's agent has done its work.

    asking: which question each agent has, kept up to date by the desk.
    """

    def __init__(self, pen: Pen, effects: Effects, asking: Mapping[str, int], provider: Provider) -> None:
        self._pen = pen
        self._effects = effects
        self._asking = asking
        self._provider = provider
        began = pen.session.began
        assert began is not None, "the demo has begun"
        self._planned: list[tuple[Kind, int]] = (
            [(kind, number % len(began.questions)) for number, kind in enumerate(get_args(Kind))]
            if began.faults
            else []
        )

    @property
    def struck(self) -> list[Struck]:
        """Those that have happened, in this process or an earlier one."""
        return self._pen.session.struck

    def hook(self, name: str, agent: str) -> Callable[[str], Awaitable[None]]:
        """What the tools of the agent `name` await, which is registered as `agent`."""

        async def begin(tool: str) -> None:
            await self._effects.make(idempotency_key(), tool)
            kind = self._due(self._asking[name])
            if kind is not None:
                await self._pen.note(Struck(fault=kind, question=self._asking[name], agent=name))
                await self._strike(kind, tool, agent)

        return begin

    def _due(self, question: int) -> Kind | None:
        struck = {fault.fault for fault in self.struck}
        return next((kind for kind, number in self._planned if number == question and kind not in struck), None)

    async def _strike(self, kind: Kind, tool: str, agent: str) -> None:
        if kind == "provider is overloaded":
            self._provider.is_overloaded()
            return
        if kind == "tool raises":
            raise ToolBroken(f"{tool}: the disk is on fire")
        if kind == "agent is killed":
            axon.exit(agent, axon.kill)
        await asyncio.Event().wait()
