"""Whose code runs: declared down here, so that an event or a log line can say where it comes from."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Protocol


class Named(Protocol):
    """A process, as far as telemetry knows one."""

    @property
    def path(self) -> str:
        """The labels from the root, joined by `/`."""
        ...


running: ContextVar[Named | None] = ContextVar("axon_process", default=None)
"""The process whose code runs; each process has it in a context of its own."""


def here() -> str:
    """The path of the process whose code runs, empty in a plain coroutine."""
    process = running.get()
    return "" if process is None else process.path


def add_process(logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: a program's own lines carry the path of the process that writes them, as `path`.

        structlog.configure(processors=[axon.telemetry.add_process, ..., structlog.processors.JSONRenderer()])

    So one search finds what a process said and what became of it, since Axon's own lines have the same field. A line
    that has a `path` keeps it, and lines of plain coroutines stay as they are.
    https://www.structlog.org/en/stable/processors.html
    """
    path = here()
    if path:
        line.setdefault("path", path)
    return line
