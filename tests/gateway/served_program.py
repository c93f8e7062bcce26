"""A program that serves, in a folder of its own, as a test sees it from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forge import Forge

MODULE = '''
import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic_ai import Agent, ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

HERE = Path(__file__).parents[1]


def log(*words: object) -> None:
    with (HERE / "log").open("a") as file:
        file.write(" ".join(map(str, words)) + "\\n")


async def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Two tool calls and then a text; after a prompt that begins with `slow` it waits for the file `go` before that, and
    after `permission` its first tool needs one.
    """
    start = max(index for index, message in enumerate(messages) if prompt_of(message))
    prompt, step = prompt_of(messages[start]), (len(messages) - start) // 2
    log("asked", prompt, step)
    await asyncio.sleep(0.02)
    while step == 2 and prompt.startswith("slow") and not (HERE / "go").exists():
        await asyncio.sleep(0.02)
    log("answered", prompt, step)
    if step == 2:
        return ModelResponse(parts=[TextPart(f"done: {prompt}")])
    tool = "ask" if prompt == "permission" and step == 0 else "note"
    return ModelResponse(parts=[ToolCallPart(tool, {"text": f"{prompt} {step}"})])


def prompt_of(message: ModelMessage) -> str:
    parts = message.parts if isinstance(message, ModelRequest) else []
    return next((str(part.content) for part in parts if isinstance(part, UserPromptPart)), "")


async def say(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
    """The same, as a stream."""
    for index, part in enumerate((await think(messages, info)).parts):
        if isinstance(part, TextPart):
            for word in part.content.split(" "):
                yield word + " "
        else:
            yield {index: DeltaToolCall(part.tool_name, part.args_as_json_str())}


agent = Agent(FunctionModel(think, stream_function=say))


@agent.tool_plain
async def note(text: str) -> str:
    log("noted", text)
    return "noted"


@agent.tool_plain(requires_approval=True)
async def ask(text: str) -> str:
    return await note(text)
'''


@dataclass
class Program:
    """`axon serve` with these options, in `folder`, which has a module `agents.worker`."""

    forge: Forge
    folder: Path
    options: list[str]
    env: dict[str, str] = field(default_factory=dict[str, str])
    pid: int = 0
    said: dict[str, Any] = field(default_factory=dict[str, Any])

    def start(self) -> Program:
        """Start it, and wait until it says that it serves."""
        (self.folder / "agents").mkdir(exist_ok=True)
        (self.folder / "agents" / "worker.py").write_text(MODULE)
        (self.folder / "out").unlink(missing_ok=True)
        self.pid = self.forge.start({"folder": str(self.folder), "options": self.options, "env": self.env})
        until(lambda: self.out.endswith("\n") or not self.is_alive)
        assert self.out, self.errors
        self.said = json.loads(self.out)
        return self

    @property
    def out(self) -> str:
        path = self.folder / "out"
        return path.read_text() if path.exists() else ""

    @property
    def errors(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.said['port']}"

    @property
    def is_alive(self) -> bool:
        state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"

    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit status, or the number of a signal, negative."""
        return self.forge.wait(self.pid)


@dataclass
class Service(Program):
    """The program of an agent that is a plain service, started by nobody who wants to know where it serves."""

    def start(self) -> Service:
        """Start it, and wait until it says to whoever reads its errors that it serves."""
        (self.folder / "agents").mkdir(exist_ok=True)
        (self.folder / "agents" / "worker.py").write_text(MODULE)
        (self.folder / "err").unlink(missing_ok=True)
        env = {"AXON_PYTHON_AGENT_MODEL": "", **self.env}  # whatever tests before have left there
        life = {"folder": str(self.folder), "options": self.options, "env": env, "is_service": True}
        self.pid = self.forge.start(life)
        until(lambda: ((self.folder / "err").exists() and self._serves()) or not self.is_alive)
        found = self._serves()
        assert found, self.errors
        self.said = {"name": found[1], "port": int(found[2])}
        return self

    def _serves(self) -> re.Match[str] | None:
        return re.search(r"^serving (\S+) on http://127\.0\.0\.1:(\d+)\n", self.errors, flags=re.MULTILINE)


def until(condition: Any, seconds: float = 20.0) -> None:
    """Wait, blocking, until this is so."""
    due = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < due, "it did not come to that"
        time.sleep(0.01)
