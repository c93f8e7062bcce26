"""No test here may reach a real model; folders are small and made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pydantic_ai
import pydantic_ai.models
import pytest
from demos import Demos

from axon.cli.demo._corpus import Corpus
from forge import Forge

pydantic_ai.BANNER_ENABLED = False
pydantic_ai.models.ALLOW_MODEL_REQUESTS = False

MakeCorpus = Callable[[dict[str, str | bytes]], Corpus]


@pytest.fixture(autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a demo keeps of itself does not go to the home of whoever runs the tests."""
    base = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(base))
    return base / "axon"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demos]:
    """Runs `axon demo`, in a process of its own, of one that has loaded everything."""
    forge = Forge(Path(__file__).with_name("demos.py"))
    yield Demos(forge, tmp_path_factory.mktemp("printed"))
    forge.close()


@pytest.fixture
def make_corpus(tmp_path: Path) -> Iterator[MakeCorpus]:
    """Opens a corpus over files given as name and content, and closes it."""
    opened: list[Corpus] = []

    def make(files: dict[str, str | bytes]) -> Corpus:
        write(tmp_path, files)
        opened.append(Corpus.open(tmp_path))
        return opened[-1]

    yield make
    for corpus in opened:
        corpus.close()


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
