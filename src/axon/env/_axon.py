"""What Axon itself needs of an environment in which its servers live: a version of Python, and its own dependencies.

Its code is not among them: a child process runs that of its parent.
"""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

DISTRIBUTION = "axon-otp"


def declared(package: Path) -> tuple[str, list[str]]:
    """The versions of Python and the base dependencies that Axon declares, whose code is in the folder `package`.

    Those of its project, if it runs from the folder of that, otherwise those of the distribution that lies beside it.
    Raises `ImportError` if there is neither.
    """
    try:
        project = tomllib.loads((package.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        if project["name"] == DISTRIBUTION:
            return project["requires-python"], project["dependencies"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        pass
    beside = importlib.metadata.distributions(name=DISTRIBUTION, path=[str(package.parent)])
    distribution = next(iter(beside), None)
    if distribution is None:
        raise ImportError(f"axon.env needs what {DISTRIBUTION} declares, which {package.parent} does not have")
    needed = [line for line in distribution.requires or () if "extra ==" not in line]
    return distribution.metadata["Requires-Python"], needed


def _needs() -> tuple[SpecifierSet, tuple[str, ...]]:
    python, requirements = declared(Path(__file__).parents[1])
    return SpecifierSet(python), (*requirements, "packaging>=24")  # a server's module may import this very room


OWN_PYTHON, OWN_REQUIREMENTS = _needs()


def missing(version: str, packages: tuple[tuple[str, str], ...]) -> list[str]:
    """What Axon needs of an environment and this one does not have."""
    lacking = [] if OWN_PYTHON.contains(version, prereleases=True) else [f"Python {OWN_PYTHON}"]
    there = dict(packages)
    here = {"python_full_version": version, "python_version": ".".join(version.split(".")[:2])}
    for requirement in map(Requirement, OWN_REQUIREMENTS):
        found = there.get(canonicalize_name(requirement.name))
        applies = requirement.marker is None or requirement.marker.evaluate(here)
        if applies and (found is None or not requirement.specifier.contains(found, prereleases=True)):
            lacking.append(str(requirement))
    return lacking
