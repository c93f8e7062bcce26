"""Makes up the next step for a tree at rest: whom it concerns and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from adapter import Tree, Worker
from reach import Reach, children_of
from recorder import Known, Recorder
from specs import REASONS, Maker
from themes import Weights, pick

Step = dict[str, Any]

EXITS: Weights = {
    "normal": 30, "shutdown": 20, "{shutdown,x}": 15, "boom": 14, "bye": 4, "killed": 4, "kill": 4, "noproc": 3,
}  # fmt: skip
SIGNALS: Weights = {"normal": 2, "shutdown": 4, "boom": 4, "{shutdown,x}": 2, "killed": 2, "kill": 2, "noproc": 1}
STOPS: Weights = {"normal": 3, "shutdown": 3, "boom": 1, "{shutdown,x}": 1}
WAIT = 3100
"""Milliseconds after which no restart counts any more, where the period is 2 seconds: OTP counts whole ones."""
MOST_WAITS = 2


class Moves:
    """Makes up steps of the kinds that the themes name; None if there is nobody whom such a step could concern."""

    def __init__(self, rng: Random, maker: Maker, recorder: Recorder) -> None:
        self._rng = rng
        self._maker = maker
        self._recorder = recorder
        self._waits = 0
        self._kinds: dict[str, Callable[[], Step | None]] = {
            "crash": self._crash,
            "exit": self._exit,
            "kill": self._kill,
            "signal": self._signal,
            "call": lambda: self._to_worker("call"),
            "cast": lambda: self._to_worker("cast"),
            "stop": self._stop,
            "lost": self._lost,
            "kill_supervisor": self._kill_supervisor,
            "signal_supervisor": self._signal_supervisor,
            "crash_supervisor": self._crash_supervisor,
            "terminate_child": lambda: self._to_child("terminate_child", "running"),
            "restart_child": lambda: self._to_child("restart_child", "stopped"),
            "delete_child": lambda: self._to_child("delete_child", "stopped"),
            "start_child": lambda: self._start_child(self._supervisor()),
            "which_children": lambda: {"op": "which_children", "sup": self._supervisor().path},
            "count_children": lambda: {"op": "count_children", "sup": self._supervisor().path},
            "link": self._link,
            "unlink": self._unlink,
            "call_via": self._call_via,
            "wait": self._wait,
            "held": self._held,
            "stop_root": lambda: {"op": "stop", "reason": pick(self._rng, STOPS)},
            "parent_exit": lambda: {"op": "parent_exit", "reason": pick(self._rng, STOPS)},
            "kill_root": lambda: {"op": "kill", "target": "root"},
            "nothing": lambda: None,
        }

    def look(self) -> Reach:
        """See what is alive now; the steps from here on are for that."""
        self._reach = Reach(self._recorder)
        self._workers = [known for known in self._reach.alive.values() if isinstance(known.handle, Worker)]
        self._supervisors = [known for known in self._reach.alive.values() if isinstance(known.handle, Tree)]
        return self._reach

    def make(self, kinds: Weights) -> Step | None:
        """A step of one of these kinds."""
        return self._kinds[pick(self._rng, kinds)]()

    # -- whom it concerns

    def _worker(self) -> str | None:
        """A worker, rather one with links."""
        if self._reach.tied and self._chance(0.5):
            return self._rng.choice(sorted(self._reach.tied))[0]
        return self._rng.choice(self._workers).path if self._workers else None

    def _supervisor(self, *statuses: str) -> Known:
        """A supervisor, rather one that has a child, or better two, in one of these states."""
        for least in (2, 1):
            fit = [known for known in self._supervisors if len(list(_children(known, statuses))) >= least]
            if fit and self._chance(0.6):
                return self._rng.choice(fit)
        return self._rng.choice(self._supervisors)

    def _inner(self) -> str | None:
        inner = [known.path for known in self._supervisors if known.path != "root"]
        return self._rng.choice(inner) if inner else None

    def _id(self, supervisor: Known, *statuses: str) -> str:
        """The id of a child, most often of one in one of these states."""
        fit = list(_children(supervisor, statuses))
        if fit and self._chance(0.85):
            return self._rng.choice(fit)
        above = f"{supervisor.path}/"
        ever = [path.removeprefix(above) for path in self._recorder.attempts if path.startswith(above)]
        here = [id for id in ever if "/" not in id]
        return "nobody" if not here or self._chance(0.1) else self._rng.choice(here)

    # -- steps for workers

    def _to_worker(self, op: str, path: str | None = None, **fields: object) -> Step | None:
        target = path or self._worker()
        return None if target is None else {"op": op, "target": target, **fields}

    def _crash(self, path: str | None = None) -> Step | None:
        via = pick(self._rng, {"cast": 70, "call": 15, "info": 15})
        how = {} if via == "cast" else {"via": via}
        return self._to_worker("crash", path, reason=self._rng.choice(REASONS), **how)

    def _exit(self, path: str | None = None) -> Step | None:
        how = pick(self._rng, {"stop": 60, "raise": 20, "reply": 20})
        return self._to_worker("exit", path, reason=pick(self._rng, EXITS), **({} if how == "stop" else {"how": how}))

    def _kill(self, path: str | None = None) -> Step | None:
        return self._to_worker("kill", path)

    def _signal(self) -> Step | None:
        return self._to_worker("exit_signal", reason=pick(self._rng, SIGNALS))

    def _stop(self) -> Step | None:
        target = self._inner() if self._chance(0.5) else self._worker()
        return self._to_worker("stop", target, reason=pick(self._rng, EXITS))

    def _lost(self) -> Step:
        """Something for somebody who may be dead, or was never there."""
        op = self._rng.choice(("stop", "exit_signal"))
        return {"op": op, "target": self._rng.choice(["root/nobody", *self._recorder.attempts]), "reason": "shutdown"}

    def _link(self) -> Step | None:
        if not self._workers:
            return None
        one, other = self._rng.choices(self._workers, k=2)
        return {"op": "link", "a": one.path, "b": other.path}

    def _unlink(self) -> Step | None:
        if not self._reach.tied:
            return None
        one, other = self._rng.choice(sorted(self._reach.tied))
        return {"op": "unlink", "a": one, "b": other}

    def _call_via(self) -> Step | None:
        caller, callee = self._worker(), self._rng.choice(list(self._recorder.latest))
        if caller is None or caller.startswith(f"{callee}/"):  # a worker that waits for its supervisor
            return None
        what = pick(self._rng, {"get": 3, "crash": 4, "exit": 4})
        reason = self._rng.choice(REASONS) if what == "crash" else pick(self._rng, EXITS)
        do = what if what == "get" else {what: reason}
        return {"op": "call_via", "from": caller, "to": callee, "do": do}

    def _wait(self) -> Step | None:
        self._waits += 1
        return {"op": "wait", "ms": WAIT} if self._waits <= MOST_WAITS else None

    # -- steps for supervisors

    def _kill_supervisor(self) -> Step | None:
        target = self._inner()
        return None if target is None else {"op": "kill", "target": target}

    def _signal_supervisor(self) -> Step:
        reason = self._rng.choice(("normal", "shutdown", "boom", "killed"))
        return {"op": "exit_signal", "target": self._supervisor().path, "reason": reason}

    def _crash_supervisor(self) -> Step:
        via = self._rng.choice(("cast", "call", "info"))
        return {"op": "crash", "target": self._supervisor().path, "reason": "boom", "via": via}

    def _to_child(self, op: str, *statuses: str) -> Step | None:
        supervisor = self._supervisor(*statuses)
        if not any(_children(supervisor, statuses)) and self._chance(0.8):
            return None
        return {"op": op, "sup": supervisor.path, "id": self._id(supervisor, *statuses)}

    def _start_child(self, supervisor: Known, id: str | None = None, *, valid: bool = False) -> Step:
        tree = supervisor.handle
        assert isinstance(tree, Tree)
        if id is None and self._chance(0.2):
            id = self._id(supervisor, "running", "stopped")
        spec = self._maker.child(supervisor.path, tree.auto_shutdown, id, valid=valid)
        return {"op": "start_child", "sup": supervisor.path, "spec": spec}

    def _held(self) -> Step | None:
        """Ends of children, and requests, that the supervisor finds in its mailbox together."""
        rng, supervisor = self._rng, self._supervisor("running")
        running = list(_children(supervisor, ["running"]))
        rng.shuffle(running)
        ended = running[: rng.choice((1, 2, 2, 2, 3, 3, 4))]
        ops: list[Step | None] = []
        for path in (f"{supervisor.path}/{id}" for id in ended):
            if not self._reach.is_supervisor(path):
                ops.append(rng.choice((self._crash, self._crash, self._exit, self._kill))(path))
            elif self._chance(0.3):
                ops.append(self._kill(path))
        if not ops and self._chance(0.8):
            return None
        ops += [self._request(supervisor, ended) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)) if ops else 2)]
        if self._chance(0.3):
            rng.shuffle(ops)
        return {"op": "held", "sup": supervisor.path, "ops": ops}

    def _request(self, supervisor: Known, ended: list[str]) -> Step:
        """A request to a supervisor that is held, often one that concerns a child that has just ended."""
        id = self._rng.choice(ended) if ended and self._chance(0.6) else self._id(supervisor, "running", "stopped")
        kinds = ("which_children", "count_children", "terminate_child", "restart_child", "delete_child", "start_child")
        match self._rng.choice(kinds):
            case "start_child":
                # Axon does not wait with refusing a specification that is not valid.
                return self._start_child(supervisor, id if self._chance(0.6) else None, valid=True)
            case "which_children" | "count_children" as op:
                return {"op": op, "sup": supervisor.path}
            case op:
                return {"op": op, "sup": supervisor.path, "id": id}

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability


def _children(supervisor: Known, statuses: Iterable[str]) -> Iterable[str]:
    """The ids of the children that are in one of these states."""
    wanted = set(statuses)
    return (child.spec.id for child in children_of(supervisor).by_id.values() if child.status in wanted)
