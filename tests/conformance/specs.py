"""Makes up the specifications of supervisors and workers."""

from __future__ import annotations

from random import Random
from typing import Any

from themes import RESTARTS, Theme, Weights, pick

Spec = dict[str, Any]

REASONS = ("boom", "oops", "bye")
ODD = ("normal", "shutdown", "{shutdown,late}", "killed", "noproc")
"""Reasons that look like something, with which `init` may fail and `terminate` may exit."""
STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")

SLOW: Spec = {"terminate": {"sleep_ms": 1000}, "shutdown": 150, "trap_exit": True}
"""A worker that its supervisor does not wait for."""
SHORT = (75, 375)
"""The times that a supervisor with such workers has: for none of them, or for two."""


class Maker:
    """Makes specifications, each with ids of its own.

    `rough` are the paths of the supervisors that may be killed by their own: what is below them dies in any order.
    """

    def __init__(self, rng: Random, theme: Theme, *, most_workers: int, most_levels: int) -> None:
        self.rng = rng
        self.theme = theme
        self.left = max(rng.randint(1, most_workers), rng.randint(1, most_workers))
        self.most_levels = most_levels
        self.rough: list[str] = []
        self._starts = self._valid = theme.starts
        self._added = False
        self._made = 0

    def root(self) -> Spec:
        spec = self._supervisor("root", "root", 1)
        self._starts = False
        return spec

    def child(self, above: str, auto_shutdown: str, id: str | None, *, valid: bool) -> Spec:
        """A child to be added to the supervisor at this path; `id` if it is to have the one of another.

        Only one that is not `valid` may be refused, for its specification or that of somebody below it.
        """
        self.left = max(self.left, self.rng.randint(1, 3))
        self._valid, self._added = valid, True
        spec = self._child(above, auto_shutdown, above.count("/") + 1, id)
        if not valid and self._chance(0.06):
            spec["significant"] = True
        return spec

    def _supervisor(self, id: str, path: str, level: int) -> Spec:
        rng, theme = self.rng, self.theme
        spec: Spec = {"type": "supervisor", "id": id, "strategy": rng.choice(STRATEGIES)}
        intensity = self._pick(theme.root_intensities if level == 1 else theme.intensities)
        if intensity != "default":
            spec.update(intensity=int(intensity), period=rng.choice(theme.periods))
        if self._chance(theme.significance if level > 1 else theme.significance / 2):
            spec["auto_shutdown"] = rng.choice(("any_significant", "all_significant"))
        auto_shutdown = spec.get("auto_shutdown", "never")
        wanted = 0 if self._chance(0.03) else rng.choice((1, 2, 3, 3, 4, 5, 6))
        children = [self._child(path, auto_shutdown, level) for _ in range(wanted) if self.left > 0]
        if len(children) > 1 and not self._valid and self._chance(0.004):
            children[-1]["id"] = children[0]["id"]
        spec["children"] = children
        return spec

    def _child(self, above: str, auto_shutdown: str, level: int, id: str | None = None) -> Spec:
        self._made += 1
        if level < self.most_levels and self._chance(0.36):
            id = id or f"s{self._made}"
            path = f"{above}/{id}"
            shutdown = self._pick(self.theme.supervisor_shutdowns)
            spec = self._supervisor(id, path, level + 1)
            if shutdown == "short" and (not _is_slow(spec) or self._is_short(path)):
                shutdown = "default"
            if shutdown in ("brutal_kill", "short"):
                self.rough.append(path)
        else:
            self.left -= 1
            spec = self._worker(id or f"w{self._made}")
            shutdown = self._pick(self.theme.shutdowns)
        if shutdown != "default" and "shutdown" not in spec:
            times = {"5000": 5000, "0": 5000 if "trap_exit" in spec else 0, "short": self.rng.choice(SHORT)}
            spec["shutdown"] = times.get(shutdown, shutdown)
        spec["restart"] = self._pick(RESTARTS)
        if auto_shutdown != "never" and self._chance(0.55):
            spec["significant"] = True
            if spec["restart"] == "permanent" and (self._valid or not self._chance(0.01)):
                spec["restart"] = self.rng.choice(("transient", "temporary"))
        return spec

    def _is_short(self, path: str) -> bool:
        """Whether a supervisor above or below has a short time: the two would meet."""
        return any(f"{path}/".startswith(f"{rough}/") or f"{rough}/".startswith(f"{path}/") for rough in self.rough)

    def _worker(self, id: str) -> Spec:
        spec: Spec = {"type": "worker", "id": id}
        if self._chance(0.4):
            spec["trap_exit"] = True
        init = self._init(self._pick(self.theme.inits))
        if init != "ok":
            spec["init"] = init
        match self._pick(self.theme.terminates):
            case "short":
                spec["terminate"] = {"sleep_ms": self.rng.choice((5, 15))}
            case "slow":
                spec |= SLOW
            case "crash":
                spec["terminate"] = {"crash": "ugh"}
            case "exit":
                spec["terminate"] = {"exit": self._reason()}
            case _:
                pass
        return spec

    def _init(self, how: str) -> str | Spec:
        rng = self.rng
        first = 2 if self._starts or not self._chance(0.35 if self._added else 0.05) else 1
        match how:
            case "fail_on" | "crash_on" | "ignore_on":
                attempts = sorted({first + rng.randint(0, 1), first + rng.choice((0, 1, 1, 2, 3))})
                return {how: attempts} if how == "ignore_on" else {how: attempts, "reason": self._reason()}
            case "fail_after_n_starts":
                return {how: rng.randint(1, 3), "reason": self._reason()}
            case "fail_first_n" if not self._starts:
                return {how: rng.randint(1, 2), "reason": self._reason()}
            case "fail" | "crash" | "exit" if not self._starts:
                return {how: self._reason()}
            case "ignore":
                return how
            case _:
                return "ok"

    def _reason(self) -> str:
        return self.rng.choice(ODD if self._chance(0.3) else REASONS)

    def _pick(self, weights: Weights) -> str:
        return pick(self.rng, weights)

    def _chance(self, probability: float) -> bool:
        return self.rng.random() < probability


def _is_slow(spec: Spec) -> bool:
    """Whether there is somebody below who is not waited for."""
    return spec.get("terminate") == SLOW["terminate"] or any(map(_is_slow, spec.get("children", ())))
