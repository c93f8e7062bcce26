"""What is wrong with an agent, a tool, a template or dependencies that came as data.

AxonError
├─ InvalidTemplate        a template that cannot be rendered (an `InvalidOption`)    .problem
│  └─ UnknownVariable     it reads what the dependencies have not                    .known
├─ InvalidDeps            dependencies as data that do not fit (an `InvalidOption`)  .problems
├─ UnknownTarget          a tool as data is for something that is not offered        .tool .target .known
└─ TargetMismatch         its schema does not fit what it is for                     .tool .problem
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import InvalidOption, UsageError
from ..wire import Problem


class InvalidTemplate(InvalidOption):
    """A template that cannot be rendered: its syntax is wrong, or it does what the sandbox forbids; `problem` says what."""

    def __init__(self, text: str, problem: str) -> None:
        shown = text if len(text) <= 80 else f"{text[:79]}…"
        super().__init__("template", shown, f"a Jinja2 template that reads its dependencies ({problem})")
        self.problem = problem


class UnknownVariable(InvalidTemplate):
    """A template reads what the dependencies have not; `known` are the names that it may read, if their type tells them."""

    def __init__(self, text: str, problem: str, known: Iterable[str] = ()) -> None:
        names = tuple(sorted(known))
        super().__init__(text, f"{problem}; there is {', '.join(names)}" if names else problem)
        self.known: tuple[str, ...] = names


class InvalidDeps(InvalidOption):
    """Dependencies that came as data and are not what the agent's `deps_type` says; `problems` says where. Not shown."""

    def __init__(self, wanted: object, problems: Sequence[Problem]) -> None:
        super().__init__("deps", "<data>", f"a {wanted} ({'; '.join(map(str, problems))})")
        self.problems: tuple[Problem, ...] = tuple(problems)


class UnknownTarget(UsageError, LookupError):
    """A tool as data is for something that is not offered; `known` is what is."""

    def __init__(self, tool: str, target: str, known: Iterable[str]) -> None:
        self.known: tuple[str, ...] = tuple(sorted(known))
        super().__init__(
            f"the tool {tool!r} is for {target}, which is not offered, but {', '.join(self.known) or 'nothing'}"
        )
        self.tool = tool
        self.target = target


class TargetMismatch(UsageError, TypeError):
    """The JSON Schema of a tool as data and its target do not fit together; `problem` says why."""

    def __init__(self, tool: str, problem: str) -> None:
        super().__init__(f"the schema of the tool {tool!r} does not fit its target: {problem}")
        self.tool = tool
        self.problem = problem
