"""Trees under load, each with what must hold in it, to be run under many schedules."""

from __future__ import annotations

from . import calls, mailboxes, streams
from .tree import Run as Run
from .tree import Tree as Tree

TREES: dict[str, Tree] = {tree.name: tree for tree in (calls.TREE, mailboxes.TREE, streams.TREE)}
