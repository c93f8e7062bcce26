"""What is in the files of an environment, so that it shows when they are changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

MANIFEST = "axon-manifest.json"
"""The file in an environment that has the digests of all others; written last, when all is installed and verified."""
_CACHES = {"__pycache__"}


class Stopped(Exception):
    """Nobody wants to know any more."""


def write_manifest(root: Path, stopped: Callable[[], bool]) -> str:
    """Write what is there; returns the digest of that. `stopped` is asked for each file: True raises `Stopped`."""
    text = json.dumps(_digests(root, stopped), sort_keys=True)
    (root / MANIFEST).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def differences(root: Path, manifest: str, stopped: Callable[[], bool]) -> list[str]:
    """What is not as it was written, a line for each file; manifest: the digest of it. Reads every file.

    What Python caches (`__pycache__`) is left out.
    """
    try:
        text = (root / MANIFEST).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return [f"{MANIFEST} cannot be read"]
    if hashlib.sha256(text.encode()).hexdigest() != manifest:
        return [f"{MANIFEST} was changed"]
    then: dict[str, str] = json.loads(text)
    now = _digests(root, stopped)
    return [
        f"{name} was {'added' if name not in then else 'removed' if name not in now else 'changed'}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]


def _digests(root: Path, stopped: Callable[[], bool]) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _CACHES]
        for path in [Path(folder, name) for name in (*files, *folders)]:
            if stopped():
                raise Stopped
            relative = path.relative_to(root).as_posix()
            if relative != MANIFEST and (path.is_symlink() or not path.is_dir()):
                found[relative] = _digest(path)
    return found


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
