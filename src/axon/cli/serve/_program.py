"""The program: a gateway with its edges, from its start to its end in order."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any

import axon

from ...errors import InvalidOption
from ...gateway import AgentId, CreateAgent, Gateway, Modules, Principal, Tokens, http
from ...store import PostgresStore, SQLiteStore, Store
from ...supervisor import Supervisor, child

MARGIN = 3.0
"""Seconds that the edges have, beyond those that are set, to tell what became of the last requests."""


def run(given: Mapping[str, Any]) -> int:
    """Serve until a signal comes; returns the exit status. Raises `InvalidOption`, before anything is started."""
    options = http.settings(**given)
    if options.module is not None and options.name is None:
        raise InvalidOption("--name", None, "given with a module: the id under which its agent is served")
    ...
