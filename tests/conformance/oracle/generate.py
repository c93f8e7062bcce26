"""Random scenarios, one a line: `python generate.py SEED COUNT KIND`, where KIND is signals, requests or groups.

Steps are made so that what OTP leaves open is only what the order "source" sorts: one cause of death a step, and no two
processes that send to a third in the same step. For that `Requests` keeps account of who waits for what.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

REASONS = ("normal", "shutdown", "{shutdown,x}", "boom", "killed", "noproc", "kill")
Step = list[Any]


def signals(name: str, chance: random.Random) -> dict[str, Any]:
    """Links, monitors and ends of a handful of processes."""
    ids = [f"p{number}" for number in range(chance.randint(3, 6))]
    specs = [{"id": id, "trap_exit": True} if chance.random() < 0.4 else {"id": id} for id in ids]
    plain = [spec for spec in specs if chance.random() < 0.5]
    servers = {spec["id"]: spec for spec in specs if spec not in plain}
    monitors: list[tuple[str, str]] = []

    def step() -> Step:
        one, other = chance.choice(ids), chance.choice(ids)
        reason = chance.choice(REASONS)
        match chance.choice(["link"] * 6 + ["unlink", "trap"] + ["watch"] * 4 + ["unwatch"] * 2 + ["end"] * 5):
            case "link":
                return ["do", one, [["link", other]]]
            case "unlink":
                return ["do", one, [["unlink", other]]]
            case "trap":
                return ["do", one, [["trap_exit", chance.random() < 0.5]]]
            case "watch":
                monitors.append((one, f"m{len(monitors)}"))
                return ["do", one, [["monitor", monitors[-1][1], other]]]
            case "unwatch" if monitors:
                watcher, monitor = chance.choice(monitors)
                return ["do", watcher, [["demonitor", monitor, *chance.choice([[], ["flush"]])]]]
            case _:
                return chance.choice(
                    [
                        ["exit", one, reason],
                        ["do", one, [["exit", reason]]],
                        ["do", one, [["crash", "bang"]]],
                        ["do", one, [["exit_to", other, reason], ["wait", "g"]]] if one == other else
                        ["do", one, [["exit_to", other, reason]]],
                        ["do", one, [["stop", reason] if one in servers else ["return"]]],
                    ]
                )  # fmt: skip

    steps = [step() for _ in range(chance.randint(8, 16))]
    return {"name": name, "order": "source", "plain": plain, "servers": [*servers.values()], "steps": steps}


class Requests:
    """Calls, answers, system messages and ends of one server; three clients, who are told nothing while they wait."""

    CLIENTS = ("c", "d", "e")

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.lives = True
        self.busy = False
        self.suspended = False
        self.queue: list[tuple[str | None, list[Step]]] = []
        self.waiting: dict[str, str] = {}
        self.made = 0
        self.steps: list[Step] = []

    def scenario(self, name: str) -> dict[str, Any]:
        terminate = self.chance.choice(
            [[], [["state"]], [["crash", "bang"]], [["exit", "shutdown"]], [["note", "end"]]]
        )
        self.spec = {"id": "s", "terminate": terminate, "trap_exit": self.chance.random() < 0.5}
        for _ in range(self.chance.randint(8, 14)):
            self.steps.append(self.step())
        return {
            "name": name,
            "order": "source",
            "plain": [*self.CLIENTS, "w"],
            "servers": [self.spec, "t"],
            "steps": [["do", "w", [["monitor", "m", "s"]]], *self.steps],
        }

    def step(self) -> Step:
        free = [c for c in self.CLIENTS if c not in self.waiting and all(c != who for who, _ in self.queue)]
        kinds = ["call"] * 8 * bool(free) + ["cast", "cast", "tell", "signal"] + ["hold"] * (not self.busy)
        kinds += ["release"] * 4 * self.busy + ["system"] * 2 * bool(free) + ["answer"] * 3 * bool(self.waiting)
        if not self.lives and free and self.chance.random() < 0.6:
            self.lives = True
            return ["do", free[0], [["start", self.spec]]]
        match self.chance.choice(kinds):
            case "call":
                client, actions = self.chance.choice(free), self.actions(call=True)
                self.send(client, actions)
                return ["do", client, [["call", "s", actions]]]
            case "cast":
                actions = self.actions(call=False)
                self.send(None, actions)
                return [self.chance.choice(["do", "info"]), "s", actions]
            case "tell":
                return ["tell", "s", "text"]
            case "signal":
                reason = self.chance.choice(REASONS)
                if reason == "kill" or (reason != "normal" and not self.spec["trap_exit"]):
                    self.die()
                return ["exit", "s", reason]
            case "hold":
                actions = [["wait", "g"], *self.actions(call=False)]
                self.send(None, actions)
                return ["do", "s", actions]
            case "release":
                self.busy = False
                self.take(self.queue.pop(0))
                self.go_on()
                return ["open", "g"]
            case "system":
                return self.system(self.chance.choice(free))
            case _:
                client = self.chance.choice(list(self.waiting))
                return ["do", "w", [["answer", self.waiting.pop(client), self.chance.randint(0, 9)]]]

    def actions(self, *, call: bool) -> list[Step]:
        """What a callback does; a later answer is named after its number."""
        some: list[Step] = self.chance.choice([[], [["add", 1]], [["add", 2], ["state"]], [["note", "here"]]])
        if self.chance.random() < 0.15:
            some = [*some, ["call", "t", [["reply", 1]]]]
        if self.chance.random() < 0.1:
            some = [*some, ["continue", [["note", "continued"]]]]
        end = self.chance.random()
        if end < 0.06:
            return [*some, ["crash", "boom"]]
        if end < 0.12:
            return [*some, ["exit", self.chance.choice(REASONS)]]
        if end < 0.2:
            parting = [["reply", 5]] if call and self.chance.random() < 0.5 else []
            return [*some, ["stop", self.chance.choice(REASONS)], *parting]
        if call and end < 0.45:
            self.made += 1
            return [*some, ["later", f"r{self.made}"]]
        return [*some, ["reply", self.chance.randint(0, 9)]] if call else some

    def system(self, client: str) -> Step:
        verbs = ["suspend", "stop_server"]
        if not self.busy:  # Axon answers with the state itself: what the server does next might show in it
            verbs += ["resume", "resume", "get_state", "replace_state"]
        verb = self.chance.choice(verbs)
        if self.busy:  # it waits for the callback, and the client with it
            self.queue.append((client, [[verb]]))
        elif verb in ("suspend", "resume") and self.lives:
            self.suspended = verb == "suspend"
            self.go_on()
        elif verb == "stop_server":
            self.die()
        if verb == "replace_state":
            return ["do", client, [[verb, "s", self.chance.choice([7, {"crash": "bang"}])]]]
        if verb == "stop_server":  # each for a reason of its own (B43)
            return ["do", client, [[verb, "s", f"{{shutdown,{client}}}"]]]
        return ["do", client, [[verb, "s"]]]

    # -- the account: what waits in the mailbox, and who for what

    def send(self, client: str | None, actions: list[Step]) -> None:
        if self.lives:
            self.queue.append((client, actions))
            self.go_on()

    def go_on(self) -> None:
        while self.lives and not self.busy:
            ready = [item for item in self.queue if not self.suspended or item[1][:1] in _SYSTEM]
            if not ready:
                return
            if ready[0][1][:1] == [["wait", "g"]]:
                self.busy = True
                return
            self.queue.remove(ready[0])
            self.take(ready[0])

    def take(self, item: tuple[str | None, list[Step]]) -> None:
        client, actions = item
        for verb, *rest in actions:
            if verb in ("crash", "exit", "stop", "stop_server"):
                return self.die()
            if verb in ("suspend", "resume"):
                self.suspended = verb == "suspend"
            if verb == "later" and client is not None:
                self.waiting[client] = rest[0]

    def die(self) -> None:
        self.lives = self.busy = self.suspended = False
        self.queue.clear()
        self.waiting.clear()


_SYSTEM = [[[verb]] for verb in ("get_state", "replace_state", "suspend", "stop_server")]


def groups(name: str, chance: random.Random) -> dict[str, Any]:
    """Members that come, go and die, in two groups and two scopes, and two who watch."""
    members: dict[tuple[str, str], list[str]] = {(group, scope): [] for group in "xy" for scope in ("pg", "other")}
    alive = [f"p{number}" for number in range(5)]
    watching: list[tuple[str, str]] = []
    steps: list[Step] = []
    for number in range(chance.randint(8, 16)):
        (group, scope), doer = chance.choice(list(members)), chance.choice(["c", "v", "w"])
        joined = members[group, scope]
        match chance.choice(["join"] * 5 + ["leave"] * 3 + ["watch"] * 3 + ["end", "unwatch", "look"]):
            case "join" if alive:
                some = chance.choices(alive, k=chance.randint(1, 3))
                joined += some
                actions = [["join", group, some, scope]]
            case "leave" if joined:  # all of those who leave together are members (D16)
                some = chance.sample(joined, k=chance.randint(1, len(joined)))
                for one in some:
                    joined.remove(one)
                actions = [["leave", group, some, scope]]
            case "watch":
                doer = chance.choice(["v", "w"])
                watching.append((doer, f"m{number}"))
                whole = chance.random() < 0.3
                actions = [
                    ["monitor_scope", f"m{number}", scope] if whole else ["monitor_group", f"m{number}", group, scope]
                ]
            case "unwatch" if watching:
                doer, monitor = chance.choice(watching)
                actions = [["demonitor_group", monitor]]
            case "end" if alive:
                one = alive.pop(chance.randrange(len(alive)))
                for each in members.values():
                    each[:] = [member for member in each if member != one]
                steps.append(["exit", one, chance.choice(["boom", "kill", "shutdown"])])
                continue
            case _:
                actions = [["members", group, scope], ["which_groups", scope]]
        steps.append(["do", doer, actions])
    plain = ["c", "v", *(f"p{number}" for number in range(4))]
    servers = ["w", "p4"]
    return {
        "name": name,
        "order": "source",
        "scopes": ["pg", "other"],
        "plain": plain,
        "servers": servers,
        "steps": steps,
    }


KINDS: dict[str, Callable[[str, random.Random], dict[str, Any]]] = {
    "signals": signals,
    "requests": lambda name, chance: Requests(chance).scenario(name),
    "groups": groups,
}


def scenarios(seed: int, count: int, kind: str) -> Iterator[dict[str, Any]]:
    """So many of a kind, the same ones for the same seed."""
    for number in range(count):
        yield KINDS[kind](f"random-{kind}-{seed}-{number}", random.Random(f"{kind}-{seed}-{number}"))


if __name__ == "__main__":
    for made in scenarios(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]):
        print(json.dumps(made))
