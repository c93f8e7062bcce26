"""Frames: what crosses between a runtime and its child, each with its length, its kind and the request it is about."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from ._errors import BadFrame, FrameTooLarge

VERSION = 1
"""Of the protocol: both sides say it before anything else."""
LARGEST = 64 * 2**20
"""Bytes that a frame may carry."""
_HEAD = struct.Struct("!IBQ")
_NONE = b""


class Kind(IntEnum):
    """What a frame is. To the child: `HELLO` to `STOP`; from it: `READY` to `OVERRAN`."""

    HELLO = 1  # what it is to be
    REQUEST = 2  # a message for a handler, see axon.wire
    CONTEXT = 3  # on whose behalf the request after it is made
    CREDIT = 4  # so many more items of a stream
    CLOSE = 5  # nobody reads the stream any more
    STOP = 6  # it is to end, with a reason
    READY = 16
    FAILED = 17  # it did not start, with a reason
    ANSWER = 18
    ITEM = 19
    END = 20
    ERROR = 21
    LOG = 22  # a log record, after as many that were dropped as its number says
    EXIT = 23  # its server has ended, with a reason
    OVERRAN = 24  # work of its goes on though it was cancelled


class Frame(NamedTuple):
    """One frame: `number` is that of the request it is about, 0 for none; `body` is JSON, or empty."""

    kind: Kind
    number: int = 0
    body: bytes = _NONE


_KINDS = {int(kind): kind for kind in Kind}


def encode(kind: Kind, number: int = 0, body: bytes = _NONE) -> bytes:
    """The bytes of a frame. Raises `FrameTooLarge`."""
    if len(body) > LARGEST:
        raise FrameTooLarge("a request" if kind < Kind.READY else "an answer", len(body), LARGEST)
    return _HEAD.pack(len(body), kind, number) + body


class Decoder:
    """Takes bytes as they come, and gives the frames that are whole."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._failed = False

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete. Raises `BadFrame`, and from then on takes nothing more."""
        if self._failed:
            return []
        buffer = self._data
        buffer += data
        found: list[Frame] = []
        start, size = 0, len(buffer)
        while size - start >= _HEAD.size:
            length, kind, number = _HEAD.unpack_from(buffer, start)
            if kind not in _KINDS or length > LARGEST:
                self._failed = True
                buffer.clear()
                raise BadFrame(
                    f"a frame of the unknown kind {kind}" if kind not in _KINDS else f"{length} bytes in one"
                )
            end = start + _HEAD.size + length
            if end > size:
                break
            found.append(Frame(_KINDS[kind], number, bytes(buffer[start + _HEAD.size : end])))
            start = end
        del buffer[:start]
        return found
