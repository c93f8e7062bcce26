"""What a person sees: the tree, live, on a terminal; a line for each happening elsewhere."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

import axon
from axon import GenServer, Supervisor
from axon.agent import AgentServer, TurnResumed
from axon.provider import BreakerClosed, BreakerOpened
from axon.telemetry import ChildRestarted, ProcessCrashed, ProcessExited, attach

from ._words import ESCAPE

REFRESH = 0.1
"""Seconds between two pictures of the tree."""

LINES_KEPT = 12
"""Happenings shown below the live tree."""


class Screen:
    """Counts restarts and last ends by path, and outages of the provider, and shows them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.restarts: dict[str, int] = {}
        self.outages: list[float] = []
        self._ends: dict[str, str] = {}
        self._lines: list[str] = []
        self._live: Live | None = None
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        """One happening."""
        text = f"{time.monotonic() - self._began:6.2f} s  {printable(line)}"
        self._lines.append(text)
        if self._live is None:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def last_line(self, summary: Mapping[str, Any]) -> None:
        """The summary as JSON in one line, past the console, which would wrap it."""
        try:
            self.console.file.write(json.dumps(summary) + "\n")
            self.console.file.flush()
        except BrokenPipeError:
            self.console.on_broken_pipe()

    def listen(self) -> None:
        """Follow the runtime's events."""
        attach(self._crashed, ProcessCrashed)
        attach(self._exited, ProcessExited)
        attach(self._restarted, ChildRestarted)
        attach(self._resumed, TurnResumed)
        attach(self._opened, BreakerOpened)
        attach(self._closed, BreakerClosed)

    def _crashed(self, event: ProcessCrashed) -> None:
        self.say(f"{event.path} ended with {event.reason!r}; decision of its supervisor: {event.decision}")

    def _exited(self, event: ProcessExited) -> None:
        self._ends[event.path] = repr(event.reason)

    def _restarted(self, event: ChildRestarted) -> None:
        self.restarts[event.path] = self.restarts.get(event.path, 0) + 1
        self.say(f"{event.path} was started again")

    def _resumed(self, event: TurnResumed) -> None:
        self.say(f"{event.path} goes on with {event.message_id}, after {count(event.responses, 'answer')} of its model")

    def _opened(self, event: BreakerOpened) -> None:
        self.say(
            f"the provider of {event.account!r} is in trouble: all agents wait, and ask now and then: {event.error}"
        )

    def _closed(self, event: BreakerClosed) -> None:
        self.outages.append(event.seconds)
        self.say(f"the provider of {event.account!r} answers again after {event.seconds:.2f} s: the agents go on")

    @asynccontextmanager
    async def showing(self, tree: Supervisor) -> AsyncGenerator[None, None]:
        """Draw the tree again and again while the block runs, if there is a terminal to draw on."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            self._live = live
            painter = asyncio.create_task(self._paint(live, tree))
            try:
                yield
            finally:
                painter.cancel()
                self._live = None
        for line in self._lines:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True, style="dim")

    async def _paint(self, live: Live, tree: Supervisor) -> None:
        while True:
            picture = Tree(Text(repr(tree), style="bold"))
            await self._draw(picture, tree)
            for line in self._lines[-LINES_KEPT:]:
                picture.add(Text(line, style="dim"))
            live.update(picture, refresh=True)
            await asyncio.sleep(REFRESH)

    async def _draw(self, branch: Tree, supervisor: Supervisor) -> None:
        try:
            children = await supervisor.which_children()
        except axon.AxonError as error:
            branch.add(Text(str(error), style="red"))
            return
        for info in children:
            label = Text(f"{info.id}  ", style="bold")
            label.append(info.status if info.status != "running" else await _doing(info.handle))
            path = repr(info.handle).removesuffix(">").rpartition(" ")[2]
            if self.restarts.get(path):
                label.append(f"  restarts: {self.restarts[path]}, last end: {self._ends.get(path)}", style="yellow")
            below = branch.add(label)
            if isinstance(info.handle, Supervisor):
                await self._draw(below, info.handle)


async def _doing(handle: GenServer[Any]) -> str:
    if not isinstance(handle, AgentServer):
        return "running"
    try:
        return (await handle.status()).state
    except axon.AxonError as error:
        return str(error)


def printable(text: str) -> str:
    """`text` without escape sequences, and with spaces for all else that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in ESCAPE.sub("", text))


def count(number: int, noun: str) -> str:
    """A number of things in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def work(requests: int, tool_calls: int) -> str:
    """What was done, in words."""
    return f"{count(requests, 'model request')}, {count(tool_calls, 'tool call')}"
