"""How a turn sees what its run does, through a capability given to that run alone: the user's agent stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic_ai import AgentModelSettings, AgentRunResult, ModelSettings, RunContext, ToolDefinition
from pydantic_ai.capabilities import AbstractCapability, ValidatedToolArgs, WrapRunHandler, WrapToolExecuteHandler
from pydantic_ai.messages import ToolCallPart

from ._errors import ExitRefused


@dataclass(kw_only=True)
class Watch(AbstractCapability[Any]):
    """Notes which tools run, and limits model requests that have no limit of their own.

    It overrides no hook on events: these would switch every model request to streaming.
    """

    tools: dict[str, tuple[str, float]]
    clock: Callable[[], float]
    on_idle: Callable[[], None]
    request_timeout: float | None

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: ValidatedToolArgs,
        handler: WrapToolExecuteHandler,
    ) -> Any:
        """Keep the call in `tools` for as long as it runs."""
        self.tools[call.tool_call_id] = (call.tool_name, self.clock())
        try:
            return await handler(args)
        except SystemExit as error:  # in a task of pydantic-ai's it would end the event loop (rule Z7)
            raise ExitRefused(f"the tool {call.tool_name!r}", error) from error
        finally:
            self.tools.pop(call.tool_call_id, None)
            if not self.tools:
                self.on_idle()

    async def wrap_run(self, ctx: RunContext[Any], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """The run has a task of its own in pydantic-ai."""
        try:
            return await handler()
        except SystemExit as error:
            raise ExitRefused("the run", error) from error

    def get_model_settings(self) -> AgentModelSettings[Any] | None:
        """The default limit of a model request: the settings of the agent, its model and the server come first."""
        return None if self.request_timeout is None else self._limit

    def _limit(self, ctx: RunContext[Any]) -> ModelSettings:
        if self.request_timeout is None or "request_timeout" in (ctx.model_settings or {}):
            return ModelSettings()
        return ModelSettings(request_timeout=self.request_timeout)
