"""Wheels that are made on the spot, so that environments can be built without a network: new ones, and those of what is
installed here.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import axon

PURE = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
OF_AN_INSTALLATION = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}
"""What an installer has written beside a distribution."""


def wheel(
    folder: Path, name: str, version: str, code: str = "", requires: Sequence[str] = (), python: str = ""
) -> Path:
    """A wheel of one module, `name`, with `__version__` and the code."""
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {line}" for line in requires] + ([f"Requires-Python: {python}"] if python else [])
    files = {
        f"{name}.py": f"__version__ = {version!r}\n{code}\n".encode(),
        f"{info}/METADATA": ("\n".join(metadata) + "\n").encode(),
        f"{info}/WHEEL": PURE.encode(),
    }
    return _packed(folder / f"{name}-{version}-py3-none-any.whl", info, files)


def installed(folder: Path, *names: str) -> None:
    """Wheels of these distributions, and of what they need, out of the files that are installed here."""
    for distribution in _needed(names):
        name, version = distribution.name.replace("-", "_"), distribution.version
        info = f"{name}-{version}.dist-info"
        files = dict(_files(distribution, info))
        tags = re.findall(r"^Tag: (\S+)", files[f"{info}/WHEEL"].decode(), flags=re.MULTILINE)
        parts = [sorted(set(part)) for part in zip(*(tag.split("-") for tag in tags), strict=True)]
        _packed(folder / f"{name}-{version}-{'-'.join('.'.join(part) for part in parts)}.whl", info, files)


def own(folder: Path) -> None:
    """A wheel of Axon, as it is tested here."""
    package = Path(axon.__file__).parent
    distribution = importlib.metadata.distribution("axon-otp")
    metadata, info = distribution.read_text("METADATA") or "", f"axon_otp-{distribution.version}.dist-info"
    files = {
        path.relative_to(package.parent).as_posix(): path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files |= {f"{info}/METADATA": metadata.encode(), f"{info}/WHEEL": PURE.encode()}
    _packed(folder / f"axon_otp-{distribution.version}-py3-none-any.whl", info, files)


def _needed(names: Sequence[str]) -> list[importlib.metadata.Distribution]:
    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = [Requirement(name) for name in names]
    while wanted:
        requirement = wanted.pop()
        key = f"{canonicalize_name(requirement.name)}[{','.join(sorted(requirement.extras))}]"
        if key not in found:
            found[key] = importlib.metadata.distribution(requirement.name)
            lines = map(Requirement, found[key].requires or ())
            wanted += [line for line in lines if _applies(line, requirement.extras or {""})]
    return list({each.name: each for each in found.values()}.values())


def _applies(line: Requirement, extras: set[str]) -> bool:
    return line.marker is None or any(line.marker.evaluate({"extra": extra}) for extra in extras)


def _files(distribution: importlib.metadata.Distribution, info: str) -> Iterator[tuple[str, bytes]]:
    for file in distribution.files or ():
        folder, name = file.parts[0], file.name
        if folder == ".." or "__pycache__" in file.parts or (".dist-info" in folder and name in OF_AN_INSTALLATION):
            continue
        inside = "/".join((info, *file.parts[1:])) if folder.endswith(".dist-info") else file.as_posix()
        yield inside, Path(str(file.locate())).read_bytes()


def _packed(path: Path, info: str, files: Mapping[str, bytes]) -> Path:
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(name, content)
    return path


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
