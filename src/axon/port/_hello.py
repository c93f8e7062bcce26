"""The first words of both sides."""

from __future__ import annotations

from pydantic import BaseModel

from ._spec import SpecAsData


class Hello(BaseModel, frozen=True):
    """What the runtime says: what the child is to be. path: of its server; heartbeat: seconds; levels: of loggers by name,
    none if nobody listens to them; grace: seconds that work has to end when it is cancelled.
    """

    version: int
    token: str
    path: str
    spec: SpecAsData
    heartbeat: float
    grace: float
    levels: dict[str, int]


class Ready(BaseModel, frozen=True):
    """What the child says when its server runs."""

    version: int
    token: str
