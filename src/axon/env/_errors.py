"""What can go wrong with a Python environment: one error, with the reason as a word out of a closed set.

PythonEnvError           .reason: one of `EnvErrorReason`; .context: what was asked, what was run, what it said
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ..errors import AxonError

EnvErrorReason = Literal[
    "no_interpreter",
    "wrong_interpreter",
    "no_installer",
    "requires_python",
    "package_not_found",
    "version_conflict",
    "index_unreachable",
    "package_build_failed",
    "venv_failed",
    "install_failed",
    "import_failed",
    "disk_full",
    "not_writable",
    "timeout",
    "not_built",
    "interpreter_changed",
    "tampered",
    "in_use",
]
"""Why there is no environment: every reason that `PythonEnvError` may have. docs/environments.md says what to do about each."""

SAID: dict[EnvErrorReason, str] = {
    "no_interpreter": "no Python on this machine fits",
    "wrong_interpreter": "the named interpreter cannot be used",
    "no_installer": "the named uv cannot be used",
    "requires_python": "a package does not run on this version of Python",
    "package_not_found": "there is no such package, or no such version of it",
    "version_conflict": "the requirements contradict each other",
    "index_unreachable": "the package index could not be read",
    "package_build_failed": "a source distribution could not be built",
    "venv_failed": "the virtual environment could not be made",
    "install_failed": "the installer failed",
    "import_failed": "what was installed cannot be imported",
    "disk_full": "there is no room on the disk",
    "not_writable": "the folder of environments cannot be written to",
    "timeout": "it took too long",
    "not_built": "it is not built",
    "interpreter_changed": "its interpreter was removed or replaced after it was built",
    "tampered": "its files are not those that were installed",
    "in_use": "somebody uses it",
}

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def without_credentials(text: str) -> str:
    """The text with `***` for the user and password in each URL."""
    return _CREDENTIALS.sub("***", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvErrorContext:
    """What is needed to act on a `PythonEnvError`. Users and passwords in URLs are left out.

    requirements, python: what was asked for. detail: what is wrong, in a sentence. path: the environment, or what of it
    is wrong; None where there is none. command, status, output: the program that failed, its exit status (negative for a
    signal; None if it was ended) and the last lines it said; empty if no program did.
    """

    requirements: tuple[str, ...]
    python: str
    detail: str
    path: str | None = None
    command: tuple[str, ...] = ()
    status: int | None = None
    output: tuple[str, ...] = ()


class PythonEnvError(AxonError):
    """A Python environment could not be had: `reason` says why, out of a closed set, and `context` has the rest.

    Nothing that looks ready was left behind.
    """

    def __init__(self, reason: EnvErrorReason, context: EnvErrorContext) -> None:
        asked = ", ".join(context.requirements) or "no packages"
        said = f"; it last said: {' | '.join(context.output[-3:])}" if context.output else ""
        super().__init__(
            f"no Python environment with {asked} (python {context.python}): {reason}: {SAID[reason]}: {context.detail}{said}"
        )
        self.reason: EnvErrorReason = reason
        self.context = context


class Failed(Exception):
    """One step of a build failed: what the room raises inside, before it is known for whom."""

    def __init__(
        self,
        reason: EnvErrorReason,
        detail: str,
        *,
        path: object = None,
        command: tuple[str, ...] = (),
        status: int | None = None,
        output: tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: EnvErrorReason = reason
        self.detail = without_credentials(detail)
        self.path = None if path is None else str(path)
        self.command = tuple(map(without_credentials, command))
        self.status = status
        self.output = tuple(map(without_credentials, output))


def named(failed: Failed, requirements: tuple[str, ...], python: str) -> PythonEnvError:
    """The error for who asked for this."""
    context = EnvErrorContext(
        requirements=tuple(map(without_credentials, requirements)),
        python=python,
        detail=failed.detail,
        path=failed.path,
        command=failed.command,
        status=failed.status,
        output=failed.output,
    )
    return PythonEnvError(failed.reason, context)
