"""Who may come to an end by a step: whether OTP's rules settle what happens, and in which order it is compared.

Deaths that spread over links, and those of a caller and its callee, run side by side with what the supervisors do
about them. That is settled only if they do not meet: each that ends has an area of its own, which its supervisor
stops or starts anew, and no supervisor gives up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from adapter import Tree, Worker
from recorder import Known, Recorder

from axon import GenServer
from axon.server import ServerProcess
from axon.supervisor._children import Children
from axon.supervisor._decide import group
from axon.supervisor._spec import as_child

Step = Mapping[str, Any]
Area = frozenset[str]
"""Paths; what is below one belongs to it."""


class Reach:
    """What is alive in a tree at rest, which workers are linked, and what a step may do to them."""

    def __init__(self, recorder: Recorder) -> None:
        self.alive = {path: known for path, known in recorder.latest.items() if known.process.reason is None}
        self.tied = {
            (path, recorder.known[peer].path)
            for path, known in self.alive.items()
            for peer in known.process.links or ()
            if isinstance(known.handle, Worker) and peer in recorder.known
            if isinstance(recorder.known[peer].handle, Worker)
        }

    def is_supervisor(self, path: str) -> bool:
        """Whether a supervisor is alive at this path."""
        return path in self.alive and isinstance(self.alive[path].handle, Tree)

    def order(self, step: Step) -> str | None:
        """How the step's events are to be ordered for the comparison; None if not even that settles them."""
        if step["op"] == "held":  # one thing after the other, but links would have their say, too
            return None if self.tied else "total"
        ends = self._ends(step)
        if not self.tied and len(ends) < 2:
            return "total"
        if step["op"] == "call_via" and any(one in ends for one, _ in self.tied):
            return None
        areas: list[Area] = []
        due = list(ends)
        while due:
            path = due.pop()
            area = ends[path] or self._area(path)
            if area is None or any(_meet(area, other) for other in areas):
                return None
            areas.append(area)
            for one, other in self.tied:
                if _within(one, area):
                    if _within(other, area):
                        return None
                    if other not in ends:
                        ends[other] = None
                        due.append(other)
        by_supervisor = Counter(_above(path) for path in ends)
        if not all(self._affords(path, count) for path, count in by_supervisor.items()):
            return None
        return "total" if len(ends) < 2 else "child" if max(by_supervisor.values()) > 1 else "sup"

    def _ends(self, step: Step) -> dict[str, Area | None]:
        """Those whom the step itself may end; with an area if their supervisor does not react."""
        match step:
            case {"op": "crash" | "exit" | "kill" | "exit_signal" | "stop", "target": path}:
                return {path: None}
            case {"op": "stop" | "parent_exit"}:
                return {"root": None}
            case {"op": "terminate_child", "sup": above, "id": id}:
                path = f"{above}/{id}"
                return {path: frozenset([path])}
            case {"op": "call_via", "from": caller, "to": callee, "do": do}:
                answers = callee in self.alive and not self.is_supervisor(callee) and do == "get"
                return {caller: None} if caller == callee else {} if answers else {callee: None, caller: None}
            case _:
                return {}

    def _area(self, path: str) -> Area | None:
        """Who may be stopped or started anew when this process ends by itself; None if it may be anybody."""
        if path not in self.alive:
            return frozenset()
        above, _, id = path.rpartition("/")
        if not above:
            return None
        supervisor = self.alive[above]
        children = children_of(supervisor).by_id
        spec = children[id].spec
        if spec.significant:
            return None
        if spec.restart == "temporary":
            return frozenset([path])
        tree = _tree(supervisor)
        members = group(tree.strategy, list(children), id)
        if not all(_starts(children[member].spec.server) for member in members):
            return None
        return frozenset(f"{supervisor.path}/{member}" for member in members)

    def _affords(self, path: str, restarts: int) -> bool:
        supervisor = self.alive.get(path)
        if supervisor is None:
            return True
        return len(children_of(supervisor).restarts) + restarts <= _tree(supervisor).max_restarts


def children_of(supervisor: Known) -> Children:
    assert isinstance(supervisor.process, ServerProcess)
    assert isinstance(supervisor.process.state, Children)
    return supervisor.process.state


def _tree(known: Known) -> Tree:
    assert isinstance(known.handle, Tree)
    return known.handle


def _starts(server: GenServer[Any]) -> bool:
    """Whether all that belongs to this specification starts whenever it is asked to."""
    if isinstance(server, Worker):
        return "init" not in server.spec
    assert isinstance(server, Tree)
    return all(_starts(as_child(given).server) for given in server.children)


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _within(path: str, area: Iterable[str]) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in area)


def _meet(one: Area, other: Area) -> bool:
    return any(_within(path, other) for path in one) or any(_within(path, one) for path in other)
