"""However a program ends, no process of its ports is left: not even when its guard is killed along with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from port_marks import gone_within, is_alive, marked
from port_running import Running

import axon
from axon.port._proc import sweep

pytestmark = [pytest.mark.slow, pytest.mark.kill]


@pytest.fixture
def program(tmp_path: Path) -> Running:
    return Running(tmp_path / "said")


def test_a_program_that_ends_leaves_nobody(program: Running, tmp_path: Path) -> None:
    assert program.process.stdin is not None
    program.process.stdin.write("\n")
    program.process.stdin.flush()
    assert program.ends() == 0
    assert gone_within([*program.pids, program.guard], 1)
    assert (tmp_path / "said").read_text() == "shutdown"


def test_a_program_that_is_killed_leaves_nobody_and_its_servers_end_in_order(program: Running, tmp_path: Path) -> None:
    """Grandchildren in sessions of their own, that ignore SIGTERM, included."""
    program.process.kill()
    assert program.ends() == -signal.SIGKILL
    assert gone_within([*program.pids, program.guard], 5)
    assert (tmp_path / "said").read_text() == "shutdown"
    assert marked(program.process.pid) == set()


def test_a_whole_session_that_is_ended_leaves_nobody(program: Running) -> None:
    """As by a terminal that is closed."""
    os.killpg(program.process.pid, signal.SIGHUP)
    assert program.ends() == -signal.SIGHUP
    assert gone_within([*program.pids, program.guard], 5)


def test_who_is_killed_together_with_the_guard_is_swept_at_the_next_start(program: Running) -> None:
    """The children end with the guard; what they had in other sessions is found by its mark, when the next guard begins."""
    program.process.send_signal(signal.SIGSTOP)
    os.kill(program.guard, signal.SIGKILL)
    program.process.kill()
    program.ends()
    assert gone_within([program.pids[0], program.pids[-1]], 1)
    left = [pid for pid in program.pids if is_alive(pid)]
    assert left
    assert set(left) <= set(sweep())
    assert gone_within(left, 1)


def test_a_sweep_leaves_those_of_a_program_that_lives(program: Running) -> None:
    assert not set(program.pids) & set(sweep())
    assert all(map(is_alive, program.pids))
    program.process.kill()
    program.ends()
    began = time.monotonic()
    while gone_within(program.pids, 0) is False and time.monotonic() - began < 5:
        assert not set(program.pids) & set(sweep()), "its guard ends them"
        time.sleep(0.1)
    assert gone_within(program.pids, 0)


def test_a_server_of_the_main_program_is_found_by_its_file(tmp_path: Path) -> None:
    """The child imports it under the name of its file, so what starts it has to stand behind `__name__`."""
    script = tmp_path / "shop.py"
    script.write_text(
        "import asyncio, os\n"
        "import axon\n"
        "from axon.port import isolated\n"
        "class Till(axon.GenServer[int]):\n"
        "    def init(self) -> int: return 0\n"
        "    @axon.call\n"
        "    def where(self, state: int) -> int: return os.getpid()\n"
        "async def main():\n"
        "    async with axon.Supervisor([isolated(Till())]) as sup:\n"
        "        print(await sup.get(Till).where() != os.getpid())\n"
        "if __name__ == '__main__': asyncio.run(main())\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_the_childs_program_says_what_it_is_if_nobody_has_started_it() -> None:
    done = subprocess.run([sys.executable, "-m", "axon.port"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "python -m axon.port: error: the following arguments are required: MODULE[:ATTRIBUTE]" in done.stderr


def test_the_guard_loads_the_standard_library_alone() -> None:
    """So it is there at once, and small."""
    guard = Path(axon.__file__).parent / "port" / "_guard.py"
    program = (
        f"import sys, runpy; runpy.run_path({str(guard)!r}); print('asyncio' in sys.modules, 'axon' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
