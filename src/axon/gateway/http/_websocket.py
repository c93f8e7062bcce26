"""The run of an agent over a WebSocket: the first message is the request, frames come back, then it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from fastapi import APIRouter, WebSocket
from pydantic import TypeAdapter
from starlette.websockets import WebSocketDisconnect

from ...errors import InvalidOption
from .._errors import TooLarge
from .._failure import failure_of
from .._requests import RunRequest
from .._runs import Piece
from ._asking import Patience, gateway_of, principal_of, within
from ._frames import encoded, frame_of, frame_of_error

FIRST_MESSAGE = 30.0
"""Seconds in which a client has to say what it wants."""
NORMAL, REFUSED, BROKE = 1000, 1008, 1011
"""Codes of closing: the run is done; the client's mistake; ours."""

_PATIENCE: TypeAdapter[float] = TypeAdapter(Patience)

sockets = APIRouter()


@sockets.websocket("/agents/{agent_id}/run_stream")
async def run_stream(websocket: WebSocket, agent_id: str) -> None:
    """Run an agent and stream its text. A client that goes away does not end the run."""
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        try:
            async with aclosing(await _begun(websocket, agent_id)) as pieces:
                await _send(websocket, pieces)
        except WebSocketDisconnect:
            raise
        except Exception as error:
            failure = failure_of(error)
            websocket.state.error_type = failure.error_type
            await websocket.send_text(encoded(frame_of_error(error)))
            await websocket.close(REFUSED if failure.status < 500 else BROKE)
        else:
            await websocket.close(NORMAL)


async def _begun(websocket: WebSocket, agent_id: str) -> AsyncGenerator[Piece, None]:
    gateway, headers = gateway_of(websocket), websocket.headers
    who = principal_of(websocket)
    who.needs("read")
    seconds = headers.get("request-timeout")
    timeout = None if seconds is None else _PATIENCE.validate_python(seconds)
    try:
        async with asyncio.timeout(FIRST_MESSAGE):
            text = await websocket.receive_text()
    except KeyError:
        raise InvalidOption("the first message", "<bytes>", "a text, the request as JSON") from None
    except TimeoutError:
        raise InvalidOption("the first message", None, f"sent within {FIRST_MESSAGE:g} s") from None
    limit: int = websocket.app.state.max_body
    if len(text) > limit:
        raise TooLarge("message", limit, "bytes")
    request = RunRequest.model_validate_json(text)
    async with within(timeout):
        run_id = await gateway.runs.submit(who, agent_id, request, headers.get("idempotency-key"))
    return await gateway.runs.follow(who, run_id)


async def _send(websocket: WebSocket, pieces: AsyncGenerator[Piece, None]) -> None:
    """Send frames until the last one, or until the client goes away: also one that nothing is sent to just now."""

    async def send() -> None:
        async for _, piece in pieces:
            await websocket.send_text(encoded(frame_of(piece)))

    async def hear() -> None:
        while (await websocket.receive())["type"] != "websocket.disconnect":
            pass

    sending, hearing = asyncio.create_task(send()), asyncio.create_task(hear())
    try:
        await asyncio.wait({sending, hearing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, hearing):
            task.cancel()
        await asyncio.wait({sending, hearing})
    if sending.cancelled():
        raise WebSocketDisconnect
    sending.result()
