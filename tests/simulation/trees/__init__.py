"""Trees under load, each with what must hold in it, to be run under many schedules."""

from __future__ import annotations

from . import (
    budgets,
    calls,
    demo,
    examples,
    graphs,
    groups,
    leaving,
    links,
    mailboxes,
    names,
    nested,
    operators,
    restarts,
    streams,
    teams,
)
from .tree import Run as Run
from .tree import Tree as Tree

ALL = (
    examples.TREE,
    calls.TREE,
    streams.TREE,
    mailboxes.TREE,
    graphs.TREE,
    links.TREE,
    names.TREE,
    restarts.TREE,
    groups.TREE,
    operators.TREE,
    leaving.TREE,
    demo.TREE,
    budgets.TREE,
    teams.TREE,
    *nested.TREES,
)
TREES: dict[str, Tree] = {tree.name: tree for tree in ALL}
