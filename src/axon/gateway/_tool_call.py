"""A tool of an agent, called by hand."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai import exceptions as raised
from pydantic_ai.models import infer_model
from pydantic_ai.toolsets import CombinedToolset
from pydantic_ai.usage import RunUsage

from ..agent import AgentServer
from ..errors import InvalidOption
from ._errors import ToolFailed


async def call_tool(server: AgentServer[Any, Any], name: str, args: dict[str, Any]) -> Any:
    """What the tool returns, outside any conversation. Its arguments are held to its schema, its time to `tool_timeout`.

    Raises `InvalidOption`, `ToolFailed`, pydantic's `ValidationError`, and what the tool raises.
    """
    model = server.model or server.agent.model
    if model is None:
        raise InvalidOption("model", None, "given, or chosen by the agent")
    tools: CombinedToolset[Any] = CombinedToolset(server.agent.toolsets)
    context = RunContext[Any](deps=server.deps, model=infer_model(model), usage=RunUsage())
    async with tools, asyncio.timeout(server.tool_timeout):
        known = await tools.get_tools(context)
        tool = known.get(name)
        if tool is None:
            raise InvalidOption("tool_name", name, f"a tool of the agent ({', '.join(sorted(known)) or 'it has none'})")
        if tool.tool_def.kind != "function":
            raise ToolFailed(name, "it needs a decision, so that a run alone can call it")
        try:
            return await tools.call_tool(name, tool.args_validator.validate_python(args), context, tool)
        except (raised.ModelRetry, raised.ToolFailed) as error:
            raise ToolFailed(name, str(error)) from error
        except (raised.ApprovalRequired, raised.CallDeferred) as error:
            raise ToolFailed(name, "it needs a decision, so that a run alone can call it") from error
