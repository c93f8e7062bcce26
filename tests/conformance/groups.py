"""What a scripted process can do with process groups, in Axon's words (oracle/SCENARIOS.md lists the actions)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from world import World

import axon
from axon import GroupMonitor, Process
from axon.process import Address
from axon.registry import Group, Joined, Left, monitor_scope

SCOPE = "pg"


def act_on_group(world: World, action: Sequence[Any]) -> object:
    """Have the running process do it; `NotImplemented` if it is not about groups."""
    match action:
        case ["join", group, ids, *scope]:
            try:
                _group(group, *scope).join(*_processes(world, ids))
            except axon.NoProcess:
                return "noproc"
            return "ok"
        case ["leave", group, ids, *scope]:
            return "ok" if _group(group, *scope).leave(*_processes(world, ids)) else "not_joined"
        case ["members", group, *scope]:
            return _ids(world, _group(group, *scope).members())
        case ["which_groups", *scope]:
            return axon.which_groups(scope=[*scope, SCOPE][0])
        case ["monitor_group", name, group, *scope]:
            monitor, members = _group(group, *scope).monitor()
            _watch(world, name, monitor)
            return _ids(world, members)
        case ["monitor_scope", name, *scope]:
            monitor, groups = monitor_scope(scope=[*scope, SCOPE][0])
            _watch(world, name, monitor)
            return _shown(world, groups)
        case ["demonitor_group", name]:
            return "ok" if axon.demonitor(world.group_monitors[name]) else "false"
        case _:
            return NotImplemented


def changed(world: World, message: Joined | Left) -> None:
    """Report that a change of a group was told."""
    kind = "joined" if isinstance(message, Joined) else "left"
    world.note(axon.current(), kind, world.named[message.monitor], message.group, _ids(world, message.members))


def _group(name: str, scope: str = SCOPE) -> Group[Process]:
    return axon.group(Process, name, scope=scope)


def _processes(world: World, ids: str | list[str]) -> list[Process]:
    return [world.processes[id] for id in ([ids] if isinstance(ids, str) else ids)]


def _watch(world: World, name: str, monitor: GroupMonitor) -> None:
    world.group_monitors[name] = monitor
    world.named[monitor] = name


def _ids(world: World, members: Iterable[Address]) -> list[str]:
    return sorted(world.id(member.__axon_process__()) for member in members)


def _shown(world: World, groups: Mapping[str, Iterable[Address]]) -> dict[str, list[str]]:
    return {group: _ids(world, members) for group, members in groups.items()}
