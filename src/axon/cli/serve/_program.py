"""The program: a gateway with its edges, from its start to its end in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidOption
from ...gateway import http

MARGIN = 3.0
"""Seconds that the edges have, beyond those that are set, to tell what became of the last requests."""


def run(given: Mapping[str, Any]) -> int:
    """Serve until a signal comes; returns the exit status. Raises `InvalidOption`, before anything is started."""
    options = http.settings(**given)
    if options.module is not None and options.name is None:
        raise InvalidOption("--name", None, "given with a module: the id under which its agent is served")
