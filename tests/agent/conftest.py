"""No test here reaches a real model; some have processes of their own, which are killed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pydantic_ai
import pydantic_ai.models
import pytest
from killed import History

from forge import Forge
from places import Durable, InFile

pydantic_ai.BANNER_ENABLED = False
pydantic_ai.models.ALLOW_MODEL_REQUESTS = False


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    forge = Forge(Path(__file__).with_name("lives.py"))
    yield forge
    forge.close()


@pytest.fixture
def history(forge: Forge, durable: Durable, a_log: Path) -> History:
    """An agent that has not lived yet, in each of the stores that outlive a process."""
    return History(forge, durable, a_log)


@pytest.fixture
def a_log() -> Iterator[Path]:
    """Where the world is kept: in memory, if there is such a file system, since no machine goes down here."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as home:
        log = Path(home) / "log"
        log.touch()
        yield log


@pytest.fixture(scope="session")
def undisturbed(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], History]:
    """What a scenario leaves if nothing is killed."""
    known: dict[str, History] = {}

    def whole(scenario: str) -> History:
        if scenario not in known:
            home = tmp_path_factory.mktemp(scenario)
            known[scenario] = History(forge, InFile(home / "axon.db"), home / "log", scenario)
            known[scenario].ends_well()
        return known[scenario]

    return whole


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The whole kill table takes long: without `-m kill` its rows are those on SQLite without streams, and of those of
    agents in a process of their own the ones killed after a boundary, and then before the next.
    """
    if "kill" in str(config.option.markexpr):
        return
    left_out = [item for item in items if _is_for_the_whole_table(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_for_the_whole_table(item: pytest.Item) -> bool:
    params: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    is_rare = params.get("durable") == "postgres" or params.get("scenario") == "stream"
    if item.path.name == "test_kill_ports.py":
        return is_rare or params.get("when") == "before"
    return item.path.name == "test_kill_boundaries.py" and is_rare
