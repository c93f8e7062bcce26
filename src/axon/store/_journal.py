"""What a store keeps for a key: a journal of records, the last of which a snapshot may stand for."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidOption

LARGEST = 2**28
"""Bytes that a body may have: what each of the databases takes with room to spare."""


@dataclass(frozen=True, slots=True)
class Record:
    """One step as it is written: what kind of step, and its body as bytes (JSON, never pickle).

    kind: a short name that the writer chooses, such as `"response"`. body: at most 256 MiB. format: the version of the body's layout, from 1;
    `Codec` writes and reads it. Raises `InvalidOption` for values that a store could not give back unchanged.
    """

    kind: str
    body: bytes
    format: int = 1

    def __post_init__(self) -> None:
        checked_text("kind", self.kind)
        checked_body("body", self.body)
        if not 1 <= self.format < 2**31:
            raise InvalidOption("format", self.format, "a version from 1")


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it is read: `version` is that of the journal `key` once the record was appended, 1 for the first.

    A snapshot has the version up to which it stands for the records.
    """

    key: str
    version: int
    record: Record


@dataclass(frozen=True, slots=True)
class Head:
    """A journal without its records, which costs little to read.

    epoch: raised by each `open`; a larger one is a later owner, also after `delete`. version: how many records were ever
    appended. marker: the text of the last `append` that gave one, such as `"running"`; empty at first.
    """

    key: str
    epoch: int
    version: int
    marker: str


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal as it was at one instant: its head, the snapshot if there is one, and the records after it in order."""

    head: Head
    snapshot: Entry | None
    entries: tuple[Entry, ...]

    @property
    def key(self) -> str:
        """The key that the journal was opened with."""
        return self.head.key

    @property
    def epoch(self) -> int:
        """Who owns it: see `Head`."""
        return self.head.epoch

    @property
    def version(self) -> int:
        """How many records were ever appended."""
        return self.head.version


def checked_text(option: str, value: str, *, empty: bool = False) -> str:
    """A text that every database gives back as it was; raises `InvalidOption` otherwise."""
    if not isinstance(value, str) or (not value and not empty) or "\0" in value or len(value) > 1000:
        raise InvalidOption(option, value, f"a text of {0 if empty else 1} to 1000 characters without NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidOption(option, value, "a text without lone surrogates") from None
    return value


def checked_body(option: str, value: bytes) -> bytes:
    """Bytes that every database takes; raises `InvalidOption` otherwise."""
    if not isinstance(value, bytes):
        raise InvalidOption(option, value, "bytes")
    if len(value) > LARGEST:
        raise InvalidOption(option, f"{len(value)} bytes", f"at most {LARGEST} bytes")
    return value


def checked_count(option: str, value: int) -> int:
    """An epoch or a version; raises `InvalidOption` for what cannot be one."""
    if not isinstance(value, int) or not 0 <= value < 2**63 - 2**31:
        raise InvalidOption(option, value, "a number that `open` or `append` gave")
    return value


def check_write(key: str, epoch: int, version: int = 0, marker: str | None = None) -> None:
    """What an owner says with each write; raises `InvalidOption` for what cannot be so."""
    checked_text("key", key)
    checked_count("epoch", epoch)
    checked_count("version", version)
    if marker is not None:
        checked_text("marker", marker, empty=True)
