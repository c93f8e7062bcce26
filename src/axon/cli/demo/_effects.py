"""A file of what the tools did: one line for each effect, with the key that names it and the process that made it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path


class Effects:
    """Tells an effect that was made before from a new one by its idempotency key, as a service for payments does.

    Raises `OSError` when the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._made: set[str] = {json.loads(line)["key"] for line in lines}

    async def make(self, key: str, tool: str) -> None:
        """Make the effect, once for each key."""
        if key not in self._made:
            self._made.add(key)
            await asyncio.to_thread(self._append, json.dumps({"key": key, "tool": tool, "pid": os.getpid()}))

    def _append(self, line: str) -> None:
        with self._path.open("a") as file:  # a line is one write: a kill leaves all of it or nothing
            file.write(line + "\n")
