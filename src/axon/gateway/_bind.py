"""Addresses to listen on."""

from __future__ import annotations

import socket

from ..errors import InvalidOption

BACKLOG = 2048
"""Connections that wait to be accepted: while the server is restarted, too."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound to an address, `port` 0 for one that the system chooses.

    Raises `InvalidOption` where that cannot be. It looks the host's name up, which blocks: call it before the loop runs.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise InvalidOption("port", port, "a number from 0 to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise InvalidOption("host and port", f"{host}:{port}", f"an address to listen on ({error.strerror})") from None
