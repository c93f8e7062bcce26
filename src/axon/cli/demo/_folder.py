"""A folder exists here as the text files that may be read and quoted, and a count of what was left out."""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MAX_FILE_BYTES = 16 * 2**20
"""Files larger than this are left out (16 MiB)."""

MAX_FOLDER_BYTES = 32 * 2**20
"""Once this much text is taken, the files highest in the tree first, further ones are left out (32 MiB)."""

SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__"})
"""Folders left out by name, besides every hidden one (`.git`, `.venv`, …)."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NEWLINE = re.compile(r"\r\n|\r|\n")
_CONTROLS = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")


class FolderError(ValueError):
    """The folder given with `--over` cannot be searched.

    Attributes:
        option: the command line option, `--over`.
        value: the folder as it was given.

    """

    def __init__(self, value: str, problem: str) -> None:
        super().__init__(f"--over {value!r}: {problem}")
        self.option = "--over"
        self.value = value
        self.problem = problem

    def __reduce__(self) -> tuple[type[FolderError], tuple[str, str]]:
        return type(self), (self.value, self.problem)


class FolderNotFound(FolderError):
    """There is nothing at this path, or it may not be looked at."""


class NotAFolder(FolderError):
    """There is something at this path, but not a folder."""


class NoReadableText(FolderError):
    """The folder holds no text file that can be searched; the message counts what was left out, and why."""


class Line(NamedTuple):
    """One line of a file; numbers begin at 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class TextFile:
    """One text file as it was when the folder was read.

    Attributes:
        name: path relative to the folder, with `/`; characters that do not print are written as escapes.
        lines: its lines without their ends; as in `open()`, a line ends at LF, CR LF or CR.

    """

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder holds.

    Attributes:
        root: the folder, resolved.
        files: the text files, in order of name.
        skipped: why files were left out (`"binary"`, `"hidden"`, …) and how many of each.

    """

    root: Path
    files: tuple[TextFile, ...]
    skipped: Mapping[str, int]


def read_folder(folder: Path, only: Collection[str] | None = None) -> Contents:
    """Read every text file below `folder`, whatever its extension.

    only: names of files and folders at the top; nothing else is looked at. Default: everything.

    Text is what decodes as UTF-8 (or UTF-16/32 with a byte order mark), else as Windows-1252 or Latin-1, and holds
    no NUL. Left out: hidden files and folders, `SKIPPED_FOLDERS`, files over `MAX_FILE_BYTES`, whatever comes after
    `MAX_FOLDER_BYTES`, links that lead out of the folder (linked folders are not followed), sockets and the like.

    Raises:
        FolderNotFound: there is nothing at `folder`.
        NotAFolder: it is not a directory.
        NoReadableText: nothing in it could be read as text.

    """
    root = checked_folder(folder)
    skipped: Counter[str] = Counter()
    files: dict[str, TextFile] = {}
    taken = 0
    for path in _unique(_walk(str(root), only, skipped), str(root), skipped):
        data = _bytes(path, MAX_FOLDER_BYTES - taken, skipped)
        if data is None:
            continue
        text = decoded(data)
        if text is None or not text.strip():
            skipped["binary" if text is None else "empty"] += 1
            continue
        taken += len(data)
        name = _printable(os.path.relpath(path, root).replace(os.sep, "/"))
        files[name] = TextFile(name, tuple(_NEWLINE.split(text.removesuffix("\n").removesuffix("\r"))))
    if not files:
        raise NoReadableText(str(folder), f"the folder holds no readable text ({_counted(skipped)})")
    return Contents(root, tuple(files[name] for name in sorted(files)), dict(skipped))


def decoded(data: bytes) -> str | None:
    """`data` as text, or None when it is not text."""
    marked = [encoding for mark, encoding in _BOMS if data.startswith(mark)]
    if not marked and b"\0" in data:
        return None
    for encoding in (*marked, "utf-8", "cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Compressed data often has no NUL and always decodes as Latin-1, but is full of control codes.
        return None if "\0" in text or len(_CONTROLS.findall(text)) * 30 > len(text) else text
    return None


def checked_folder(folder: Path) -> Path:
    """`folder` resolved; raises `FolderNotFound` or `NotAFolder` if it cannot be listed."""
    try:
        root = folder.resolve(strict=True)
        if not root.is_dir():
            raise NotAFolder(str(folder), "this is a file, not a folder")
        with os.scandir(root):
            return root
    except FileNotFoundError:
        raise FolderNotFound(str(folder), "there is no such folder") from None
    except NotADirectoryError:
        raise NotAFolder(str(folder), "a part of this path is a file, not a folder") from None
    except (OSError, RuntimeError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise FolderNotFound(str(folder), f"the folder cannot be opened: {problem}") from error
    except FolderError:
        raise
    except ValueError as error:
        raise FolderNotFound(str(folder), f"this cannot be a path: {error}") from error


def _walk(root: str, only: Collection[str] | None, skipped: Counter[str]) -> Iterator[os.DirEntry[str]]:
    # os.walk recurses on Python 3.11 and so breaks on very deep trees; a queue of folders does not.
    todo = deque([root])
    while todo:
        folder = todo.popleft()
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError:
            skipped["unreadable"] += 1
            continue
        for entry in entries:
            if only is not None and folder == root and entry.name not in only:
                continue
            if entry.name.startswith("."):
                skipped["hidden"] += 1
            elif not entry.is_dir(follow_symlinks=False):
                yield entry
            elif entry.name not in SKIPPED_FOLDERS:
                todo.append(entry.path)


def _unique(entries: Iterator[os.DirEntry[str]], root: str, skipped: Counter[str]) -> Iterator[str]:
    """The plain files, then the links to files that stay in the folder and were not met under their own name."""
    links: list[str] = []
    met: set[str] = set()
    for entry in entries:
        if entry.is_symlink():
            links.append(entry.path)
        elif entry.is_file(follow_symlinks=False):
            met.add(entry.path)
            yield entry.path
        else:
            skipped["special"] += 1
    for link in links:
        target = os.path.realpath(link)
        if Path(root) not in Path(target).parents or not Path(target).is_file():
            skipped["link"] += 1
        elif target not in met:
            met.add(target)
            yield link


def _bytes(path: str, room: int, skipped: Counter[str]) -> bytes | None:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                skipped["special"] += 1
            elif status.st_size > MAX_FILE_BYTES:
                skipped[f"over {MAX_FILE_BYTES // 2**20} MiB"] += 1
            elif status.st_size > room:
                skipped[f"beyond {MAX_FOLDER_BYTES // 2**20} MiB in total"] += 1
            else:
                return file.read(MAX_FILE_BYTES)
    except OSError:
        skipped["unreadable"] += 1
    return None


def _without_waiting(path: str, flags: int) -> int:
    # A pipe put in a file's place after the walk would block the open for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _printable(name: str) -> str:
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _counted(skipped: Mapping[str, int]) -> str:
    if not skipped:
        return "it is empty"
    return "left out: " + ", ".join(f"{count} {why}" for why, count in sorted(skipped.items()))
