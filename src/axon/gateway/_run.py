"""The id of a run: it says of which agent, and under which key; whose it is, says the token of whoever asks."""

from __future__ import annotations

import re
import uuid
from typing import NamedTuple

from ..errors import InvalidOption
from ._errors import RunNotFound
from ._requests import AGENT_ID, KEY


class Run(NamedTuple):
    """A run of a principal. Another one that asks for the same id means a run of its own, which there is not."""

    agent_id: str
    owner: str
    key: str

    @classmethod
    def begin(cls, agent_id: str, owner: str, key: str | None) -> Run:
        """A run under this key, default a new one. Raises `InvalidOption`."""
        if key is not None and re.fullmatch(KEY, key) is None:
            raise InvalidOption("Idempotency-Key", key, "1 to 120 letters, digits and '.', '_', ':', '~', '-'")
        return cls(agent_id, owner, key or uuid.uuid4().hex)

    @classmethod
    def of(cls, run_id: str, owner: str) -> Run:
        """The run of an id. Raises `RunNotFound`."""
        agent_id, _, key = run_id.partition(":")
        if re.fullmatch(AGENT_ID, agent_id) is None or re.fullmatch(KEY, key) is None:
            raise RunNotFound(run_id[:200])
        return cls(agent_id, owner, key)

    @property
    def id(self) -> str:
        """What it is called on the wire."""
        return f"{self.agent_id}:{self.key}"

    @property
    def message_id(self) -> str:
        """What it is called by its agent."""
        return f"{self.owner}/{self.key}"
