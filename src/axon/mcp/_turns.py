"""Whose turn it is: calls wait in a line of their own for each borrower, and the lines take turns."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """What waits, in the order asked within each key, one of each key after the other.

    Whoever asks for a hundred things is served as often as who asks for one.
    """

    def __init__(self) -> None:
        self._lines: OrderedDict[Hashable, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __iter__(self) -> Iterator[T]:
        for line in self._lines.values():
            yield from line

    def add(self, key: Hashable, item: T) -> None:
        """Put `item` at the end of the line of `key`; a line that was empty is the last to be served."""
        self._lines.setdefault(key, deque()).append(item)

    def take(self) -> T:
        """The next one; its line is then served last. Raises `LookupError` if nothing waits."""
        key, line = self._lines.popitem(last=False) if self._lines else (None, None)
        if line is None:
            raise LookupError("nothing waits")
        item = line.popleft()
        if line:
            self._lines[key] = line
        return item

    def drop(self, unwanted: Callable[[T], bool]) -> list[T]:
        """Take out what is unwanted, and return it."""
        dropped: list[T] = []
        for key, line in list(self._lines.items()):
            dropped += filter(unwanted, line)
            kept = deque(item for item in line if not unwanted(item))
            if kept:
                self._lines[key] = kept
            else:
                del self._lines[key]
        return dropped
