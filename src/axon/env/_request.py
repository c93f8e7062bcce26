"""What is asked for, checked and put into one form, so that the same request has the same digest."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from ..errors import InvalidOption
from ._axon import OWN_PYTHON, OWN_REQUIREMENTS
from ._errors import without_credentials

OLDEST = SpecifierSet(">=3.10")
"""The Pythons that an environment may have, whatever is asked for."""
FORMAT = 1
"""Of what is on the disk: another one is another environment."""


@dataclass(frozen=True, slots=True)
class Request:
    """An environment as it was asked for; see `PythonEnvManager`, whose options these are."""

    requirements: tuple[str, ...]
    python: str
    imports: tuple[str, ...] | None
    index: str | None
    extra_indexes: tuple[str, ...]
    find_links: tuple[str, ...]
    no_index: bool
    offline: bool
    installer: str | None
    """The path of uv, "pip", or None: uv if it is found."""
    for_axon: bool = False
    """Whether Axon is to run there."""

    @property
    def digest(self) -> str:
        """The name of the environment: of what decides what is in it, and of the kind of machine."""
        asked = {name: value for name, value in asdict(self).items() if name not in ("offline", "installer")}
        asked["index"] = self.index and without_credentials(self.index)
        for name in ("requirements", "extra_indexes", "find_links"):
            asked[name] = list(map(without_credentials, asked[name]))
        asked["machine"] = [FORMAT, sys.platform, platform.machine()]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:20]

    @property
    def interpreter(self) -> str | None:
        """The path of the interpreter, if one was named."""
        return self.python if Path(self.python).is_absolute() else None

    @property
    def versions(self) -> SpecifierSet:
        """The versions of Python that fit."""
        return self.least if self.interpreter else self.least & SpecifierSet(self.python)

    @property
    def least(self) -> SpecifierSet:
        """The versions of Python that will do, whatever is asked for."""
        return OLDEST & OWN_PYTHON if self.for_axon else OLDEST

    def with_axon(self) -> Request:
        """The same, and Axon can run there."""
        return replace(self, requirements=checked_requirements([*self.requirements, *OWN_REQUIREMENTS]), for_axon=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The distributions that were asked for by name."""
        return tuple(dict.fromkeys(canonicalize_name(Requirement(line).name) for line in self.requirements))


def checked_requirements(requirements: Iterable[str]) -> tuple[str, ...]:
    """Requirements of PEP 508, sorted and without duplicates; raises `InvalidOption`."""
    if isinstance(requirements, str):
        raise InvalidOption("requirements", requirements, "several requirements, such as ['httpx>=0.27']")
    return tuple(sorted({_checked(requirement) for requirement in requirements}))


def _checked(text: str) -> str:
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, TypeError) as error:
        why = "a requirement, such as 'httpx>=0.27' or 'tool @ file:///folder/tool-1.0.whl'"
        raise InvalidOption("requirements", text, why) from error
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)


def checked_python(python: str | os.PathLike[str]) -> str:
    """A specifier of versions, or the absolute path of an interpreter; raises `InvalidOption`."""
    if not isinstance(python, str | os.PathLike):  # 3.10, the number, would be 3.1
        raise InvalidOption("python", python, "versions as text, such as '>=3.10' or '3.12', or an absolute path")
    text = os.fspath(python)
    if Path(text).is_absolute():
        return text
    if re.fullmatch(r"\d+\.\d+(\.\d+)?", text):
        text = f"=={text}" if text.count(".") == 2 else f"=={text}.*"
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier as error:
        raise InvalidOption("python", text, "versions, such as '>=3.10' or '3.12', or an absolute path") from error


def checked_links(find_links: Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Folders by their absolute paths, and URLs; raises `InvalidOption`."""
    if isinstance(find_links, str):
        raise InvalidOption("find_links", find_links, "several folders or URLs")
    links = [os.fspath(link) for link in find_links]
    return tuple(link if "://" in link else str(Path(link).absolute()) for link in links)


def requirements_in(text: str) -> list[str]:
    """The requirements in the text of a requirements file: one a line, with comments and continued lines.

    Options of pip in it, such as `-r` or `--index-url`, are refused with `InvalidOption`: they are options of the call.
    """
    found: list[str] = []
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.strip() if raw.strip().startswith("#") else raw.split(" #")[0].strip()
        if line.startswith("-") or " --" in line:
            raise InvalidOption("requirements", line, "requirements alone, without the options of pip")
        if line and not line.startswith("#"):
            found.append(line)
    return found
