"""The ready agents in agents/: each runs as a program without a key, and with any model."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from agent_parts import prompts_of
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart
from ready_agents import AGENTS, ready

import axon
from axon.agent import AgentServer, helpers_usage
from axon.budget import Budget, Limits
from axon.store import MemoryStore
from axon.testing.models import CallTool, Say, ScriptedModel

research: Any = ready("research_agent")
newsroom: Any = ready("newsroom")


@pytest.mark.real_clock
@pytest.mark.slow
@pytest.mark.parametrize("name", ["research_agent", "newsroom"])
def test_it_runs_as_a_program_without_a_key(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("a lighthouse\n")
    done = subprocess.run(
        [sys.executable, "-W", "error", AGENTS / f"{name}.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


def returned(messages: list[ModelMessage]) -> list[Any]:
    parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    return [part.content for part in parts if isinstance(part, ToolReturnPart)]


async def test_the_researcher_searches_several_times_and_names_its_sources() -> None:
    async def search(query: str) -> list[Any]:
        return [research.Passage(source=f"{query} {n}", text="…") for n in range(9) if query != "nothing"]

    report = {"answer": "In 1611.", "sources": ["cordouan 0"], "confidence": 0.9}
    model = ScriptedModel(
        CallTool("search", {"query": "nothing"}),
        [CallTool("search", {"query": "cordouan"}), CallTool("search", {"query": "gironde"})],
        CallTool("final_result", report),
    )
    deps = research.Research(search, today=date(2030, 1, 31))
    agent = await axon.start(AgentServer(research.agent, deps=deps, model=model))
    result = await agent.run("When was it lit?")
    assert result.output == research.Report(**report)
    assert result.usage.tool_calls == 3
    assert [len(found) for found in returned(result.all_messages())[:3]] == [0, 3, 3]
    assert getattr(model.asked[0][-1], "instructions", "").endswith("Today is Thursday, 31 January 2030.")
    await axon.stop(agent)


async def test_the_editor_asks_the_researcher_and_then_the_writer() -> None:
    page = {"headline": "Light", "text": "Lit in 1611."}
    editor = ScriptedModel(
        CallTool("ask_researcher", {"prompt": "Cordouan"}),
        CallTool("ask_writer", {"prompt": "Lit in 1611"}),
        CallTool("final_result", page),
    )
    helpers = ScriptedModel(
        CallTool("archive", {"word": "1611"}),
        CallTool("final_result", {"facts": ["Lit in 1611"], "open_questions": []}),
        Say("Lit in 1611."),
    )
    store = MemoryStore()
    budget = Budget("page", requests=6, response=Limits(tokens=1000), store=store)
    async with newsroom.newsroom(editor, store=store, budget=budget, helpers=helpers) as room:
        handle = room.get(AgentServer, "editor")
        result = await handle.run("The lighthouse of Cordouan")
        assert result.output == newsroom.Page(**page)
        assert helpers_usage(result.new_messages()).requests == 3
        assert (await budget.balance()).spent.requests == 6
        assert prompts_of(await room.get(AgentServer, "writer").messages()) == ["Lit in 1611"]
