"""An application: a tree with a name, the applications it needs, and what the end of its tree means to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, get_args

from ..errors import InvalidOption
from ..server import GenServer, checked_name, checked_spec, is_server

Kind: TypeAlias = Literal["permanent", "transient", "temporary"]
"""Whether the end of an application's tree ends the program: always, unless its reason is `normal`, never."""


class Tree(Protocol):
    """A supervisor of any kind."""

    @property
    def name(self) -> str | None:
        """Its registered name."""
        ...

    @property
    def max_restarts(self) -> int:
        """How many restarts it allows."""
        ...


@dataclass(frozen=True, eq=False)
class Application:
    """A part of a program that starts and stops as a unit: `axon.run([Application("db", db), ...])`.

    name: unique in its program, and the root of its processes' paths. tree: its supervisor, of any kind.
    requires: names of the applications that run before it starts, and are stopped after it; default none.
    kind: what it means to the program when the tree ends by itself. `permanent` (default) ends it, `temporary` is
    reported and the others live, `transient` ends it unless the reason is `normal`; `shutdown` is not, and that is what
    a supervisor ends with that gave up.
    prep_stop: called without arguments before the tree is stopped, say to refuse new work. stop: called when all its
    processes are gone, by whatever reason, say to close what they shared. Plain or coroutine functions; one that
    raises makes the exit status 1, and the others are stopped all the same.

    Raises `InvalidOption`. One tree needs no application: `axon.run(tree)`.
    https://www.erlang.org/doc/apps/kernel/application, https://hexdocs.pm/elixir/Application.html
    """

    name: str
    tree: Tree
    requires: Sequence[str] = field(default=(), kw_only=True)
    kind: Kind = field(default="permanent", kw_only=True)
    prep_stop: Callable[[], object] | None = field(default=None, kw_only=True)
    stop: Callable[[], object] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if checked_name(self.name) is None:
            raise InvalidOption("name", None, "a text that is not empty")
        checked_tree(self.tree)
        if isinstance(self.requires, str) or not isinstance(self.requires, Sequence):
            raise InvalidOption("requires", self.requires, "a list of names of applications")
        object.__setattr__(self, "requires", tuple(self.requires))
        if self.kind not in get_args(Kind):
            raise InvalidOption("kind", self.kind, "'permanent', 'transient' or 'temporary'")
        for option, callback in (("prep_stop", self.prep_stop), ("stop", self.stop)):
            if callback is not None and not callable(callback):
                raise InvalidOption(option, callback, "None or a function without parameters")


def is_tree(value: object) -> bool:
    """Whether a value is a supervisor's spec or handle."""
    return is_server(value) and value.__axon_supervises__


def checked_tree(tree: object) -> GenServer[Any]:
    """`tree=` as a supervisor that can be started."""
    if not is_tree(tree):
        raise InvalidOption("tree", tree, "a supervisor, say Supervisor([...])")
    return checked_spec(tree, "tree")


def start_order(applications: Sequence[object]) -> list[Application]:
    """The applications in the order of their list, each after those it requires.

    Raises `InvalidOption` if there are none, a name is there twice, or what one requires is not there or requires it.
    """
    by_name: dict[str, Application] = {}
    for given in applications:
        if not isinstance(given, Application):
            raise InvalidOption("applications", given, "a list of Application(name, tree)")
        if given.name in by_name:
            raise InvalidOption("name", given.name, "unique among the applications of a program")
        by_name[given.name] = given
    if not by_name:
        raise InvalidOption("applications", applications, "at least one Application(name, tree)")
    order: dict[str, Application] = {}
    path: list[str] = []

    def place(application: Application) -> None:
        name = application.name
        if name in path:
            raise InvalidOption("requires", " -> ".join([*path[path.index(name) :], name]), "without a cycle")
        if name in order:
            return
        path.append(name)
        for required in application.requires:
            if required not in by_name:
                raise InvalidOption("requires", required, f"the name of an application of the program, in {name!r}")
            place(by_name[required])
        path.pop()
        order[name] = application

    for application in by_name.values():
        place(application)
    return list(order.values())
