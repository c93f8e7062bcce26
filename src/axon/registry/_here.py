"""What groups and registries ask of their users: the right event loop, someone alive, and names and keys that can be."""

from __future__ import annotations

from asyncio.events import _get_running_loop

from ..errors import InvalidOption, WrongLoop
from ..process import Runtime, running, runtime


def here(what: object) -> Runtime:
    """The runtime of the running event loop. Raises `WrongLoop` outside one, as in a thread."""
    if _get_running_loop() is None:
        raise WrongLoop(f"{what!r} was used outside an event loop; from a thread ask a server, with axon.from_thread")
    return runtime()


def refuse_zombie() -> None:
    """What a process that was declared dead still changes or sends is refused."""
    process = running.get()
    if process is not None:
        process.refuse_if_dead()


def checked_key(key: object) -> None:
    """Raise `InvalidOption` if a key is not hashable."""
    try:
        hash(key)
    except TypeError:
        raise InvalidOption("key", key, "hashable") from None


def checked_text(text: object, option: str) -> str:
    """A name or a topic."""
    if not isinstance(text, str) or not text:
        raise InvalidOption(option, text, "a text that is not empty")
    return text


def is_target(value: object) -> bool:
    """Whether a value can lead to a process."""
    return isinstance(value, str) or hasattr(value, "__axon_process__")
