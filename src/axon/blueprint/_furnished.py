"""An agent that somebody else wrote, with more instructions, more tools and another output; itself it stays as it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import AgentRun
from pydantic_ai.agent import AbstractAgent, WrapperAgent
from pydantic_ai.toolsets import AbstractToolset


class Furnished(WrapperAgent[Any, Any]):
    """Runs the agent with what was added; what is None is as the agent has it."""

    def __init__(
        self,
        wrapped: AbstractAgent[Any, Any],
        *,
        instructions: Any,
        output_type: Any,
        toolsets: Sequence[AbstractToolset[Any]] | None,
    ) -> None:
        super().__init__(wrapped)
        added = {"instructions": instructions, "output_type": output_type, "toolsets": toolsets}
        self._added = {name: value for name, value in added.items() if value is not None}

    @property
    def output_type(self) -> Any:
        """What its runs give."""
        return self._added.get("output_type", self.wrapped.output_type)

    @asynccontextmanager
    async def iter(self, user_prompt: Any = None, **options: Any) -> AsyncGenerator[AgentRun[Any, Any], None]:
        """Every way to run an agent goes through this one."""
        async with self.wrapped.iter(user_prompt, **self._added, **options) as run:
            yield run
