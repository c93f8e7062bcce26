"""What follows a request from its sender through its handler: the seam between servers and a tracing library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Receiver(Protocol):
    """A server's process, as far as a tracer looks at it."""

    @property
    def path(self) -> str:
        """The labels from the root, joined by `/`."""
        ...

    def waiting(self) -> int:
        """How many messages wait for it."""
        ...


class Handling(Protocol):
    """One request on its way, as its tracer sees it. Made in the sender's context, it knows the sender's span."""

    def enter(self) -> None:
        """The handler begins; called in the server's own context, which tasks of the handler inherit."""
        ...

    def leave(self) -> None:
        """The handler has returned; called in the same context."""
        ...

    def end(self, error: BaseException | None, *, failed: bool) -> None:
        """The request is answered, at once or later; called once, in any context, also if the handler never began.

        error: what its caller gets instead of an answer. failed: whether that is a fault, and neither an error that was
        declared as an answer nor an orderly end of the server.
        """
        ...


class Tracer(Protocol):
    """Attached to a bus as its `tracer`, it is told of every request that a server's handler gets."""

    def follow(self, receiver: Receiver, server: type[object], function: Callable[..., object], kind: str) -> Handling:
        """A request of `kind` (call, cast or stream) leaves its sender for `function` of a server of class `server`."""
        ...
