"""The rules of spending, as pure functions over the tree: who may send a request, who may hand how much on.

A request in flight counts as the most it may use, until it is known what it used: twice the largest of the last
responses, or `response` if that is more; and before anything is known, as all there is, so that it goes alone. A request
may be sent if something is left of its own budget after those in flight were counted so. What it may use beyond its
own budget those above must bear: none of them may be exceeded already. So of all budgets of a tree each is exceeded by
at most one response.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from ._amount import RESOURCES, ZERO, Amounts, Balance, Resource, as_amount, as_grant
from ._errors import BudgetClosed, BudgetExceeded
from ._tree import Node, Path, Tree, life

MARGIN = 2
"""How many times as large as the largest before it a response in flight is taken to be."""
UNKNOWN = Decimal("Infinity")
SLICE = Decimal(10)
"""Seconds that a run takes from its budget at a time."""


@dataclass(frozen=True)
class Terms:
    """What the program says of a budget; the rest is in its tree."""

    name: str
    limits: Amounts
    response: Amounts
    opens_at: float | None = None


class Wait:
    """Not now: what is in flight may still come to less than it is counted as."""


WAIT: Final = Wait()
Short: TypeAlias = tuple[Path, Node, Resource]


def name_of(terms: Terms, path: Path) -> str:
    """A budget as errors name it."""
    return "/".join((terms.name, *path))


def at_most(tree: Tree, terms: Terms) -> Amounts:
    """What one response is taken to use at most."""
    most: Amounts = {"requests": Decimal(1), "usd": UNKNOWN, "tokens": UNKNOWN}
    resources: tuple[Resource, ...] = ("usd", "tokens")
    for resource in resources:
        known = [MARGIN * size.get(resource, ZERO) for size in tree.sizes]
        if resource in terms.response:
            known.append(terms.response[resource])
        if known:
            most[resource] = max(known)
    return most


def used(node: Node, resource: Resource, most: Mapping[Resource, Decimal] | None) -> Decimal:
    """What is gone of a grant or may be: spent, in flight, and handed on. most: of a request in flight; None leaves
    what is in flight out.
    """
    total = node.spent.get(resource, ZERO)
    if most is not None:
        for hold in node.holds.values():
            if hold.seconds is None:
                total += most.get(resource, ZERO)
            elif resource == "seconds":
                total += hold.seconds
    for share in node.shares.values():
        own = used(share, resource, most)
        total += max(own, share.limits.get(resource, ZERO)) - share.carried.get(resource, ZERO)
    return total


def limited(tree: Tree, path: Path, resource: Resource) -> list[tuple[Path, Node]]:
    """The grants on the path that limit a resource, the innermost first."""
    line = tree.line(path)
    return [(path[:depth], node) for depth, node in enumerate(line) if resource in node.limits][::-1]


def check_open(tree: Tree, terms: Terms, path: Path) -> None:
    """Raise `BudgetClosed` if the share at the path has ended."""
    if tree.node(path) is None:
        raise BudgetClosed(name_of(terms, path))


def exceeded(tree: Tree, terms: Terms, short: Short, wanted: Decimal | None = None) -> BudgetExceeded:
    """The error for a grant that has not enough."""
    path, node, resource = short
    spent = life(node).get(resource, ZERO) - carried_in(tree, path, resource)
    return BudgetExceeded(
        name_of(terms, path),
        resource,
        spent=spent,
        reserved=used(node, resource, None) - spent,
        granted=node.limits[resource],
        opens_at=None if path else terms.opens_at,
        wanted=wanted,
    )


def carried_in(tree: Tree, path: Path, resource: Resource) -> Decimal:
    """What the shares of the root had used before its window began."""
    return sum((share.carried.get(resource, ZERO) for share in tree.root.shares.values()), ZERO) if not path else ZERO


def may_request(tree: Tree, terms: Terms, path: Path) -> Wait | None:
    """Whether a request may be sent: None if so. Raises `BudgetExceeded`, `BudgetClosed`."""
    check_open(tree, terms, path)
    most = at_most(tree, terms)
    if _short_of(tree, path, most, most) is None:
        return None
    short = _short_of(tree, path, most, None)
    if short is None:
        return WAIT
    raise exceeded(tree, terms, short)


def _short_of(tree: Tree, path: Path, most: Amounts, in_flight: Amounts | None) -> Short | None:
    for resource in RESOURCES:
        counted = None if resource == "seconds" else in_flight  # the run that asks holds its own
        beyond, is_own = most.get(resource, ZERO), True
        for where, node in limited(tree, path, resource):
            gone, limit = used(node, resource, counted), node.limits[resource]
            if gone > limit or (is_own and gone == limit):
                return where, node, resource
            beyond = min(beyond, gone + beyond - limit)
            is_own = False
            if beyond <= 0:
                break
    return None


def may_reserve(tree: Tree, terms: Terms, path: Path, wanted: Amounts) -> Wait | None:
    """Whether so much can be handed on from the grant at `path`. Raises `BudgetExceeded`, `BudgetClosed`."""
    check_open(tree, terms, path)
    most, wait = at_most(tree, terms), False
    for resource, amount in wanted.items():
        for where, node in limited(tree, path, resource)[:1]:
            if used(node, resource, None) + amount > node.limits[resource]:
                raise exceeded(tree, terms, (where, node, resource), amount)
            wait |= used(node, resource, most) + amount > node.limits[resource]
    return WAIT if wait else None


def may_run(tree: Tree, terms: Terms, path: Path) -> Wait | Decimal | None:
    """The seconds that a run may take next, None without a limit. Raises `BudgetExceeded`, `BudgetClosed`."""
    check_open(tree, terms, path)
    for where, node in limited(tree, path, "seconds")[:1]:
        limit = node.limits["seconds"]
        free = limit - used(node, "seconds", {})
        if free > 0:
            return min(SLICE, free)
        if used(node, "seconds", None) >= limit:
            raise exceeded(tree, terms, (where, node, "seconds"))
        return WAIT
    return None


def out_of_seconds(tree: Tree, terms: Terms, path: Path) -> BudgetExceeded:
    """The error for a run whose time is over."""
    where, node = limited(tree, path, "seconds")[0]
    return exceeded(tree, terms, (where, node, "seconds"))


def balance_of(tree: Tree, terms: Terms, path: Path) -> Balance:
    """The grant at the path as it is now. Raises `BudgetClosed`."""
    check_open(tree, terms, path)
    node = tree.line(path)[-1]
    gone = {resource: used(node, resource, None) for resource in RESOURCES}
    whole = life(node)
    spent: Amounts = {resource: whole.get(resource, ZERO) - carried_in(tree, path, resource) for resource in RESOURCES}
    return Balance(
        budget=name_of(terms, path),
        granted=as_grant(node.limits),
        spent=as_amount(spent),
        reserved=as_amount({resource: gone[resource] - spent[resource] for resource in RESOURCES}),
        left=as_grant({resource: max(ZERO, limit - gone[resource]) for resource, limit in node.limits.items()}),
        in_flight=sum(hold.seconds is None for _, one in tree.all(path, node) for hold in one.holds.values()),
        opens_at=None if path else terms.opens_at,
    )
