"""A server and an agent that say which version of a package they have. As a program, one of them is here and one there:

python port_versions.py LINKS BASE UV
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import axon
from axon import GenServer, Supervisor, call, child
from axon.agent import AgentServer
from axon.env import PythonEnvManager
from axon.port import isolated


def facts() -> dict[str, str | int]:
    pear = importlib.import_module("pear")
    found = {"pear": pear.__version__, "pear_at": str(pear.__file__), "axon_at": str(axon.__file__)}
    return {**found, "process": os.getpid(), "prefix": sys.prefix}


class Versed(GenServer[None]):
    def init(self) -> None: ...

    @call
    def facts(self, state: None) -> dict[str, str | int]:
        return facts()

    @call
    def path(self, state: None) -> list[str]:
        return sys.path

    @call
    def die(self, state: None) -> None:
        os._exit(1)


def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """It asks its tool, and passes on what that says."""
    last = messages[-1].parts[-1]
    if last.part_kind == "tool-return":
        return ModelResponse(parts=[TextPart(json.dumps(last.content))])
    return ModelResponse(parts=[ToolCallPart("which", {})])


agent = Agent(FunctionModel(think), name="versed")
agent.tool_plain(name="which")(facts)


async def main(links: str, base: str, uv: str) -> None:
    env = PythonEnvManager(["pear==2.0"], base=base, find_links=[links], no_index=True, uv=uv)
    there = isolated(AgentServer(agent, name="there"), env=env)
    async with Supervisor([child(AgentServer(agent, name="here"), id="here"), child(there, id="there")]) as sup:
        both = [sup.get(AgentServer[None, str], id) for id in ("here", "there")]
        results = await asyncio.gather(*(each.run("Which pear do you have?") for each in both))
        print(json.dumps([json.loads(result.output) for result in results]))


if __name__ == "__main__":
    for argument in sys.argv[1:3]:
        assert Path(argument).is_dir()
    asyncio.run(main(*sys.argv[1:]))
