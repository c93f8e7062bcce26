"""Which member of a group does the next piece of work.

Members are given as a group keeps them: the one first that was picked longest ago, by turns.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from ..process import Process
from ..server import ServerProcess


def round_robin(members: OrderedDict[int, Process]) -> Process:
    """The one that was picked longest ago, in constant time."""
    serial = next(iter(members))
    members.move_to_end(serial)
    return members[serial]


def least_mailbox(members: OrderedDict[int, Process]) -> Process:
    """The one with the fewest messages waiting or being handled, by turns among equals; looks at every member."""
    serial = min(members, key=lambda serial: _load(members[serial]))
    members.move_to_end(serial)
    return members[serial]


def _load(process: Process) -> int:
    handles_one = isinstance(process, ServerProcess) and process.in_callback
    return process.waiting() + handles_one


def rendezvous(members: OrderedDict[int, Process], key: Hashable) -> Process:
    """The one that a key belongs to, whoever else comes or goes; looks at every member.

    Each member bids for each key and the highest bid wins, so that only the keys of those who go, and those that a
    newcomer wins, move. A member bids as (its parent, its label): a restarted child wins its old keys again.
    https://en.wikipedia.org/wiki/Rendezvous_hashing
    """
    number = hash(key)

    def bid(process: Process) -> tuple[int, int]:
        parent = 0 if process.parent is None else process.parent.serial
        # Of a text, since the hash of a tuple mixes too little: some members had twice their share of the keys.
        return hash(f"{process.label}/{parent}/{number}"), process.serial

    return max(members.values(), key=bid)
