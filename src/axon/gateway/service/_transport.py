"""What there is to ask of an agent in another program, however that is reached."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from ...port import Announcement
from .._requests import RunAnswer, RunRequest


class Transport(Protocol):
    """One way to reach it: HTTP or gRPC."""

    def url(self, at: Announcement) -> str | None:
        """The address, as clients of this kind take it; None if it does not serve any."""

    def hold(self) -> Callable[[], None]:
        """Keep what its requests share, until what is returned is called."""
        ...

    async def run(self, at: Announcement, request: RunRequest) -> RunAnswer:
        """Run the agent. Raises what `axon.gateway.Client` raises."""
        ...

    def run_stream(self, at: Announcement, request: RunRequest) -> AsyncGenerator[str, None]:
        """Run it, and read its text as it comes."""
        ...

    async def probe(self, at: Announcement) -> None:
        """Return if the program answers."""


def address(host: str, port: int) -> str:
    """`127.0.0.1:5000`, of IPv6 `[::1]:5000`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
