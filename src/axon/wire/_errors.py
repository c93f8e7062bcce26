"""What goes wrong at an edge.

AxonError
├─ WireError              what came over the wire
│  ├─ BadMessage          it is not what it should be                     .problems
│  │  ├─ UnknownMethod    it is for a method that is not offered          .method .known
│  │  └─ UnknownVersion   it is of a newer version                        .version .known
│  └─ RemoteError         an error of the other side, of a type that is not known here   .error_type .details
├─ NotOnWire              a handler, or its answer, that JSON cannot carry (an `InvalidHandler`)  .handler .problem
└─ InvalidSchema          what was given as a JSON Schema is none (an `InvalidOption`)            .problem
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import ValidationError

from ..errors import AxonError, InvalidHandler, InvalidOption


class Problem(NamedTuple):
    """What is wrong, and where: `Problem("arguments.by", "Input should be a valid integer")`."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class WireError(AxonError):
    """What came over the wire is not what it should be, or says that something failed."""


class BadMessage(WireError, ValueError):
    """A message that is not what it should be: nothing was done. `problems` says what is wrong where, without values."""

    def __init__(self, problems: Sequence[Problem], of: str = "a message") -> None:
        super().__init__(f"{of} cannot be read: {'; '.join(map(str, problems))}")
        self.problems: tuple[Problem, ...] = tuple(Problem(*problem) for problem in problems)


class UnknownMethod(BadMessage):
    """A message for `method`, which is not among those that are offered: `known`."""

    def __init__(self, method: str, known: Sequence[str]) -> None:
        super().__init__([Problem("method", f"there is no {method!r}, but {', '.join(known) or 'nothing'}")])
        self.method = method
        self.known: tuple[str, ...] = tuple(known)


class UnknownVersion(BadMessage):
    """A message of version `version`, made by a newer program: this one knows up to `known`."""

    def __init__(self, version: int, known: int) -> None:
        super().__init__([Problem("version", f"{version} is newer than {known}, the last that is known here")])
        self.version = version
        self.known = known


class RemoteError(WireError):
    """An error of the other side that has no type here: `error_type` is its name, `message` its text.

    Nothing is imported by a name that comes in a message; to get an error typed, declare it in `@call(raises=…)`.
    """

    def __init__(self, error_type: str, message: str, details: object = None) -> None:
        super().__init__(f"{error_type}: {message}" if message else error_type)
        self.error_type = error_type
        self.message = message
        self.details = details


class NotOnWire(InvalidHandler):
    """A handler that no message can stand for, or an answer of it that is not what its hint says."""


class InvalidSchema(InvalidOption):
    """What was given as a JSON Schema is none, or not one that can be used here; `problem` says why."""

    def __init__(self, option: str, schema: object, problem: str) -> None:
        super().__init__(option, schema, f"a JSON Schema ({problem})")
        self.problem = problem


def problems_of(error: ValidationError, skip: int = 0) -> list[Problem]:
    """What pydantic found; `skip` leaves out so many of the first steps to a place."""
    return [
        Problem(".".join(map(str, found["loc"][skip:])), found["msg"])
        for found in error.errors(include_url=False, include_input=False)
    ]
