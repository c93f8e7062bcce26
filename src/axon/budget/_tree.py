"""What a budget's journal says: a tree of grants, and how each event changes it. Plain data, the same in every process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from ._amount import ZERO, Amounts, Resource, plus

Path: TypeAlias = tuple[str, ...]
"""The names from below the root to a share; that of the root is empty."""

RESPONSES = 100
"""The largest of so many responses, the last ones, says how large the next one may be."""
BATCHES = 256
"""How many batches are remembered, so that a write whose outcome was unknown is not repeated."""


@dataclass
class Hold:
    """What a request or a run in flight may still use: `seconds` of a run, None for a request. until: when it is given up."""

    seconds: Decimal | None = None
    until: float | None = None


@dataclass
class Node:
    """A grant: its `limits`, what was `spent` of it directly or by shares that ended, and what is out.

    id: tells a share from an earlier one of its name. carried: what a share had used before the window of the root
    began. until: when a share is given back, unless somebody says that it is used still.
    """

    limits: Amounts = field(default_factory=dict[Resource, Decimal])
    id: str = ""
    until: float | None = None
    spent: Amounts = field(default_factory=dict[Resource, Decimal])
    carried: Amounts = field(default_factory=dict[Resource, Decimal])
    holds: dict[str, Hold] = field(default_factory=dict[str, Hold])
    shares: dict[str, Node] = field(default_factory=dict[str, "Node"])


@dataclass(frozen=True)
class Event:
    """One thing that happened at `path`; what it says depends on `what`.

    window: a new one began at `at`. request, run: `id` is in flight, a run with so many more `seconds`. spend: `id` is
    over, and used the `amounts`. lost: nobody knows what became of `id`. reserve: the share at the path was made with
    these amounts. refund: it ended. renew: all on the path, and `id`, are used still.
    """

    what: Literal["window", "request", "run", "spend", "lost", "reserve", "refund", "renew"]
    path: Path = ()
    id: str = ""
    amounts: Amounts = field(default_factory=dict[Resource, Decimal])
    at: float = 0.0
    until: float | None = None


@dataclass
class Tree:
    """All grants below one root. sizes: what the last responses used; batches: the last ones that were applied."""

    root: Node = field(default_factory=Node)
    window: float = 0.0
    sizes: list[Amounts] = field(default_factory=list[Amounts])
    batches: list[str] = field(default_factory=list[str])

    def node(self, path: Path) -> Node | None:
        """What is at the path, None if it ended."""
        node: Node | None = self.root
        for name in path:
            node = None if node is None else node.shares.get(name)
        return node

    def line(self, path: Path) -> list[Node]:
        """From the root to the path, as far as it is there."""
        line = [self.root]
        for name in path:
            share = line[-1].shares.get(name)
            if share is None:
                break
            line.append(share)
        return line

    def all(self, path: Path = (), node: Node | None = None) -> Iterator[tuple[Path, Node]]:
        """All that there is, from the leaves to the root."""
        node = self.root if node is None else node
        for name, share in list(node.shares.items()):
            yield from self.all((*path, name), share)
        yield path, node

    def apply(self, event: Event) -> None:
        """Take an event in."""
        node = self._holder(event)
        match event.what:
            case "window":
                self.window = event.at
                self.root.spent = {}
                for share in self.root.shares.values():
                    share.carried = life(share)
            case "request":
                self._used_still(event)
                node.holds[event.id] = Hold(None, event.until)
            case "run":
                self._used_still(event)
                hold = node.holds.setdefault(event.id, Hold(ZERO))
                hold.seconds = (hold.seconds or ZERO) + event.amounts["seconds"]
                hold.until = event.until
            case "spend":
                node.holds.pop(event.id, None)
                node.spent = plus(node.spent, event.amounts)
                if event.amounts.get("requests"):
                    self.sizes = [*self.sizes, event.amounts][-RESPONSES:]
            case "lost":
                hold = node.holds.pop(event.id)
                if hold.seconds is not None:
                    node.spent = plus(node.spent, {"seconds": hold.seconds})
            case "reserve":
                parent = self.line(event.path[:-1])[-1]
                parent.shares[event.path[-1]] = Node(dict(event.amounts), event.id, event.until)
            case "refund":
                ended = self.node(event.path)
                if ended is not None and ended.id == event.id:  # and no later one of its name
                    parent = self.line(event.path[:-1])[-1]
                    fold(parent, parent.shares.pop(event.path[-1]))
            case "renew":
                self._used_still(event)
                if event.id in node.holds:
                    node.holds[event.id].until = event.until

    def news(self, event: Event) -> list[Event]:
        """The end of something, unless it says nothing: what ended is not there, and came to nothing."""
        if event.what == "refund":
            share = self.node(event.path)
            is_there = share is not None and share.id == event.id
        else:
            is_there = bool(event.amounts) or event.id in self._holder(event).holds
        return [event] if is_there else []

    def _holder(self, event: Event) -> Node:
        """Where what is in flight is: it may be where its share came from, if that has ended."""
        line = self.line(event.path)
        return next((node for node in reversed(line) if event.id in node.holds), line[-1])

    def _used_still(self, event: Event) -> None:
        for share in self.line(event.path)[1:]:
            share.until = event.until

    def apply_batch(self, id: str, events: Sequence[Event]) -> None:
        """Take all events of a batch in."""
        for event in events:
            self.apply(event)
        self.batches = [*self.batches, id][-BATCHES:]


def life(node: Node) -> Amounts:
    """What was used of a grant since it was made, by its shares too."""
    amounts = node.spent
    for share in node.shares.values():
        amounts = plus(amounts, life(share))
    return amounts


def minus(amounts: Amounts, less: Amounts) -> Amounts:
    """The difference."""
    return plus(amounts, {resource: -amount for resource, amount in less.items()})


def fold(parent: Node, share: Node) -> None:
    """A share ends: what it used its parent has used, what is in flight is the parent's, and the rest is free."""
    parent.spent = plus(parent.spent, minus(life(share), share.carried))
    stack = [share]
    while stack:
        one = stack.pop()
        parent.holds.update(one.holds)
        stack.extend(one.shares.values())
