"""Any program of the operating system as a server that supervisors start, watch and stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from ._command import Command
from ._limits import Limits
from ._program_server import ProgramServer
from ._running_program import Probe, RunningProgram
from ._surroundings import NO_LIMITS


class Program(ProgramServer):
    """A program in any language that serves something, as the child of a supervisor.

        spec = Program([shutil.which("node"), "shop.js"], cwd="/srv/shop", limits=Limits(memory=2**30))
        async with Supervisor([child(spec, id="shop", shutdown=10)]) as sup:
            at = await sup.get(Program, "shop").address()
            print(at.host, at.port)

    It is ready once it has announced where it serves: it writes one line of JSON, such as `{"port": 41235}`, to the
    descriptor whose number is in the environment variable `AXON_ANNOUNCE`, and closes that. A Python program calls
    `axon.port.announce(port=...)`. Its port is its own choice, best made by the system (port 0), and mostly another one
    after a restart: ask for the address each time.

    argv: the words of the command, the first of them the absolute path of the program; no shell reads them. environ,
    inherit: environment variables, by value and by name, besides the few that each child gets
    (`axon.port.INHERITED`). cwd: its directory, default this one. limits: what it may use, default no limits.

    start_within: seconds until it has to have announced itself, default 30. probe: an async function of the announcement
    that asks the program for something, and returns if it answers, default none. hang: seconds in which no probe is
    answered, default 10, after which the program is killed; None is no limit. grace: seconds it has to end after
    SIGTERM, which goes to its process group, default 3; then it gets another one, and half a second later SIGKILL. Its
    child's `shutdown` time should be longer.

    What it prints is events and log lines (`PortOutput`). However it ends, its server here ends with the reason
    (`PortExited`, `PortHung`, ...; an end in order with status 0 that nobody asked for is `PortExited`, too), and whoever it
    has started ends with it. Raises `InvalidOption`; at the start `StartFailed` with one of these as its reason,
    `PortStartFailed` if it was too late, `BadFrame` if what it announced is no address. Not for programs that run and are
    done, which `asyncio.create_subprocess_exec` is for. docs/ports.md
    """

    argv: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict[str, str], kw_only=True)
    inherit: Sequence[str] = field(default=(), kw_only=True)
    cwd: str | Path | None = field(default=None, kw_only=True)
    limits: Limits = field(default=NO_LIMITS, kw_only=True)
    start_within: float = field(default=30.0, kw_only=True)
    probe: Probe | None = field(default=None, kw_only=True)
    hang: float | None = field(default=10.0, kw_only=True)
    grace: float = field(default=3.0, kw_only=True)

    def __post_init__(self) -> None:
        self._command()

    def _command(self) -> Command:
        return Command(
            argv=self.argv,
            environ=dict(self.environ),
            inherit=self.inherit,
            cwd=None if self.cwd is None else str(self.cwd),
            limits=self.limits,
            start_within=self.start_within,
            hang=self.hang,
            grace=self.grace,
        )

    async def init(self) -> RunningProgram:
        """Start it, and wait until it serves."""
        return await RunningProgram.open(self._command(), self.probe)
