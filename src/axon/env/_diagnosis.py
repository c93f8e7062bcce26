"""From what an installer said to the reason: by the words that uv and pip have for each, the most telling first."""

from __future__ import annotations

import errno
import re
import signal

from ._errors import EnvErrorReason, Failed
from ._run import Ended

_FULL = r"No space left on device|os error 28\b|File too large|os error 27\b|[Qq]uota exceeded|os error 122\b"
_BUILD = r"Failed to build|Build backend|metadata-generation-failed|subprocess-exited-with-error|Failed building wheel"
_UV_INDEX = (
    r"error sending request|Request failed after|Failed to fetch|client error|network was disabled|--find-links`"
)
_PIP_INDEX = r"NewConnectionError|ConnectTimeoutError|connection broken|Max retries exceeded|Could not fetch URL"
_NO_FOLDER = r"is neither a file nor a directory|is ignored: it is either a non-existing path"
_SAYS: tuple[tuple[EnvErrorReason, str], ...] = (
    ("disk_full", _FULL),
    ("package_build_failed", _BUILD),
    ("index_unreachable", f"{_UV_INDEX}|{_PIP_INDEX}|{_NO_FOLDER}"),
    (
        "requires_python",
        r"requires Python|requires a different Python|does not satisfy Python|different python version",
    ),
    ("package_not_found", r"was not found in|no version of|No matching distribution|were found in the"),
    ("version_conflict", r"ResolutionImpossible|conflicting dependencies|No solution found|are incompatible"),
    ("not_writable", r"Permission denied|Read-only file system"),
)
_FULL_ERRORS = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


def diagnose(ended: Ended, otherwise: EnvErrorReason, doing: str) -> Failed:
    """Why a program of a build failed. otherwise: the reason when it says nothing that is known."""
    said = " ".join(" ".join(ended.output).split())
    reason = otherwise
    for known, words in _SAYS:
        if re.search(words, said):
            reason = known
            break
    if ended.status == -getattr(signal, "SIGXFSZ", 0):  # a limit on the size of files
        reason = "disk_full"
    how = f"was killed by signal {-ended.status}" if ended.status < 0 else f"ended with status {ended.status}"
    detail = f"{doing} {how}"
    return Failed(reason, detail, command=ended.command, status=ended.status, output=ended.output)


def of_os_error(error: OSError) -> Failed:
    """Why a file or folder of ours could not be made."""
    where = error.filename or "the folder of environments"
    reason: EnvErrorReason = "disk_full" if error.errno in _FULL_ERRORS else "not_writable"
    return Failed(reason, f"{where}: {error.strerror or error}", path=error.filename)
