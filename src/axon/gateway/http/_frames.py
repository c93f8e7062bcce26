"""The frames of a stream, as the protocol has them: `chunk` by `chunk`, then `complete`, or `error`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from pydantic_ai import AgentRunResult
from sse_starlette import EventSourceResponse, ServerSentEvent

from .._failure import failure_of
from .._requests import Chunk, Complete, ErrorBody, Usage
from .._runs import Piece, Result

PING = 15
"""Seconds after which a stream that says nothing shows that it lives."""


def frame_of(piece: str | Result) -> Chunk | Complete:
    """The frame of a piece."""
    return (
        Complete(result=piece.output, usage=Usage.of(piece.usage))
        if isinstance(piece, AgentRunResult)
        else Chunk(data=piece)
    )


def frame_of_error(error: BaseException) -> ErrorBody:
    """The frame in place of all that would follow."""
    return ErrorBody.model_validate(failure_of(error).body)


def encoded(frame: Chunk | Complete | ErrorBody) -> str:
    """A frame as JSON."""
    return frame.model_dump_json(fallback=repr)


class EventStream(EventSourceResponse):
    """Frames as server-sent events, each with its id. A reader that goes away ends the reading, and not the run."""

    def __init__(self, pieces: AsyncGenerator[Piece, None], run_id: str) -> None:
        headers = {"Run-Id": run_id, "Location": f"/runs/{run_id}"}
        super().__init__(_events(pieces), headers=headers, ping=PING, sep="\n")  # pyright: ignore[reportUnknownMemberType]

    @staticmethod
    async def _listen_for_exit_signal() -> None:
        """Streams end with their runs, which a gateway that stops sees to: nobody has to look for signals."""
        await asyncio.get_running_loop().create_future()


async def _events(pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[ServerSentEvent, None]:
    try:
        async for id, piece in pieces:
            frame = frame_of(piece)
            yield ServerSentEvent(encoded(frame), event=frame.status, id=id)
    except Exception as error:
        yield ServerSentEvent(encoded(frame_of_error(error)), event="error")
    finally:
        await pieces.aclose()
