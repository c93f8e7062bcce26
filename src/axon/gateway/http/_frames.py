"""The frames of a stream, as the protocol has them: `chunk` by `chunk`, then `complete`, or `error`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from pydantic_ai import AgentRunResult
from pydantic_core import to_json
from sse_starlette import EventSourceResponse, ServerSentEvent

from .._failure import failure_of
from .._requests import Usage
from .._runs import Piece

PING = 15
"""Seconds after which a stream that says nothing shows that it lives."""


def frame_of(piece: str | AgentRunResult[Any]) -> dict[str, Any]:
    """The frame of a piece."""
    if isinstance(piece, str):
        return {"status": "chunk", "data": piece}
    return {"status": "complete", "result": piece.output, "usage": Usage.of(piece.usage)}


def encoded(frame: Mapping[str, Any]) -> str:
    """A frame as JSON."""
    return to_json(frame, bytes_mode="base64", fallback=repr).decode()


class EventStream(EventSourceResponse):
    """Frames as server-sent events, each with its id. A reader that goes away ends the reading, and not the run."""

    def __init__(self, pieces: AsyncGenerator[Piece, None], run_id: str) -> None:
        headers = {"Run-Id": run_id, "Location": f"/runs/{run_id}"}
        super().__init__(_events(pieces), headers=headers, ping=PING, sep="\n")

    @staticmethod
    async def _listen_for_exit_signal() -> None:
        """Streams end with their runs, which a gateway that stops sees to: nobody has to look for signals."""
        await asyncio.get_running_loop().create_future()


async def _events(pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[ServerSentEvent, None]:
    try:
        async for id, piece in pieces:
            frame = frame_of(piece)
            yield ServerSentEvent(encoded(frame), event=frame["status"], id=id)
    except Exception as error:
        yield ServerSentEvent(encoded(failure_of(error).body), event="error")
    finally:
        await pieces.aclose()
