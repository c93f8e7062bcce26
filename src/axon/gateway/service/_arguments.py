"""The command line of an agent's own program, and what of it comes from the environment."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import InvalidOption

TOKEN = "AXON_TOKEN"  # noqa: S105  # the name of a variable
"""The environment variable with the API token."""
STORE = "AXON_STORE"
"""That with the store, which may have a password in it."""
MODELS = ("AXON_MODEL", "AXON_PYTHON_AGENT_MODEL")
"""Those with the model, the first one that is set; the last is that of the original design."""
RUNNERS = ("run_sync", "run", "run_stream")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the program was told."""

    module: str
    attribute: str
    http: int | None
    grpc: int | None
    name: str
    model: str | None
    runner: str | None
    store: str | None
    host: str
    token: str | None = field(repr=False)
    behind_tls: bool
    drain: float
    flush: float


def arguments(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Arguments:
    """What these arguments say. Raises `InvalidOption`; ends the program with status 2, as argparse does, if they are none."""
    given = _parser().parse_args(argv)
    module, _, attribute = given.module.partition(":")
    if given.http is None and given.grpc is None:
        raise InvalidOption("--http or --grpc", None, "given: the port to serve on, 0 for one that the system chooses")
    return Arguments(
        module=module,
        attribute=attribute or "agent",
        http=given.http,
        grpc=given.grpc,
        name=module.rpartition(".")[2] if given.name is None else given.name,
        model=given.model or next((environ[name] for name in MODELS if environ.get(name)), None),
        runner=given.agent_type,
        store=given.store or environ.get(STORE) or None,
        host=given.host,
        token=environ.get(TOKEN) or None,
        behind_tls=given.behind_tls,
        drain=given.drain,
        flush=given.flush,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m axon.port",
        description="One agent as a program of its own, by the gateway's protocol, until SIGTERM or Ctrl-C.",
        epilog=f"An API token comes from the environment: {TOKEN}. The exit status is that of `axon serve`.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("module", metavar="MODULE[:ATTRIBUTE]", help="where the agent is; the attribute is `agent` unless given")
    add("--http", metavar="PORT", type=_port, help="serve HTTP and WebSockets; 0 has the system choose the port")
    add("--grpc", metavar="PORT", type=_port, help="serve gRPC, likewise")
    add("--name", help="the agent's id; default the last part of the module's name")
    add("--model", help="its model, such as openai:gpt-5 or test; default AXON_MODEL, then the module's own")
    add("--agent-type", choices=RUNNERS, help="the only runner to be served; default all three")
    add(
        "--store",
        help="where its conversation outlives a restart: an SQLite file, or postgresql://...; default AXON_STORE, then nowhere",
    )
    add("--host", default="127.0.0.1", help="the address to listen on; any but the loopback needs a token")
    add("--behind-tls", action="store_true", help="TLS ends in front of this program")
    add("--drain", metavar="SECONDS", type=_seconds, default=20.0, help="that runs have to end; default 20")
    add("--flush", metavar="SECONDS", type=_seconds, default=8.0, help="after that, for what is left; default 8")
    return parser


def _checked(convert: Callable[[str], float], most: float, expected: str) -> Callable[[str], float]:
    def check(text: str) -> float:
        try:
            number = convert(text)
        except ValueError:
            number = math.nan
        if not 0 <= number <= most:
            raise argparse.ArgumentTypeError(f"must be {expected}, got: {text!r}")
        return number

    return check


_port = _checked(int, 65_535, "a number from 0 to 65535")
_seconds = _checked(float, 86_400, "a number of seconds from 0 to 86400")
