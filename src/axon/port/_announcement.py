"""The one line by which a program says that it serves, and where; the descriptor for it is named in its environment.

The descriptor is the write end of a pipe. A program that was given one writes a line of JSON to it once it listens, such as
`{"port": 41235}`, and closes it: nothing else is said there.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from ..errors import InvalidOption
from ._errors import BadFrame

ANNOUNCE = "AXON_ANNOUNCE"
"""The environment variable with the number of the descriptor."""
LONGEST = 4096
"""Bytes that the line may have: so many are written at once or not at all."""


class Announcement(BaseModel, frozen=True, extra="allow"):
    """Where a program serves. host: default `127.0.0.1`. port: of HTTP, or whatever it is that it speaks; grpc_port: of
    gRPC; it has one of them at least. What else it says is in `model_extra`.
    """

    host: str = Field(default="127.0.0.1", max_length=255, pattern=r"^[A-Za-z0-9._:%-]+$", strict=True)
    port: int | None = Field(default=None, ge=1, le=65535, strict=True)
    grpc_port: int | None = Field(default=None, ge=1, le=65535, strict=True)

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.port is None and self.grpc_port is None:
            raise ValueError("neither port nor grpc_port")
        return self


def announce(*, host: str = "127.0.0.1", port: int | None = None, grpc_port: int | None = None) -> bool:
    """Say that this program serves, and where, to the program that started it; returns whether there is one to be told.

    For Python programs that are to be children of `axon.port.Program`, once they listen; those in other languages write
    the line themselves. Nothing can be announced twice. Raises `InvalidOption` if `AXON_ANNOUNCE` names no descriptor,
    pydantic's `ValidationError` for what is no address.
    """
    said = Announcement(host=host, port=port, grpc_port=grpc_port)
    named = os.environ.pop(ANNOUNCE, None)  # what this program starts has nothing to say there
    if named is None:
        return False
    try:
        with os.fdopen(int(named), "wb", buffering=0) as pipe:
            pipe.write(json.dumps(said.model_dump(exclude_none=True)).encode() + b"\n")
    except BrokenPipeError:  # whoever wanted to know is gone, and this program will be in a moment
        pass
    except (ValueError, OSError) as error:
        raise InvalidOption(ANNOUNCE, named, f"the number of an open descriptor ({error})") from None
    return True


class Announcing:
    """The other end of the pipe. heard: told of the announcement; broken: of what is none; closed: of the end."""

    def __init__(
        self,
        heard: Callable[[Announcement], None],
        broken: Callable[[BadFrame], None],
        closed: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._heard, self._broken, self._closed, self._loop = heard, broken, closed, loop
        self._data = b""
        self._was_heard = False
        self._fd, write = os.pipe()
        self.theirs: int = write
        """The end for the program; close it once that is started."""
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, LONGEST + 1)
        except (BlockingIOError, InterruptedError):
            return
        self._data = (self._data + data).lstrip()
        line, newline, rest = self._data.partition(b"\n")
        try:
            if self._was_heard:
                self._data = b""
                if data.strip():
                    raise BadFrame("it said more than where it serves")
            elif len(line) > LONGEST:
                raise BadFrame(f"its announcement is longer than {LONGEST} bytes")
            elif line.strip() and (newline or not data):
                self._was_heard, self._data = True, b""
                if rest.strip():
                    raise BadFrame("it said more than where it serves")
                self._heard(_announced(line))
        except BadFrame as error:
            self.close()
            self._broken(error)
        else:
            if not data:
                self.close()
                self._closed()

    def close(self) -> None:
        """Hear no more."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


def _announced(line: bytes) -> Announcement:
    try:
        return Announcement.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        shown = line[:100].decode(errors="replace")
        raise BadFrame(
            f'its announcement is not where it serves, such as {{"port": 5000}}: {shown!r} ({where}: {first["msg"]})'
        ) from error
