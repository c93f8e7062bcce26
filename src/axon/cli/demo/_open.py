"""The store that a demo begins in or goes on with, opened so that nobody else has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from axon import InvalidOption
from axon.agent import Boundary
from axon.store import StoreError

from ._kill import DemoStore
from ._left import Left, left_of
from ._place import NothingToResume, Place, StoreNotUsable, new_place, old_places, state_folder
from ._session import Session

Say = Callable[[str], None]


@dataclass(frozen=True)
class Opened:
    """A store that nobody else has, the last demo in it, and what is left of those of its agents that have a question."""

    place: Place
    store: DemoStore
    session: Session
    left: dict[str, Left]


def to_begin(store: str | None, kill_at: int | Boundary | None, say: Say) -> Opened:
    """A place for a demo that begins. Raises `StoreNotUsable`, also if there is a demo to go on with."""
    opened = _opened(new_place(store), kill_at, say)
    place, session = opened.place, opened.session
    if session.unfinished is not None:
        place.release()
        problem = f"{session.owner} was not finished there: {place.resume} goes on with it"
        raise StoreNotUsable(str(place.path), problem)
    return opened


def to_resume(store: str | None, kill_at: int | Boundary | None, say: Say) -> Opened:
    """The place of the demo to go on with. Raises `StoreNotUsable` and `NothingToResume`."""
    running: StoreNotUsable | None = None
    for place in old_places(store):
        if not place.path.exists():
            continue
        try:
            opened = _opened(place, kill_at, say)
        except InUse as error:
            running = error
            continue
        if opened.session.unfinished is not None:
            return opened
        place.release()
    if store is not None and running is not None:
        raise running
    raise NothingToResume(_where(store, running))


def _where(store: str | None, running: StoreNotUsable | None) -> str:
    if store is not None:
        return f"--store {store!r} holds no demo that is not finished"
    return f"{state_folder()} holds no demo that is not finished" if running is None else str(running)


class InUse(StoreNotUsable):
    """Another process works on it."""


def _opened(place: Place, kill_at: int | Boundary | None, say: Say) -> Opened:
    shown = str(place.path)
    try:
        kept = DemoStore(place.path, kill_at, say)
        is_mine = place.hold()
        session, left = asyncio.run(_read(kept))
    except InvalidOption as error:
        raise StoreNotUsable(shown, str(error)) from error
    except StoreError as error:
        place.release()
        raise StoreNotUsable(shown, f"{error}; it was left as it is") from error
    if not is_mine:
        who = session.owner or "another demo"
        pid = f"`kill -9 {session.owner.pid}` ends that" if session.owner else "end that first"
        raise InUse(shown, f"{who} has it; {pid}, and {place.resume} goes on with it")
    return Opened(place, kept, session, left)


async def _read(store: DemoStore) -> tuple[Session, dict[str, Left]]:
    """Read everything before anything is written: if a part cannot be read, all stays as it is."""
    try:
        session = await Session.read(store)
        return session, {agent: await left_of(store, session.key(agent)) for agent in set(session.given.values())}
    finally:
        await store.close()
